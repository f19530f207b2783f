/* Flame graphs. Keeps nothing; one thread. */
#include "collector-bridge/report/flame.h"

#include "collector-bridge/report/flame_script.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/svg.h"

#include <clew/extend.h>
#include <stdio.h>

/* Pixels. */
#define WIDTH 1200u
#define MARGIN 10u
#define HEAD 64u
#define ROW 18u
#define TEXT_BASE 13u
/* Deeper boxes are left out. */
#define ROWS_MAX 200u
/* Widths are counted in hundredths of a pixel; narrower boxes are left out. */
#define PARTS 100u
#define NARROWEST 30u
#define CHARACTERS_MIN 3u

/* What a graph is drawn of. */
struct flame {
    struct clew__writer *out;
    const clew_profile_view *view; /* one of the two */
    const clew_diff *diff;
    uint64_t *cursors; /* of a node: where its next child begins */
    uint64_t total;
    uint64_t cursor; /* where the next root begins */
    uint32_t rows;   /* that are drawn */
    uint32_t left_out;
};

struct box {
    clew_frame_kind kind;
    clew_text service, operation;
    uint32_t parent, depth;
    uint64_t size; /* time */
    uint64_t x;    /* time before it */
};

static uint32_t box_count(const struct flame *flame) {
    return flame->view ? flame->view->node_count : flame->diff->node_count;
}

static struct box box_at(const struct flame *flame, uint32_t index) {
    if (flame->view) {
        const clew_profile_node *node = &flame->view->nodes[index];
        return (struct box){
            node->kind, node->service, node->operation, node->parent, node->depth, node->critical, 0};
    }
    const clew_diff_node *node = &flame->diff->nodes[index];
    return (struct box){
        node->kind, node->service, node->operation, node->parent, node->depth, node->after.critical, 0};
}

/* Boxes one after another within their parents; each is asked for once, in order. */
static struct box place_box(struct flame *flame, uint32_t index) {
    struct box box = box_at(flame, index);
    uint64_t *cursor = box.parent == CLEW_NO_SPAN ? &flame->cursor : &flame->cursors[box.parent];
    box.x = *cursor;
    flame->cursors[index] = box.x;
    *cursor += box.size;
    return box;
}

static uint64_t parts_of(const struct flame *flame, uint64_t time) {
    return (uint64_t)((double)time / (double)flame->total * (WIDTH - 2 * MARGIN) * PARTS);
}

static bool is_drawn(const struct flame *flame, const struct box *box) {
    return box->depth < ROWS_MAX && parts_of(flame, box->size) >= NARROWEST;
}

static void put_pixels(struct clew__writer *out, const char *name, uint64_t parts) {
    char text[64];
    snprintf(text, sizeof text, " %s=\"%llu.%02llu\"", name, (unsigned long long)(parts / PARTS),
             (unsigned long long)(parts % PARTS));
    clew__write_text(out, text);
}

/* Names. */

static void put_name(struct clew__writer *out, const struct box *box, size_t columns) {
    size_t used;
    switch (box->kind) {
    case CLEW_FRAME_MISSING:
        clew__svg_text(out, CLEW__TEXT_OF("(missing)"), columns);
        return;
    case CLEW_FRAME_TRACE:
        clew__svg_text(out, CLEW__TEXT_OF("(trace)"), columns);
        return;
    case CLEW_FRAME_OTHER:
        clew__svg_text(out, CLEW__TEXT_OF("(other)"), columns);
        return;
    case CLEW_FRAME_EDGE_GAP:
        used = clew__svg_text(out, CLEW__TEXT_OF("to "), columns);
        clew__svg_text(out, clew__service_shown(box->service), columns > used ? columns - used : 0);
        return;
    default:
        used = clew__svg_text(out, clew__service_shown(box->service), columns) + 1;
        if (used >= columns)
            return;
        clew__write_text(out, " ");
        clew__svg_text(out, box->operation, columns - used);
    }
}

#define TITLE_COLUMNS 160u

static void put_title_name(struct clew__writer *out, const struct box *box) {
    put_name(out, box, TITLE_COLUMNS);
    if (box->kind != CLEW_FRAME_EDGE_GAP)
        return;
    clew__write_text(out, " ");
    clew__svg_text(out, box->operation, TITLE_COLUMNS);
    clew__write_text(out, ", between its two sides");
}

static void put_duration(struct clew__writer *out, uint64_t nano) {
    char text[CLEW__NUMBER_SIZE];
    clew__duration_text(nano, text);
    clew__write_text(out, text);
}

static void put_share(struct clew__writer *out, uint64_t part, uint64_t whole) {
    char text[CLEW__NUMBER_SIZE];
    clew__share_text(part, whole, text);
    clew__write_text(out, text);
}

/* Means of one request: the view's sums, of which `mean` is that of the total. */
static uint64_t each_of(const clew_profile_view *view, uint64_t sum) {
    return view->total ? (uint64_t)((double)sum / (double)view->total * (double)view->mean) : 0;
}

static void put_title(const struct flame *flame, uint32_t index, const struct box *box) {
    char text[CLEW__NUMBER_SIZE];
    struct clew__writer *out = flame->out;
    clew__write_text(out, "<title>");
    put_title_name(out, box);
    clew__write_text(out, "\n");
    if (flame->view) {
        const clew_profile_node *node = &flame->view->nodes[index];
        put_duration(out, each_of(flame->view, node->critical));
        clew__write_text(out, " of each request (");
        put_share(out, node->critical, flame->total);
        clew__write_text(out, "), itself ");
        put_duration(out, each_of(flame->view, node->critical_self));
        clew__write_text(out, "\non ");
        put_share(out, node->on_path, flame->view->roots);
        clew__write_text(out, " of paths, count ");
        clew__count_text(node->count, text);
        clew__write_text(out, text);
    } else {
        const clew_diff_node *node = &flame->diff->nodes[index];
        put_duration(out, node->before.critical);
        clew__write_text(out, " before, ");
        put_duration(out, node->after.critical);
        clew__write_text(out, " after: ");
        clew__change_text((int64_t)(node->after.critical - node->before.critical), text);
        clew__write_text(out, text);
        clew__write_text(out, "\n");
        clew__write_text(out, clew_diff_status_name(node->status));
    }
    clew__write_text(out, "</title>");
}

/* Colours. */

/* By service, so that a service looks the same wherever it is called. */
static const char *service_colour(clew_text service) {
    static const char *const colours[] = {"#f4a582", "#fdd49e", "#fdbb84", "#e6c98f", "#f7cac9", "#d9b38c",
                                          "#ffd97d", "#eab676", "#f2b5a7", "#e8d5b7", "#f6c177", "#dfa98f"};
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < service.size; i++)
        hash = (hash ^ (uint8_t)service.data[i]) * 16777619u;
    return colours[hash % (sizeof colours / sizeof *colours)];
}

static void put_colour(const struct flame *flame, uint32_t index, const struct box *box) {
    char text[16];
    uint64_t before, after, change, whole, pale;
    if (flame->view) {
        clew__write_text(flame->out, box->kind == CLEW_FRAME_SPAN       ? service_colour(box->service)
                                     : box->kind == CLEW_FRAME_EDGE_GAP ? "#a6bddb"
                                                                        : "#d0d0d0");
        return;
    }
    before = flame->diff->nodes[index].before.critical;
    after = flame->diff->nodes[index].after.critical;
    change = after > before ? after - before : before - after;
    whole = after > before ? after : before;
    pale = whole ? 240 - (uint64_t)((double)change / (double)whole * 150) : 240;
    if (after >= before)
        snprintf(text, sizeof text, "#f0%02x%02x", (unsigned)pale, (unsigned)pale);
    else
        snprintf(text, sizeof text, "#%02x%02xf0", (unsigned)pale, (unsigned)pale);
    clew__write_text(flame->out, text);
}

/* Drawing. */

static void draw_box(struct flame *flame, uint32_t index, const struct box *box) {
    struct clew__writer *out = flame->out;
    uint64_t x = MARGIN * PARTS + parts_of(flame, box->x), width = parts_of(flame, box->size);
    uint64_t y = HEAD + (uint64_t)box->depth * ROW, characters = width / PARTS / CLEW__SVG_CHARACTER;
    clew__write_text(out, "<g class=\"f\">");
    put_title(flame, index, box);
    clew__write_text(out, "<rect");
    put_pixels(out, "x", x);
    clew__svg_attribute(out, "y", y);
    put_pixels(out, "width", width);
    clew__svg_attribute(out, "height", ROW - 1);
    clew__write_text(out, " rx=\"2\" fill=\"");
    put_colour(flame, index, box);
    clew__write_text(out, "\"/><text");
    put_pixels(out, "x", x + 3 * PARTS);
    clew__svg_attribute(out, "y", y + TEXT_BASE);
    clew__write_text(out, ">");
    if (characters >= CHARACTERS_MIN)
        put_name(out, box, (size_t)characters);
    clew__write_text(out, "</text></g>\n");
}

static void put_head(const struct flame *flame, clew_text title) {
    struct clew__writer *out = flame->out;
    uint64_t height = HEAD + (uint64_t)flame->rows * ROW + MARGIN;
    clew__write_text(out, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    clew__svg_attribute(out, "width", WIDTH);
    clew__svg_attribute(out, "height", height);
    clew__write_text(out, " viewBox=\"0 0 ");
    clew__svg_number(out, WIDTH);
    clew__write_text(out, " ");
    clew__svg_number(out, height);
    clew__write_text(out, "\" " CLEW__SVG_FONT ">\n<style>.f{cursor:pointer}.f:hover rect{stroke:#333}"
                          ".dim{opacity:.35}.hit rect{fill:#c39bd3}.b{cursor:pointer;fill:#2563eb}</style>\n"
                          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"10\" y=\"22\" "
                          "font-size=\"16\">");
    clew__svg_text(out, title, TITLE_COLUMNS);
    clew__write_text(out, "</text>\n<text x=\"10\" y=\"42\" fill=\"#555\">");
}

static void put_count(struct clew__writer *out, uint64_t count, const char *one, const char *many) {
    char text[CLEW__NUMBER_SIZE];
    clew__count_text(count, text);
    clew__write_text(out, text);
    clew__write_text(out, count == 1 ? one : many);
}

static void put_summary(const struct flame *flame) {
    struct clew__writer *out = flame->out;
    char text[CLEW__NUMBER_SIZE];
    if (flame->view) {
        put_count(out, flame->view->roots, " request of ", " requests of ");
        put_duration(out, flame->view->mean);
        clew__write_text(out, " on average; widths are time on the critical path");
    } else {
        put_duration(out, flame->diff->before);
        clew__write_text(out, " before, ");
        put_duration(out, flame->diff->after);
        clew__write_text(out, " after: ");
        clew__change_text(flame->diff->delta, text);
        clew__write_text(out, text);
        clew__write_text(out, "; widths are time after, red is slower, blue is faster");
    }
    if (flame->left_out > 0) {
        clew__write_text(out, "; ");
        put_count(out, flame->left_out, " box is too small to be drawn", " boxes are too small to be drawn");
    }
    clew__write_text(out, "</text>\n");
}

/* How many rows there will be, and what is left out. */
static void measure(struct flame *flame) {
    for (uint32_t i = 0; i < box_count(flame); i++) {
        struct box box = box_at(flame, i);
        if (box.size == 0)
            continue;
        if (!is_drawn(flame, &box))
            flame->left_out++;
        else if (box.depth + 1 > flame->rows)
            flame->rows = box.depth + 1;
    }
}

static bool draw(struct flame *flame, clew_text title) {
    size_t count = box_count(flame);
    flame->cursors = (uint64_t *)clew_memory_allocate((count + 1) * sizeof *flame->cursors);
    if (!flame->cursors)
        return false;
    if (flame->total == 0)
        flame->total = 1;
    measure(flame);
    put_head(flame, title);
    put_summary(flame);
    clew__write_text(flame->out, CLEW__FLAME_BUTTONS);
    for (uint32_t i = 0; i < count; i++) {
        struct box box = place_box(flame, i);
        if (is_drawn(flame, &box))
            draw_box(flame, i, &box);
    }
    clew__write_text(flame->out, CLEW__FLAME_SCRIPT "</svg>\n");
    clew_memory_release(flame->cursors);
    return !flame->out->failed;
}

bool clew__report_flame_svg(struct clew__writer *out, const clew_profile_view *view, clew_text title) {
    struct flame flame = {.out = out, .view = view, .total = view->total};
    return draw(&flame, title);
}

bool clew__report_flame_diff_svg(struct clew__writer *out, const clew_diff *diff, clew_text title) {
    struct flame flame = {.out = out, .diff = diff, .total = diff->after};
    return draw(&flame, title);
}
