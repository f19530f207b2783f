/* Pieces of requests, read by protobuf-c. */
#include "collector-bridge/wire/split.h"

#include "test/unit/export/requests.h"

/* Cuts it all, checks each piece against the limits, and returns how many there are; `passed` counts spans.
 */
static size_t cut(const struct clew__writer *request, size_t limit, size_t spans_max,
                  struct clew__writer *lines, size_t *passed) {
    struct clew__split split;
    struct clew__split_piece piece;
    size_t pieces = 0;
    int status;
    *passed = 0;
    cr_assert_eq(clew__split_begin(&split, request->data, request->size), CLEW_OK);
    while ((status = clew__split_next(&split, limit, spans_max, &piece)) != CLEW_ESHUTDOWN) {
        struct clew__writer out = tight_writer();
        if (status == CLEW_ELIMIT) {
            *passed += piece.spans;
            continue;
        }
        cr_assert_eq(status, CLEW_OK);
        clew__split_write(&piece, &out);
        cr_assert_eq(out.size, piece.size);
        cr_assert_leq(out.size, limit);
        cr_assert_leq(piece.spans, spans_max);
        cr_assert_eq(describe(out.data, out.size, lines), piece.spans);
        growing_free(&out);
        pieces++;
    }
    return pieces;
}

static void assert_same(const struct clew__writer *left, const struct clew__writer *right) {
    cr_assert_eq(left->size, right->size);
    cr_assert(memcmp(left->data, right->data, left->size) == 0);
}

Test(split, pieces_have_all_spans_in_order_with_their_resources_and_scopes) {
    static const size_t texts[] = {0, 100, 130, 20000};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        struct clew__writer request = growing_writer(), whole = growing_writer();
        write_many(&request, 3, 4, 5, texts[t]);
        cr_assert_eq(describe(request.data, request.size, &whole), 60);
        for (size_t limit = texts[t] + 250; limit < request.size + 100; limit += 1 + limit / 7) {
            struct clew__writer lines = growing_writer();
            size_t passed;
            cut(&request, limit, SIZE_MAX, &lines, &passed);
            cr_assert_eq(passed, 0);
            assert_same(&lines, &whole);
            growing_free(&lines);
        }
        growing_free(&request);
        growing_free(&whole);
    }
    CLEW_NO_LEAKS();
}

Test(split, what_fits_is_one_piece_of_the_same_bytes) {
    struct clew__writer request = growing_writer(), out = growing_writer();
    struct clew__split_piece piece;
    struct clew__split split;
    write_many(&request, 2, 2, 2, 50);
    cr_assert_eq(clew__split_begin(&split, request.data, request.size), CLEW_OK);
    cr_assert_eq(clew__split_next(&split, request.size, SIZE_MAX, &piece), CLEW_OK);
    clew__split_write(&piece, &out);
    assert_same(&out, &request);
    cr_assert_eq(clew__split_next(&split, request.size, SIZE_MAX, &piece), CLEW_ESHUTDOWN);
    growing_free(&out);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(split, pieces_are_as_large_as_the_limit_allows) {
    struct clew__writer request = growing_writer(), lines = growing_writer();
    size_t passed;
    write_many(&request, 1, 1, 100, 1000);
    /* Ten spans of some 1040 bytes and what is around them. */
    cr_assert_eq(cut(&request, 10800, SIZE_MAX, &lines, &passed), 10);
    growing_free(&lines);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(split, number_of_spans_can_be_bounded) {
    struct clew__writer request = growing_writer(), lines = growing_writer(), whole = growing_writer();
    size_t passed;
    write_many(&request, 2, 2, 5, 10);
    describe(request.data, request.size, &whole);
    cr_assert_eq(cut(&request, SIZE_MAX, 3, &lines, &passed), 7);
    assert_same(&lines, &whole);
    growing_free(&lines);
    growing_free(&whole);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(split, span_that_is_too_large_is_passed_over_and_its_neighbours_are_not) {
    struct clew__writer request = growing_writer(), lines = growing_writer();
    size_t passed, group = clew__write_begin(&request, CLEW__TRACES_RESOURCE_SPANS), begun;
    begun = clew__write_begin(&request, CLEW__RESOURCE_SPANS_RESOURCE);
    write_attribute(&request, CLEW__RESOURCE_ATTRIBUTES, "service.name", "r");
    clew__write_end(&request, begun);
    write_scope_spans(&request, 0, 0, 2, 10);
    write_scope_spans(&request, 0, 1, 3, 5000);
    write_scope_spans(&request, 0, 2, 2, 10);
    clew__write_end(&request, group);
    cr_assert_eq(cut(&request, 1000, SIZE_MAX, &lines, &passed), 2);
    cr_assert_eq(passed, 3);
    growing_free(&lines);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(split, place_can_be_gone_back_to) {
    struct clew__writer request = growing_writer(), lines = growing_writer(), whole = growing_writer();
    struct clew__split_piece piece;
    struct clew__split split;
    size_t count = 0;
    write_many(&request, 2, 2, 2, 10);
    describe(request.data, request.size, &whole);
    clew__split_begin(&split, request.data, request.size);
    while (clew__split_next(&split, SIZE_MAX, 3, &piece) == CLEW_OK) {
        struct clew__writer out = growing_writer();
        split = piece.from;
        cr_assert_eq(clew__split_next(&split, SIZE_MAX, 1, &piece), CLEW_OK);
        clew__split_write(&piece, &out);
        count += describe(out.data, out.size, &lines);
        growing_free(&out);
    }
    cr_assert_eq(count, 8);
    assert_same(&lines, &whole);
    growing_free(&lines);
    growing_free(&whole);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(split, empty_resources_and_scopes_are_left_out) {
    /* A resource without scopes, one with an empty scope, then one span. */
    static const uint8_t request[] = {0x0A, 0x00, 0x0A, 0x02, 0x12, 0x00, 0x0A, 0x04, 0x12, 0x02, 0x12, 0x00};
    struct clew__split_piece piece;
    struct clew__split split;
    cr_assert_eq(clew__split_begin(&split, request, sizeof request), CLEW_OK);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_OK);
    cr_assert_eq(piece.spans, 1);
    cr_assert_eq(piece.size, 6);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_ESHUTDOWN);
    cr_assert_eq(clew__split_begin(&split, request, 6), CLEW_OK);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_ESHUTDOWN);
}

Test(split, malformed_requests_are_refused) {
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } requests[] = {
        {{0x0A, 0x05}, 2},                                           /* cut */
        {{0x08, 0x05}, 2},                                           /* a number for a message */
        {{0x0A, 0x02, 0x12, 0x05}, 4},                               /* a scope that is cut */
        {{0x0A, 0x04, 0x12, 0x02, 0x12, 0x05}, 6},                   /* a span that is cut */
        {{0x0A, 0x00, 0x12, 0x00, 0x0A, 0x00}, 6},                   /* something between resources */
        {{0x0A, 0x08, 0x12, 0x06, 0x12, 0x00, 0x0A, 0x00, 0x12}, 9}, /* something between spans */
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct clew__split_piece piece;
        struct clew__split split;
        int status = clew__split_begin(&split, requests[i].bytes, requests[i].size);
        if (status == CLEW_OK)
            status = clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece);
        cr_assert_eq(status, CLEW_EFORMAT, "request %zu: %d", i, status);
    }
}

Test(split, what_is_malformed_shows_after_the_spans_before_it) {
    /* A scope with one span, then one with a span that is cut. */
    static const uint8_t request[] = {0x0A, 0x08, 0x12, 0x02, 0x12, 0x00, 0x12, 0x02, 0x12, 0x05};
    struct clew__split_piece piece;
    struct clew__split split;
    cr_assert_eq(clew__split_begin(&split, request, sizeof request), CLEW_OK);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_OK);
    cr_assert_eq(piece.spans, 1);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_EFORMAT);
    cr_assert_eq(clew__split_next(&split, SIZE_MAX, SIZE_MAX, &piece), CLEW_EFORMAT);
}
