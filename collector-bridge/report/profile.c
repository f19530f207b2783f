/* Profiles for people. Keeps nothing; one thread. */
#include "collector-bridge/report/profile.h"

#include "collector-bridge/report/frame.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"

#include <inttypes.h>
#include <stdio.h>

#define FRAMES_SAID 3u
#define SAID_PERCENT 5u
#define BAR_CELLS 20u
#define TREE_PART 100u /* contexts with less than such a part of all time are left out */
#define DEPTH_MAX 30u  /* levels that are indented */

/* ---- the sum of frames ---- */

static void headline(struct clew__writer *out, const struct clew__style *style,
                     const clew_profile_view *view) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%" PRIu64 " request%s took ", view->roots, view->roots == 1 ? "" : "s");
    clew__say_duration(&sentence, view->mean);
    clew__say(&sentence, view->roots == 1 ? "" : " on average");
    for (uint32_t i = 0; i < view->frame_count && i < FRAMES_SAID; i++) {
        const clew_profile_frame *frame = &view->frames[i];
        if (i && frame->critical_self < view->total / 100 * SAID_PERCENT)
            break;
        clew__say(&sentence, i ? ", " : "; ");
        clew__say_share(&sentence, frame->critical_self, view->total);
        clew__say(&sentence, i ? " " : " of it ");
        clew__say_frame(&sentence, frame->kind, frame->service, frame->operation, frame->caller);
    }
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, out, CLEW__BOLD, 2);
    if (style->is_markdown)
        clew__write_text(out, "\n");
}

size_t clew__report_frames(struct clew__writer *out, const struct clew__style *style,
                           struct clew__palette *palette, const clew_profile_view *view, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "share", .is_right = true},
        {.title = "average", .is_right = true},
        {.title = "", .is_text_only = true},
        {.title = "seen in", .is_right = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = "errors", .is_right = true},
        {.title = "slowest", .is_right = true, .is_minor = true},
        {.title = "example"},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    size_t count = 0, shown;
    while (count < view->frame_count && view->frames[count].critical_self)
        count++;
    shown = clew__rows_shown(count, limit);
    if (!style->colours)
        palette = NULL;
    headline(out, style, view);
    for (size_t i = 0; i < shown; i++) {
        const clew_profile_frame *frame = &view->frames[i];
        clew__table_share(&table, i == 0 ? CLEW__BOLD : NULL, frame->critical_self, view->total);
        clew__table_duration(&table, NULL, view->roots ? frame->critical_self / view->roots : 0);
        clew__table_bar(&table, NULL, style->columns ? frame->critical_self : 0, view->total, BAR_CELLS);
        clew__table_share(&table, NULL, frame->on_path, view->roots);
        clew__frame_cells(&table, palette, frame->kind, frame->service, frame->operation, frame->caller);
        clew__table_errors(&table, frame->errors, frame->count);
        clew__table_duration(&table, NULL, frame->max);
        clew__table_id(&table, frame->exemplar_count ? frame->exemplars[0].trace_id : (clew_text){NULL, 0});
    }
    clew__table_end(&table, out, style);
    return count;
}

/* ---- the tree ---- */

/* `12.3%  30.1%  shop: checkout`: with all below it, and itself. */
static void put_node(struct clew__writer *out, const struct clew__style *style, struct clew__palette *palette,
                     const clew_profile_view *view, const clew_profile_node *node) {
    char text[CLEW__NUMBER_SIZE], line_start[64], label[CLEW__FRAME_LABEL];
    struct clew__line line = clew__line_begin(out, style);
    const clew_text nobody = {NULL, 0};
    clew__share_text(node->critical, view->total, text);
    snprintf(line_start, sizeof line_start, "%7s", text);
    clew__line_put(&line, NULL, line_start);
    clew__share_text(node->critical_self, view->total, text);
    snprintf(line_start, sizeof line_start, "  %7s  ", text);
    clew__line_put(&line, CLEW__DIM, line_start);
    clew__line_spaces(&line, 2 * (node->depth < DEPTH_MAX ? node->depth : DEPTH_MAX));
    clew__frame_label(node->kind, node->service, node->operation, nobody, label);
    clew__line_put(&line, clew__palette_mark(palette, node->service), label);
    if (node->errors) {
        snprintf(line_start, sizeof line_start, "  %" PRIu64 " error%s", node->errors,
                 node->errors == 1 ? "" : "s");
        clew__line_put(&line, CLEW__RED, line_start);
    }
    clew__line_end(&line);
}

void clew__report_profile(struct clew__writer *out, const struct clew__style *style,
                          struct clew__palette *palette, const clew_profile_view *view, uint32_t limit) {
    uint32_t left_out = 0;
    if (!view->roots) {
        clew__write_text(out, "No requests.\n");
        return;
    }
    clew__rows_rest(out, style, clew__report_frames(out, style, palette, view, limit), limit);
    clew__heading(out, style, false, "Calling contexts");
    clew__write_text(out, style->is_markdown ? "```text\n" : "");
    clew__write_text(out, "  total     self\n");
    for (uint32_t i = 0; i < view->node_count && !out->failed;) {
        const clew_profile_node *node = &view->nodes[i];
        if (node->critical < view->total / TREE_PART || node->critical == 0) {
            left_out += node->end - i;
            i = node->end;
            continue;
        }
        put_node(out, style, style->colours ? palette : NULL, view, node);
        i++;
    }
    clew__write_text(out, style->is_markdown ? "```\n" : "");
    if (left_out) {
        struct clew__sentence sentence = clew__sentence_begin(style);
        clew__say(&sentence, "%s%" PRIu32 " context%s with less than 1%% %s left out (--json has all).",
                  style->is_markdown ? "\n" : "", left_out, left_out == 1 ? "" : "s",
                  left_out == 1 ? "is" : "are");
        clew__sentence_end(&sentence, out, CLEW__DIM, 2);
    }
}
