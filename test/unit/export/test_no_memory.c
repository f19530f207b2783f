/* Bodies and answers when memory runs out: each allocation fails in turn. */
#include "collector-bridge/export/body.h"
#include "collector-bridge/export/compress.h"
#include "collector-bridge/export/grpc_answer.h"

#include "sdk/base/memory.h"
#include "test/failing.h"
#include "test/unit/export/requests.h"

#include <clew/diagnostics.h>

#define ALLOCATIONS_MAX 200 /* more than any scenario here makes */
#define SPANS 200
#define PART 3000u /* of an answer */

static struct clew__writer request;

static void prepare(void) {
    cr_assert_eq(failing_install(), CLEW_OK);
    request = growing_writer();
    write_many(&request, 1, 2, SPANS / 2, 30);
}

/* Fails each allocation of the scenario in turn, until none is left to fail. */
static void fail_each(void (*scenario)(void)) {
    for (int i = 0;; i++) {
        cr_assert_lt(i, ALLOCATIONS_MAX);
        failing_begin(i);
        scenario();
        cr_assert_eq(clew__budget_used(), 0, "allocation %d", i);
        if (!failing_end())
            break;
        cr_assert_geq(i, 0);
    }
}

static struct clew__otlp_settings settings;

/* All spans are accounted for: sent, too large or lost for want of memory. */
static void make_bodies(void) {
    struct clew__bodies *bodies = clew__bodies_new(&settings);
    struct clew__body body;
    size_t spans = 0;
    int status;
    if (!bodies)
        return;
    clew__bodies_begin(bodies, (clew_bytes){request.data, request.size}, SPANS);
    while ((status = clew__bodies_next(bodies, &body)) != CLEW_ESHUTDOWN) {
        cr_assert(status == CLEW_OK || (status == CLEW_ENOMEM && has_failed), "status %d", status);
        spans += body.spans;
    }
    cr_assert_eq(spans, SPANS);
    clew__bodies_end(bodies);
    clew__bodies_free(bodies);
}

Test(no_memory, bodies_survive_it, .init = prepare) {
    static const clew_otlp_protocol protocols[] = {CLEW_OTLP_HTTP_PROTOBUF, CLEW_OTLP_HTTP_JSON};
    static const uint64_t limits[] = {1u << 20, 5000};
    for (size_t i = 0; i < 4; i++)
        for (clew_compression c = CLEW_COMPRESSION_NONE; c <= CLEW_COMPRESSION_ZSTD; c++) {
            settings.protocol = protocols[i / 2];
            settings.max_request_bytes = limits[i % 2];
            settings.compression = c;
            fail_each(make_bodies);
        }
    growing_free(&request);
    CLEW_NO_LEAKS();
}

static void say(struct clew__grpc_answer *answer, const char *name, const char *value) {
    cr_assert(clew__grpc_answer_header(answer, clew__slice_text(name), clew__slice_text(value)));
}

/* An answer in parts. The receiver has the spans, whether or not its message can be kept. */
static void take_answer(void) {
    struct clew__grpc_answer answer = {0};
    struct clew__transport_result result = {0};
    uint8_t prefix[CLEW__GRPC_PREFIX] = {0, 0, 0, (uint8_t)(request.size >> 8), (uint8_t)request.size};
    cr_assert_lt(request.size, 1u << 16);
    say(&answer, ":status", "200");
    say(&answer, "content-type", "application/grpc");
    cr_assert(clew__grpc_answer_data(&answer, prefix, sizeof prefix));
    for (size_t at = 0, part; at < request.size; at += part) {
        part = request.size - at < PART ? request.size - at : PART;
        cr_assert(clew__grpc_answer_data(&answer, request.data + at, part));
    }
    say(&answer, "grpc-status", "0");
    clew__grpc_answer_read(&answer, "nobody", &result);
    cr_assert(result.accepted);
    cr_assert_eq(result.answer_cut, atomic_load(&has_failed));
    if (!result.answer_cut)
        cr_assert(result.answer_size == request.size &&
                  memcmp(result.answer, request.data, request.size) == 0);
    clew__grpc_answer_free(&answer);
}

Test(no_memory, answers_count_without_their_message, .init = prepare) {
    cr_assert_gt(request.size, 3 * PART);
    fail_each(take_answer);
    growing_free(&request);
    CLEW_NO_LEAKS();
}

static clew_bytes packed;
static enum clew__encoding encoding;

static void expand(void) {
    struct clew__expanded expanded;
    int status = clew__expand(encoding, packed.data, packed.size, 1u << 20, &expanded);
    cr_assert_eq(status, has_failed ? CLEW_ENOMEM : CLEW_OK);
    clew__expanded_free(&expanded);
}

Test(no_memory, expanding_survives_it, .init = prepare) {
    for (encoding = CLEW__ENCODING_IDENTITY; encoding <= CLEW__ENCODING_ZSTD; encoding++) {
        struct clew__compressor *compressor = clew__compressor_new(encoding);
        struct clew__writer copy = growing_writer();
        cr_assert_eq(clew__compress(compressor, request.data, request.size, &packed), CLEW_OK);
        clew__write_raw(&copy, packed.data, packed.size);
        packed.data = copy.data;
        clew__compressor_free(compressor);
        fail_each(expand);
        growing_free(&copy);
    }
    growing_free(&request);
    CLEW_NO_LEAKS();
}
