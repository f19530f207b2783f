/* Bodies of batches: as they are, cut, as JSON, compressed. */
#include "collector-bridge/export/body.h"

#include "collector-bridge/export/compress.h"
#include "proto/json.h"
#include "sdk/base/memory.h"
#include "test/unit/export/random.h"
#include "test/unit/export/requests.h"

#include <clew/diagnostics.h>

#define ANSWER_LIMIT (64u << 20)

static struct clew__otlp_settings settings_of(clew_otlp_protocol protocol, clew_compression compression,
                                              uint64_t limit) {
    return (struct clew__otlp_settings){.protocol = protocol,
                                        .compression = compression,
                                        .signal = CLEW_SIGNAL_TRACES,
                                        .max_request_bytes = limit};
}

static void begin(struct clew__bodies *bodies, const struct clew__writer *request, size_t spans) {
    clew__bodies_begin(bodies, (clew_bytes){request->data, request->size}, spans);
}

/* The bytes of a body without compression, as protobuf; to be freed. */
static struct clew__writer request_of(const struct clew__otlp_settings *settings,
                                      const struct clew__body *body) {
    enum clew__encoding encoding = CLEW__ENCODING_IDENTITY;
    struct clew__writer out = growing_writer();
    struct clew__expanded expanded;
    if (body->compressed)
        encoding = settings->compression == CLEW_COMPRESSION_GZIP ? CLEW__ENCODING_GZIP : CLEW__ENCODING_ZSTD;
    cr_assert_eq(clew__expand(encoding, body->data, body->size, ANSWER_LIMIT, &expanded), CLEW_OK);
    cr_assert_leq(expanded.size, settings->max_request_bytes);
    if (settings->protocol == CLEW_OTLP_HTTP_JSON) {
        struct clew__json_fault fault;
        cr_assert_eq(clew__json_read_traces(&out, (const char *)expanded.data, expanded.size, &fault),
                     expanded.size);
    } else {
        clew__write_raw(&out, expanded.data, expanded.size);
    }
    clew__expanded_free(&expanded);
    return out;
}

/* Takes all bodies of a request and returns how many; together they must hold all spans but `passed`. */
static size_t take_all(const struct clew__otlp_settings *settings, const struct clew__writer *request,
                       size_t spans, size_t *passed) {
    struct clew__bodies *bodies = clew__bodies_new(settings);
    struct clew__body body;
    size_t count = 0, seen = 0;
    int status;
    *passed = 0;
    begin(bodies, request, spans);
    while ((status = clew__bodies_next(bodies, &body)) != CLEW_ESHUTDOWN) {
        struct clew__writer bytes, lines = growing_writer();
        if (status == CLEW_ELIMIT) {
            *passed += body.spans;
            continue;
        }
        cr_assert_eq(status, CLEW_OK);
        cr_assert_leq(body.size, settings->max_request_bytes);
        bytes = request_of(settings, &body);
        cr_assert_eq(describe(bytes.data, bytes.size, &lines), body.spans);
        seen += body.spans;
        count++;
        growing_free(&bytes);
        growing_free(&lines);
    }
    cr_assert_eq(seen + *passed, spans);
    clew__bodies_end(bodies);
    clew__bodies_free(bodies);
    cr_assert_eq(clew__budget_used(), 0);
    return count;
}

Test(body, batch_that_fits_is_not_copied) {
    struct clew__otlp_settings settings =
        settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, 1u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    struct clew__body body;
    write_many(&request, 1, 2, 5, 10);
    begin(bodies, &request, 10);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_OK);
    cr_assert_eq(body.data, request.data);
    cr_assert_eq(body.size, request.size);
    cr_assert_eq(body.spans, 10);
    cr_assert_not(body.compressed);
    cr_assert_eq(clew__budget_used(), 0);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    clew__bodies_free(bodies);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, every_protocol_and_compression_carries_all_spans_whole_and_cut) {
    static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON,
                                                   CLEW_OTLP_GRPC};
    struct clew__writer request = growing_writer();
    write_many(&request, 2, 3, 40, 20);
    for (size_t p = 0; p < sizeof protocols / sizeof *protocols; p++)
        for (clew_compression c = CLEW_COMPRESSION_NONE; c <= CLEW_COMPRESSION_ZSTD; c++) {
            struct clew__otlp_settings settings = settings_of(protocols[p], c, 1u << 20);
            size_t passed;
            cr_assert_eq(take_all(&settings, &request, 240, &passed), 1);
            cr_assert_eq(passed, 0);
            settings.max_request_bytes = 3000;
            cr_assert_gt(take_all(&settings, &request, 240, &passed), 4);
            cr_assert_eq(passed, 0);
        }
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, batch_of_exactly_the_limit_goes_whole) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_GRPC, CLEW_COMPRESSION_NONE, 0);
    struct clew__writer request = growing_writer();
    size_t passed;
    write_many(&request, 1, 1, 8, 100);
    settings.max_request_bytes = request.size;
    cr_assert_eq(take_all(&settings, &request, 8, &passed), 1);
    settings.max_request_bytes = request.size - 1;
    cr_assert_eq(take_all(&settings, &request, 8, &passed), 2);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, spans_that_are_too_large_are_counted) {
    static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON};
    struct clew__writer request = growing_writer();
    write_many(&request, 1, 2, 3, 0);
    for (size_t p = 0; p < 2; p++) {
        struct clew__otlp_settings settings = settings_of(protocols[p], CLEW_COMPRESSION_GZIP, 100);
        size_t passed;
        cr_assert_eq(take_all(&settings, &request, 6, &passed), 0);
        cr_assert_eq(passed, 6);
    }
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, what_fits_as_protobuf_but_not_as_json_is_passed_over) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_HTTP_JSON, CLEW_COMPRESSION_NONE, 260);
    struct clew__writer request = growing_writer();
    size_t passed;
    write_many(&request, 1, 1, 3, 0);
    cr_assert_eq(take_all(&settings, &request, 3, &passed), 0);
    cr_assert_eq(passed, 3);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, compression_that_gains_nothing_is_left_out) {
    struct clew__otlp_settings settings =
        settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_GZIP, 1u << 20);
    for (; settings.compression <= CLEW_COMPRESSION_ZSTD; settings.compression++) {
        struct clew__bodies *bodies = clew__bodies_new(&settings);
        struct clew__body body;
        static uint8_t noise[1000];
        fill_random(noise, sizeof noise);
        clew__bodies_begin(bodies, (clew_bytes){noise, sizeof noise}, 1);
        cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_OK);
        cr_assert_not(body.compressed);
        cr_assert_eq(body.data, noise);
        clew__bodies_free(bodies);
    }
    CLEW_NO_LEAKS();
}

/* ---- halving ---- */

static void assert_pieces(struct clew__bodies *bodies, size_t spans, size_t count) {
    struct clew__body body;
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_OK);
        cr_assert_eq(body.spans, spans);
    }
}

Test(body, halving_goes_back_and_holds_to_the_end_of_the_batch) {
    struct clew__otlp_settings settings =
        settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, 1u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    struct clew__body body;
    write_many(&request, 1, 2, 8, 0);
    begin(bodies, &request, 16);
    cr_assert_not(clew__bodies_halve(bodies));
    assert_pieces(bodies, 16, 1);
    cr_assert(clew__bodies_halve(bodies));
    assert_pieces(bodies, 8, 1);
    cr_assert(clew__bodies_halve(bodies));
    assert_pieces(bodies, 4, 1);
    assert_pieces(bodies, 4, 2);
    cr_assert(clew__bodies_halve(bodies));
    assert_pieces(bodies, 2, 1);
    cr_assert(clew__bodies_halve(bodies));
    assert_pieces(bodies, 1, 1);
    cr_assert_not(clew__bodies_halve(bodies));
    assert_pieces(bodies, 1, 7);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    cr_assert_not(clew__bodies_halve(bodies));

    /* The next batch knows nothing of it. */
    begin(bodies, &request, 16);
    assert_pieces(bodies, 16, 1);
    clew__bodies_end(bodies);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    clew__bodies_free(bodies);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, single_span_cannot_be_halved) {
    struct clew__otlp_settings settings =
        settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, 1u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    write_many(&request, 1, 1, 1, 0);
    begin(bodies, &request, 1);
    assert_pieces(bodies, 1, 1);
    cr_assert_not(clew__bodies_halve(bodies));
    clew__bodies_free(bodies);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

/* ---- metrics, malformed, fork, memory ---- */

Test(body, metrics_go_whole_or_not_at_all) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, 10);
    struct clew__bodies *bodies;
    struct clew__body body;
    settings.signal = CLEW_SIGNAL_METRICS;
    bodies = clew__bodies_new(&settings);
    clew__bodies_begin(bodies, (clew_bytes){"0123456789", 10}, 4);
    assert_pieces(bodies, 4, 1);
    cr_assert_not(clew__bodies_halve(bodies));
    clew__bodies_begin(bodies, (clew_bytes){"0123456789a", 11}, 4);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ELIMIT);
    cr_assert_eq(body.spans, 4);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    clew__bodies_free(bodies);
    CLEW_NO_LEAKS();
}

Test(body, what_cannot_be_cut_is_malformed) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_NONE, 4);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__body body;
    clew__bodies_begin(bodies, (clew_bytes){"\x0A\x7Fxxxxx", 7}, 2);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_EFORMAT);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    clew__bodies_free(bodies);
    CLEW_NO_LEAKS();
}

Test(body, forgetting_ends_the_batch_and_the_next_one_goes) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_HTTP_JSON, CLEW_COMPRESSION_ZSTD, 1u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    struct clew__body body;
    write_many(&request, 1, 1, 3, 0);
    begin(bodies, &request, 3);
    assert_pieces(bodies, 3, 1);
    clew__bodies_forget(bodies);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    begin(bodies, &request, 3);
    assert_pieces(bodies, 3, 1);
    clew__bodies_free(bodies);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, large_buffers_are_given_back_at_the_end) {
    struct clew__otlp_settings settings = settings_of(CLEW_OTLP_HTTP_JSON, CLEW_COMPRESSION_ZSTD, 8u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    struct clew__body body;
    write_many(&request, 1, 1, 10000, 0);
    begin(bodies, &request, 10000);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_OK);
    cr_assert(body.compressed);
    cr_assert_gt(clew__budget_used(), 1u << 20);
    clew__bodies_end(bodies);
    cr_assert_eq(clew__budget_used(), 0);
    clew__bodies_end(bodies);
    clew__bodies_free(bodies);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

Test(body, used_up_budget_leaves_protobuf_uncompressed_and_json_out) {
    struct clew__otlp_settings settings =
        settings_of(CLEW_OTLP_HTTP_PROTOBUF, CLEW_COMPRESSION_GZIP, 1u << 20);
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__writer request = growing_writer();
    struct clew__body body;
    size_t rest;
    write_many(&request, 1, 1, 100, 10);
    rest = (size_t)(clew__budget_limit() - clew__budget_used()) - 100;
    cr_assert(clew_budget_take(rest));
    begin(bodies, &request, 100);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_OK);
    cr_assert_not(body.compressed);
    settings.protocol = CLEW_OTLP_HTTP_JSON;
    begin(bodies, &request, 100);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ENOMEM);
    cr_assert_eq(body.spans, 100);
    cr_assert_eq(clew__bodies_next(bodies, &body), CLEW_ESHUTDOWN);
    clew_budget_give(rest);
    begin(bodies, &request, 100);
    assert_pieces(bodies, 100, 1);
    clew__bodies_free(bodies);
    cr_assert_eq(clew__budget_used(), 0);
    growing_free(&request);
    CLEW_NO_LEAKS();
}
