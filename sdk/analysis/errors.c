/* Errors over many traces: types of errors by where they began and what they say. One thread at a time. */
#include "sdk/analysis/errors.h"

#include "sdk/analysis/fingerprint.h"
#include "sdk/base/memory.h"
#include "sdk/base/struct_size.h"
#include "sdk/containers/saturate.h"

#define TYPE_LIMIT 10000u
#define TYPE_LIMIT_MAX 10000000u

clew_errors *clew_errors_new(const clew_errors_options *options) {
    clew_errors_options given = {.struct_size = sizeof given};
    clew_errors *errors = (clew_errors *)clew_memory_allocate(sizeof *errors);
    if (options)
        clew__options_copy(&given, sizeof given, options, sizeof given);
    if (!errors)
        return NULL;
    memset(errors, 0, sizeof *errors);
    errors->texts = clew__texts_new();
    if (!errors->texts) {
        clew_memory_release(errors);
        return NULL;
    }
    errors->limit = given.type_limit ? given.type_limit : TYPE_LIMIT;
    if (errors->limit > TYPE_LIMIT_MAX)
        errors->limit = TYPE_LIMIT_MAX;
    clew__table_init(&errors->types, sizeof(struct clew__error_row), offsetof(struct clew__error_row, seen));
    clew__table_init(&errors->retries, sizeof(struct clew__retry_sum),
                     offsetof(struct clew__retry_sum, seen));
    return errors;
}

void clew_errors_free(clew_errors *errors) {
    if (!errors)
        return;
    clew__texts_free(errors->texts);
    clew__table_fini(&errors->types);
    clew__table_fini(&errors->retries);
    clew_memory_release(errors);
}

/* Adding a trace: rows first, which may fail; then numbers. */

struct adding {
    clew_errors *errors;
    const clew_trace *trace;
    const clew_critical_path *path;
    clew_trace_errors *found;
    struct clew__arena arena;
    uint32_t *types;   /* of an origin, its row */
    uint32_t *retries; /* of a group */
    struct clew__exemplar_source source;
};

static bool place_types(struct adding *adding) {
    for (uint32_t i = 0; i < adding->found->span_count; i++) {
        char message[CLEW__FINGERPRINT_SIZE];
        clew_trace_span span;
        if (adding->found->spans[i].role != CLEW_ERROR_ORIGIN)
            continue;
        clew_trace_span_at(adding->trace, i, &span);
        adding->types[i] =
            clew__errors_place_type(adding->errors, span.service, span.operation, span.error_type,
                                    (clew_text){message, clew__fingerprint(span.error_message, message)});
        if (adding->types[i] == CLEW__TABLE_NONE)
            return false;
    }
    return true;
}

static bool place_retries(struct adding *adding) {
    for (uint32_t i = 0; i < adding->found->retry_count; i++) {
        clew_trace_span span;
        clew_trace_span_at(adding->trace, adding->found->retries[i].first_span, &span);
        adding->retries[i] = clew__errors_place_retry(adding->errors, span.service, span.operation);
        if (adding->retries[i] == CLEW__TABLE_NONE)
            return false;
    }
    return true;
}

static bool prepare(struct adding *adding) {
    adding->found = clew_trace_errors_new(adding->trace, adding->path);
    if (!adding->found)
        return false;
    adding->types = (uint32_t *)clew__arena_take(&adding->arena, adding->found->span_count, sizeof(uint32_t));
    adding->retries =
        (uint32_t *)clew__arena_take(&adding->arena, adding->found->retry_count, sizeof(uint32_t));
    return adding->types && adding->retries && place_types(adding) && place_retries(adding);
}

static struct clew__error_row *type_at(const struct adding *adding, uint32_t origin) {
    return (struct clew__error_row *)clew__table_at(&adding->errors->types, adding->types[origin]);
}

static void see(uint64_t *seen, uint64_t *traces, uint64_t serial) {
    if (*seen == serial)
        return;
    *seen = serial;
    clew__saturated_add(traces, 1);
}

static bool is_passed_on(const struct adding *adding, uint32_t top) {
    clew_trace_span span, parent;
    clew_trace_span_at(adding->trace, top, &span);
    return adding->found->spans[top].reaches_root ||
           adding->path->spans[top].relation != CLEW_RELATION_BLOCKING ||
           !clew_trace_span_at(adding->trace, span.parent, &parent);
}

static void count_origin(struct adding *adding, uint32_t at, uint64_t serial) {
    struct clew__error_row *type = type_at(adding, at);
    const clew_span_error *error = &adding->found->spans[at];
    clew_trace_span span;
    clew_trace_span_at(adding->trace, at, &span);
    clew__saturated_add(&type->count, 1);
    clew__saturated_add(&type->edges, error->is_edge);
    clew__saturated_add(&type->handled, !is_passed_on(adding, error->reaches));
    see(&type->seen, &type->traces, serial);
    if (type->count == 1 || span.start_unix_nano < type->first)
        type->first = span.start_unix_nano;
    if (span.start_unix_nano > type->last)
        type->last = span.start_unix_nano;
    clew__exemplar_offer(&type->exemplars, &adding->source, at, span.start_unix_nano,
                         adding->path->spans[at].duration);
}

static void count_retry(struct adding *adding, uint32_t index, uint64_t serial) {
    const clew_retry *group = &adding->found->retries[index];
    struct clew__retry_sum *sum =
        (struct clew__retry_sum *)clew__table_at(&adding->errors->retries, adding->retries[index]);
    clew_trace_span first, last;
    clew_trace_span_at(adding->trace, group->first_span, &first);
    clew_trace_span_at(adding->trace, group->last_span, &last);
    clew__saturated_add(&sum->groups, 1);
    clew__saturated_add(&sum->succeeded, group->has_succeeded);
    clew__saturated_add(&sum->attempts, group->attempts);
    clew__saturated_add(&sum->wasted_critical, group->wasted_critical);
    clew__saturated_add(&sum->waited, group->waited);
    see(&sum->seen, &sum->traces, serial);
    clew__exemplar_offer(&sum->exemplars, &adding->source, group->first_span, first.start_unix_nano,
                         last.end_unix_nano - first.start_unix_nano);
}

/* Why a request failed; of a whole trace the first of its roots that did. CLEW_NO_SPAN: it did not. */
static uint32_t origin_of(const struct adding *adding, uint32_t root) {
    uint32_t origin = CLEW_NO_SPAN;
    clew_trace_span span;
    if (root != CLEW_NO_SPAN)
        return adding->found->spans[root].origin;
    root = clew_trace_first_root(adding->trace);
    for (; origin == CLEW_NO_SPAN && clew_trace_span_at(adding->trace, root, &span); root = span.next_sibling)
        origin = adding->found->spans[root].origin;
    return origin;
}

static void count_roots(struct adding *adding) {
    for (uint32_t i = 0; i < adding->path->root_count; i++) {
        const clew_path_root *root = &adding->path->roots[i];
        uint32_t origin = origin_of(adding, root->span);
        clew__saturated_add(&adding->errors->sums.critical_total,
                            root->end_unix_nano - root->start_unix_nano);
        if (origin != CLEW_NO_SPAN)
            clew__saturated_add(&type_at(adding, origin)->roots_failed, 1);
    }
}

static void count_trace(struct adding *adding) {
    struct clew__error_sums *sums = &adding->errors->sums;
    const clew_trace_errors *found = adding->found;
    uint64_t serial = sums->traces + 1; /* 0 has been seen by none */
    clew__exemplar_begin(&adding->source, adding->errors->texts, &adding->errors->text_count, adding->trace);
    for (uint32_t i = 0; i < found->span_count; i++) {
        if (found->spans[i].role == CLEW_ERROR_ORIGIN)
            count_origin(adding, i, serial);
        else if (found->spans[i].role == CLEW_ERROR_PROPAGATED)
            clew__saturated_add(&type_at(adding, found->spans[i].origin)->propagated, 1);
        /* Time is lost once, where several that failed lie above each other. */
        if (found->spans[i].is_top)
            clew__saturated_add(&type_at(adding, found->spans[i].origin)->critical_lost,
                                adding->path->spans[i].critical);
    }
    for (uint32_t i = 0; i < found->retry_count; i++)
        count_retry(adding, i, serial);
    count_roots(adding);
    clew__saturated_add(&sums->traces, 1);
    clew__saturated_add(&sums->traces_with_errors, found->failed > 0);
    clew__saturated_add(&sums->roots, found->roots);
    clew__saturated_add(&sums->roots_failed, found->roots_failed);
    clew__saturated_add(&sums->spans, found->span_count);
    clew__saturated_add(&sums->failed, found->failed);
    clew__saturated_add(&sums->origins, found->origins);
    clew__saturated_add(&sums->propagated, found->propagated);
    clew__saturated_add(&sums->handled, found->handled);
    clew__saturated_add(&sums->critical_lost, found->critical_lost);
}

int clew_errors_add(clew_errors *errors, const clew_trace *trace, const clew_critical_path *path) {
    struct adding adding = {.errors = errors, .trace = trace, .path = path};
    int result = CLEW_ENOMEM;
    if (path->span_count != clew_trace_span_count(trace))
        return CLEW_EINVAL;
    if (prepare(&adding)) {
        count_trace(&adding);
        result = 0;
    } else {
        clew__saturated_add(&errors->sums.dropped, 1);
    }
    clew_trace_errors_free(adding.found);
    clew__arena_fini(&adding.arena);
    return result;
}
