/* The patterns of one trace. First every row is made and every pattern found, which may fail; then they are
 * counted, which cannot. One thread at a time. */
#include "sdk/analysis/bottlenecks.h"

#include "sdk/containers/sort.h"
#include "sdk/traces/model.h"

#include <clew/analysis/errors.h>
#include <clew/extend.h>

/* So many calls one after another, from one place, are taken for a loop. */
#define LOOP_MIN 5u
/* So many different calls in series could be worth doing at once. */
#define SERIES_MIN 3u
/* The caller's own work between calls in series is one part in so many of them, at most: else what the one
 * found may well be needed for the next. */
#define BETWEEN_PART 10u

struct seen {
    uint64_t start, end, critical, first_child_start;
    uint32_t parent;
    uint32_t row; /* of its operation; CLEW__TABLE_NONE: not looked at */
    clew_span_kind kind;
    bool is_failed, is_phantom, is_blocking, is_call, is_model, has_child;
};

/* A pattern, to be counted. */
struct pending {
    uint32_t row;
    uint32_t span; /* the example */
    uint64_t calls, time, saving;
    bool is_against;
};

struct adding {
    clew_bottlenecks *bottlenecks;
    const clew_trace *trace;
    const clew_critical_path *path;
    clew_trace_errors *errors; /* NULL: nothing failed */
    struct clew__arena arena;
    struct seen *seen;
    struct clew__sort_key *keys; /* children by parent, with as many to spare */
    uint32_t *callees;           /* of a span: of its edge gap */
    struct pending *pending;
    size_t pending_count, pending_capacity;
    uint64_t overflow;
};

static clew_trace_span span_at(const struct adding *adding, uint32_t at) {
    clew_trace_span span;
    clew_trace_span_at(adding->trace, at, &span);
    return span;
}

static bool is_model_call(const struct adding *adding, uint32_t at) {
    const struct clew__record *record = adding->trace->nodes[at].record;
    return record && record->flags & CLEW__RECORD_GENAI;
}

static bool see_span(struct adding *adding, uint32_t at) {
    struct seen *seen = &adding->seen[at];
    const clew_path_span *timing = &adding->path->spans[at];
    clew_trace_span span = span_at(adding, at);
    bool is_full = false;
    *seen = (struct seen){.start = span.start_unix_nano,
                          .end = span.end_unix_nano,
                          .critical = timing->critical,
                          .parent = span.parent,
                          .row = CLEW__TABLE_NONE,
                          .kind = span.kind,
                          .is_failed = clew_trace_span_has_failed(&span),
                          .is_phantom = span.is_phantom,
                          .is_blocking = timing->relation == CLEW_RELATION_BLOCKING,
                          .is_call =
                              span.kind == CLEW_CLIENT || (unsigned)span.kind == 0 || span.has_remote_parent,
                          .is_model = is_model_call(adding, at)};
    adding->callees[at] = CLEW_NO_SPAN;
    if (span.is_phantom)
        return true;
    seen->row = clew__bottlenecks_operation(adding->bottlenecks, span.service, span.operation,
                                            (uint32_t)span.kind, &is_full);
    adding->overflow += is_full;
    return seen->row != CLEW__TABLE_NONE || is_full;
}

static bool see_spans(struct adding *adding) {
    bool has_failed = false;
    for (uint32_t i = 0; i < adding->path->span_count; i++) {
        if (!see_span(adding, i))
            return false;
        has_failed |= adding->seen[i].is_failed;
    }
    for (uint32_t i = 0; i < adding->path->segment_count; i++) {
        const clew_path_segment *segment = &adding->path->segments[i];
        if (segment->kind == CLEW_SEGMENT_EDGE_GAP && segment->span != CLEW_NO_SPAN)
            adding->callees[segment->span] = segment->callee;
    }
    if (has_failed)
        adding->errors = clew_trace_errors_new(adding->trace, adding->path);
    return !has_failed || adding->errors;
}

/* False when memory runs out. A pattern that there is no room for is left out. */
static bool say(struct adding *adding, clew_bottleneck_kind kind, const clew_text texts[4],
                const struct pending *pattern) {
    bool is_full;
    uint32_t row = clew__bottlenecks_case(adding->bottlenecks, kind, texts, &is_full);
    if (row == CLEW__TABLE_NONE)
        return is_full;
    if (adding->pending_count == adding->pending_capacity) {
        size_t capacity = adding->pending_capacity ? 2 * adding->pending_capacity : 16;
        struct pending *pending =
            (struct pending *)clew_memory_reallocate(adding->pending, capacity * sizeof *pending);
        if (!pending)
            return false;
        adding->pending = pending;
        adding->pending_capacity = capacity;
    }
    adding->pending[adding->pending_count] = *pattern;
    adding->pending[adding->pending_count++].row = row;
    return true;
}

/* One call again and again: the longest series of calls of one operation that do not overlap. */

struct series {
    uint32_t first;
    uint64_t calls, time, longest, end;
};

static bool end_series(struct adding *adding, const struct series *series) {
    clew_trace_span call, caller;
    if (series->calls < LOOP_MIN)
        return true;
    call = span_at(adding, series->first);
    caller = span_at(adding, call.parent);
    const clew_text texts[4] = {caller.service, caller.operation, call.service, call.operation};
    const struct pending pattern = {.span = call.parent,
                                    .calls = series->calls,
                                    .time = series->time,
                                    .saving = series->time - series->longest};
    return say(adding, CLEW_BOTTLENECK_N_PLUS_ONE, texts, &pattern);
}

static bool find_loop(struct adding *adding, const struct clew__sort_key *calls, size_t count) {
    struct series series = {.calls = 0};
    for (size_t i = 0; i < count; i++) {
        uint32_t at = calls[i].index;
        const struct seen *seen = &adding->seen[at];
        if (seen->critical == 0)
            continue;
        if (series.calls > 0 && seen->start < series.end) {
            if (!end_series(adding, &series))
                return false;
            series = (struct series){.calls = 0};
        }
        if (series.calls == 0)
            series.first = at;
        series.calls++;
        series.time = clew__saturated_sum(series.time, seen->critical);
        if (seen->critical > series.longest)
            series.longest = seen->critical;
        series.end = seen->end;
    }
    return end_series(adding, &series);
}

/* Of one parent's children: those of each operation, in order of their starts. */
static bool find_loops(struct adding *adding, const struct clew__sort_key *children, size_t count,
                       struct clew__sort_key *own) {
    size_t calls = 0;
    for (size_t i = 0; i < count; i++) {
        const struct seen *seen = &adding->seen[children[i].index];
        if (seen->is_call && !seen->is_failed && !seen->is_model && seen->row != CLEW__TABLE_NONE)
            own[calls++] = (struct clew__sort_key){seen->row, seen->start, children[i].index};
    }
    clew__sort_keys(own, own + count, calls, NULL, NULL);
    for (size_t i = 0, end; i < calls; i = end) {
        for (end = i + 1; end < calls && own[end].first == own[i].first;)
            end++;
        if (end - i >= LOOP_MIN && !find_loop(adding, &own[i], end - i))
            return false;
    }
    return true;
}

/* Different calls in series. */

struct fan {
    size_t calls;
    uint64_t first_start, last_end, duration, time, longest;
    bool is_parallel, is_off_path, is_broken;
};

static void add_to_fan(struct fan *fan, const struct seen *seen) {
    if (fan->calls == 0)
        fan->first_start = seen->start;
    fan->is_parallel |= fan->calls > 0 && seen->start < fan->last_end;
    fan->is_off_path |= seen->critical == 0;
    fan->is_broken |= seen->is_failed || seen->is_model || seen->row == CLEW__TABLE_NONE;
    fan->calls++;
    if (seen->end > fan->last_end)
        fan->last_end = seen->end;
    fan->duration = clew__saturated_sum(fan->duration, seen->end - seen->start);
    fan->time = clew__saturated_sum(fan->time, seen->critical);
    if (seen->critical > fan->longest)
        fan->longest = seen->critical;
}

static bool has_repeats(const struct adding *adding, const struct clew__sort_key *by_row, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (adding->seen[by_row[i].index].row == adding->seen[by_row[i - 1].index].row)
            return true;
    }
    return false;
}

static bool find_fan(struct adding *adding, const struct clew__sort_key *children, size_t count,
                     struct clew__sort_key *own) {
    struct fan fan = {.calls = 0};
    struct pending pattern = {.span = adding->seen[children[0].index].parent};
    clew_trace_span parent = span_at(adding, pattern.span);
    const clew_text texts[4] = {{"", 0}, {"", 0}, parent.service, parent.operation};
    uint64_t between;
    for (size_t i = 0; i < count; i++) {
        const struct seen *seen = &adding->seen[children[i].index];
        if (!seen->is_call || (unsigned)seen->kind == 0)
            continue;
        own[fan.calls] = (struct clew__sort_key){seen->row, seen->start, children[i].index};
        add_to_fan(&fan, seen);
    }
    if (fan.calls < SERIES_MIN || fan.is_broken)
        return true;
    clew__sort_keys(own, own + count, fan.calls, NULL, NULL);
    if (has_repeats(adding, own, fan.calls))
        return true;
    pattern.is_against = fan.is_parallel;
    pattern.calls = fan.calls;
    pattern.time = fan.time;
    pattern.saving = fan.time - fan.longest;
    if (fan.is_parallel)
        return say(adding, CLEW_BOTTLENECK_SERIAL_FAN_OUT, texts, &pattern);
    between = fan.last_end - fan.first_start - fan.duration;
    if (fan.is_off_path || between > fan.duration / BETWEEN_PART)
        return true;
    return say(adding, CLEW_BOTTLENECK_SERIAL_FAN_OUT, texts, &pattern);
}

static bool find_among_children(struct adding *adding) {
    uint32_t spans = adding->path->span_count;
    struct clew__sort_key *own = adding->keys + 2 * (size_t)spans;
    size_t count = 0;
    for (uint32_t i = 0; i < spans; i++) {
        struct seen *seen = &adding->seen[i], *parent;
        if (!seen->is_blocking || seen->parent >= spans)
            continue;
        parent = &adding->seen[seen->parent];
        if (!parent->has_child || seen->start < parent->first_child_start)
            parent->first_child_start = seen->start;
        parent->has_child = true;
        if (!seen->is_phantom && !parent->is_phantom && parent->critical > 0)
            adding->keys[count++] = (struct clew__sort_key){seen->parent, seen->start, i};
    }
    clew__sort_keys(adding->keys, adding->keys + spans, count, NULL, NULL);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && adding->keys[end].first == adding->keys[i].first;)
            end++;
        if (!find_loops(adding, &adding->keys[i], end - i, own) ||
            !find_fan(adding, &adding->keys[i], end - i, own))
            return false;
    }
    return true;
}

/* Of calls alone: in a span that is none the gap may be work. */
static bool find_gaps(struct adding *adding) {
    for (uint32_t i = 0; i < adding->path->span_count; i++) {
        clew_trace_span caller, callee;
        if (adding->path->spans[i].edge_gap == 0 || adding->callees[i] == CLEW_NO_SPAN ||
            (adding->seen[i].kind != CLEW_CLIENT && adding->seen[i].kind != CLEW_PRODUCER))
            continue;
        caller = span_at(adding, i);
        callee = span_at(adding, adding->callees[i]);
        const clew_text texts[4] = {caller.service, {"", 0}, callee.service, {"", 0}};
        const struct pending pattern = {.span = i,
                                        .calls = 1,
                                        .time = adding->path->spans[i].critical,
                                        .saving = adding->path->spans[i].edge_gap};
        if (!say(adding, CLEW_BOTTLENECK_SLOW_EDGE, texts, &pattern))
            return false;
    }
    return true;
}

static bool find_retries(struct adding *adding) {
    for (uint32_t i = 0; adding->errors && i < adding->errors->retry_count; i++) {
        const clew_retry *retry = &adding->errors->retries[i];
        clew_trace_span call = span_at(adding, retry->first_span), caller = span_at(adding, retry->parent);
        const clew_text texts[4] = {caller.service, caller.operation, call.service, call.operation};
        const struct pending pattern = {.span = retry->parent,
                                        .calls = retry->attempts,
                                        .time = retry->wasted_critical,
                                        .saving = retry->wasted_critical};
        if (retry->wasted_critical > 0 && !say(adding, CLEW_BOTTLENECK_RETRY_STORM, texts, &pattern))
            return false;
    }
    return true;
}

/* Counting. */

static void see(uint64_t *seen, uint64_t *traces, uint64_t serial) {
    if (*seen == serial)
        return;
    *seen = serial;
    clew__saturated_add(traces, 1);
}

static void count_on_path(struct adding *adding, uint32_t at, struct clew__operation_sum *sum,
                          struct clew__exemplar_source *source) {
    const struct seen *seen = &adding->seen[at];
    const clew_path_span *timing = &adding->path->spans[at];
    const struct clew__first_call call = {seen->start, timing->critical_self - timing->edge_gap};
    clew__histogram_add(&sum->own, call.own);
    clew__first_call_take(sum, &call);
    if (call.own > sum->longest)
        sum->longest = call.own;
    if (seen->has_child && seen->kind != CLEW_CLIENT && seen->kind != CLEW_PRODUCER) {
        clew__histogram_add(
            &sum->lead, seen->first_child_start > seen->start ? seen->first_child_start - seen->start : 0);
        clew__saturated_add(&sum->lead_duration, timing->duration);
    }
    clew__exemplar_offer(&sum->exemplars, source, at, seen->start, timing->duration);
}

static void count_span(struct adding *adding, uint32_t at, uint64_t serial,
                       struct clew__exemplar_source *source) {
    const struct seen *seen = &adding->seen[at];
    struct clew__operation_sum *sum;
    if (seen->row == CLEW__TABLE_NONE)
        return;
    sum = clew__operation_at(adding->bottlenecks, seen->row);
    clew__saturated_add(&sum->count, 1);
    see(&sum->seen, &sum->traces, serial);
    if (seen->critical > 0) {
        see(&sum->seen_on_path, &sum->on_path, serial);
        count_on_path(adding, at, sum, source);
    } else if (seen->is_blocking && seen->parent < adding->path->span_count &&
               adding->seen[seen->parent].critical > 0) {
        clew__saturated_add(&sum->off_count, 1);
        clew__saturated_add(&sum->off_duration, adding->path->spans[at].duration);
    }
}

static void count_pending(struct adding *adding, const struct pending *pending, uint64_t serial,
                          struct clew__exemplar_source *source) {
    struct clew__case *row = clew__case_at(adding->bottlenecks, pending->row);
    if (pending->is_against) {
        clew__saturated_add(&row->against, 1);
        return;
    }
    see(&row->seen, &row->traces, serial);
    clew__saturated_add(&row->groups, 1);
    clew__saturated_add(&row->calls, pending->calls);
    clew__saturated_add(&row->time, pending->time);
    clew__saturated_add(&row->saving, pending->saving);
    clew__exemplar_offer(&row->exemplars, source, pending->span, adding->seen[pending->span].start,
                         adding->path->spans[pending->span].duration);
}

static void count_trace(struct adding *adding) {
    clew_bottlenecks *bottlenecks = adding->bottlenecks;
    uint64_t serial = bottlenecks->traces + 1; /* 0 has been seen by none */
    struct clew__exemplar_source source;
    clew__exemplar_begin(&source, bottlenecks->texts, &bottlenecks->text_count, adding->trace);
    for (uint32_t i = 0; i < adding->path->span_count; i++)
        count_span(adding, i, serial, &source);
    for (size_t i = 0; i < adding->pending_count; i++)
        count_pending(adding, &adding->pending[i], serial, &source);
    for (uint32_t i = 0; i < adding->path->root_count; i++)
        clew__saturated_add(&bottlenecks->total,
                            adding->path->roots[i].end_unix_nano - adding->path->roots[i].start_unix_nano);
    clew__saturated_add(&bottlenecks->traces, 1);
    clew__saturated_add(&bottlenecks->overflow, adding->overflow);
}

static bool prepare(struct adding *adding) {
    size_t spans = adding->path->span_count;
    adding->seen = (struct seen *)clew__arena_take(&adding->arena, spans, sizeof *adding->seen);
    adding->callees = (uint32_t *)clew__arena_take(&adding->arena, spans, sizeof *adding->callees);
    /* Children, and twice as many to spare for those of one parent. */
    adding->keys = (struct clew__sort_key *)clew__arena_take(&adding->arena, 4 * spans, sizeof *adding->keys);
    return adding->seen && adding->callees && adding->keys && see_spans(adding) &&
           find_among_children(adding) && find_gaps(adding) && find_retries(adding);
}

int clew_bottlenecks_add(clew_bottlenecks *bottlenecks, const clew_trace *trace,
                         const clew_critical_path *path) {
    struct adding adding = {.bottlenecks = bottlenecks, .trace = trace, .path = path};
    int result = CLEW_ENOMEM;
    if (path->span_count != clew_trace_span_count(trace))
        return CLEW_EINVAL;
    if (prepare(&adding)) {
        count_trace(&adding);
        result = 0;
    } else {
        clew__saturated_add(&bottlenecks->dropped, 1);
    }
    clew_trace_errors_free(adding.errors);
    clew_memory_release(adding.pending);
    clew__arena_fini(&adding.arena);
    return result;
}
