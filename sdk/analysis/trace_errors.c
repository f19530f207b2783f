/* Errors of one trace: where they began, how far they got, what was tried again. Pure. */
#include "sdk/analysis/arrange.h"
#include "sdk/base/memory.h"
#include "sdk/base/random.h"
#include "sdk/containers/hash.h"
#include "sdk/containers/names.h"
#include "sdk/containers/saturate.h"
#include "sdk/containers/sort.h"
#include "sdk/traces/model.h"

#include <clew/analysis/errors.h>

#include <string.h>

/* What is needed of a span. */
struct seen {
    uint64_t start, end;
    uint32_t parent, depth;
    bool is_failed, is_phantom, is_caller, is_server;
    bool has_failed_child, has_failed_above, has_well_server;
};

/* A result with its memory. */
struct errors {
    clew_trace_errors shown; /* first */
    struct clew__arena arena;
    clew_span_error *spans;
    clew_retry *retries;
};

struct reading {
    const clew_trace *trace;
    const clew_critical_path *path;
    struct errors *errors;
    struct clew__arena scratch;
    struct seen *seen;
    uint32_t *order; /* parents first */
    uint32_t ordered;
};

bool clew_trace_span_has_failed(const clew_trace_span *span) {
    return clew__has_failed(span->kind, span->status, span->http_status);
}

const char *clew_error_role_name(clew_error_role role) {
    static const char *const names[] = {"none", "origin", "propagated", "handled"};
    return (unsigned)role < sizeof names / sizeof *names ? names[role] : "";
}

static bool is_blocking(const struct reading *reading, uint32_t at) {
    return reading->path->spans[at].relation == CLEW_RELATION_BLOCKING &&
           reading->seen[at].parent < reading->path->span_count;
}

static void see_spans(struct reading *reading) {
    for (uint32_t i = 0; i < reading->path->span_count; i++) {
        struct seen *seen = &reading->seen[i];
        clew_trace_span span, parent;
        clew_trace_span_at(reading->trace, i, &span);
        *seen = (struct seen){.start = span.start_unix_nano,
                              .end = span.end_unix_nano,
                              .parent = span.parent,
                              .is_failed = clew_trace_span_has_failed(&span),
                              .is_phantom = span.is_phantom,
                              .is_caller = span.kind == CLEW_CLIENT || span.kind == CLEW_PRODUCER};
        seen->is_server = span.kind == CLEW_SERVER || span.kind == CLEW_CONSUMER ||
                          (clew_trace_span_at(reading->trace, span.parent, &parent) && !parent.is_phantom &&
                           (parent.service.size != span.service.size ||
                            (span.service.size > 0 &&
                             memcmp(parent.service.data, span.service.data, span.service.size) != 0)));
    }
}

/* From the leaves up. */
static bool began_earlier(const struct reading *reading, uint32_t a, uint32_t b) {
    const struct seen *first = &reading->seen[a], *second = &reading->seen[b];
    if (first->end != second->end)
        return first->end < second->end;
    if (first->depth != second->depth)
        return first->depth > second->depth;
    return a < b;
}

static void tell_parent(struct reading *reading, uint32_t at) {
    struct seen *seen = &reading->seen[at], *parent = &reading->seen[seen->parent];
    clew_span_error *above = &reading->errors->spans[seen->parent];
    uint32_t origin = reading->errors->spans[at].origin;
    if (!seen->is_failed) {
        parent->has_well_server |= seen->is_server;
        return;
    }
    parent->has_failed_child = true;
    if (above->origin == CLEW_NO_SPAN || began_earlier(reading, origin, above->origin))
        above->origin = origin;
}

static void find_origin(struct reading *reading, uint32_t at) {
    struct seen *seen = &reading->seen[at];
    clew_span_error *error = &reading->errors->spans[at];
    if (seen->is_failed && !seen->has_failed_child) {
        error->role = CLEW_ERROR_ORIGIN;
        error->origin = at;
        error->is_edge = seen->is_caller && seen->has_well_server;
    } else if (seen->is_failed) {
        error->role = CLEW_ERROR_PROPAGATED;
    } else {
        error->origin = CLEW_NO_SPAN;
        if (seen->has_failed_child && !seen->is_phantom)
            error->role = CLEW_ERROR_HANDLED;
    }
    if (is_blocking(reading, at))
        tell_parent(reading, at);
}

/* From the roots down. */
static void find_reach(struct reading *reading, uint32_t at) {
    struct seen *seen = &reading->seen[at];
    clew_span_error *error = &reading->errors->spans[at];
    const struct seen *parent =
        seen->parent < reading->path->span_count ? &reading->seen[seen->parent] : NULL;
    if (parent) {
        seen->depth = parent->depth + 1;
        seen->has_failed_above = parent->has_failed_above || parent->is_failed;
    }
    if (!seen->is_failed)
        return;
    error->is_top = !seen->has_failed_above;
    if (parent && parent->is_failed && is_blocking(reading, at)) {
        error->reaches = reading->errors->spans[seen->parent].reaches;
        error->reaches_root = reading->errors->spans[seen->parent].reaches_root;
        return;
    }
    error->reaches = at;
    error->reaches_root = !parent || parent->is_phantom;
}

/* A request that is the whole trace has failed if a root of the trace has. */
static bool has_root_failed(const struct reading *reading, uint32_t root) {
    if (root < reading->path->span_count)
        return reading->seen[root].is_failed;
    for (uint32_t i = 0; i < reading->path->span_count; i++) {
        if (reading->seen[i].is_failed && reading->seen[i].parent == CLEW_NO_SPAN)
            return true;
    }
    return false;
}

static void count(struct reading *reading) {
    clew_trace_errors *shown = &reading->errors->shown;
    for (uint32_t i = 0; i < reading->path->span_count; i++) {
        const struct seen *seen = &reading->seen[i];
        clew_error_role role = reading->errors->spans[i].role;
        shown->failed += seen->is_failed;
        shown->origins += role == CLEW_ERROR_ORIGIN;
        shown->propagated += role == CLEW_ERROR_PROPAGATED;
        shown->handled += role == CLEW_ERROR_HANDLED;
        if (reading->errors->spans[i].is_top)
            shown->critical_lost =
                clew__saturated_sum(shown->critical_lost, reading->path->spans[i].critical);
    }
    for (uint32_t i = 0; i < reading->path->root_count; i++) {
        shown->roots++;
        shown->roots_failed += has_root_failed(reading, reading->path->roots[i].span);
    }
}

/* Retries. */

static uint64_t hash_of(struct clew__hash_key key, const clew_trace_span *span) {
    uint64_t hash = clew__hash_number(key, span->parent);
    hash = clew__hash_number(key, hash ^ clew__hash_bytes(key, span->service.data, span->service.size));
    hash = clew__hash_number(key, hash ^ clew__hash_bytes(key, span->operation.data, span->operation.size));
    return clew__hash_number(key, hash ^ clew__hash_bytes(key, span->detail.data, span->detail.size));
}

static bool same_call(const struct reading *reading, uint32_t a, uint32_t b) {
    clew_trace_span first, second;
    clew_trace_span_at(reading->trace, a, &first);
    clew_trace_span_at(reading->trace, b, &second);
    return first.parent == second.parent && first.kind == second.kind &&
           clew__text_equals(first.service, second.service) &&
           clew__text_equals(first.operation, second.operation) &&
           clew__text_equals(first.detail, second.detail);
}

static void end_group(struct reading *reading, const clew_retry *group) {
    uint32_t number = reading->errors->shown.retry_count;
    if (group->attempts < 2)
        return;
    reading->errors->retries[number] = *group;
    reading->errors->shown.retry_count++;
}

/* Attempts at one call, in order of their starts. */
static void find_groups(struct reading *reading, const struct clew__sort_key *calls, size_t call_count) {
    clew_retry group = {.attempts = 0};
    for (size_t i = 0; i < call_count; i++) {
        uint32_t at = calls[i].index;
        const struct seen *seen = &reading->seen[at];
        const struct seen *last = group.attempts > 0 ? &reading->seen[group.last_span] : NULL;
        if (last && (seen->start < last->end || !same_call(reading, group.last_span, at))) {
            end_group(reading, &group);
            group.attempts = 0;
        }
        if (group.attempts == 0) {
            if (!seen->is_failed)
                continue;
            group = (clew_retry){.parent = seen->parent, .first_span = at};
        } else {
            group.wasted_critical =
                clew__saturated_sum(group.wasted_critical, reading->path->spans[group.last_span].critical);
            group.waited = clew__saturated_sum(group.waited, seen->start - last->end);
        }
        group.last_span = at;
        group.attempts++;
        if (!seen->is_failed) {
            group.has_succeeded = true;
            end_group(reading, &group);
            group.attempts = 0;
        }
    }
    end_group(reading, &group);
}

static int compare_groups(const void *user, uint32_t a, uint32_t b) {
    (void)user;
    return (a > b) - (a < b);
}

/* Groups by their first span; and which group each attempt is of, from the first to the last: every call
 * between them that is the same is of the group. */
static bool order_groups(struct reading *reading) {
    uint32_t group_count = reading->errors->shown.retry_count;
    struct clew__sort_key *keys =
        (struct clew__sort_key *)clew__arena_take(&reading->scratch, 2 * (size_t)group_count, sizeof *keys);
    clew_retry *ordered =
        (clew_retry *)clew__arena_take(&reading->errors->arena, group_count, sizeof *ordered);
    if (!keys || !ordered)
        return false;
    for (uint32_t i = 0; i < group_count; i++)
        keys[i] = (struct clew__sort_key){reading->errors->retries[i].first_span, 0, i};
    clew__sort_keys(keys, keys + group_count, group_count, compare_groups, NULL);
    for (uint32_t i = 0; i < group_count; i++)
        ordered[i] = reading->errors->retries[keys[i].index];
    reading->errors->shown.retries = ordered;
    return true;
}

static void mark_attempts(struct reading *reading, const struct clew__sort_key *calls, size_t call_count) {
    const clew_trace_errors *shown = &reading->errors->shown;
    uint32_t *group_of_first = reading->order; /* no longer needed as an order */
    memset(group_of_first, 0xFF, reading->path->span_count * sizeof *group_of_first);
    for (uint32_t i = 0; i < shown->retry_count; i++)
        group_of_first[shown->retries[i].first_span] = i;
    for (size_t i = 0; i < call_count; i++) {
        uint32_t group = group_of_first[calls[i].index];
        if (group == UINT32_MAX)
            continue;
        for (size_t j = i; j < call_count; j++) {
            reading->errors->spans[calls[j].index].retry = group;
            if (calls[j].index == shown->retries[group].last_span)
                break;
        }
    }
}

static bool find_retries(struct reading *reading) {
    uint32_t spans = reading->path->span_count;
    struct clew__sort_key *calls =
        (struct clew__sort_key *)clew__arena_take(&reading->scratch, 2 * (size_t)spans, sizeof *calls);
    struct clew__hash_key key;
    uint64_t seed[4];
    size_t call_count = 0;
    reading->errors->retries =
        (clew_retry *)clew__arena_take(&reading->scratch, spans, sizeof *reading->errors->retries);
    if (!calls || !reading->errors->retries)
        return false;
    clew__random_seed(seed);
    key = (struct clew__hash_key){seed[0], seed[1]};
    for (uint32_t i = 0; i < spans; i++) {
        const struct seen *seen = &reading->seen[i];
        clew_trace_span span;
        if (!is_blocking(reading, i) || !reading->seen[seen->parent].has_failed_child)
            continue;
        clew_trace_span_at(reading->trace, i, &span);
        calls[call_count++] = (struct clew__sort_key){hash_of(key, &span), seen->start, i};
    }
    clew__sort_keys(calls, calls + spans, call_count, compare_groups, NULL);
    for (size_t i = 0, end; i < call_count; i = end) {
        for (end = i + 1; end < call_count && calls[end].first == calls[i].first;)
            end++;
        find_groups(reading, &calls[i], end - i);
    }
    if (!order_groups(reading))
        return false;
    mark_attempts(reading, calls, call_count);
    return true;
}

static bool read_errors(struct reading *reading) {
    uint32_t spans = reading->path->span_count;
    struct errors *errors = reading->errors;
    reading->order = clew__trace_order(reading->trace, &reading->ordered);
    reading->seen = (struct seen *)clew__arena_take(&reading->scratch, spans, sizeof *reading->seen);
    errors->spans = (clew_span_error *)clew__arena_take(&errors->arena, spans, sizeof *errors->spans);
    if (!reading->order || !reading->seen || !errors->spans)
        return false;
    for (uint32_t i = 0; i < spans; i++)
        errors->spans[i] =
            (clew_span_error){.reaches = CLEW_NO_SPAN, .origin = CLEW_NO_SPAN, .retry = UINT32_MAX};
    see_spans(reading);
    for (uint32_t i = 0; i < reading->ordered; i++)
        find_reach(reading, reading->order[i]);
    for (uint32_t i = reading->ordered; i-- > 0;)
        find_origin(reading, reading->order[i]);
    errors->shown.spans = errors->spans;
    errors->shown.span_count = spans;
    count(reading);
    return errors->shown.failed == 0 || find_retries(reading);
}

clew_trace_errors *clew_trace_errors_new(const clew_trace *trace, const clew_critical_path *path) {
    struct reading reading = {.trace = trace, .path = path};
    bool done;
    if (path->span_count != clew_trace_span_count(trace))
        return NULL;
    reading.errors = (struct errors *)clew_memory_allocate(sizeof *reading.errors);
    if (!reading.errors)
        return NULL;
    memset(reading.errors, 0, sizeof *reading.errors);
    done = read_errors(&reading);
    clew_memory_release(reading.order);
    clew__arena_fini(&reading.scratch);
    if (done)
        return &reading.errors->shown;
    clew_trace_errors_free(&reading.errors->shown);
    return NULL;
}

void clew_trace_errors_free(clew_trace_errors *errors) {
    struct errors *own = (struct errors *)errors;
    if (!errors)
        return;
    clew__arena_fini(&own->arena);
    clew_memory_release(own);
}
