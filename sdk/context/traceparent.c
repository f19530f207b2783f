/* Owns the grammar of the `traceparent` header (W3C Trace Context Level 2, section 3.2). Pure; any thread,
 * and safe in a signal handler. */
#include <clew/propagation.h>

#include "sdk/base/slice.h"
#include "sdk/context/hex.h"

#define TEXT_SIZE (CLEW_TRACEPARENT_SIZE - 1u)
#define KNOWN_FLAGS (CLEW_FLAG_SAMPLED | CLEW_FLAG_RANDOM)
#define VERSION_FORBIDDEN 0xff

void clew_traceparent_format(const clew_span_context *context, char text[CLEW_TRACEPARENT_SIZE]) {
    uint8_t flags;
    if (!clew_span_context_is_valid(context)) {
        text[0] = '\0';
        return;
    }
    flags = context->trace_flags & KNOWN_FLAGS;
    memcpy(text, "00-", 3);
    clew__hex_write(context->trace_id, 16, text + 3);
    text[35] = '-';
    clew__hex_write(context->span_id, 8, text + 36);
    text[52] = '-';
    clew__hex_write(&flags, 1, text + 53);
    text[TEXT_SIZE] = '\0';
}

static bool read_field(struct clew__slice *text, uint8_t *bytes, size_t size) {
    struct clew__slice field = clew__slice_take(text, 2 * size);
    return field.size == 2 * size && clew__hex_read(field.data, bytes, size, CLEW__HEX_LOWER_CASE);
}

/* A later version may add fields behind those that are known. */
static bool read_traceparent(struct clew__slice text, clew_span_context *context) {
    uint8_t version, flags;
    if (!read_field(&text, &version, 1) || version == VERSION_FORBIDDEN || !clew__slice_consume(&text, '-') ||
        !read_field(&text, context->trace_id, 16) || !clew__slice_consume(&text, '-') ||
        !read_field(&text, context->span_id, 8) || !clew__slice_consume(&text, '-') ||
        !read_field(&text, &flags, 1))
        return false;
    if (text.size != 0 && (version == 0 || text.data[0] != '-'))
        return false;
    context->trace_flags = flags & KNOWN_FLAGS;
    context->is_remote = true;
    return clew_span_context_is_valid(context);
}

int clew_traceparent_parse(const char *text, size_t size, clew_span_context *context) {
    if (!context)
        return CLEW_EINVAL;
    memset(context, 0, sizeof *context);
    if (read_traceparent(clew__slice_trim(clew__slice_of(text, size)), context))
        return CLEW_OK;
    memset(context, 0, sizeof *context);
    return CLEW_EFORMAT;
}
