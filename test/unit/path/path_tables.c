/* Random tables of spans. */
#include "test/unit/path/path_tables.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_TIME UINT64_C(1000) /* a start of 0 is one that is not known */
#define LENGTH UINT64_C(100)

static const char *const services[] = {"a", "a", "b", "c", NULL};

static bool one_in(struct random *random, uint64_t odds) {
    return random_below(random, odds) == 0;
}

/* Few times, so that many are equal; or many, so that hardly any are. */
static void set_times(struct random *random, struct build_span *span, const struct build_span *parent,
                      uint32_t with) {
    uint64_t unit = with & TABLE_DISTINCT_TIMES ? UINT64_C(1000000007) : 1;
    uint64_t low = FIRST_TIME, high = FIRST_TIME + LENGTH * unit;
    if (parent && !one_in(random, 12)) {
        low = parent->start;
        high = parent->end;
    }
    uint64_t length = high - low;
    uint64_t slip = one_in(random, 4) ? length / 4 : 0; /* beyond the parent, on either side */
    low -= low - FIRST_TIME > slip ? slip : 0;
    length = high + slip - low + 1;
    uint64_t step = with & TABLE_DISTINCT_TIMES || one_in(random, 2) ? 1 : 10;
    uint64_t one = low + random_below(random, length) / step * step;
    uint64_t two = low + random_below(random, length) / step * step;
    span->start = one < two ? one : two;
    span->end = one < two ? two : one;
}

static void add_waits(struct random *random, struct table *table, struct build_span *span) {
    size_t waits = one_in(random, 2) ? 0 : (size_t)random_below(random, 4);
    for (size_t i = 0; i < waits; i++) {
        size_t target = (size_t)random_below(random, table->count);
        for (int tries = 0; tries < 6 && table->spans[target].parent != span->id; tries++)
            target = (size_t)random_below(random, table->count);
        uint64_t start = span->start - 3 + random_below(random, span->end - span->start + 6);
        span->waits[i] = (struct build_wait){table->spans[target].id, start, random_below(random, 40)};
    }
}

void table_random(struct random *random, struct table *table, size_t count, uint32_t with) {
    *table = (struct table){.count = count};
    for (size_t i = 0; i < count; i++) {
        struct build_span *span = &table->spans[i];
        const struct build_span *parent = NULL;
        snprintf(table->ids[i], sizeof table->ids[i], "%zx", i + 1);
        *span = (struct build_span){.id = table->ids[i], .service = services[random_below(random, 5)]};
        if (i > 0 && !(with & TABLE_ORPHANS && one_in(random, 10)))
            parent = &table->spans[one_in(random, 2) ? i - 1 : random_below(random, i)];
        set_times(random, span, parent, with);
        span->parent = parent ? parent->id : NULL;
        if (i > 0 && !parent && one_in(random, 2))
            span->parent = one_in(random, 2) ? "dead" : "beef";
        span->kind = one_in(random, 2) ? (clew_span_kind)0 : (clew_span_kind)random_below(random, 6);
        if (with & TABLE_ASYNC && span->parent && one_in(random, 8)) {
            span->links[0].id = span->parent;
            span->links[0].reference = "follows_from";
        }
        if (one_in(random, 10)) {
            span->attributes[0][0] = "peer.service";
            span->attributes[0][1] = "peer";
        }
    }
    for (size_t i = 0; with & TABLE_WAITS && i < count; i++)
        add_waits(random, table, &table->spans[i]);
}

struct built table_build(const struct table *table) {
    return build_trace(table->spans, table->count, NULL);
}

static void id_text(const clew_trace *trace, uint32_t span, char *out) {
    if (span == CLEW_NO_SPAN)
        strcpy(out, "-");
    else
        clew_trace_span_id_text(trace, span, out);
}

char *path_print(const clew_trace *trace, const clew_critical_path *path, bool with_kinds, uint64_t shift,
                 uint64_t scale) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert_not_null(out);
    for (uint32_t i = 0; i < path->root_count; i++) {
        const clew_path_root *root = &path->roots[i];
        char id[CLEW_ID_TEXT_SIZE], callee[CLEW_ID_TEXT_SIZE];
        id_text(trace, root->span, id);
        fprintf(out, "root %s\n", id);
        for (uint32_t k = 0; k < root->segment_count; k++) {
            const clew_path_segment *segment = &path->segments[root->first_segment + k];
            id_text(trace, segment->span, id);
            id_text(trace, segment->callee, callee);
            fprintf(out, "%s %llu %llu%s", id, (unsigned long long)(segment->start_unix_nano - shift) / scale,
                    (unsigned long long)(segment->end_unix_nano - shift) / scale,
                    segment->assumed ? " assumed" : "");
            if (with_kinds)
                fprintf(out, " %d %s", (int)segment->kind, callee);
            fputc('\n', out);
        }
    }
    fclose(out);
    return text;
}

static const char *root_fault(const clew_trace *trace, const clew_critical_path *path,
                              const clew_path_root *root) {
    uint64_t reached = root->start_unix_nano;
    for (uint32_t k = 0; k < root->segment_count; k++) {
        const clew_path_segment *segment = &path->segments[root->first_segment + k];
        clew_trace_span span;
        if (segment->start_unix_nano != reached)
            return "segments do not follow one another";
        if (segment->end_unix_nano <= segment->start_unix_nano)
            return "an empty segment";
        reached = segment->end_unix_nano;
        if (segment->span == CLEW_NO_SPAN)
            continue;
        if (!clew_trace_span_at(trace, segment->span, &span))
            return "a span that there is not";
        if (segment->start_unix_nano < span.start_unix_nano || segment->end_unix_nano > span.end_unix_nano)
            return "a segment outside its span";
        if ((segment->kind == CLEW_SEGMENT_MISSING) != span.is_phantom)
            return "time of a phantom that is not missing";
        if (k > 0 && segment[-1].span == segment->span && segment[-1].assumed == segment->assumed)
            return "two segments that are one";
    }
    return reached == root->end_unix_nano ? NULL : "the end of the root is not covered";
}

static const char *span_fault(const clew_trace *trace, const clew_critical_path *path, bool is_rooted,
                              uint64_t most_paths) {
    for (uint32_t i = 0; i < path->span_count; i++) {
        const clew_path_span *span = &path->spans[i];
        clew_trace_span at;
        uint64_t sum = 0;
        clew_trace_span_at(trace, i, &at);
        for (uint32_t k = 0; k < path->segment_count; k++)
            if (path->segments[k].span == i)
                sum += path->segments[k].end_unix_nano - path->segments[k].start_unix_nano;
        if (sum != span->critical_self)
            return "critical self time is not the sum of the segments";
        if (span->critical > span->duration * most_paths || span->critical_self > span->critical)
            return "critical time beyond the duration, or below its part";
        if (span->duration != at.end_unix_nano - at.start_unix_nano || span->self > span->duration)
            return "a wrong duration or self time";
        if (is_rooted && at.parent == CLEW_NO_SPAN && span->critical < span->duration)
            return "the critical time of a root is not its duration";
    }
    return NULL;
}

const char *path_fault(const clew_trace *trace, const clew_critical_path *path) {
    uint64_t waits = 0, total = 0;
    uint32_t next = 0;
    bool is_rooted = path->root_count == 0 || path->roots[0].span != CLEW_NO_SPAN;
    for (uint32_t i = 0; i < path->root_count; i++) {
        const char *fault = root_fault(trace, path, &path->roots[i]);
        if (fault)
            return fault;
        if (path->roots[i].first_segment != next)
            return "segments that belong to no root";
        next += path->roots[i].segment_count;
        total += path->roots[i].end_unix_nano - path->roots[i].start_unix_nano;
    }
    for (uint32_t i = 0; i < path->span_count; i++) {
        clew_trace_span span;
        clew_trace_span_at(trace, i, &span);
        waits += span.wait_count;
    }
    if (next != path->segment_count || path->confidence.total != total)
        return "sums that do not agree";
    if (!waits && is_rooted && path->segment_count > 2 * path->span_count + 1)
        return "more than 2n + 1 segments";
    /* Waits make a span part of several paths, for each of which it counts. */
    return span_fault(trace, path, is_rooted, waits ? path->root_count : 1);
}
