/* The models. Recursive and square: for small traces. */
#include "test/unit/path/path_model.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NONE CLEW_NO_SPAN
#define POINTS (TABLE_ROOM * 12)

struct span {
    clew_trace_span at;
    const struct build_span *from; /* NULL: a phantom */
    uint64_t number;               /* its id */
};

struct model {
    struct span spans[TABLE_ROOM + 4];
    uint32_t count;
    uint64_t points[POINTS];
    size_t point_count;
    clew_path_options options;
    uint64_t start, end;
    uint64_t critical[TABLE_ROOM + 4];
};

/* What a moment's owner is found with: how it was reached. */
struct reached {
    bool is_open[TABLE_ROOM + 4];
    bool is_assumed, is_recorded;
};

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static int compare_times(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static const struct build_span *find_row(const struct table *table, uint64_t number) {
    return number >= 1 && number <= table->count ? &table->spans[number - 1] : NULL;
}

static void make_model(struct model *model, const struct table *table, const clew_trace *trace,
                       const clew_path_options *options) {
    *model = (struct model){.count = clew_trace_span_count(trace), .options = *options};
    clew_trace_bounds(trace, &model->start, &model->end);
    for (uint32_t i = 0; i < model->count; i++) {
        struct span *span = &model->spans[i];
        char id[CLEW_ID_TEXT_SIZE];
        clew_trace_span_at(trace, i, &span->at);
        clew_trace_span_id_text(trace, i, id);
        span->number = strtoull(id, NULL, 16);
        span->from = span->at.is_phantom ? NULL : find_row(table, span->number);
        model->points[model->point_count++] = span->at.start_unix_nano;
        model->points[model->point_count++] = span->at.end_unix_nano;
        for (int k = 0; span->from && k < 4; k++) {
            model->points[model->point_count++] = span->from->waits[k].start;
            model->points[model->point_count++] = span->from->waits[k].start + span->from->waits[k].duration;
        }
    }
    qsort(model->points, model->point_count, sizeof *model->points, compare_times);
    size_t kept = 0;
    for (size_t i = 0; i < model->point_count; i++)
        if (kept == 0 || model->points[kept - 1] != model->points[i])
            model->points[kept++] = model->points[i];
    model->point_count = kept;
}

static uint64_t eps_of(const struct model *model, uint32_t span) {
    uint64_t duration = model->end - model->start;
    if (span != NONE)
        duration = model->spans[span].at.end_unix_nano - model->spans[span].at.start_unix_nano;
    return most(model->options.eps_nano, duration * model->options.eps_ppm / 1000000);
}

/* ---- relations ---- */

static bool is_wait_for(const struct model *model, const struct build_wait *wait, uint32_t target) {
    return wait->target && strtoull(wait->target, NULL, 16) == model->spans[target].number &&
           model->spans[target].from;
}

static bool is_recorded(const struct model *model, uint32_t waiter, uint32_t target) {
    bool is_found = false;
    for (int k = 0; model->spans[waiter].from && k < 4; k++)
        is_found |= is_wait_for(model, &model->spans[waiter].from->waits[k], target);
    return is_found;
}

/* 0: not waited for; 1: waited for; 2: only assumed. */
static int relation_of(const struct model *model, uint32_t index) {
    const struct span *span = &model->spans[index], *parent = &model->spans[span->at.parent];
    bool is_call = parent->at.kind == CLEW_CLIENT && span->at.kind == CLEW_SERVER;
    if (!parent->from)
        return 1;
    if (span->from->links[0].id || (parent->at.kind == CLEW_PRODUCER && span->at.kind == CLEW_CONSUMER))
        return 0;
    if (is_call || span->at.end_unix_nano <= parent->at.end_unix_nano + eps_of(model, span->at.parent))
        return 1;
    return model->options.overflow == CLEW_OVERFLOW_CLIP ? 2 : 0;
}

/* The time of the span's k-th wait in which both ran. */
static bool window_of(const struct model *model, uint32_t waiter, uint32_t target, int k, uint64_t *start,
                      uint64_t *end) {
    const struct span *from = &model->spans[waiter];
    const clew_trace_span *to = &model->spans[target].at;
    if (!from->from || waiter == target || !is_wait_for(model, &from->from->waits[k], target))
        return false;
    const struct build_wait *wait = &from->from->waits[k];
    *end = wait->duration ? wait->start + wait->duration : from->at.end_unix_nano;
    *end = least(*end, least(from->at.end_unix_nano, to->end_unix_nano));
    *start = most(wait->start, most(from->at.start_unix_nano, to->start_unix_nano));
    return *start < *end;
}

static bool has_window(const struct model *model, uint32_t waiter, uint32_t target) {
    uint64_t start, end;
    bool is_found = false;
    for (int k = 0; k < 4; k++)
        is_found |= window_of(model, waiter, target, k, &start, &end);
    return is_found;
}

/* Whom the span waits for at the moment by its records: what ends last, then the longest, then the first. */
static uint32_t recorded_at(const struct model *model, uint32_t waiter, uint64_t moment) {
    uint32_t best = NONE;
    uint64_t best_end = 0, best_start = 0;
    for (uint32_t i = 0; i < model->count; i++)
        for (int k = 0; k < 4; k++) {
            uint64_t start, end;
            if (!window_of(model, waiter, i, k, &start, &end) || start > moment || end <= moment)
                continue;
            if (best != NONE && (end < best_end || (end == best_end && start >= best_start)))
                continue;
            best = i;
            best_end = end;
            best_start = start;
        }
    return best;
}

/* The time around the moment in which the span's records say the same. */
static void recorded_run(const struct model *model, uint32_t waiter, uint64_t moment, uint64_t *low,
                         uint64_t *high) {
    uint32_t target = recorded_at(model, waiter, moment);
    size_t first = 0, end;
    while (first + 1 < model->point_count && model->points[first + 1] <= moment)
        first++;
    for (end = first + 1; end < model->point_count; end++)
        if (recorded_at(model, waiter, model->points[end]) != target)
            break;
    while (first > 0 && recorded_at(model, waiter, model->points[first - 1]) == target)
        first--;
    *low = model->points[first];
    *high = end < model->point_count ? model->points[end] : UINT64_MAX;
}

/* ---- the sweep of one hole between records, by choosing again and again ---- */

struct candidate {
    uint32_t span;
    uint64_t start, end;
    bool is_used, is_assumed;
};

struct candidates {
    struct candidate all[3 * TABLE_ROOM];
    size_t count;
};

static void put(struct candidates *candidates, uint32_t span, uint64_t start, uint64_t end, bool is_assumed) {
    if (start < end)
        candidates->all[candidates->count++] = (struct candidate){span, start, end, false, is_assumed};
}

/* For the whole trace: what nobody waits for. */
static void put_all(const struct model *model, struct candidates *candidates) {
    for (uint32_t i = 0; i < model->count; i++) {
        const clew_trace_span *at = &model->spans[i].at;
        bool is_waited = at->parent != NONE && relation_of(model, i) != 0;
        if (at->parent != NONE && is_recorded(model, at->parent, i))
            is_waited = has_window(model, at->parent, i);
        if (!is_waited) {
            put(candidates, i, at->start_unix_nano, at->end_unix_nano, false);
            continue;
        }
        const clew_trace_span *parent = &model->spans[at->parent].at;
        put(candidates, i, at->start_unix_nano, least(at->end_unix_nano, parent->start_unix_nano), false);
        put(candidates, i, most(at->start_unix_nano, parent->end_unix_nano), at->end_unix_nano, false);
    }
}

/* Children that are judged, where they end within the hole [from, to) of the time [low, high). */
static void put_children(const struct model *model, uint32_t span, uint64_t low, uint64_t high, uint64_t from,
                         uint64_t to, struct candidates *candidates) {
    for (uint32_t i = 0; i < model->count; i++) {
        const clew_trace_span *at = &model->spans[i].at;
        if (at->parent != span || is_recorded(model, span, i) || relation_of(model, i) == 0)
            continue;
        uint64_t end = least(at->end_unix_nano, high);
        uint64_t start = most(at->start_unix_nano, low);
        if (end > to && start < end) {
            uint64_t run_low, run_high;
            recorded_run(model, span, end - 1, &run_low, &run_high);
            if (recorded_at(model, span, end - 1) != NONE && run_low == to && end - to <= eps_of(model, span))
                end = to;
        }
        if (end > from && end <= to)
            put(candidates, i, most(start, from), end, relation_of(model, i) == 2);
    }
}

static bool is_before(const struct model *model, const struct candidate *a, const struct candidate *b) {
    if (a->end != b->end)
        return a->end > b->end;
    if (a->start != b->start)
        return a->start < b->start;
    return model->spans[a->span].number < model->spans[b->span].number;
}

/* The candidate that has the moment; cut to what it gets. False: none. */
static bool choose(const struct model *model, struct candidates *candidates, uint64_t eps, uint64_t to,
                   const struct reached *reached, uint64_t moment, struct candidate *out) {
    uint64_t time = to;
    for (;;) {
        struct candidate *best = NULL;
        for (size_t i = 0; i < candidates->count; i++) {
            struct candidate *one = &candidates->all[i];
            if (!one->is_used && (!best || is_before(model, one, best)))
                best = one;
        }
        if (!best)
            return false;
        best->is_used = true;
        if (best->start >= time || (best->end > time && best->end - time > eps) ||
            reached->is_open[best->span])
            continue;
        *out = *best;
        out->end = least(best->end, time);
        time = out->start;
        if (out->start <= moment && moment < out->end)
            return true;
    }
}

/* ---- a moment ---- */

static uint32_t owner_of(const struct model *model, uint32_t span, uint64_t low, uint64_t high,
                         uint64_t moment, struct reached *reached) {
    struct candidates candidates = {.count = 0};
    struct candidate chosen;
    uint64_t from = low, to = high;
    if (span == NONE) {
        put_all(model, &candidates);
    } else {
        uint32_t target = recorded_at(model, span, moment);
        reached->is_open[span] = true;
        recorded_run(model, span, moment, &from, &to);
        from = most(from, low);
        to = least(to, high);
        if (target != NONE) {
            if (reached->is_open[target])
                return span;
            reached->is_recorded = true;
            return owner_of(model, target, from, to, moment, reached);
        }
        put_children(model, span, low, high, from, to, &candidates);
    }
    if (!choose(model, &candidates, eps_of(model, span), to, reached, moment, &chosen))
        return span;
    reached->is_assumed |= chosen.is_assumed;
    return owner_of(model, chosen.span, chosen.start, chosen.end, moment, reached);
}

/* ---- edges ---- */

static bool is_out(const struct span *span) {
    return span->at.kind == CLEW_CLIENT || span->at.kind == CLEW_PRODUCER ||
           ((int)span->at.kind == 0 && span->at.service.size && span->from->attributes[0][0]);
}

static bool is_other(const struct span *a, const struct span *b) {
    return a->at.service.size && b->at.service.size && a->at.service.data[0] != b->at.service.data[0];
}

/* `named`: the caller, or of one without a service the first below it that has one. */
static void look_below(const struct model *model, uint32_t caller, uint32_t named, uint32_t span,
                       uint32_t *in, uint32_t *other) {
    uint32_t child = model->spans[span].at.first_child;
    for (; child != NONE && *in == NONE; child = model->spans[child].at.next_sibling) {
        const struct span *below = &model->spans[child];
        if (below->at.kind == CLEW_SERVER || below->at.kind == CLEW_CONSUMER)
            *in = child;
        else if (is_other(below, &model->spans[named]))
            *other = *other == NONE && named == caller ? child : *other;
        else if (!is_out(below))
            look_below(model, caller, model->spans[named].at.service.size ? named : child, child, in, other);
    }
}

static clew_segment_kind kind_of(const struct model *model, uint32_t span, uint32_t *callee) {
    uint32_t in = NONE, other = NONE;
    *callee = NONE;
    if (span == NONE)
        return CLEW_SEGMENT_SELF;
    const struct span *of = &model->spans[span];
    if (!of->from)
        return CLEW_SEGMENT_MISSING;
    if (is_out(of)) {
        look_below(model, span, span, span, &in, &other);
        *callee = in != NONE ? in : other;
        return *callee != NONE || of->from->attributes[0][0] ? CLEW_SEGMENT_EDGE_GAP : CLEW_SEGMENT_SELF;
    }
    uint32_t child = of->at.first_child;
    if (child == NONE || model->spans[child].at.next_sibling != NONE || !is_other(of, &model->spans[child]))
        return CLEW_SEGMENT_SELF;
    if (!(is_recorded(model, span, child) ? has_window(model, span, child) : relation_of(model, child)))
        return CLEW_SEGMENT_SELF;
    *callee = child;
    return CLEW_SEGMENT_EDGE_GAP;
}

/* ---- comparing ---- */

static const clew_path_segment *segment_at(const clew_critical_path *path, const clew_path_root *root,
                                           uint64_t moment) {
    for (uint32_t k = 0; k < root->segment_count; k++) {
        const clew_path_segment *segment = &path->segments[root->first_segment + k];
        if (segment->start_unix_nano <= moment && moment < segment->end_unix_nano)
            return segment;
    }
    return NULL;
}

static const char *compare_moment(struct model *model, const clew_critical_path *path,
                                  const clew_path_root *root, uint64_t moment, uint64_t length,
                                  clew_path_confidence *sums) {
    struct reached reached = {.is_assumed = false};
    uint32_t owner =
        owner_of(model, root->span, root->start_unix_nano, root->end_unix_nano, moment, &reached);
    uint32_t callee;
    clew_segment_kind kind = kind_of(model, owner, &callee);
    const clew_path_segment *segment = segment_at(path, root, moment);
    for (uint32_t i = 0; i < model->count; i++)
        model->critical[i] += reached.is_open[i] ? length : 0;
    sums->assumed += reached.is_assumed ? length : 0;
    sums->recorded += reached.is_recorded ? length : 0;
    if (!segment || segment->span != owner)
        return "another span";
    if (segment->assumed != reached.is_assumed)
        return "another assumption";
    return segment->kind == kind && segment->callee == callee ? NULL : "another kind or callee";
}

static const char *compare_span(const struct model *model, uint32_t index, const clew_path_span *span) {
    const clew_trace_span *at = &model->spans[index].at;
    uint64_t self = 0;
    for (size_t i = 0; i + 1 < model->point_count; i++) {
        uint64_t moment = model->points[i];
        bool is_own = moment >= at->start_unix_nano && moment < at->end_unix_nano;
        for (uint32_t k = 0; k < model->count; k++)
            is_own &= model->spans[k].at.parent != index || moment < model->spans[k].at.start_unix_nano ||
                      moment >= model->spans[k].at.end_unix_nano;
        self += is_own ? model->points[i + 1] - moment : 0;
    }
    if (self != span->self)
        return "another self time";
    return model->critical[index] == span->critical ? NULL : "another critical time";
}

const char *model_difference(const struct table *table, const clew_trace *trace,
                             const clew_path_options *options, const clew_critical_path *path) {
    static struct model model;
    clew_path_confidence sums = {0};
    make_model(&model, table, trace, options);
    for (uint32_t i = 0; i < path->root_count; i++)
        for (size_t k = 0; k + 1 < model.point_count; k++) {
            uint64_t moment = model.points[k], next = model.points[k + 1];
            if (moment < path->roots[i].start_unix_nano || moment >= path->roots[i].end_unix_nano)
                continue;
            const char *difference =
                compare_moment(&model, path, &path->roots[i], moment, next - moment, &sums);
            if (difference)
                return difference;
        }
    if (sums.assumed != path->confidence.assumed || sums.recorded != path->confidence.recorded)
        return "another confidence";
    for (uint32_t i = 0; i < model.count; i++) {
        const char *difference = compare_span(&model, i, &path->spans[i]);
        if (difference)
            return difference;
    }
    return NULL;
}

/* ---- Jaeger ---- */

#define JAEGER_SPANS 128

struct jaeger {
    const clew_trace *trace;
    clew_trace_span spans[JAEGER_SPANS];
    bool is_dropped[JAEGER_SPANS];
    uint32_t count;
    clew_path_segment sections[2 * JAEGER_SPANS + 1]; /* latest first */
    size_t section_count;
    unsigned met;
};

static void drop(struct jaeger *jaeger, uint32_t span) {
    jaeger->is_dropped[span] = true;
    for (uint32_t i = 0; i < jaeger->count; i++)
        if (jaeger->spans[i].parent == span)
            drop(jaeger, i);
}

/* Parents before children: what is outside is dropped with all below it, the rest clipped. */
static void sanitize(struct jaeger *jaeger, uint32_t parent) {
    for (uint32_t i = 0; i < jaeger->count; i++) {
        clew_trace_span *child = &jaeger->spans[i];
        const clew_trace_span *above = &jaeger->spans[parent];
        if (child->parent != parent || jaeger->is_dropped[i])
            continue;
        if ((above->kind == CLEW_PRODUCER && child->kind == CLEW_CONSUMER) ||
            child->start_unix_nano >= above->end_unix_nano ||
            child->end_unix_nano <= above->start_unix_nano) {
            drop(jaeger, i);
            continue;
        }
        child->start_unix_nano = most(child->start_unix_nano, above->start_unix_nano);
        child->end_unix_nano = least(child->end_unix_nano, above->end_unix_nano);
        sanitize(jaeger, i);
    }
}

static void section(struct jaeger *jaeger, uint32_t span, uint64_t start, uint64_t end) {
    if (start < end)
        jaeger->sections[jaeger->section_count++] =
            (clew_path_segment){.start_unix_nano = start, .end_unix_nano = end, .span = span};
}

/* Of two that end together. */
static bool is_preferred(const struct jaeger *jaeger, uint32_t a, uint32_t b) {
    char id[CLEW_ID_TEXT_SIZE], other[CLEW_ID_TEXT_SIZE];
    if (jaeger->spans[a].start_unix_nano != jaeger->spans[b].start_unix_nano)
        return jaeger->spans[a].start_unix_nano < jaeger->spans[b].start_unix_nano;
    clew_trace_span_id_text(jaeger->trace, a, id);
    clew_trace_span_id_text(jaeger->trace, b, other);
    return strcmp(id, other) < 0;
}

static void walk(struct jaeger *jaeger, uint32_t span) {
    uint64_t bound = jaeger->spans[span].end_unix_nano;
    bool is_bound = false;
    for (;;) {
        uint32_t last = NONE;
        for (uint32_t i = 0; i < jaeger->count; i++) {
            uint64_t end = jaeger->spans[i].end_unix_nano;
            if (jaeger->spans[i].parent != span || jaeger->is_dropped[i])
                continue;
            jaeger->met |= is_bound && end == bound ? JAEGER_TOUCHES : 0;
            if (is_bound && end >= bound)
                continue;
            jaeger->met |= last != NONE && end == jaeger->spans[last].end_unix_nano ? JAEGER_TIES : 0;
            if (last == NONE || end > jaeger->spans[last].end_unix_nano ||
                (end == jaeger->spans[last].end_unix_nano && is_preferred(jaeger, i, last)))
                last = i;
        }
        if (last == NONE)
            break;
        section(jaeger, span, jaeger->spans[last].end_unix_nano, bound);
        walk(jaeger, last);
        bound = jaeger->spans[last].start_unix_nano;
        is_bound = true;
    }
    section(jaeger, span, jaeger->spans[span].start_unix_nano, bound);
}

const char *jaeger_difference(const clew_trace *trace, const clew_critical_path *path, unsigned *met) {
    static struct jaeger jaeger;
    jaeger = (struct jaeger){.trace = trace, .count = clew_trace_span_count(trace)};
    cr_assert_leq(jaeger.count, JAEGER_SPANS);
    for (uint32_t i = 0; i < jaeger.count; i++)
        clew_trace_span_at(trace, i, &jaeger.spans[i]);
    *met = 0;
    for (uint32_t i = 0; i < path->root_count; i++) {
        const clew_path_root *root = &path->roots[i];
        jaeger.section_count = 0;
        sanitize(&jaeger, root->span);
        walk(&jaeger, root->span);
        *met |= jaeger.met;
        if (jaeger.section_count != root->segment_count)
            return "another number of sections";
        for (uint32_t k = 0; k < root->segment_count; k++) {
            const clew_path_segment *ours = &path->segments[root->first_segment + k];
            const clew_path_segment *theirs = &jaeger.sections[root->segment_count - 1 - k];
            if (ours->span != theirs->span || ours->start_unix_nano != theirs->start_unix_nano ||
                ours->end_unix_nano != theirs->end_unix_nano)
                return "another section";
        }
    }
    return NULL;
}
