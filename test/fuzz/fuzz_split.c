/* Any bytes as a request to cut: the pieces are as large as said and within the limit, have the spans in
 * their order, each once, and can be read. */
#include "collector-bridge/wire/split.h"

#include "proto/otlp.h"
#include "test/unit/proto/growing.h"

#include <stdlib.h>

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

/* Appends the contents of all spans, and counts them. */
static size_t collect(const void *request, size_t size, struct clew__writer *out) {
    struct clew__wire traces = clew__wire_of(request, size), group, scope, span;
    size_t count = 0;
    while (clew__next_member(&traces, CLEW__TRACES_RESOURCE_SPANS, &group))
        while (clew__next_member(&group, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &scope))
            for (; clew__next_member(&scope, CLEW__SCOPE_SPANS_SPANS, &span); count++)
                clew__write_bytes(out, CLEW__SCOPE_SPANS_SPANS, span.at, (size_t)(span.end - span.at));
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clew__writer whole = growing_writer(), pieces = growing_writer();
    size_t limit, spans_max, spans, counted = 0, passed = 0;
    struct clew__split_piece piece;
    struct clew__split split;
    int status;

    if (size < 3)
        return 0;
    limit = data[0] + 256u * data[1];
    spans_max = data[2];
    data += 3;
    size -= 3;
    status = clew__split_begin(&split, data, size);
    while (status != CLEW_EFORMAT) {
        struct clew__writer request = growing_writer();
        status = clew__split_next(&split, limit, spans_max, &piece);
        if (status == CLEW_ELIMIT)
            passed += piece.spans;
        if (status == CLEW_OK) {
            clew__split_write(&piece, &request);
            REQUIRE(request.size == piece.size && piece.size <= limit);
            REQUIRE(collect(request.data, request.size, &pieces) == piece.spans);
            REQUIRE(piece.spans == 1 || piece.spans <= spans_max);
            counted += piece.spans;
        }
        growing_free(&request);
        if (status == CLEW_ESHUTDOWN)
            break;
    }
    spans = collect(data, size, &whole);
    if (status == CLEW_ESHUTDOWN)
        REQUIRE(spans == counted + passed);
    if (status == CLEW_ESHUTDOWN && passed == 0)
        REQUIRE(whole.size == pieces.size &&
                (whole.size == 0 || memcmp(whole.data, pieces.data, whole.size) == 0));
    growing_free(&whole);
    growing_free(&pieces);
    return 0;
}
