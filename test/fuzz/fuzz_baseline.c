/* Baselines from strangers: what is accepted survives a round trip, merges, and its explanations sum exactly.
 */
#include "proto/wire.h"

#include <clew/analysis.h>
#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define PATCH 3     /* two bytes of an offset, and a value */
#define KEYS_MAX 64 /* more are not compared: that takes its time, and shows nothing new */
#define REQUESTS 40u

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth) {
    if (!truth)
        abort();
}

static wide exact_of(clew_exact_nano exact) {
    return (wide)((unsigned_wide)(uint64_t)exact.high << 64 | exact.low);
}

static void check_sums(const clew_comparison *comparison) {
    for (uint32_t i = 0; i < comparison->explanation_count; i++) {
        const clew_explanation *explanation = &comparison->explanations[i];
        wide exact = 0;
        for (uint32_t j = 0; j < explanation->contribution_count; j++)
            exact += exact_of(explanation->contributions[j].exact);
        demand(exact == exact_of(explanation->exact));
    }
}

/* A baseline of requests of one client and one server. */
static clew_baseline *make_good(void) {
    static const clew_trace_buffer_options options = {.struct_size = sizeof options, .skew = CLEW_SKEW_OFF};
    clew_baseline *baseline = clew_baseline_new(NULL);
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    for (uint8_t i = 1; i <= REQUESTS; i++) {
        uint8_t bytes[512];
        struct clew__writer writer = {.data = bytes, .capacity = sizeof bytes};
        uint8_t trace_id[16] = {i}, span_id[8] = {0};
        size_t resource_spans = clew__write_begin(&writer, 1), scope_spans = clew__write_begin(&writer, 2);
        for (uint8_t j = 1; j <= 3; j++) {
            size_t span = clew__write_begin(&writer, 2);
            clew__write_bytes(&writer, 1, trace_id, sizeof trace_id);
            span_id[0] = j;
            clew__write_bytes(&writer, 2, span_id, sizeof span_id);
            span_id[0] = (uint8_t)(j - 1);
            if (j > 1)
                clew__write_bytes(&writer, 4, span_id, sizeof span_id);
            clew__write_bytes(&writer, 5, "operation", j + 5u);
            clew__write_varint(&writer, 6, j % 2 ? CLEW_SERVER : CLEW_CLIENT);
            clew__write_fixed64(&writer, 7, 1000 * i + 10 * j);
            clew__write_fixed64(&writer, 8, 1000 * i + 200 - 20 * j + i);
            clew__write_end(&writer, span);
        }
        clew__write_end(&writer, scope_spans);
        clew__write_end(&writer, resource_spans);
        demand(!writer.failed);
        demand(clew_trace_buffer_add(buffer, (clew_bytes){bytes, writer.size}, 1) == CLEW_OK);
    }
    for (const clew_trace *trace = NULL; (trace = clew_trace_buffer_next(buffer, trace));) {
        clew_critical_path *path = clew_critical_path_new(trace, NULL);
        demand(clew_baseline_add(baseline, trace, path) == CLEW_OK);
        clew_critical_path_free(path);
    }
    clew_trace_buffer_free(buffer);
    return baseline;
}

static void compare(const clew_baseline *a, const clew_baseline *b) {
    clew_comparison *comparison = clew_comparison_new(a, b, NULL);
    demand(comparison != NULL);
    check_sums(comparison);
    clew_comparison_free(comparison);
}

static void try_bytes(const uint8_t *data, size_t size, const clew_baseline *good) {
    clew_baseline *baseline, *again, *other;
    size_t encoded_size, again_size;
    if (clew_baseline_decode(data, size, &baseline) != CLEW_OK)
        return;
    uint8_t *encoded = clew_baseline_encode(baseline, &encoded_size);
    demand(clew_baseline_decode(encoded, encoded_size, &again) == CLEW_OK);
    uint8_t *encoded_again = clew_baseline_encode(again, &again_size);
    demand(encoded_size == again_size && memcmp(encoded, encoded_again, encoded_size) == 0);
    if (clew_baseline_get_stats(baseline).keys <= KEYS_MAX) {
        compare(baseline, good);
        compare(good, baseline);
    }
    int result = clew_baseline_merge(again, good);
    demand(result == CLEW_OK || result == CLEW_ELIMIT);
    clew_memory_release(encoded_again);
    encoded_again = clew_baseline_encode(again, &again_size);
    demand(clew_baseline_decode(encoded_again, again_size, &other) == CLEW_OK);
    clew_memory_release(encoded);
    clew_memory_release(encoded_again);
    clew_baseline_free(baseline);
    clew_baseline_free(again);
    clew_baseline_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t *good_bytes;
    static clew_baseline *good;
    static size_t good_size;
    if (!good) {
        good = make_good();
        good_bytes = clew_baseline_encode(good, &good_size);
    }
    try_bytes(data, size, good);
    /* A good one, some of whose bytes become others. */
    uint8_t *damaged = (uint8_t *)malloc(good_size);
    demand(damaged != NULL);
    memcpy(damaged, good_bytes, good_size);
    for (; size >= PATCH; data += PATCH, size -= PATCH)
        damaged[((size_t)data[0] << 8 | data[1]) % good_size] = data[2];
    try_bytes(damaged, good_size, good);
    free(damaged);
    return 0;
}
