/* Drawing of traces. Every text passes clew__line_text(), which makes it printable and cuts it to the room
 * there is. One thread. */
#include "collector-bridge/report/tree.h"

#include "collector-bridge/report/number.h"
#include "collector-bridge/report/remarks.h"

#include <clew/analysis/errors.h>
#include <clew/extend.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MAX 40u  /* levels that are indented; deeper spans say theirs */
#define LABEL_MAX 100u /* columns of tree and name in front of the durations, where the width is free */
#define DURATION_COLUMNS 7u
#define GAP 2u    /* columns between the parts of a line */
#define GUTTER 2u /* columns for the mark of the critical path */
#define LINKS_SHOWN 16u
#define COLUMNS_FULL 90u /* of a terminal that has room for start and self time */

/* ---- a walk through the spans of a trace, parents first ---- */

struct walk {
    const clew_trace *trace;
    clew_trace_span span;
    uint32_t index;           /* CLEW_NO_SPAN at the end */
    uint32_t depth;           /* 0 for roots */
    uint32_t depth_max;       /* of the indentation */
    bool more[DEPTH_MAX + 1]; /* for each level above: whether siblings follow below */
};

static void step_to(struct walk *walk, uint32_t index) {
    walk->index = index;
    clew_trace_span_at(walk->trace, index, &walk->span);
    if (index != CLEW_NO_SPAN && walk->depth <= DEPTH_MAX)
        walk->more[walk->depth] = walk->span.next_sibling != CLEW_NO_SPAN;
}

static void walk_begin(struct walk *walk, const clew_trace *trace, uint32_t depth_max) {
    *walk = (struct walk){.trace = trace, .depth_max = depth_max};
    step_to(walk, clew_trace_first_root(trace));
}

static void walk_next(struct walk *walk) {
    if (walk->span.first_child != CLEW_NO_SPAN) {
        walk->depth++;
        step_to(walk, walk->span.first_child);
        return;
    }
    while (walk->span.next_sibling == CLEW_NO_SPAN && walk->span.parent != CLEW_NO_SPAN) {
        walk->depth--;
        clew_trace_span_at(walk->trace, walk->span.parent, &walk->span);
    }
    step_to(walk, walk->span.next_sibling);
}

/* The branches on the left of a span. */
static void put_branches(struct clew__line *line, const struct walk *walk) {
    uint32_t depth = walk->depth < walk->depth_max ? walk->depth : walk->depth_max;
    for (uint32_t level = 1; level < depth; level++)
        clew__line_put(line, CLEW__DIM, walk->more[level] ? "│  " : "   ");
    if (depth == 0)
        return;
    bool more = walk->span.next_sibling != CLEW_NO_SPAN;
    if (walk->depth > walk->depth_max)
        clew__line_put(line, CLEW__DIM, more ? "├┄ " : "└┄ ");
    else
        clew__line_put(line, CLEW__DIM, more ? "├─ " : "└─ ");
}

/* The branches that pass by what stands beneath a span. */
static void put_trunks(struct clew__line *line, const struct walk *walk) {
    uint32_t depth = walk->depth < walk->depth_max ? walk->depth : walk->depth_max;
    clew__line_spaces(line, GUTTER);
    for (uint32_t level = 1; level <= depth; level++) {
        bool more = level == depth ? walk->span.next_sibling != CLEW_NO_SPAN : walk->more[level];
        clew__line_put(line, CLEW__DIM, more ? "│  " : "   ");
    }
    clew__line_put(line, CLEW__DIM, walk->span.first_child == CLEW_NO_SPAN ? "   " : "│  ");
}

/* ---- spans by their ids, for links ---- */

struct named {
    uint8_t id[8];
    uint32_t index;
};

struct index {
    struct named *spans; /* by id; NULL: none of the spans has links, or memory ran out: names are left out */
    uint32_t count;
};

static int compare_ids(const void *left, const void *right) {
    return memcmp(((const struct named *)left)->id, ((const struct named *)right)->id, 8);
}

static int compare_named(const void *left, const void *right) {
    const struct named *a = left, *b = right;
    int order = compare_ids(a, b);
    return order ? order : (a->index > b->index) - (a->index < b->index);
}

static struct index index_init(const clew_trace *trace) {
    struct index index = {.count = clew_trace_span_count(trace)};
    bool has_links = false;
    clew_trace_span span;
    for (uint32_t i = 0; i < index.count && !has_links; i++)
        has_links = clew_trace_span_at(trace, i, &span) && span.link_count;
    index.spans = has_links ? clew_memory_allocate(index.count * sizeof *index.spans) : NULL;
    for (uint32_t i = 0; index.spans && i < index.count; i++) {
        index.spans[i].index = i;
        clew_trace_span_id_bytes(trace, i, index.spans[i].id);
    }
    if (index.spans)
        qsort(index.spans, index.count, sizeof *index.spans, compare_named);
    return index;
}

/* CLEW_NO_SPAN when it is not there. */
static uint32_t index_find(const struct index *index, const uint8_t id[8]) {
    struct named wanted;
    const struct named *found;
    if (!index->spans)
        return CLEW_NO_SPAN;
    memcpy(wanted.id, id, sizeof wanted.id);
    found = bsearch(&wanted, index->spans, index->count, sizeof wanted, compare_ids);
    return found ? found->index : CLEW_NO_SPAN;
}

/* ---- the parts of a span's line ---- */

/* How the columns of a trace are shared out. */
struct layout {
    struct clew__writer *out;
    struct clew__style style;
    struct clew__palette *palette;
    const clew_critical_path *path;
    struct index index;
    uint64_t start, end; /* of the trace */
    size_t label;        /* tree and name */
    size_t bar;          /* 0: none */
    bool has_times;      /* start and self time */
    uint32_t depth_max;
};

static bool is_critical(const struct layout *layout, const struct walk *walk) {
    return layout->path->spans[walk->index].critical > 0;
}

static void put_name(struct clew__line *line, const struct layout *layout, const struct walk *walk) {
    static const char *const kinds[] = {"", "", " [server]", " [client]", " [producer]", " [consumer]"};
    const clew_trace_span *span = &walk->span;
    char id[CLEW_ID_TEXT_SIZE];
    if (span->is_phantom) {
        clew__short_span_id(walk->trace, walk->index, id);
        clew__line_put(line, CLEW__DIM, "(span ");
        clew__line_put(line, CLEW__DIM, id);
        clew__line_put(line, CLEW__DIM, " is missing)");
        return;
    }
    clew__line_text(line, clew__palette_mark(layout->palette, span->service),
                    clew__service_shown(span->service));
    clew__line_put(line, NULL, ": ");
    clew__line_text(line, is_critical(layout, walk) ? CLEW__BOLD : NULL, span->operation);
    if ((size_t)span->kind < sizeof kinds / sizeof kinds[0])
        clew__line_put(line, CLEW__DIM, kinds[span->kind]);
}

static void put_duration(struct clew__line *line, const char *mark, uint64_t nanoseconds, bool is_open) {
    char text[CLEW__NUMBER_SIZE] = "open";
    size_t columns = is_open ? 4 : clew__duration_text(nanoseconds, text);
    clew__line_spaces(line, columns < DURATION_COLUMNS ? DURATION_COLUMNS - columns : 0);
    clew__line_put(line, mark, text);
}

static void put_times(struct clew__line *line, const struct layout *layout, const struct walk *walk) {
    const clew_trace_span *span = &walk->span;
    bool is_bold = is_critical(layout, walk);
    if (layout->has_times) {
        put_duration(line, CLEW__DIM, span->start_unix_nano - layout->start, false);
        clew__line_spaces(line, GAP);
    }
    put_duration(line, is_bold ? CLEW__BOLD : NULL, span->end_unix_nano - span->start_unix_nano,
                 span->is_open);
    if (layout->has_times) {
        clew__line_spaces(line, GAP);
        put_duration(line, CLEW__DIM, layout->path->spans[walk->index].self, false);
    }
}

/* Where a moment lies in the trace, in eighths of a cell. */
static size_t eighth_of(const struct layout *layout, uint64_t moment) {
    double whole = (double)(layout->end - layout->start), part = (double)(moment - layout->start);
    return part < whole ? (size_t)(part / whole * (double)(layout->bar * 8)) : layout->bar * 8;
}

/* Begins with the cell in which the span starts, and ends to an eighth of a cell. */
static void put_bar(struct clew__line *line, const struct layout *layout, const struct walk *walk) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t first = eighth_of(layout, walk->span.start_unix_nano) / 8;
    if (first >= layout->bar)
        first = layout->bar - 1;
    size_t end = eighth_of(layout, walk->span.end_unix_nano);
    size_t length = end > first * 8 ? end - first * 8 : 1;
    char bar[3 * 64] = "";
    for (size_t i = 0; i < length / 8; i++)
        strcat(bar, "█");
    strcat(bar, eighths[length % 8]);
    clew__line_spaces(line, first);
    clew__line_put(line, clew__palette_mark(layout->palette, walk->span.service), bar);
}

static void put_apart(struct clew__line *line, const char *mark, const char *text) {
    if (line->used)
        clew__line_spaces(line, GAP);
    clew__line_put(line, mark, text);
}

static void put_error(struct clew__line *line, const clew_trace_span *span) {
    char code[32];
    clew_text what = span->error_message.size ? span->error_message : span->error_type;
    clew__line_put(line, CLEW__RED, "error");
    if (!what.size && span->http_status) {
        snprintf(code, sizeof code, "HTTP %" PRIu32, span->http_status);
        what = clew__text_of(code);
    }
    if (!what.size)
        return;
    clew__line_put(line, CLEW__RED, ": ");
    clew__line_text(line, CLEW__RED, what);
}

/* What is special about a span; parts of it are two columns apart. */
static void put_remarks(struct clew__line *line, const struct layout *layout, const struct walk *walk) {
    const clew_trace_span *span = &walk->span;
    char text[96], change[CLEW__NUMBER_SIZE];
    if (clew_trace_span_has_failed(span))
        put_error(line, span);
    uint32_t repairs = span->repairs;
    if (span->parent != CLEW_NO_SPAN) /* what stands for the parent is drawn above */
        repairs &= ~(1u << CLEW_REPAIR_MISSING_PARENT);
    for (unsigned i = 0; i < CLEW_REPAIR_COUNT; i++) {
        const char *remark = repairs & (1u << i) ? clew__repair_remark((clew_repair)i) : NULL;
        if (remark)
            put_apart(line, CLEW__DIM, remark);
    }
    if (span->skew_nano) {
        clew__change_text(span->skew_nano, change);
        snprintf(text, sizeof text, "clock %s", change);
        put_apart(line, CLEW__DIM, text);
    }
    if (layout->path->spans[walk->index].relation == CLEW_RELATION_ASYNC)
        put_apart(line, CLEW__DIM, "not waited for");
    if (span->link_count) {
        snprintf(text, sizeof text, "→ %" PRIu32 " link%s", span->link_count,
                 span->link_count == 1 ? "" : "s");
        put_apart(line, CLEW__DIM, text);
    }
}

/* How deep a span is that is drawn beside its parent because there is no room for more branches. */
static void put_level(struct clew__line *line, const struct walk *walk) {
    char text[32];
    if (walk->depth <= walk->depth_max)
        return;
    snprintf(text, sizeof text, "level %" PRIu32, walk->depth);
    if (GAP + strlen(text) <= line->left)
        put_apart(line, CLEW__DIM, text);
}

/* ---- lines ---- */

static struct layout lay_out(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_trace *trace,
                             const clew_critical_path *path) {
    struct layout layout = {.out = out,
                            .style = *style,
                            .palette = style->colours ? palette : NULL,
                            .path = path,
                            .has_times = !style->columns || style->columns >= COLUMNS_FULL,
                            .depth_max = DEPTH_MAX};
    size_t most = LABEL_MAX, times = GAP + DURATION_COLUMNS;
    clew_trace_bounds(trace, &layout.start, &layout.end);
    if (layout.has_times)
        times *= 3;
    if (style->columns) {
        layout.bar = style->columns / 4 < 40 ? style->columns / 4 : 40;
        most = style->columns - layout.bar - times - GAP - GUTTER;
        if (most / 5 < DEPTH_MAX) /* of three columns each: two fifths of the label are for names */
            layout.depth_max = (uint32_t)(most / 5);
    }
    struct walk walk;
    for (walk_begin(&walk, trace, layout.depth_max); walk.index != CLEW_NO_SPAN; walk_next(&walk)) {
        struct clew__line line = {.left = most};
        put_branches(&line, &walk);
        put_name(&line, &layout, &walk);
        if (line.used > layout.label)
            layout.label = line.used;
    }
    return layout;
}

static void draw_span(const struct layout *layout, const struct walk *walk) {
    struct clew__line line = clew__line_begin(layout->out, &layout->style);
    size_t columns = line.left;
    clew__line_put(&line, CLEW__BOLD, is_critical(layout, walk) ? "● " : "  ");
    if (layout->style.columns)
        line.left = layout->label;
    put_branches(&line, walk);
    put_name(&line, layout, walk);
    line.left = columns - line.used;
    size_t label = layout->label + GUTTER;
    clew__line_spaces(&line, (line.used < label ? label - line.used : 0) + GAP);
    put_times(&line, layout, walk);

    if (layout->bar) {
        clew__line_spaces(&line, GAP);
        put_bar(&line, layout, walk);
    }
    struct clew__line remarks = {.left = SIZE_MAX / 2};
    put_remarks(&remarks, layout, walk);
    bool beside = remarks.used && remarks.used + GAP <= line.left;
    if (beside) {
        struct clew__line rest = line;
        clew__line_spaces(&rest, GAP);
        rest.used = 0;
        put_remarks(&rest, layout, walk);
        line.left = rest.left;
        line.used += rest.used;
    }
    put_level(&line, walk);
    clew__line_end(&line);
    if (remarks.used && !beside) {
        line = clew__line_begin(layout->out, &layout->style);
        put_trunks(&line, walk);
        line.used = 0;
        put_remarks(&line, layout, walk);
        clew__line_end(&line);
    }
}

static void short_hex(const uint8_t *id, size_t size, char text[CLEW_ID_TEXT_SIZE]) {
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    clew__short_id(text);
}

/* `→ b234567 shop: load cart`, `→ b234567 of trace bbbbbbb` */
static void draw_link(const struct layout *layout, const struct walk *walk, const clew_trace_link *link) {
    struct clew__line line = clew__line_begin(layout->out, &layout->style);
    char id[CLEW_ID_TEXT_SIZE];
    uint32_t target = link->is_own ? index_find(&layout->index, link->span_id) : CLEW_NO_SPAN;
    clew_trace_span span;
    put_trunks(&line, walk);
    clew__line_put(&line, CLEW__DIM, "→ ");
    short_hex(link->span_id, sizeof link->span_id, id);
    if (clew_trace_span_at(walk->trace, target, &span))
        clew__short_span_id(walk->trace, target, id);
    clew__line_put(&line, NULL, id);
    if (target != CLEW_NO_SPAN && !span.is_phantom) {
        clew__line_put(&line, NULL, " ");
        clew__line_text(&line, clew__palette_mark(layout->palette, span.service),
                        clew__service_shown(span.service));
        clew__line_put(&line, NULL, ": ");
        clew__line_text(&line, NULL, span.operation);
    }
    if (!link->is_own) {
        short_hex(link->trace_id, sizeof link->trace_id, id);
        clew__line_put(&line, CLEW__DIM, " of trace ");
        clew__line_put(&line, CLEW__DIM, id);
    }
    clew__line_end(&line);
}

static void draw_links(const struct layout *layout, const struct walk *walk) {
    clew_trace_link link;
    char text[64];
    for (uint32_t i = 0; i < walk->span.link_count && i < LINKS_SHOWN; i++)
        if (clew_trace_link_at(walk->trace, walk->index, i, &link))
            draw_link(layout, walk, &link);
    if (walk->span.link_count <= LINKS_SHOWN)
        return;
    struct clew__line line = clew__line_begin(layout->out, &layout->style);
    put_trunks(&line, walk);
    snprintf(text, sizeof text, "→ and %" PRIu32 " more", walk->span.link_count - LINKS_SHOWN);
    clew__line_put(&line, CLEW__DIM, text);
    clew__line_end(&line);
}

/* ---- the head ---- */

struct counts {
    uint32_t spans, errors;
};

static struct counts count_spans(const clew_trace *trace) {
    struct counts counts = {0};
    uint32_t count = clew_trace_span_count(trace);
    clew_trace_span span;
    for (uint32_t i = 0; i < count; i++) {
        clew_trace_span_at(trace, i, &span);
        counts.spans += !span.is_phantom;
        counts.errors += clew_trace_span_has_failed(&span);
    }
    return counts;
}

static void put_count(struct clew__line *line, const char *mark, uint32_t count, const char *noun) {
    char text[64];
    snprintf(text, sizeof text, "  %" PRIu32 " %s%s", count, noun, count == 1 ? "" : "s");
    clew__line_put(line, mark, text);
}

static void draw_head(const struct layout *layout, const clew_trace *trace) {
    char text[CLEW_ID_TEXT_SIZE], duration[2 + CLEW__NUMBER_SIZE] = "  ";
    struct counts counts = count_spans(trace);
    struct clew__line line = clew__line_begin(layout->out, &layout->style);
    clew_trace_id_text(trace, text);
    clew__duration_text(layout->end - layout->start, duration + 2);
    clew__line_put(&line, CLEW__BOLD, "trace ");
    clew__line_put(&line, CLEW__BOLD, text);
    clew__line_put(&line, CLEW__BOLD, duration);
    put_count(&line, NULL, counts.spans, "span");
    if (counts.errors)
        put_count(&line, CLEW__RED, counts.errors, "error");
    clew__line_end(&line);
}

static void draw_titles(const struct layout *layout) {
    struct clew__line line = clew__line_begin(layout->out, &layout->style);
    clew__line_spaces(&line, GUTTER + layout->label + GAP);
    clew__line_put(&line, CLEW__DIM, layout->has_times ? "  start     time     self" : "   time");
    clew__line_end(&line);
}

void clew__report_tree(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_trace *trace,
                       const clew_critical_path *path) {
    struct layout layout = lay_out(out, style, palette, trace, path);
    struct walk walk;
    layout.index = index_init(trace);
    if (style->is_markdown)
        clew__write_text(out, "```text\n");
    draw_head(&layout, trace);
    draw_titles(&layout);
    for (walk_begin(&walk, trace, layout.depth_max); walk.index != CLEW_NO_SPAN && !out->failed;
         walk_next(&walk)) {
        draw_span(&layout, &walk);
        draw_links(&layout, &walk);
    }
    clew_memory_release(layout.index.spans);
    clew__report_repairs(out, style, trace);
    if (style->is_markdown)
        clew__write_text(out, "```\n");
}
