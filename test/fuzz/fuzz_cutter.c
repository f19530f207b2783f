/* Any text, cut into pieces in two ways: at once, and in parts whose sizes the first byte says. Both give the
 * same pieces and the same faults, and what a piece is made of is balanced JSON. */
#include <stdlib.h>

#include "collector-bridge/files/cutter.h"
#include "test/unit/proto/growing.h"

#define PIECE_MAX 300

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static void note(struct clew__writer *log, const struct clew__cut *cut) {
    uint64_t figures[] = {cut->kind, cut->offset, cut->line,
                          cut->reason ? (uintptr_t)cut->reason : cut->size};
    clew__write_raw(log, figures, sizeof figures);
}

/* Outside of strings there is nothing that a piece must not have, and its brackets match. */
static void check_piece(const char *text, size_t size, enum clew__piece kind) {
    size_t depth = 0;
    bool in_string = false;
    REQUIRE(size >= 2 && text[0] == '{' && text[size - 1] == '}' && kind != CLEW__PIECE_NONE);
    for (size_t i = 0; i < size; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!in_string && (text[i] == '}' || text[i] == ']'))
            REQUIRE(depth-- > 0 && (depth > 0 || i == size - 1));
    }
    REQUIRE(depth == 0 && !in_string);
}

static void cut_all(const char *data, size_t size, size_t step, struct clew__writer *log) {
    struct clew__cutter cutter;
    size_t begin = 0, end = 0;
    clew__cutter_init(&cutter, PIECE_MAX, 0);
    for (;;) {
        struct clew__cut cut;
        uint8_t *copy = exact_copy(data + begin, end - begin);
        enum clew__cut_result result =
            clew__cutter_next(&cutter, (char *)copy, end - begin, end == size, &cut);
        size_t done = clew__cutter_done(&cutter);
        REQUIRE(done <= end - begin);
        if (result == CLEW__CUT_PIECE) {
            REQUIRE(cut.begin + cut.size <= end - begin && cut.size <= PIECE_MAX);
            REQUIRE(memcmp(data + cut.offset, copy + cut.begin, cut.size) == 0);
            check_piece((char *)copy + cut.begin, cut.size, cut.kind);
        }
        free(copy);
        if (result == CLEW__CUT_END)
            return;
        if (result == CLEW__CUT_PIECE || result == CLEW__CUT_FAULT) {
            REQUIRE((result == CLEW__CUT_FAULT) == (cut.reason != NULL) && cut.offset <= size);
            note(log, &cut);
            continue;
        }
        REQUIRE(end < size);
        clew__cutter_drop(&cutter, done);
        begin += done;
        end = end + step < size ? end + step : size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__writer whole = growing_writer(), parts = growing_writer();
    if (size == 0 || size > 4096)
        return 0;
    cut_all((const char *)data + 1, size - 1, size, &whole);
    cut_all((const char *)data + 1, size - 1, 1 + data[0] % 64, &parts);
    REQUIRE(whole.size == parts.size);
    REQUIRE(whole.size == 0 || memcmp(whole.data, parts.data, whole.size) == 0);
    growing_free(&whole);
    growing_free(&parts);
    return 0;
}
