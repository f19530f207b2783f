/* Differences for people. Keeps nothing; one thread. */
#include "collector-bridge/report/diff.h"

#include "collector-bridge/report/frame.h"
#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"

#include <inttypes.h>
#include <string.h>

#define CAUSES_SAID 3u
#define SAID_PERCENT 10u /* of the whole difference */

/* The service that calls; of an edge gap. */
static clew_text caller_of(const clew_diff *diff, const clew_diff_node *node) {
    const clew_text nobody = {NULL, 0};
    return node->parent == CLEW_NO_SPAN ? nobody : diff->nodes[node->parent].service;
}

static uint64_t size_of(int64_t delta) {
    return delta < 0 ? 0 - (uint64_t)delta : (uint64_t)delta;
}

/* How the share of a root's requests among all changed. */
static const char *share_change(const clew_diff *diff, const clew_diff_node *node) {
    double before = diff->roots_before ? (double)node->before.count / (double)diff->roots_before : 0;
    double after = diff->roots_after ? (double)node->after.count / (double)diff->roots_after : 0;
    return after > before ? "more" : "fewer";
}

static void say_cause(struct clew__sentence *sentence, const clew_diff *diff, const clew_diff_cause *cause) {
    const clew_diff_node *node = &diff->nodes[cause->node];
    char change[CLEW__NUMBER_SIZE];
    clew__change_text(cause->delta, change);
    clew__say(sentence, "%s ", change);
    if (cause->is_mix) {
        clew__say(sentence, "because there are %s requests of ", share_change(diff, node));
        clew__say_operation(sentence, node->service, node->operation);
    } else {
        clew__say_frame(sentence, node->kind, node->service, node->operation, caller_of(diff, node));
    }
}

static void headline(struct clew__writer *out, const struct clew__style *style, const clew_diff *diff) {
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew__say(&sentence, "A request takes ");
    clew__say_duration(&sentence, diff->after);
    if (diff->delta) {
        clew__say(&sentence, ", ");
        clew__say_duration(&sentence, size_of(diff->delta));
        clew__say(&sentence, diff->delta > 0 ? " more" : " less");
    }
    clew__say(&sentence, diff->delta ? " than the " : ", the same as the ");
    clew__say_duration(&sentence, diff->before);
    clew__say(&sentence, " before");
    for (uint32_t i = 0; i < diff->cause_count && i < CAUSES_SAID; i++) {
        if (i && size_of(diff->causes[i].delta) < size_of(diff->delta) / 100 * SAID_PERCENT)
            break;
        clew__say(&sentence, i ? ", " : ": ");
        say_cause(&sentence, diff, &diff->causes[i]);
    }
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, out, CLEW__BOLD, 2);
}

static void put_change(struct clew__table *table, int64_t nano) {
    char text[CLEW__NUMBER_SIZE];
    clew__change_text(nano, text);
    clew__table_put(table, nano > 0 ? CLEW__RED : NULL, text);
}

/* Calls of one request, where they became more or fewer. */
static void put_calls(struct clew__table *table, const clew_diff *diff, const clew_diff_node *node) {
    char before[CLEW__NUMBER_SIZE] = "", after[CLEW__NUMBER_SIZE] = "";
    if (node->kind == CLEW_FRAME_SPAN && node->parent != CLEW_NO_SPAN && diff->roots_before &&
        diff->roots_after) {
        clew__ratio_text(node->before.count, diff->roots_before, before);
        clew__ratio_text(node->after.count, diff->roots_after, after);
    }
    if (strcmp(before, after) == 0)
        before[0] = after[0] = '\0';
    clew__table_put(table, NULL, before);
    clew__table_put(table, NULL, after);
}

static void causes_table(struct clew__writer *out, const struct clew__style *style,
                         struct clew__palette *palette, const clew_diff *diff, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "change", .is_right = true},       {.title = "before", .is_right = true},
        {.title = "after", .is_right = true},        {.title = "calls before", .is_right = true},
        {.title = "calls after", .is_right = true},  {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true}, {.title = ""},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < clew__rows_shown(diff->cause_count, limit); i++) {
        const clew_diff_cause *cause = &diff->causes[i];
        const clew_diff_node *node = &diff->nodes[cause->node];
        put_change(&table, cause->delta);
        clew__table_duration(&table, NULL,
                             cause->is_mix ? node->before.critical : node->before.critical_self);
        clew__table_duration(&table, NULL, cause->is_mix ? node->after.critical : node->after.critical_self);
        put_calls(&table, diff, node);
        clew__frame_cells(&table, palette, node->kind, node->service, node->operation, caller_of(diff, node));
        clew__table_put(&table, CLEW__DIM,
                        cause->is_mix                    ? "share of requests"
                        : node->status == CLEW_DIFF_SAME ? ""
                                                         : clew_diff_status_name(node->status));
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, diff->cause_count, limit);
}

/* What is new, gone or moved, the topmost of each; at most `limit`. */
static void changed_table(struct clew__writer *out, const struct clew__style *style,
                          struct clew__palette *palette, const clew_diff *diff, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = ""},
        {.title = "calls", .is_right = true},
        {.title = "time", .is_right = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    size_t count = 0;
    for (uint32_t i = 0; i < diff->node_count;) {
        const clew_diff_node *node = &diff->nodes[i];
        const clew_diff_side *side = node->status == CLEW_DIFF_REMOVED ? &node->before : &node->after;
        if (node->status == CLEW_DIFF_SAME || node->kind == CLEW_FRAME_EDGE_GAP) {
            i++;
            continue;
        }
        i = node->status == CLEW_DIFF_MOVED ? i + 1 : node->end;
        count++;
        if (clew__rows_shown(count, limit) < count)
            continue;
        clew__table_put(&table, NULL, clew_diff_status_name(node->status));
        clew__table_count(&table, NULL, side->count);
        clew__table_duration(&table, NULL, side->duration);
        clew__frame_cells(&table, palette, node->kind, node->service, node->operation, caller_of(diff, node));
    }
    if (count) {
        clew__heading(out, style, false, "New, gone, moved");
        clew__table_end(&table, out, style);
        clew__rows_rest(out, style, count, limit);
    } else {
        clew__table_drop(&table);
    }
}

void clew__report_diff(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_diff *diff, uint32_t limit) {
    if (!style->colours)
        palette = NULL;
    headline(out, style, diff);
    if (diff->cause_count) {
        clew__heading(out, style, false, "What explains it");
        causes_table(out, style, palette, diff, limit);
    }
    changed_table(out, style, palette, diff, limit);
}
