/* Any bytes that pass the checker become traces: every span is in the books, parents lead to roots, and the
 * reverse order of the spans gives the same; with corrected clocks too, and in a buffer that is nearly full.
 */
#include <stdlib.h>

#include "proto/wire.h"
#include "sdk/traces/model.h"

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static void walk(const clew_trace *trace) {
    uint32_t count = clew_trace_span_count(trace), roots = 0;
    char text[CLEW_ID_TEXT_SIZE];
    clew_trace_span span;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t steps = 0;
        REQUIRE(clew_trace_span_at(trace, i, &span));
        REQUIRE(span.start_unix_nano <= span.end_unix_nano);
        REQUIRE(clew_trace_span_id_text(trace, i, text) < CLEW_ID_TEXT_SIZE);
        REQUIRE(span.weight >= 1);
        for (uint32_t at = i; at != CLEW_NO_SPAN; at = trace->nodes[at].parent)
            REQUIRE(steps++ <= count);
    }
    for (uint32_t at = clew_trace_first_root(trace); at != CLEW_NO_SPAN; at = trace->nodes[at].next_sibling)
        REQUIRE(roots++ < count);
    REQUIRE(roots == trace->root_count);
}

/* The same records backwards. */
static void reverse(const clew_trace *trace) {
    struct clew__records records = *trace->source;
    struct clew__record *copy = malloc((records.count ? records.count : 1) * sizeof *copy);
    clew_trace *again;
    REQUIRE(copy);
    for (uint32_t i = 0; i < records.count; i++)
        copy[i] = trace->source->records[records.count - 1 - i];
    records.records = copy;
    again = clew__normalize(trace->texts, &records);
    REQUIRE(again && again->node_count == trace->node_count && again->root_count == trace->root_count);
    for (uint32_t i = 0; i < again->node_count; i++) {
        const struct clew__node *a = &again->nodes[i], *b = &trace->nodes[i];
        REQUIRE(a->start == b->start && a->end == b->end && a->parent == b->parent);
        REQUIRE(a->suffix == b->suffix && a->repairs == b->repairs && a->phantom_id == b->phantom_id);
        REQUIRE(!a->record == !b->record && (!a->record || a->record->id == b->record->id));
    }
    clew__trace_free(again);
    free(copy);
}

static void feed(clew_bytes bytes, uint64_t memory_limit, clew_skew skew) {
    clew_trace_buffer_options options = {
        .struct_size = sizeof options, .memory_limit = memory_limit, .skew = skew};
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    const clew_trace *trace = NULL;
    clew_trace_buffer_stats stats;
    REQUIRE(buffer);
    clew_trace_buffer_add(buffer, bytes, 1);
    clew_trace_buffer_flush(buffer);
    while ((trace = clew_trace_buffer_next(buffer, trace))) {
        walk(trace);
        if (skew == CLEW_SKEW_OFF)
            reverse(trace);
    }
    stats = clew_trace_buffer_get_stats(buffer);
    REQUIRE(stats.bytes_used <= memory_limit);
    REQUIRE(stats.spans_in == stats.spans_held + stats.spans_left + stats.dropped_trace_limit +
                                  stats.dropped_late + stats.dropped_memory + stats.dropped_malformed);
    clew_trace_buffer_free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    clew_bytes bytes = {data, size};
    clew_span_view view = {.span = bytes, .resource = bytes};
    clew_trace_buffer *buffer = clew_trace_buffer_new(NULL);
    REQUIRE(buffer);
    /* What nobody has checked. */
    clew_trace_buffer_add_span(buffer, &view, 1);
    clew_trace_buffer_free(buffer);
    feed(bytes, UINT64_C(64) << 20, CLEW_SKEW_OFF);
    feed(bytes, UINT64_C(64) << 20, CLEW_SKEW_TRACE);
    feed(bytes, 40 << 10, CLEW_SKEW_FLEET);
    return 0;
}
