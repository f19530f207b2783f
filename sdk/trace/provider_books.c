/* The books of providers. Owns nothing; any thread, with no lock held: exporters are asked for their own. */
#include "sdk/trace/provider.h"

#include "sdk/base/memory.h"
#include "sdk/context/context.h"
#include "sdk/trace/slot.h"

#include <string.h>

static void custom_stats(const struct clew__custom *custom, clew_pipeline_stats *out) {
    out->name = "processor";
    out->exported = clew__account_sum(custom->number, CLEW__EXPORTED);
    out->dropped_shutdown = clew__account_sum(custom->number, CLEW__DROPPED_SHUTDOWN);
    out->offered = clew__account_sum(custom->number, CLEW__OFFERED);
}

void clew__pipeline_stats(const struct clew__pipeline *pipeline, clew_pipeline_stats *out) {
    uint32_t in_flight;
    switch (pipeline->kind) {
    case CLEW__PIPELINE_STREAM:
        clew__stream_stats(pipeline->as.stream, out, &in_flight);
        break;
    case CLEW__PIPELINE_SIMPLE:
        clew__simple_stats(pipeline->as.simple, out);
        break;
    case CLEW__PIPELINE_CUSTOM:
        custom_stats(pipeline->as.custom, out);
        break;
    }
}

static void count_started(uint32_t number, enum clew__counter first, uint64_t started[CLEW__PARENT_ORIGINS]) {
    for (int origin = 0; origin < CLEW__PARENT_ORIGINS; origin++)
        started[origin] = clew__account_sum(number, first + (enum clew__counter)origin);
}

void clew__provider_count(const clew_provider *provider, struct clew__span_counts *out) {
    uint32_t number = provider->number;
    out->ended = clew__account_sum(number, CLEW__ENDED) +
                 atomic_load_explicit(&provider->ended_uncounted, memory_order_acquire);
    out->open = clew__slot_count_open(provider);
    out->not_recorded_memory = clew__account_sum(number + 1, CLEW__NOT_RECORDED_MEMORY);
    count_started(number, CLEW__STARTED_DROP, out->started[CLEW_DROP]);
    count_started(number, CLEW__STARTED_SAMPLE, out->started[CLEW_RECORD_AND_SAMPLE]);
    count_started(number + 1, CLEW__STARTED_RECORD_ONLY, out->started[CLEW_RECORD_ONLY]);
}

static uint64_t over_origins(const uint64_t started[CLEW__PARENT_ORIGINS]) {
    return started[CLEW__PARENT_NONE] + started[CLEW__PARENT_LOCAL] + started[CLEW__PARENT_REMOTE];
}

static void span_stats(const clew_provider *provider, clew_stats_data *out) {
    struct clew__span_counts counts;
    clew__provider_count(provider, &counts);
    out->ended = counts.ended;
    out->open = counts.open.sampled + counts.open.record_only;
    out->started =
        over_origins(counts.started[CLEW_RECORD_AND_SAMPLE]) + over_origins(counts.started[CLEW_RECORD_ONLY]);
    out->not_recorded = over_origins(counts.started[CLEW_DROP]) - counts.not_recorded_memory;
    out->not_recorded_memory = counts.not_recorded_memory;
    out->dropped_attributes = clew__account_sum(provider->number + 1, CLEW__DROPPED_ATTRIBUTES);
    out->dropped_events = clew__account_sum(provider->number + 1, CLEW__DROPPED_EVENTS);
    out->dropped_links = clew__account_sum(provider->number + 1, CLEW__DROPPED_LINKS);
}

void clew_stats_of(const clew_provider *provider, clew_stats_data *out) {
    const struct clew__pipelines *pipelines;
    struct clew__thread *thread;
    memset(out, 0, sizeof *out);
    clew__span_misuse(&out->null_spans, &out->stale_spans);
    out->bad_tokens = clew__context_bad_tokens();
    out->reentrant = clew__thread_reentrant_calls();
    out->memory_used = clew__budget_used();
    out->memory_limit = clew__budget_limit();
    if (!provider)
        provider = clew__tracer_last_global_provider();
    if (!provider)
        return;
    /* A signal handler that interrupts this must not want the locks: inside, its calls do nothing. */
    thread = clew__thread_enter();
    if (!thread)
        return;
    pipelines = clew__provider_pipelines(provider);
    out->pipeline_count = pipelines->count;
    for (size_t i = 0; i < pipelines->count; i++)
        clew__pipeline_stats(&pipelines->list[i], &out->pipelines[i]);
    span_stats(provider, out);
    clew__thread_leave(thread);
}

clew_stats_data clew_stats(void) {
    clew_stats_data data;
    clew_stats_of(NULL, &data);
    return data;
}
