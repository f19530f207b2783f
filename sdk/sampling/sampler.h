/* Samplers inside the library: what one is made of, and the decision of the built-in ones without a call. */
#ifndef CLEW_SAMPLING_SAMPLER_H
#define CLEW_SAMPLING_SAMPLER_H

#include <clew/sampling.h>

#include <stdatomic.h>

enum clew__sampler_kind {
    CLEW__SAMPLER_ALWAYS_OFF,
    CLEW__SAMPLER_ALWAYS_ON,
    CLEW__SAMPLER_RATIO,
    CLEW__SAMPLER_PARENT_BASED,
    CLEW__SAMPLER_CUSTOM,
};

/* Parent-based samplers inside one another that the quick decision follows; what is deeper takes the full
 * call. */
#define CLEW__SAMPLER_STEPS 4

/* Immutable but for the count. A parent-based sampler holds a reference to each delegate, made before it:
 * there are no circles. */
struct clew_sampler {
    enum clew__sampler_kind kind;
    union {
        uint64_t threshold; /* RATIO: of 63 random bits, those below are kept */
        struct {
            struct clew_sampler *root;
            struct clew_sampler *by_parent[2][2]; /* [remote][sampled] */
        } delegates;                              /* PARENT_BASED */
        struct {
            void *self;
            void (*should_sample)(void *self, const clew_sampling_parameters *parameters,
                                  clew_sampling_result *result);
            void (*destroy)(void *self);
        } custom; /* CUSTOM */
    } as;
    atomic_uint references; /* unused in the static ones */
    bool is_static;
    const char *description;
    struct clew_sampler *next_to_free; /* once the count is zero */
};

/* The low 8 bytes of a trace id without their lowest bit: what ratios are taken of, as Go, Java and Rust do
 * it. */
static inline uint64_t clew__sampler_randomness(const uint8_t trace_id[16]) {
    uint64_t low;
    __builtin_memcpy(&low, trace_id + 8, sizeof low);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    low = __builtin_bswap64(low);
#endif
    return low >> 1;
}

/* The decision of a sampler that is built in all the way for this parent; attributes stay none and the
 * tracestate the parent's. False: clew_sampler_should_sample() is needed. No call, no allocation, any thread.
 */
static inline bool clew__sampler_quick(const struct clew_sampler *sampler, bool has_parent,
                                       bool parent_remote, bool parent_sampled, const uint8_t trace_id[16],
                                       clew_decision *decision) {
    for (unsigned step = 0; step < CLEW__SAMPLER_STEPS; step++) {
        switch (sampler->kind) {
        case CLEW__SAMPLER_ALWAYS_ON:
            *decision = CLEW_RECORD_AND_SAMPLE;
            return true;
        case CLEW__SAMPLER_ALWAYS_OFF:
            *decision = CLEW_DROP;
            return true;
        case CLEW__SAMPLER_RATIO:
            *decision = clew__sampler_randomness(trace_id) < sampler->as.threshold ? CLEW_RECORD_AND_SAMPLE
                                                                                   : CLEW_DROP;
            return true;
        case CLEW__SAMPLER_PARENT_BASED:
            sampler = has_parent ? sampler->as.delegates.by_parent[parent_remote][parent_sampled]
                                 : sampler->as.delegates.root;
            break;
        case CLEW__SAMPLER_CUSTOM:
            return false;
        }
    }
    return false;
}

#endif
