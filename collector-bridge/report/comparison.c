/* Comparisons for people. Keeps nothing; one thread. */
#include "collector-bridge/report/comparison.h"

#include "collector-bridge/report/line.h"
#include "collector-bridge/report/number.h"
#include "collector-bridge/report/table.h"

#include <clew/extend.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define DIGITS_MAX 10000u /* a shift is told in at most four digits */
#define MILLI 1000000u    /* nanoseconds */
#define PARTS_SAID 3u     /* in the first sentence */
#define SAID_PERCENT 10u  /* of the whole change; of smaller parts the table tells */

static bool is_told(const clew_comparison_row *row) {
    return row->verdict != CLEW_VERDICT_SAME && row->verdict != CLEW_VERDICT_UNKNOWN;
}

static bool is_worse(clew_verdict verdict) {
    return verdict == CLEW_VERDICT_ERRORS || verdict == CLEW_VERDICT_REGRESSION;
}

/* ---- what it is about ---- */

static const char *word_of(clew_comparison_kind kind) {
    static const char *const words[CLEW_COMPARISON_KIND_COUNT] = {
        [CLEW_COMPARISON_ROOT] = "request",          [CLEW_COMPARISON_NODE] = "itself",
        [CLEW_COMPARISON_EDGE_GAP] = "on the way",   [CLEW_COMPARISON_EDGE_CLIENT] = "as called",
        [CLEW_COMPARISON_EDGE_SERVER] = "as served", [CLEW_COMPARISON_CONTEXT] = "in its context",
        [CLEW_COMPARISON_MISSING] = "missing",       [CLEW_COMPARISON_IDLE] = "nothing ran",
        [CLEW_COMPARISON_OTHER] = "other",           [CLEW_COMPARISON_MIX] = "other requests",
    };
    return words[kind];
}

static void put_place(struct clew__table *table, struct clew__palette *palette, clew_text client,
                      clew_text service, clew_text operation) {
    char text[512];
    if (client.size) {
        int size = snprintf(text, sizeof text, "%.*s → %.*s", (int)(client.size < 200 ? client.size : 200),
                            client.data, (int)(service.size < 200 ? service.size : 200),
                            service.data ? service.data : "");
        clew__table_name(table, clew__palette_mark(palette, client), (clew_text){text, (size_t)size});
    } else if (service.size || operation.size) {
        clew__table_name(table, clew__palette_mark(palette, service), clew__service_shown(service));
    } else {
        clew__table_put(table, CLEW__DIM, "(none)");
    }
    clew__table_name(table, NULL, operation);
}

/* A shift, and the interval that it is in with a confidence of 99 %. */
static void put_shift(struct clew__table *table, const clew_estimate *shift) {
    char value[CLEW__NUMBER_SIZE] = "", low[CLEW__NUMBER_SIZE], high[CLEW__NUMBER_SIZE];
    char between[2 * CLEW__NUMBER_SIZE + 8] = "";
    if (!isnan(shift->value)) {
        clew__change_text((int64_t)shift->value, value);
        clew__change_text((int64_t)shift->low, low);
        clew__change_text((int64_t)shift->high, high);
        snprintf(between, sizeof between, "%s to %s", low, high);
    }
    clew__table_put(table, !isnan(shift->value) && shift->value > 0 ? CLEW__RED : NULL, value);
    clew__table_put(table, CLEW__DIM, between);
}

/* ---- rows ---- */

static void rows_table(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_comparison *comparison, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = ""},
        {.title = "of"},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = "p50", .is_right = true},
        {.title = "now", .is_right = true},
        {.title = "p95", .is_right = true, .is_minor = true},
        {.title = "now", .is_right = true, .is_minor = true},
        {.title = "shift", .is_right = true},
        {.title = "99% interval", .is_right = true, .is_minor = true},
        {.title = "errors", .is_right = true},
        {.title = "now", .is_right = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    size_t count = 0;
    for (uint32_t i = 0; i < comparison->row_count; i++) {
        const clew_comparison_row *row = &comparison->rows[i];
        if (!is_told(row) && row->kind != CLEW_COMPARISON_ROOT)
            continue;
        count++;
        if (clew__rows_shown(count, limit) < count)
            continue;
        clew__table_put(&table, is_worse(row->verdict) ? CLEW__RED : NULL, clew_verdict_name(row->verdict));
        clew__table_put(&table, CLEW__DIM, word_of(row->kind));
        put_place(&table, palette, row->client, row->service, row->operation);
        clew__table_duration(&table, NULL, row->before.p50);
        clew__table_duration(&table, NULL, row->after.p50);
        clew__table_duration(&table, NULL, row->before.p95);
        clew__table_duration(&table, NULL, row->after.p95);
        put_shift(&table, &row->shift);
        clew__table_errors(&table, row->before.errors, row->before.calls);
        clew__table_errors(&table, row->after.errors, row->after.calls);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, count, limit);
}

/* ---- why ---- */

/* The unit in which a shift has few digits: a power of ten. */
static uint64_t unit_of(int64_t nano) {
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano, unit = 1;
    while (size / unit >= DIGITS_MAX && unit < MILLI)
        unit *= 10;
    return unit;
}

/* So many units as milliseconds, with just the decimals that the unit has. */
static void unit_text(int64_t units, uint64_t unit, char text[CLEW__NUMBER_SIZE]) {
    uint64_t size = units < 0 ? 0 - (uint64_t)units : (uint64_t)units, whole = MILLI / unit;
    char decimals[8] = "";
    size_t count = 0;
    for (uint64_t scale = whole / 10; scale > 0; scale /= 10)
        decimals[count++] = (char)('0' + size / scale % 10);
    snprintf(text, CLEW__NUMBER_SIZE, "%c%" PRIu64 "%s%sms", units < 0 ? '-' : '+', size / whole,
             count ? "." : "", decimals);
}

static void parts_table(struct clew__writer *out, const struct clew__style *style,
                        struct clew__palette *palette, const clew_explanation *explanation,
                        const int64_t *units, uint64_t unit, uint32_t limit) {
    static const struct clew__column columns[] = {
        {.title = "part", .is_right = true},
        {.title = "of"},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    char text[CLEW__NUMBER_SIZE];
    for (size_t i = 0; i < clew__rows_shown(explanation->contribution_count, limit); i++) {
        const clew_contribution *part = &explanation->contributions[i];
        unit_text(units[i], unit, text);
        clew__table_put(&table, units[i] > 0 ? CLEW__RED : NULL, text);
        clew__table_put(&table, CLEW__DIM, word_of(part->kind));
        put_place(&table, palette, part->client, part->service, part->operation);
    }
    clew__table_end(&table, out, style);
    clew__rows_rest(out, style, explanation->contribution_count, limit);
}

static bool explain(struct clew__writer *out, const struct clew__style *style, struct clew__palette *palette,
                    const clew_comparison *comparison, const clew_explanation *explanation, uint32_t limit) {
    const clew_comparison_row *root = &comparison->rows[explanation->root];
    uint64_t unit = unit_of(explanation->nano);
    int64_t total, *units = clew_memory_allocate((explanation->contribution_count + 1) * sizeof *units);
    struct clew__sentence sentence;
    char text[CLEW__NUMBER_SIZE];
    if (!units || clew_explanation_round(explanation, unit, &total, units) != CLEW_OK) {
        clew_memory_release(units);
        return false;
    }
    sentence = clew__sentence_begin(style);
    clew__write_text(out, "\n");
    clew__say(&sentence, "On average ");
    clew__say_operation(&sentence, root->service, root->operation);
    unit_text(total, unit, text);
    clew__say(&sentence, " takes %s %s; that is the sum of:", text + 1, total < 0 ? "less" : "more");
    clew__sentence_end(&sentence, out, NULL, 2);
    if (style->is_markdown)
        clew__write_text(out, "\n");
    parts_table(out, style, palette, explanation, units, unit, limit);
    clew_memory_release(units);
    return true;
}

/* ---- all ---- */

static void say_place(struct clew__sentence *sentence, const clew_contribution *part) {
    switch (part->kind) {
    case CLEW_COMPARISON_EDGE_GAP:
        clew__say(sentence, "between ");
        clew__say_name(sentence, clew__service_shown(part->client));
        clew__say(sentence, " and ");
        clew__say_name(sentence, clew__service_shown(part->service));
        break;
    case CLEW_COMPARISON_MISSING:
        clew__say(sentence, "in spans that are missing");
        break;
    case CLEW_COMPARISON_IDLE:
        clew__say(sentence, "while nothing ran");
        break;
    case CLEW_COMPARISON_OTHER:
        clew__say(sentence, "in operations beyond the limit");
        break;
    case CLEW_COMPARISON_MIX:
        clew__say(sentence, "because other kinds of requests came");
        break;
    default:
        clew__say(sentence, "in ");
        clew__say_operation(sentence, part->service, part->operation);
    }
}

/* `shop: buy takes 14.1ms more: +9.38ms in bank: charge, +2.34ms between shop and bank.` */
static void say_explanation(struct clew__writer *out, const struct clew__style *style,
                            const clew_comparison *comparison, const clew_explanation *explanation) {
    const clew_comparison_row *root = &comparison->rows[explanation->root];
    struct clew__sentence sentence = clew__sentence_begin(style);
    char change[CLEW__NUMBER_SIZE];
    clew__say_operation(&sentence, root->service, root->operation);
    clew__change_text(explanation->nano, change);
    clew__say(&sentence, " takes %s more", change + 1);
    for (uint32_t i = 0; i < explanation->contribution_count && i < PARTS_SAID; i++) {
        const clew_contribution *part = &explanation->contributions[i];
        if (i && part->nano < explanation->nano / 100 * SAID_PERCENT)
            break;
        clew__change_text(part->nano, change);
        clew__say(&sentence, "%s%s ", i ? ", " : ": ", change);
        say_place(&sentence, part);
    }
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, out, CLEW__RED, 2);
}

/* Of the requests that got slower, the one that got so most. NULL: none. */
static const clew_explanation *worst_explanation(const clew_comparison *comparison) {
    const clew_explanation *worst = NULL;
    for (uint32_t i = 0; i < comparison->explanation_count; i++) {
        const clew_explanation *explanation = &comparison->explanations[i];
        if (comparison->rows[explanation->root].verdict == CLEW_VERDICT_REGRESSION && explanation->nano > 0 &&
            (!worst || explanation->nano > worst->nano))
            worst = explanation;
    }
    return worst;
}

static void headline(struct clew__writer *out, const struct clew__style *style,
                     const clew_comparison *comparison) {
    const clew_explanation *worst = worst_explanation(comparison);
    struct clew__sentence sentence;
    uint32_t worse = 0, told = 0;
    if (worst)
        say_explanation(out, style, comparison, worst);
    if (worst && style->is_markdown)
        clew__write_text(out, "\n");
    sentence = clew__sentence_begin(style);
    for (uint32_t i = 0; i < comparison->row_count; i++) {
        worse += is_worse(comparison->rows[i].verdict);
        told += is_told(&comparison->rows[i]);
    }
    clew__say(&sentence, "%" PRIu64 " requests then, %" PRIu64 " now: ", comparison->before.requests,
              comparison->after.requests);
    if (worse)
        clew__say(&sentence, "%" PRIu32 " of %" PRIu32 " things compared got worse.", worse,
                  comparison->keys);
    else
        clew__say(&sentence, told ? "nothing got worse." : "nothing changed that can be told from chance.");
    clew__sentence_end(&sentence, out, worst ? NULL : worse ? CLEW__RED : CLEW__BOLD, 2);
    clew__write_text(out, "\n");
}

bool clew__report_comparison(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_comparison *comparison,
                             uint32_t limit) {
    if (!style->colours)
        palette = NULL;
    headline(out, style, comparison);
    rows_table(out, style, palette, comparison, limit);
    for (uint32_t i = 0; i < comparison->explanation_count; i++) {
        const clew_explanation *explanation = &comparison->explanations[i];
        if (is_told(&comparison->rows[explanation->root]) && explanation->nano &&
            !explain(out, style, palette, comparison, explanation, limit))
            return false;
    }
    return true;
}
