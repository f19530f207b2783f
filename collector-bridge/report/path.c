/* Critical paths for people. Keeps nothing; one thread. */
#include "collector-bridge/report/path.h"

#include "collector-bridge/report/number.h"
#include "collector-bridge/report/remarks.h"
#include "collector-bridge/report/shares.h"
#include "collector-bridge/report/table.h"

#include <clew/extend.h>
#include <inttypes.h>
#include <stdio.h>

#define SHARES_SAID 3u /* in the sentence of a root */
#define SAID_PERCENT 5u
#define BAR_CELLS 20u
#define SUMS_SHOWN 10u
#define ROWS_FEW 12u     /* so many are shown as they are */
#define SHORT 200u       /* what is below this part of the whole is short */
#define NOTED_PERCENT 1u /* what is less of the path is not worth a note */

static uint64_t root_duration(const clew_path_root *root) {
    return root->end_unix_nano - root->start_unix_nano;
}

static const clew_path_root *longest_root(const clew_critical_path *path) {
    const clew_path_root *longest = NULL;
    for (uint32_t i = 0; i < path->root_count; i++)
        if (!longest || root_duration(&path->roots[i]) > root_duration(longest))
            longest = &path->roots[i];
    return longest;
}

uint64_t clew__path_longest(const clew_critical_path *path) {
    const clew_path_root *root = longest_root(path);
    return root ? root_duration(root) : 0;
}

/* ---- the sentence ---- */

static void say_root(struct clew__sentence *sentence, const clew_trace *trace, uint32_t root) {
    clew_trace_span span;
    if (!clew_trace_span_at(trace, root, &span))
        clew__say(sentence, "the whole trace");
    else if (span.is_phantom)
        clew__say(sentence, "a request whose first span is missing");
    else
        clew__say_operation(sentence, span.service, span.operation);
}

/* `shop: checkout took 412ms; 61% of it in payments: charge (251ms), 18% between shop and payments (74.0ms).`
 */
static void headline(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                     const clew_path_root *root, const struct clew__share *shares, size_t count) {
    const clew_path_segment own_segment = {.span = root->span, .end_unix_nano = 1};
    struct clew__share own = clew__share_of(trace, &own_segment);
    uint64_t duration = root_duration(root);
    char id[CLEW_ID_TEXT_SIZE];
    struct clew__sentence sentence = clew__sentence_begin(style);
    clew__short_trace_id(trace, id);
    clew__say_name(&sentence, clew__text_of(id));
    clew__say(&sentence, "  ");
    say_root(&sentence, trace, root->span);
    clew__say(&sentence, " took ");
    clew__say_duration(&sentence, duration);
    for (size_t i = 0; i < count && i < SHARES_SAID; i++) {
        if (i && shares[i].nano < duration / 100 * SAID_PERCENT)
            break;
        clew__say(&sentence, i ? ", " : "; ");
        if (shares[i].nano == duration)
            clew__say(&sentence, "all");
        else
            clew__say_share(&sentence, shares[i].nano, duration);
        clew__say(&sentence, i ? " " : " of it ");
        clew__say_share_place(&sentence, &shares[i], &own);
        if (shares[i].nano == duration)
            continue;
        clew__say(&sentence, " (");
        clew__say_duration(&sentence, shares[i].nano);
        clew__say(&sentence, ")");
    }
    clew__say(&sentence, ".");
    clew__sentence_end(&sentence, out, CLEW__BOLD, 9);
}

bool clew__report_path_brief(struct clew__writer *out, const struct clew__style *style,
                             const clew_trace *trace, const clew_critical_path *path) {
    const clew_path_root *root = longest_root(path);
    struct clew__share *shares;
    size_t count;
    if (!root)
        return true;
    shares = clew__shares_new(trace, path->segments + root->first_segment, root->segment_count, &count);
    if (!shares && count)
        return false;
    headline(out, style, trace, root, shares, count);
    clew_memory_release(shares);
    return true;
}

/* ---- rows ---- */

/* Segments that follow one another. */
struct row {
    struct clew__share share; /* what all of them are of; of short ones put together what most of them is */
    uint64_t start, nano;
    size_t first_segment, segment_count;
    uint64_t longest; /* of what was put together */
    uint64_t steps;   /* rows that were put together; 1: none */
    bool assumed;
};

/* Neighbours of one operation become one row. Returns how many there are. */
static size_t join_neighbours(const clew_trace *trace, const clew_path_segment *segments, size_t count,
                              struct row *rows) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct clew__share share = clew__share_of(trace, &segments[i]);
        struct row *last = kept ? &rows[kept - 1] : NULL;
        if (last && clew__share_is_same(&last->share, &share)) {
            last->nano = last->longest = last->share.nano += share.nano;
            last->segment_count++;
            last->assumed |= segments[i].assumed;
            continue;
        }
        rows[kept++] = (struct row){.share = share,
                                    .start = segments[i].start_unix_nano,
                                    .nano = share.nano,
                                    .first_segment = i,
                                    .segment_count = 1,
                                    .longest = share.nano,
                                    .steps = 1,
                                    .assumed = segments[i].assumed};
    }
    return kept;
}

/* How many rows there would be if neighbours shorter than the limit were put together. */
static size_t rows_above(const struct row *rows, size_t count, uint64_t limit) {
    size_t kept = 0;
    bool in_short = false;
    for (size_t i = 0; i < count; i++) {
        bool is_short = rows[i].nano < limit;
        kept += !(is_short && in_short);
        in_short = is_short;
    }
    return kept;
}

static uint64_t short_limit(uint64_t duration) {
    return duration / SHORT + 1;
}

/* Puts neighbours that are short together, and longer ones as long as there are too many rows. */
static size_t join_short(struct row *rows, size_t count, uint64_t duration) {
    uint64_t limit = short_limit(duration);
    size_t kept = 0;
    if (count <= ROWS_FEW)
        return count;
    while (rows_above(rows, count, limit) > CLEW__PATH_ROWS && limit <= duration)
        limit += limit / 4 + 1;
    for (size_t i = 0; i < count; i++) {
        struct row *last = kept ? &rows[kept - 1] : NULL;
        bool joins = last && rows[i].nano < limit && last->longest < limit;
        if (!joins) {
            rows[kept++] = rows[i];
            continue;
        }
        if (rows[i].nano > last->longest)
            last->longest = rows[i].nano;
        last->nano += rows[i].nano;
        last->segment_count += rows[i].segment_count;
        last->steps++;
        last->assumed |= rows[i].assumed;
    }
    return kept;
}

/* What most of the time is of in rows that were put together. */
static bool judge_joined(const clew_trace *trace, const clew_path_segment *segments, struct row *rows,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct clew__share *shares;
        size_t share_count;
        if (rows[i].steps == 1)
            continue;
        shares =
            clew__shares_new(trace, segments + rows[i].first_segment, rows[i].segment_count, &share_count);
        if (!shares)
            return false;
        rows[i].share = shares[0];
        clew_memory_release(shares);
    }
    return true;
}

/* What sends no spans may have worked or not. */
static const char *gap_note(const struct clew__share *share) {
    return share->is_unseen ? "there, or on the way" : "on the way";
}

/* `on the way`, `50% of 1000 short steps`, `assumed` */
static void put_note(struct clew__table *table, const struct row *row) {
    char text[128] = "";
    if (row->steps > 1)
        snprintf(text, sizeof text, "%u%% of %zu short steps",
                 (unsigned)(100.0 * (double)row->share.nano / (double)row->nano + 0.5), row->segment_count);
    else if (row->share.kind == CLEW_SEGMENT_EDGE_GAP)
        snprintf(text, sizeof text, "%s", gap_note(&row->share));
    if (row->assumed)
        strcat(text, *text ? ", assumed" : "assumed");
    clew__table_put(table, CLEW__DIM, text);
}

static void put_place(struct clew__table *table, struct clew__palette *palette,
                      const struct clew__share *share) {
    char text[512];
    clew_text service = clew__service_shown(share->service), callee = clew__service_shown(share->callee);
    if (share->is_nothing || share->kind == CLEW_SEGMENT_MISSING) {
        clew__table_put(table, CLEW__DIM, share->is_nothing ? "(nothing)" : "(missing)");
        clew__table_put(table, NULL, "");
    } else if (share->kind == CLEW_SEGMENT_EDGE_GAP) {
        int size = snprintf(text, sizeof text, "%.*s → %.*s", (int)(service.size < 200 ? service.size : 200),
                            service.data, (int)(callee.size < 200 ? callee.size : 200), callee.data);
        clew__table_name(table, clew__palette_mark(palette, share->service), (clew_text){text, (size_t)size});
        clew__table_name(table, NULL, share->operation);
    } else {
        clew__table_name(table, clew__palette_mark(palette, share->service), service);
        clew__table_name(table, NULL, share->operation);
    }
}

/* Of a path of many rows: the sums, the largest first. */
static void print_sums(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const struct clew__share *shares, size_t count,
                       uint64_t duration) {
    static const struct clew__column columns[] = {
        {.title = "share", .is_right = true},
        {.title = "time", .is_right = true},
        {.title = "", .is_text_only = true},
        {.title = "steps", .is_right = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = ""},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < count && i < SUMS_SHOWN; i++) {
        clew__table_share(&table, i == 0 ? CLEW__BOLD : NULL, shares[i].nano, duration);
        clew__table_duration(&table, NULL, shares[i].nano);
        clew__table_bar(&table, NULL, style->columns ? shares[i].nano : 0, duration, BAR_CELLS);
        clew__table_count(&table, NULL, shares[i].segments);
        put_place(&table, palette, &shares[i]);
        clew__table_put(&table, CLEW__DIM,
                        shares[i].kind == CLEW_SEGMENT_EDGE_GAP ? gap_note(&shares[i]) : "");
    }
    clew__table_end(&table, out, style);
    clew__write_text(out, "\n");
}

static void print_rows(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const struct row *rows, size_t count,
                       const clew_path_root *root) {
    static const struct clew__column columns[] = {
        {.title = "start", .is_right = true},
        {.title = "time", .is_right = true},
        {.title = "share", .is_right = true},
        {.title = "", .is_text_only = true},
        {.title = "service", .is_flexible = true},
        {.title = "operation", .is_flexible = true},
        {.title = ""},
    };
    struct clew__table table = clew__table_begin(columns, sizeof columns / sizeof columns[0]);
    uint64_t duration = root_duration(root), longest = 0, least = 0, hidden = 0, hidden_nano = 0;
    for (size_t i = 0; i < count; i++)
        longest = rows[i].nano > longest ? rows[i].nano : longest;
    if (count > ROWS_FEW)
        least = short_limit(duration);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].nano < least) {
            hidden += rows[i].segment_count;
            hidden_nano += rows[i].nano;
            continue;
        }
        const char *mark = rows[i].nano == longest ? CLEW__BOLD : NULL;
        clew__table_duration(&table, CLEW__DIM, rows[i].start - root->start_unix_nano);
        clew__table_duration(&table, mark, rows[i].nano);
        clew__table_share(&table, mark, rows[i].nano, duration);
        clew__table_bar(&table, NULL, style->columns ? rows[i].nano : 0, duration, BAR_CELLS);
        put_place(&table, palette, &rows[i].share);
        put_note(&table, &rows[i]);
    }
    clew__table_end(&table, out, style);
    if (hidden) {
        struct clew__sentence sentence = clew__sentence_begin(style);
        clew__say(&sentence, "%sand %" PRIu64 " short step%s, ", style->is_markdown ? "\n" : "", hidden,
                  hidden == 1 ? "" : "s");
        clew__say_share(&sentence, hidden_nano, duration);
        clew__say(&sentence, " in all (--json has them).");
        clew__sentence_end(&sentence, out, CLEW__DIM, 2);
    }
}

static bool print_steps(struct clew__writer *out, const struct clew__style *style,
                        struct clew__palette *palette, const clew_trace *trace,
                        const clew_critical_path *path, const clew_path_root *root,
                        const struct clew__share *shares, size_t share_count) {
    const clew_path_segment *segments = path->segments + root->first_segment;
    struct row *rows = clew_memory_allocate(root->segment_count * sizeof *rows);
    size_t count;
    bool enough;
    if (!rows)
        return false;
    count = join_neighbours(trace, segments, root->segment_count, rows);
    if (count > CLEW__PATH_ROWS)
        print_sums(out, style, palette, shares, share_count, root_duration(root));
    count = join_short(rows, count, root_duration(root));
    enough = judge_joined(trace, segments, rows, count);
    if (enough)
        print_rows(out, style, palette, rows, count, root);
    clew_memory_release(rows);
    return enough;
}

static bool print_root(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_trace *trace, const clew_critical_path *path,
                       const clew_path_root *root) {
    size_t count;
    struct clew__share *shares =
        clew__shares_new(trace, path->segments + root->first_segment, root->segment_count, &count);
    bool enough = shares || count == 0;
    if (enough)
        headline(out, style, trace, root, shares, count);
    if (style->is_markdown)
        clew__write_text(out, "\n");
    if (enough && count)
        enough = print_steps(out, style, style->colours ? palette : NULL, trace, path, root, shares, count);
    clew_memory_release(shares);
    return enough;
}

/* ---- notes ---- */

static bool is_notable(uint64_t part, uint64_t whole) {
    return part > 0 && part >= whole / 100 * NOTED_PERCENT;
}

/* `12% of the path …` */
static void note_share(struct clew__writer *out, const struct clew__style *style, uint64_t part,
                       uint64_t whole, const char *what) {
    struct clew__sentence sentence;
    if (!is_notable(part, whole))
        return;
    sentence = clew__sentence_begin(style);
    clew__say_share(&sentence, part, whole);
    clew__say(&sentence, " of the path %s", what);
    clew__sentence_end(&sentence, out, CLEW__DIM, 2);
}

static void note_count(struct clew__writer *out, const struct clew__style *style, uint64_t count,
                       const char *one, const char *many) {
    struct clew__sentence sentence;
    if (!count)
        return;
    sentence = clew__sentence_begin(style);
    clew__say(&sentence, "%" PRIu64 " %s", count, count == 1 ? one : many);
    clew__sentence_end(&sentence, out, CLEW__DIM, 2);
}

static void notes(struct clew__writer *out, const struct clew__style *style, const clew_trace *trace,
                  const clew_critical_path *path) {
    const clew_path_confidence *confidence = &path->confidence;
    note_share(out, style, confidence->assumed, confidence->total,
               "is assumed: calls outlived their callers, which may not have waited (--overflow exclude).");
    note_share(out, style, confidence->recorded, confidence->total,
               "is known from waits that the program recorded.");
    note_share(out, style, confidence->missing, confidence->total, "is in spans that are missing.");
    note_share(out, style, confidence->provisional, confidence->total,
               "is in spans that have not ended; it may grow.");
    note_count(
        out, style, clew_trace_skew_corrected(trace),
        "span had its times corrected, its host's clock differs (--skew off shows it as recorded).",
        "spans had their times corrected, clocks of hosts differ (--skew off shows them as recorded).");
    note_share(out, style, confidence->skew, confidence->total, "is in spans whose times were corrected.");
    note_count(out, style, confidence->near_overlaps,
               "call overlaps the next by less than 1% (--eps 1% takes it for one after the other).",
               "calls overlap the next by less than 1% (--eps 1% takes them for one after the other).");
    note_count(out, style, confidence->unused_waits, "recorded wait tells nothing.",
               "recorded waits tell nothing.");
    if (path->async_tail) {
        struct clew__sentence sentence = clew__sentence_begin(style);
        clew__say(&sentence, "The trace went on for ");
        clew__say_duration(&sentence, path->async_tail);
        clew__say(&sentence, " after that (--scope trace explains all of it).");
        clew__sentence_end(&sentence, out, CLEW__DIM, 2);
    }
    clew__report_repairs(out, style, trace);
}

bool clew__report_path(struct clew__writer *out, const struct clew__style *style,
                       struct clew__palette *palette, const clew_trace *trace,
                       const clew_critical_path *path) {
    for (uint32_t i = 0; i < path->root_count; i++) {
        if (i)
            clew__write_text(out, "\n");
        if (!print_root(out, style, palette, trace, path, &path->roots[i]))
            return false;
    }
    if (style->is_markdown)
        clew__write_text(out, "\n");
    notes(out, style, trace, path);
    return true;
}
