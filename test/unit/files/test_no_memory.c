/* Every allocation of the reader fails in turn: it is told, nothing leaks, and what could be read was. */
#include "collector-bridge/files/input.h"
#include "test/failing.h"
#include "test/support.h"

#include <stdio.h>
#include <string.h>

static bool take(void *user, const void *traces, size_t size) {
    (void)traces;
    *(size_t *)user += size;
    return true;
}

static void fail_each(const char *text, size_t piece) {
    struct clew__input_limits limits = clew__input_limits_default();
    bool failed = true;
    limits.piece = piece;
    for (int successes = 0; failed; successes++) {
        size_t taken = 0, size;
        const struct clew__input_sink sink = {take, &taken};
        FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "rb");
        char *said;
        FILE *errors = open_memstream(&said, &size);
        bool sound;
        failing_begin(successes);
        sound = clew__input_read_within(&limits, stream, "spans", &sink, errors);
        failed = failing_end();
        fclose(stream);
        fclose(errors);
        cr_assert_eq(sound, !failed, "after %d: %s", successes, said);
        cr_assert_eq(size == 0, sound);
        cr_assert(sound == (taken > 0));
        free(said);
    }
}

Test(no_memory, is_told_and_survived_in_every_form) {
    cr_assert_eq(failing_install(), CLEW_OK);
    fail_each("{\"resourceSpans\":[{\"schemaUrl\":\"x\"}]}", SIZE_MAX);
    fail_each("{\"traceID\":\"1\",\"spans\":[{\"spanID\":\"1\"}]}", SIZE_MAX);
    fail_each("{\"traceId\":\"1\",\"id\":\"1\"}", SIZE_MAX);
    fail_each("\x0A\x03\x1A\x01x", SIZE_MAX);
    CLEW_NO_LEAKS();
}

/* Its only span is longer than a piece. */
Test(no_memory, is_told_and_survived_where_pieces_are_made) {
    cr_assert_eq(failing_install(), CLEW_OK);
    fail_each("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"1\",\"spanId\":\"1\"}]}]}]}",
              20);
    fail_each("{\"traceID\":\"1\",\"spans\":[{\"spanID\":\"1\"}]}", 20);
    CLEW_NO_LEAKS();
}
