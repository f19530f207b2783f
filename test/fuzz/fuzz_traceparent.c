/* Any bytes as `traceparent`: what is accepted is written back and read again as the same. */
#include <clew/propagation.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const clew_span_context zero;
    char text[CLEW_TRACEPARENT_SIZE];
    clew_span_context read, again;
    if (clew_traceparent_parse((const char *)data, size, &read) != CLEW_OK) {
        check(memcmp(&read, &zero, sizeof zero) == 0);
        return 0;
    }
    check(clew_span_context_is_valid(&read) && read.is_remote && (read.trace_flags & ~3u) == 0);
    clew_traceparent_format(&read, text);
    check(strlen(text) == CLEW_TRACEPARENT_SIZE - 1);
    check(clew_traceparent_parse(text, strlen(text), &again) == CLEW_OK);
    check(memcmp(&read, &again, sizeof read) == 0);
    return 0;
}
