/* Any bytes as `baggage`, cut into several header values at line ends: what is accepted keeps to the limits,
 * is valid UTF-8, and comes back the same when it is written and read again. */
#include "proto/utf8.h"
#include "sdk/context/baggage.h"

#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* What is left of it after the way through a header. */
static void check_round_trip(const clew_baggage *baggage) {
    struct clew__baggage_reader reader = {0};
    clew_baggage *again;
    char *text;
    bool is_whole;
    check(clew__baggage_format(baggage, &text) == CLEW_OK);
    if (!text)
        return;
    check(strlen(text) <= CLEW__BAGGAGE_SIZE_MAX);
    clew__baggage_read(&reader, text, strlen(text));
    again = clew__baggage_finish(&reader);
    /* U+FFFD is longer in a header than the byte it stands for, so that something may not fit any more. */
    is_whole = clew_baggage_count(again) == clew_baggage_count(baggage);
    check(is_whole || strstr(text, "%EF%BF%BD"));
    for (size_t i = 0; i < clew_baggage_count(again); i++) {
        clew_baggage_entry entry = clew_baggage_at(again, i);
        check(same_text(entry.value, clew_baggage_get(baggage, entry.name)));
        check(!is_whole || same_text(entry.metadata, clew_baggage_at(baggage, i).metadata));
    }
    clew_baggage_unref(again);
    clew_memory_release(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__baggage_reader reader = {0};
    const char *rest = (const char *)data;
    clew_baggage *baggage;
    while (size) {
        const char *end = memchr(rest, '\n', size);
        size_t part = end ? (size_t)(end - rest) : size;
        clew__baggage_read(&reader, rest, part);
        rest += part + (end != NULL);
        size -= part + (end != NULL);
    }
    baggage = clew__baggage_finish(&reader);
    check(clew_baggage_count(baggage) <= CLEW__BAGGAGE_MEMBERS_MAX);
    for (size_t i = 0; i < clew_baggage_count(baggage); i++) {
        clew_baggage_entry entry = clew_baggage_at(baggage, i);
        check(*entry.name && clew__utf8_valid(entry.value, strlen(entry.value)));
        check(same_text(clew_baggage_get(baggage, entry.name), entry.value));
    }
    check_round_trip(baggage);
    clew_baggage_unref(baggage);
    return 0;
}
