/* Owns what can be said about a span context by itself: its validity and its ids as text. Pure; any thread,
 * and safe in a signal handler. */
#include <clew/context.h>

#include "sdk/context/hex.h"

#include <string.h>

bool clew_span_context_is_valid(const clew_span_context *context) {
    static const uint8_t zero[16];
    return context && memcmp(context->trace_id, zero, sizeof context->trace_id) != 0 &&
           memcmp(context->span_id, zero, sizeof context->span_id) != 0;
}

void clew_trace_id_to_hex(const uint8_t trace_id[16], char hex[33]) {
    clew__hex_write(trace_id, 16, hex);
    hex[32] = '\0';
}

void clew_span_id_to_hex(const uint8_t span_id[8], char hex[17]) {
    clew__hex_write(span_id, 8, hex);
    hex[16] = '\0';
}

static int id_from_hex(uint8_t *id, size_t size, const char *hex) {
    if (hex && strnlen(hex, 2 * size + 1) == 2 * size && clew__hex_read(hex, id, size, CLEW__HEX_ANY_CASE))
        return CLEW_OK;
    memset(id, 0, size);
    return CLEW_EFORMAT;
}

int clew_trace_id_from_hex(uint8_t trace_id[16], const char *hex) {
    return id_from_hex(trace_id, 16, hex);
}

int clew_span_id_from_hex(uint8_t span_id[8], const char *hex) {
    return id_from_hex(span_id, 8, hex);
}
