/* Any bytes as `tracestate`, cut into several header values at line ends: what is accepted is read again as
 * the same, in one piece, and keeps to the rules when members are set and removed. */
#include "sdk/context/tracestate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

/* Valid, and no longer than it may be. */
static void check_reads_the_same(const clew_tracestate *state) {
    clew_text text = clew_tracestate_text(state), text_again;
    clew_tracestate *again = clew_tracestate_parse(text.data, text.size);
    text_again = clew_tracestate_text(again);
    check(text.data[text.size] == '\0' && strlen(text.data) == text.size &&
          text.size <= CLEW__TRACESTATE_SIZE_MAX);
    check(text_again.size == text.size && memcmp(text_again.data, text.data, text.size) == 0);
    clew_tracestate_unref(again);
}

static void check_changes(const clew_tracestate *state) {
    char key[257];
    clew_text text = clew_tracestate_text(state);
    size_t key_size = (size_t)((const char *)memchr(text.data, '=', text.size) - text.data);
    int error;
    check(key_size < sizeof key);
    memcpy(key, text.data, key_size);
    key[key_size] = '\0';

    clew_tracestate *set = clew_tracestate_set(state, "clew", "value", &error);
    check(error == CLEW_OK && clew_tracestate_get(set, "clew").size == 5);
    check_reads_the_same(set);
    clew_tracestate *removed = clew_tracestate_remove(state, key);
    check(!clew_tracestate_get(removed, key).data);
    check_reads_the_same(removed);
    clew_tracestate *changed = clew_tracestate_set(state, key, "other", &error);
    check(error == CLEW_OK && clew_tracestate_get(changed, key).size == 5);
    check_reads_the_same(changed);
    clew_tracestate_unref(set);
    clew_tracestate_unref(removed);
    clew_tracestate_unref(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__tracestate_reader reader = {0};
    const char *rest = (const char *)data;
    clew_tracestate *state;
    while (size) {
        const char *end = memchr(rest, '\n', size);
        size_t part = end ? (size_t)(end - rest) : size;
        clew__tracestate_read(&reader, rest, part);
        rest += part + (end != NULL);
        size -= part + (end != NULL);
    }
    state = clew__tracestate_finish(&reader);
    if (state) {
        check(clew_tracestate_text(state).size != 0);
        check_reads_the_same(state);
        check_changes(state);
    }
    clew_tracestate_unref(state);
    return 0;
}
