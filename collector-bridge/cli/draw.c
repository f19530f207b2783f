/* Drawing of trees. Every text passes put(), which makes it printable and cuts it to the room there is. One
 * thread. */
#include "collector-bridge/cli/draw.h"

#include "collector-bridge/cli/printable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEPTH_MAX 40u  /* levels that are indented; deeper spans say theirs */
#define LABEL_MAX 100u /* columns of tree and name in front of the durations, where the width is free */
#define DURATION_COLUMNS 7u
#define GAP 2u              /* columns between the parts of a line */
#define COLUMNS_DEFAULT 80u /* of a terminal that does not say */
#define COLUMNS_MIN 40u
#define LINKS_SHOWN 16u
#define SHORT_ID 7 /* digits, as git and Jaeger show */

#define BOLD "\x1b[1m"
#define DIM "\x1b[2m"
#define RED "\x1b[31m"
#define RESET "\x1b[0m"

/* For services, none of them red. */
static const char *const service_colours[] = {"\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m",
                                              "\x1b[34m", "\x1b[96m", "\x1b[93m", "\x1b[92m"};
#define COLOURS (sizeof service_colours / sizeof service_colours[0])

/* Which service has which colour: each its own, in order of appearance, as long as there are colours. */
struct palette {
    const char *services[COLOURS]; /* equal texts are one pointer */
    size_t count;
};

/* ---- style ---- */

static bool is_set(const char *value) {
    return value && *value;
}

struct clew__draw_style clew__draw_style_of(const struct clew__draw_surroundings *surroundings) {
    struct clew__draw_style style = {false, 0};
    bool dumb = surroundings->term && strcmp(surroundings->term, "dumb") == 0;
    bool forced = is_set(surroundings->clicolor_force) && strcmp(surroundings->clicolor_force, "0") != 0;
    if (surroundings->is_terminal) {
        style.columns = surroundings->columns ? surroundings->columns : COLUMNS_DEFAULT;
        if (style.columns < COLUMNS_MIN)
            style.columns = COLUMNS_MIN;
    }
    style.colours = !is_set(surroundings->no_color) && (forced || (surroundings->is_terminal && !dumb));
    return style;
}

struct clew__draw_style clew__draw_style_for(int descriptor) {
    struct clew__draw_surroundings surroundings = {
        .is_terminal = isatty(descriptor),
        .no_color = getenv("NO_COLOR"),
        .clicolor_force = getenv("CLICOLOR_FORCE"),
        .term = getenv("TERM"),
    };
    struct winsize size;
    if (surroundings.is_terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0)
        surroundings.columns = size.ws_col;
    return clew__draw_style_of(&surroundings);
}

/* ---- durations ---- */

size_t clew__draw_duration(uint64_t nanoseconds, char text[CLEW__DURATION_SIZE]) {
    static const struct {
        double nanoseconds;
        const char *name;
        size_t columns;
    } units[] = {{1e3, "\xc2\xb5s", 2}, {1e6, "ms", 2}, {1e9, "s", 1}, {6e10, "min", 3}, {3.6e12, "h", 1}};
    if (nanoseconds < 1000)
        return (size_t)snprintf(text, CLEW__DURATION_SIZE, "%" PRIu64 "ns", nanoseconds);
    size_t unit = 0;
    /* 999.5 is where three digits would round to four. */
    while (unit < sizeof units / sizeof units[0] - 1 &&
           (double)nanoseconds / units[unit].nanoseconds >= 999.5)
        unit++;
    double value = (double)nanoseconds / units[unit].nanoseconds;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    int digits = snprintf(text, CLEW__DURATION_SIZE, "%.*f", decimals, value);
    snprintf(text + digits, CLEW__DURATION_SIZE - (size_t)digits, "%s", units[unit].name);
    return (size_t)digits + units[unit].columns;
}

/* ---- lines ---- */

/* A line in the making. Without `out` it is only measured. */
struct line {
    FILE *out;
    struct palette *palette; /* NULL: no colours */
    size_t left;             /* columns that may still be filled */
    size_t used;             /* columns */
};

/* Appends text, cut to what is left. */
static void put_text(struct line *line, const char *colour, const char *text, size_t size) {
    char printable[CLEW__PRINTABLE_SIZE];
    size_t columns = clew__printable(text, size, line->left, printable);
    line->left -= columns;
    line->used += columns;
    if (!line->out || columns == 0)
        return;
    if (line->palette && colour)
        fprintf(line->out, "%s%s" RESET, colour, printable);
    else
        fputs(printable, line->out);
}

static void put(struct line *line, const char *colour, const char *text) {
    put_text(line, colour, text, strlen(text));
}

static void put_spaces(struct line *line, size_t count) {
    if (count > line->left)
        count = line->left;
    line->left -= count;
    line->used += count;
    if (line->out)
        fprintf(line->out, "%*s", (int)count, "");
}

static void end_line(const struct line *line) {
    if (line->out)
        fputc('\n', line->out);
}

/* ---- a walk through the spans of a trace, parents first ---- */

struct walk {
    const struct clew__tree *tree;
    const struct clew__tree_span *span;
    uint32_t depth;           /* 0 for roots */
    uint32_t depth_max;       /* of the indentation */
    bool more[DEPTH_MAX + 1]; /* for each level above: whether siblings follow below */
};

static const struct clew__tree_span *span_at(const struct walk *walk, uint32_t index) {
    return index == CLEW__TREE_NONE ? NULL : &walk->tree->spans[index];
}

static void step_to(struct walk *walk, const struct clew__tree_span *span) {
    walk->span = span;
    if (span && walk->depth <= DEPTH_MAX)
        walk->more[walk->depth] = span->next_sibling != CLEW__TREE_NONE;
}

static void walk_begin(struct walk *walk, const struct clew__tree *tree, const struct clew__tree_trace *trace,
                       uint32_t depth_max) {
    *walk = (struct walk){.tree = tree, .depth_max = depth_max};
    step_to(walk, span_at(walk, trace->first_root));
}

static void walk_next(struct walk *walk) {
    const struct clew__tree_span *span = walk->span;
    if (span->first_child != CLEW__TREE_NONE) {
        walk->depth++;
        step_to(walk, span_at(walk, span->first_child));
        return;
    }
    while (span && span->next_sibling == CLEW__TREE_NONE) {
        span = span_at(walk, span->parent);
        walk->depth--;
    }
    step_to(walk, span ? span_at(walk, span->next_sibling) : NULL);
}

/* The branches on the left of a span. */
static void put_branches(struct line *line, const struct walk *walk) {
    uint32_t depth = walk->depth < walk->depth_max ? walk->depth : walk->depth_max;
    for (uint32_t level = 1; level < depth; level++)
        put(line, DIM, walk->more[level] ? "│  " : "   ");
    if (depth == 0)
        return;
    bool more = walk->span->next_sibling != CLEW__TREE_NONE;
    if (walk->depth > walk->depth_max)
        put(line, DIM, more ? "├┄ " : "└┄ ");
    else
        put(line, DIM, more ? "├─ " : "└─ ");
}

/* The branches that pass by what stands beneath a span. */
static void put_trunks(struct line *line, const struct walk *walk) {
    uint32_t depth = walk->depth < walk->depth_max ? walk->depth : walk->depth_max;
    for (uint32_t level = 1; level <= depth; level++) {
        bool more = level == depth ? walk->span->next_sibling != CLEW__TREE_NONE : walk->more[level];
        put(line, DIM, more ? "│  " : "   ");
    }
    put(line, DIM, walk->span->first_child == CLEW__TREE_NONE ? "   " : "│  ");
}

/* ---- the parts of a span's line ---- */

static const char *service_of(const struct clew__tree_span *span) {
    return *span->service ? span->service : "unknown";
}

static const char *colour_of(struct palette *palette, const struct clew__tree_span *span) {
    size_t i = 0;
    if (!palette)
        return NULL;
    while (i < palette->count && palette->services[i] != span->service)
        i++;
    if (i == COLOURS)
        return service_colours[(uintptr_t)span->service / 16 % COLOURS];
    if (i == palette->count)
        palette->services[palette->count++] = span->service;
    return service_colours[i];
}

static void put_name(struct line *line, const struct clew__tree_span *span) {
    static const char *const kinds[] = {"", "", " [server]", " [client]", " [producer]", " [consumer]"};
    put(line, colour_of(line->palette, span), service_of(span));
    put(line, NULL, ": ");
    put(line, NULL, span->name);
    if (span->kind < sizeof kinds / sizeof kinds[0])
        put(line, DIM, kinds[span->kind]);
}

static void put_duration(struct line *line, const struct clew__tree_span *span) {
    char text[CLEW__DURATION_SIZE] = "open";
    size_t columns = 4;
    if (span->end_unix_nano) /* a clock that was set back makes a duration of nothing */
        columns = clew__draw_duration(
            span->end_unix_nano > span->start_unix_nano ? span->end_unix_nano - span->start_unix_nano : 0,
            text);
    put_spaces(line, columns < DURATION_COLUMNS ? DURATION_COLUMNS - columns : 0);
    put(line, NULL, text);
}

/* Where a moment lies in the trace, in eighths of a cell. */
static size_t eighth_of(const struct clew__tree_trace *trace, uint64_t moment, size_t cells) {
    double whole = (double)(trace->end_unix_nano - trace->start_unix_nano);
    double part = moment > trace->start_unix_nano ? (double)(moment - trace->start_unix_nano) : 0;
    return part < whole ? (size_t)(part / whole * (double)(cells * 8)) : cells * 8;
}

/* Begins with the cell in which the span starts, and ends to an eighth of a cell. */
static void put_bar(struct line *line, const struct clew__tree_span *span,
                    const struct clew__tree_trace *trace, size_t cells) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t first = eighth_of(trace, span->start_unix_nano, cells) / 8;
    if (first >= cells)
        first = cells - 1;
    size_t end = eighth_of(trace, span->end_unix_nano, cells);
    size_t length = end > first * 8 ? end - first * 8 : 1;
    char bar[3 * 256] = "";
    for (size_t i = 0; i < length / 8; i++)
        strcat(bar, "█");
    strcat(bar, eighths[length % 8]);
    put_spaces(line, first);
    put(line, colour_of(line->palette, span), bar);
}

static void short_id(const uint8_t *id, char text[SHORT_ID + 2]) {
    for (size_t i = 0; i < (SHORT_ID + 1) / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    text[SHORT_ID] = '\0';
}

/* What is special about a span; parts of it are two columns apart. */
static void put_remarks(struct line *line, const struct walk *walk) {
    static const char *const gaps[] = {"", "  "};
    const struct clew__tree_span *span = walk->span;
    char text[64], id[SHORT_ID + 2];
    bool gap = false;
    if (span->error) {
        put(line, RED, *span->error ? "error: " : "error");
        put(line, RED, span->error);
        gap = true;
    }
    if (span->mark != CLEW__TREE_WHOLE) {
        short_id(span->parent_span_id, id);
        snprintf(text, sizeof text, "%sparent %s %s", gaps[gap], id,
                 span->mark == CLEW__TREE_ORPHAN ? "is missing" : "closes a cycle");
        put(line, DIM, text);
        gap = true;
    }
    if (walk->depth > walk->depth_max) {
        snprintf(text, sizeof text, "%slevel %" PRIu32, gaps[gap], walk->depth);
        put(line, DIM, text);
        gap = true;
    }
    if (span->link_count) {
        snprintf(text, sizeof text, "%s→ %" PRIu32 " link%s", gaps[gap], span->link_count,
                 span->link_count == 1 ? "" : "s");
        put(line, DIM, text);
    }
}

/* ---- traces ---- */

/* How the columns of a trace are shared out. */
struct layout {
    FILE *out;
    struct clew__draw_style style;
    struct palette *palette;
    size_t label; /* tree and name */
    size_t bar;   /* 0: none */
    uint32_t depth_max;
};

static struct line begin_line(const struct layout *layout) {
    struct line line = {.out = layout->out,
                        .palette = layout->palette,
                        .left = layout->style.columns ? layout->style.columns : SIZE_MAX / 2};
    return line;
}

static struct layout lay_out(FILE *out, const struct clew__tree *tree, const struct clew__tree_trace *trace,
                             struct clew__draw_style style, struct palette *palette) {
    struct layout layout = {
        .out = out, .style = style, .palette = style.colours ? palette : NULL, .depth_max = DEPTH_MAX};
    size_t most = LABEL_MAX;
    if (style.columns) {
        layout.bar = style.columns / 4 < 40 ? style.columns / 4 : 40;
        most = style.columns - layout.bar - DURATION_COLUMNS - 2 * GAP;
        if (most / 6 < DEPTH_MAX) /* half of the label is for names */
            layout.depth_max = (uint32_t)(most / 6);
    }
    struct walk walk;
    for (walk_begin(&walk, tree, trace, layout.depth_max); walk.span; walk_next(&walk)) {
        struct line line = {.left = most};
        put_branches(&line, &walk);
        put_name(&line, walk.span);
        if (line.used > layout.label)
            layout.label = line.used;
    }
    return layout;
}

static void draw_links(const struct layout *layout, const struct walk *walk) {
    const struct clew__tree_span *span = walk->span;
    char id[SHORT_ID + 2], text[64];
    for (uint32_t i = 0; i < span->link_count && i < LINKS_SHOWN; i++) {
        const struct clew__tree_link *link = &walk->tree->links[span->first_link + i];
        const struct clew__tree_span *target = clew__tree_find(walk->tree, link->trace_id, link->span_id);
        struct line line = begin_line(layout);
        put_trunks(&line, walk);
        short_id(link->span_id, id);
        put(&line, DIM, "→ ");
        put(&line, NULL, id);
        if (target) {
            put(&line, NULL, " ");
            put_name(&line, target);
        }
        if (memcmp(link->trace_id, span->trace_id, sizeof span->trace_id) != 0) {
            short_id(link->trace_id, id);
            snprintf(text, sizeof text, " of trace %s", id);
            put(&line, DIM, text);
        }
        end_line(&line);
    }
    if (span->link_count > LINKS_SHOWN) {
        struct line line = begin_line(layout);
        put_trunks(&line, walk);
        snprintf(text, sizeof text, "→ and %" PRIu32 " more", span->link_count - LINKS_SHOWN);
        put(&line, DIM, text);
        end_line(&line);
    }
}

static void draw_span(const struct layout *layout, const struct walk *walk,
                      const struct clew__tree_trace *trace) {
    struct line line = begin_line(layout);
    size_t columns = line.left;
    if (layout->style.columns)
        line.left = layout->label;
    put_branches(&line, walk);
    put_name(&line, walk->span);
    line.left = columns - line.used;
    put_spaces(&line, (line.used < layout->label ? layout->label - line.used : 0) + GAP);
    put_duration(&line, walk->span);

    if (layout->bar) {
        put_spaces(&line, GAP);
        put_bar(&line, walk->span, trace, layout->bar);
    }
    struct line remarks = {.left = SIZE_MAX / 2};
    put_remarks(&remarks, walk);
    bool beside = remarks.used && remarks.used + GAP <= line.left;
    if (beside) {
        put_spaces(&line, GAP);
        put_remarks(&line, walk);
    }
    end_line(&line);

    if (remarks.used && !beside) {
        line = begin_line(layout);
        put_trunks(&line, walk);
        put_remarks(&line, walk);
        end_line(&line);
    }
    draw_links(layout, walk);
}

static void put_count(struct line *line, const char *colour, uint32_t count, const char *noun) {
    char text[64];
    snprintf(text, sizeof text, ", %" PRIu32 " %s%s", count, noun, count == 1 ? "" : "s");
    put(line, colour, text);
}

static void draw_header(const struct layout *layout, const struct clew__tree *tree,
                        const struct clew__tree_trace *trace) {
    char text[64], duration[CLEW__DURATION_SIZE];
    struct line line = begin_line(layout);
    const uint8_t *id = tree->spans[trace->first_span].trace_id;
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    put(&line, BOLD, "trace ");
    put(&line, BOLD, text);
    snprintf(text, sizeof text, "  %" PRIu32 " span%s", trace->span_count, trace->span_count == 1 ? "" : "s");
    put(&line, NULL, text);
    put_count(&line, NULL, trace->service_count, "service");
    clew__draw_duration(
        trace->end_unix_nano > trace->start_unix_nano ? trace->end_unix_nano - trace->start_unix_nano : 0,
        duration);
    put(&line, NULL, ", ");
    put(&line, NULL, duration);
    if (trace->error_count)
        put_count(&line, RED, trace->error_count, "error");
    if (trace->duplicate_count) {
        put_count(&line, NULL, trace->duplicate_count, "duplicate");
        put(&line, NULL, " left out");
    }
    end_line(&line);
}

void clew__draw(FILE *out, const struct clew__tree *tree, struct clew__draw_style style) {
    struct palette palette = {.count = 0};
    for (size_t i = 0; i < tree->trace_count; i++) {
        const struct clew__tree_trace *trace = &tree->traces[i];
        struct layout layout = lay_out(out, tree, trace, style, &palette);
        struct walk walk;
        if (i)
            fputc('\n', out);
        draw_header(&layout, tree, trace);
        for (walk_begin(&walk, tree, trace, layout.depth_max); walk.span; walk_next(&walk))
            draw_span(&layout, &walk, trace);
    }
}
