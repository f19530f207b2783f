/* Owns the samplers. They are immutable but for their counts: any thread, no locks. */
#include "sdk/sampling/sampler.h"

#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TWO_TO_63 9223372036854775808.0
#define MILLIONTHS 1000000u /* the description shows six decimals */

/* Delegates repeat in descriptions, so that nesting would make them grow without end. */
#define DESCRIPTION_MAX 2048

static clew_sampler always_on = {
    .kind = CLEW__SAMPLER_ALWAYS_ON, .is_static = true, .description = "AlwaysOnSampler"};
static clew_sampler always_off = {
    .kind = CLEW__SAMPLER_ALWAYS_OFF, .is_static = true, .description = "AlwaysOffSampler"};

clew_sampler *clew_sampler_always_on(void) {
    return &always_on;
}

clew_sampler *clew_sampler_always_off(void) {
    return &always_off;
}

/* A sampler with one reference and a copy of the description behind it; NULL when memory runs out. */
static clew_sampler *new_sampler(enum clew__sampler_kind kind, const char *description) {
    size_t size = strlen(description) + 1;
    clew_sampler *sampler = clew_memory_allocate(sizeof *sampler + size);
    if (!sampler)
        return NULL;
    memset(sampler, 0, sizeof *sampler);
    sampler->kind = kind;
    atomic_init(&sampler->references, 1);
    sampler->description = memcpy(sampler + 1, description, size);
    return sampler;
}

clew_sampler *clew_sampler_ref(clew_sampler *sampler) {
    if (sampler && !sampler->is_static)
        atomic_fetch_add_explicit(&sampler->references, 1, memory_order_relaxed);
    return sampler;
}

/* Gives one reference back; a sampler that nobody holds any more joins the list. */
static void give_back(clew_sampler *sampler, clew_sampler **unheld) {
    if (!sampler || sampler->is_static ||
        atomic_fetch_sub_explicit(&sampler->references, 1, memory_order_acq_rel) != 1)
        return;
    sampler->next_to_free = *unheld;
    *unheld = sampler;
}

void clew_sampler_unref(clew_sampler *sampler) {
    clew_sampler *unheld = NULL;
    give_back(sampler, &unheld);
    while (unheld) {
        clew_sampler *freed = unheld;
        unheld = freed->next_to_free;
        if (freed->kind == CLEW__SAMPLER_PARENT_BASED) {
            give_back(freed->as.delegates.root, &unheld);
            for (int i = 0; i < 4; i++)
                give_back(freed->as.delegates.by_parent[i / 2][i % 2], &unheld);
        } else if (freed->kind == CLEW__SAMPLER_CUSTOM && freed->as.custom.destroy) {
            freed->as.custom.destroy(freed->as.custom.self);
        }
        clew_memory_release(freed);
    }
}

const char *clew_sampler_description(const clew_sampler *sampler) {
    return sampler ? sampler->description : "";
}

clew_sampler *clew_sampler_trace_id_ratio(double ratio) {
    char description[64];
    clew_sampler *sampler;
    uint32_t millionths;
    if (!(ratio >= 0.0 && ratio <= 1.0)) {
        double clamped = ratio < 0.0 ? 0.0 : 1.0;
        clew_log(CLEW_LOG_WARN, "sampling_ratio", "a sampling ratio of %g is not between 0 and 1; using %g",
                 ratio, clamped);
        ratio = clamped;
    }
    /* Not by printf, whose decimal point is the locale's. */
    millionths = (uint32_t)(ratio * MILLIONTHS + 0.5);
    snprintf(description, sizeof description, "TraceIdRatioBased{%" PRIu32 ".%06" PRIu32 "}",
             millionths / MILLIONTHS, millionths % MILLIONTHS);
    sampler = new_sampler(CLEW__SAMPLER_RATIO, description);
    if (sampler)
        sampler->as.threshold = (uint64_t)(ratio * TWO_TO_63);
    return sampler;
}

/* ---- parent-based ---- */

static void append(char text[DESCRIPTION_MAX], const char *label, const char *description) {
    size_t size = strlen(text);
    int added = snprintf(text + size, DESCRIPTION_MAX - size, "%s%s", label, description);
    if (added >= (int)(DESCRIPTION_MAX - size))
        memcpy(text + DESCRIPTION_MAX - sizeof "...", "...", sizeof "...");
}

clew_sampler *clew_sampler_parent_based(const clew_parent_based_options *options) {
    clew_parent_based_options given = {.struct_size = sizeof given};
    char description[DESCRIPTION_MAX] = "";
    clew_sampler *sampler;
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof *options);
    given.root = given.root ? given.root : &always_on;
    given.remote_parent_sampled = given.remote_parent_sampled ? given.remote_parent_sampled : &always_on;
    given.remote_parent_not_sampled =
        given.remote_parent_not_sampled ? given.remote_parent_not_sampled : &always_off;
    given.local_parent_sampled = given.local_parent_sampled ? given.local_parent_sampled : &always_on;
    given.local_parent_not_sampled =
        given.local_parent_not_sampled ? given.local_parent_not_sampled : &always_off;

    append(description, "ParentBased{root:", given.root->description);
    append(description, ",remoteParentSampled:", given.remote_parent_sampled->description);
    append(description, ",remoteParentNotSampled:", given.remote_parent_not_sampled->description);
    append(description, ",localParentSampled:", given.local_parent_sampled->description);
    append(description, ",localParentNotSampled:", given.local_parent_not_sampled->description);
    append(description, "}", "");

    sampler = new_sampler(CLEW__SAMPLER_PARENT_BASED, description);
    if (!sampler) {
        clew_sampler_unref(given.root);
        clew_sampler_unref(given.remote_parent_sampled);
        clew_sampler_unref(given.remote_parent_not_sampled);
        clew_sampler_unref(given.local_parent_sampled);
        clew_sampler_unref(given.local_parent_not_sampled);
        return NULL;
    }
    sampler->as.delegates.root = given.root;
    sampler->as.delegates.by_parent[1][1] = given.remote_parent_sampled;
    sampler->as.delegates.by_parent[1][0] = given.remote_parent_not_sampled;
    sampler->as.delegates.by_parent[0][1] = given.local_parent_sampled;
    sampler->as.delegates.by_parent[0][0] = given.local_parent_not_sampled;
    return sampler;
}

/* ---- one's own ---- */

clew_sampler *clew_sampler_custom(const clew_sampler_callbacks *callbacks) {
    clew_sampler_callbacks given = {.struct_size = sizeof given};
    clew_sampler *sampler;
    if (!callbacks)
        return NULL;
    clew__options_copy(&given, sizeof given, callbacks, sizeof *callbacks);
    if (!given.should_sample)
        return NULL;
    sampler = new_sampler(CLEW__SAMPLER_CUSTOM, given.description ? given.description : "CustomSampler");
    if (!sampler)
        return NULL;
    sampler->as.custom.self = given.self;
    sampler->as.custom.should_sample = given.should_sample;
    sampler->as.custom.destroy = given.destroy;
    return sampler;
}

/* ---- the full call ---- */

static void ask_custom(const clew_sampler *sampler, const clew_sampling_parameters *parameters,
                       clew_sampling_result *result) {
    sampler->as.custom.should_sample(sampler->as.custom.self, parameters, result);
    if (result->decision != CLEW_RECORD_ONLY && result->decision != CLEW_RECORD_AND_SAMPLE)
        result->decision = CLEW_DROP;
    if (!result->attributes)
        result->attribute_count = 0;
}

void clew_sampler_should_sample(clew_sampler *sampler, const clew_sampling_parameters *parameters,
                                clew_sampling_result *result) {
    bool has_parent = clew_span_context_is_valid(&parameters->parent);
    bool remote = parameters->parent.is_remote;
    bool sampled = (parameters->parent.trace_flags & CLEW_FLAG_SAMPLED) != 0;

    memset(result, 0, sizeof *result);
    result->decision = CLEW_DROP;
    result->tracestate = parameters->parent.tracestate;
    if (!sampler)
        return;
    /* Ends, for delegates are older than whoever delegates to them. */
    while (sampler->kind == CLEW__SAMPLER_PARENT_BASED)
        sampler = has_parent ? sampler->as.delegates.by_parent[remote][sampled] : sampler->as.delegates.root;
    if (!clew__sampler_quick(sampler, has_parent, remote, sampled, parameters->trace_id, &result->decision))
        ask_custom(sampler, parameters, result);
}
