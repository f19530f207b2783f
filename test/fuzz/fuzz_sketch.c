/* Sketches from strangers: what is accepted answers within its bounds, survives a round trip, and merges. */
#include <clew/analysis/sketch.h>
#include <clew/extend.h>

#include <stdlib.h>
#include <string.h>

#define PATCH 2 /* an offset and a value */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool truth) {
    if (!truth)
        abort();
}

static void check_answers(const clew_sketch *sketch) {
    uint64_t min, max = 0, middle = 0;
    double share = 0;
    clew_sketch_histogram histogram;
    clew_sketch_export(sketch, 0, &histogram);
    demand(histogram.count == clew_sketch_count(sketch));
    if (!clew_sketch_min(sketch, &min))
        return;
    demand(clew_sketch_max(sketch, &max) && clew_sketch_quantile(sketch, 0.5, &middle));
    demand(min <= middle && middle <= max);
    demand(clew_sketch_share(sketch, middle, &share) && share >= 0 && share <= 1);
}

static void check_round_trip(const clew_sketch *sketch) {
    clew_sketch *again;
    size_t size, size_again;
    uint8_t *bytes = clew_sketch_encode(sketch, &size);
    demand(clew_sketch_decode(bytes, size, &again) == CLEW_OK);
    uint8_t *bytes_again = clew_sketch_encode(again, &size_again);
    demand(size == size_again && memcmp(bytes, bytes_again, size) == 0);
    clew_memory_release(bytes);
    clew_memory_release(bytes_again);
    demand(clew_sketch_merge(again, sketch) == CLEW_OK);
    check_answers(again);
    clew_sketch_free(again);
}

static void try_bytes(const uint8_t *data, size_t size) {
    clew_sketch *sketch;
    if (clew_sketch_decode(data, size, &sketch) != CLEW_OK)
        return;
    check_answers(sketch);
    check_round_trip(sketch);
    clew_sketch_free(sketch);
}

/* A good sketch of the first values, some of whose bytes become others. */
static void try_damaged(const uint8_t *data, size_t size) {
    clew_sketch *sketch = clew_sketch_new();
    size_t values = data[0] % 16, encoded;
    for (data++, size--; values > 0 && size >= sizeof(uint64_t); values--) {
        uint64_t value;
        memcpy(&value, data, sizeof value);
        demand((value & 1 ? clew_sketch_add(sketch, value >> (value & 63), value >> 60)
                          : clew_sketch_add_weighted(sketch, value >> (value & 63), value >> 40)) == CLEW_OK);
        data += sizeof value;
        size -= sizeof value;
    }
    check_round_trip(sketch);
    uint8_t *bytes = clew_sketch_encode(sketch, &encoded);
    for (; size >= PATCH; data += PATCH, size -= PATCH)
        bytes[data[0] % encoded] = data[1];
    try_bytes(bytes, encoded);
    clew_memory_release(bytes);
    clew_sketch_free(sketch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || data[0] & 0x80)
        try_bytes(data + (size != 0), size - (size != 0));
    else
        try_damaged(data, size);
    return 0;
}
