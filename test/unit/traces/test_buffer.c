/* The trace buffer: when traces are complete, what becomes of late spans, the byte budget, the books. */
#include "test/support.h"
#include "test/unit/analysis/build.h"

#include <clew/extend.h>

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define COUNT(spans) (sizeof(spans) / sizeof *(spans))

/* What the callbacks were told. */
struct told {
    uint32_t complete, late, left;
    clew_completion reason;
    uint32_t spans;        /* of the last one */
    char ids[64][40];      /* of the traces, in order of completion */
    uint64_t left_spans;   /* records of those that left */
    const uint8_t *wanted; /* unused when NULL */
};

static void on_complete(void *user, const clew_trace *trace, clew_completion reason, bool is_late) {
    struct told *told = (struct told *)user;
    char text[CLEW_ID_TEXT_SIZE];
    clew_trace_id_text(trace, text);
    if (told->complete < 64)
        snprintf(told->ids[told->complete], sizeof told->ids[0], "%.39s", text);
    told->complete += !is_late;
    told->late += is_late;
    told->reason = reason;
    told->spans = clew_trace_span_count(trace);
}

static void on_leave(void *user, const clew_trace *trace) {
    struct told *told = (struct told *)user;
    told->left++;
    told->left_spans += trace->source->count;
}

static clew_trace_buffer *make(struct told *told, uint64_t memory_limit) {
    clew_trace_buffer_options options = {.struct_size = sizeof options,
                                         .memory_limit = memory_limit,
                                         .on_complete = on_complete,
                                         .on_leave = on_leave,
                                         .user = told};
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    memset(told, 0, sizeof *told);
    cr_assert(buffer);
    return buffer;
}

static int add(clew_trace_buffer *buffer, const struct build_span *spans, size_t count, uint64_t now) {
    clew_bytes bytes = build_bytes(spans, count, NULL);
    int outcome = clew_trace_buffer_add(buffer, bytes, now);
    free((void *)(uintptr_t)bytes.data);
    return outcome;
}

static void expect_books(const clew_trace_buffer *buffer) {
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
    cr_assert_eq(stats.spans_in, stats.spans_held + stats.spans_left + stats.dropped_trace_limit +
                                     stats.dropped_late + stats.dropped_memory + stats.dropped_malformed +
                                     stats.dropped_busy);
}

static const clew_trace *find(clew_trace_buffer *buffer, const char *trace) {
    uint8_t id[16];
    build_trace_id(trace, id);
    return clew_trace_buffer_find(buffer, id);
}

static void expect_one_more(clew_trace_buffer *buffer, const char *trace, uint64_t now) {
    uint8_t id[16];
    build_trace_id(trace, id);
    clew_trace_buffer_expect(buffer, id, now);
}

static const struct build_span root = {.id = "1", .start = 10, .end = 90};
static const struct build_span child = {.id = "2", .parent = "1", .start = 20, .end = 30};
static const struct build_span grandchild = {.id = "3", .parent = "2", .start = 20, .end = 30};

/* ---- completion ---- */

Test(buffer, completes_a_trace_when_as_many_spans_came_as_were_started) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    expect_one_more(buffer, "1", 1);
    expect_one_more(buffer, "1", 2);
    add(buffer, &child, 1, 3);
    cr_expect_eq(told.complete, 0);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 4), 1 + 300 * SECOND, "nothing but the longest life waits");
    add(buffer, &root, 1, 5);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.reason, CLEW_COMPLETE_OPEN_ZERO);
    cr_expect_eq(told.spans, 2);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 6), UINT64_MAX);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_a_trace_when_it_is_quiet_after_its_root_with_no_parent_missing) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &root, 1, 0);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 1 * MS), 100 * MS);
    add(buffer, &child, 1, 99 * MS);
    clew_trace_buffer_tick(buffer, 100 * MS);
    cr_expect_eq(told.complete, 0, "children may come after their root");
    /* Four times the only time between spans is 400 ms. */
    clew_trace_buffer_tick(buffer, 480 * MS);
    cr_expect_eq(told.complete, 0);
    clew_trace_buffer_tick(buffer, 600 * MS);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.reason, CLEW_COMPLETE_QUIET);
    cr_expect_eq(told.spans, 2);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, waits_longer_while_a_parent_is_missing) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &root, 1, 0);
    add(buffer, &grandchild, 1, 0);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 101 * MS), 5 * SECOND);
    cr_expect_eq(told.complete, 0);
    add(buffer, &child, 1, 200 * MS);
    clew_trace_buffer_tick(buffer, 1200 * MS);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.reason, CLEW_COMPLETE_QUIET);
    cr_expect_eq(told.spans, 3);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_a_trace_whose_root_never_comes_when_it_has_been_idle) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &child, 1, 1 * SECOND);
    add(buffer, &grandchild, 1, 4 * SECOND);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 6 * SECOND), 9 * SECOND);
    cr_expect_eq(told.complete, 0);
    clew_trace_buffer_tick(buffer, 9 * SECOND);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.reason, CLEW_COMPLETE_IDLE);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_a_trace_that_never_rests_when_it_has_lived_too_long) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    uint64_t now = 0;
    for (; told.complete == 0 && now < 400 * SECOND; now += SECOND) {
        char id[20];
        snprintf(id, sizeof id, "%llx", (unsigned long long)(now / SECOND + 5));
        struct build_span span = {.id = id, .parent = "1", .start = 20, .end = 30};
        add(buffer, &span, 1, now);
        clew_trace_buffer_tick(buffer, now);
    }
    cr_expect_eq(now, 301 * SECOND);
    cr_expect_eq(told.reason, CLEW_COMPLETE_LIVE);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_a_trace_with_too_many_spans_and_counts_what_is_beyond) {
    struct told told;
    clew_trace_buffer_options options = {
        .struct_size = sizeof options, .span_limit = 2, .on_complete = on_complete, .user = &told};
    const struct build_span spans[] = {root, child, grandchild, {.id = "4", .start = 1, .end = 2}};
    memset(&told, 0, sizeof told);
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    add(buffer, spans, COUNT(spans), 1);
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.reason, CLEW_COMPLETE_LIMIT);
    cr_expect_eq(told.spans, 2);
    cr_expect_eq(stats.dropped_trace_limit, 2);
    cr_expect_eq(stats.spans_held, 2);
    cr_expect_eq(stats.traces_complete[CLEW_COMPLETE_LIMIT], 1);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_everything_in_order_of_start_then_id_when_no_more_will_come) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    const struct build_span spans[] = {
        {.id = "1", .start = 30, .end = 90, .trace = "a"},
        {.id = "1", .start = 10, .end = 90, .trace = "c"},
        {.id = "1", .start = 10, .end = 90, .trace = "b"},
    };
    add(buffer, spans, COUNT(spans), 1);
    clew_trace_buffer_flush(buffer);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(told.complete, 3, "each once");
    cr_expect_eq(told.reason, CLEW_COMPLETE_FLUSH);
    cr_expect_str_eq(told.ids[0] + 31, "b");
    cr_expect_str_eq(told.ids[1] + 31, "c");
    cr_expect_str_eq(told.ids[2] + 31, "a");
    const clew_trace *trace = NULL;
    for (int i = 0; (trace = clew_trace_buffer_next(buffer, trace)); i++) {
        char text[CLEW_ID_TEXT_SIZE];
        clew_trace_id_text(trace, text);
        cr_expect_str_eq(text, told.ids[i]);
    }
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, does_not_take_an_open_root_for_an_ended_one) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    struct build_span open = root;
    open.end = 0;
    add(buffer, &open, 1, 0);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 1 * SECOND), 5 * SECOND);
    add(buffer, &root, 1, 1 * SECOND);
    clew_trace_buffer_tick(buffer, 4 * SECOND);
    cr_expect_eq(told.reason, CLEW_COMPLETE_QUIET);
    cr_expect_eq(told.spans, 1);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, completes_each_of_many_traces_at_its_own_time) {
    enum { TRACES = 400 };
    struct told told;
    struct random random = {3};
    clew_trace_buffer *buffer = make(&told, 0);
    uint64_t due[TRACES], now = 0;
    uint32_t early = 0;
    for (int i = 0; i < TRACES; i++) {
        char id[20];
        snprintf(id, sizeof id, "%x", i + 1);
        struct build_span span = {.id = "2", .parent = "1", .start = 20, .end = 30, .trace = id};
        now += random_below(&random, 10) * MS;
        add(buffer, &span, 1, now);
        due[i] = now + 5 * SECOND;
    }
    /* Some last longer, for more comes; some are over at once, from anywhere in the heap. */
    for (int i = 0; i < TRACES; i += 1 + (int)random_below(&random, 3)) {
        char id[20];
        snprintf(id, sizeof id, "%x", i + 1);
        struct build_span span = {.id = "3", .parent = "1", .start = 20, .end = 30, .trace = id};
        now += random_below(&random, 5) * MS;
        if (i % 2) {
            expect_one_more(buffer, id, now);
            early++;
        }
        add(buffer, &span, 1, now);
        due[i] = i % 2 ? 0 : now + 5 * SECOND;
    }
    cr_assert_eq(told.complete, early);
    for (now = 5 * SECOND - MS; now < 10 * SECOND; now += MS) {
        uint32_t expected = 0;
        clew_trace_buffer_tick(buffer, now);
        for (int i = 0; i < TRACES; i++)
            expected += due[i] <= now;
        cr_assert_eq(told.complete, expected, "%llu ms", (unsigned long long)(now / MS));
    }
    cr_expect_eq(told.complete, TRACES);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- late spans ---- */

Test(buffer, adds_late_spans_to_a_trace_that_is_still_held_and_says_so_once) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &root, 1, 0);
    clew_trace_buffer_tick(buffer, 1 * SECOND);
    cr_assert_eq(told.complete, 1);
    add(buffer, &child, 1, 2 * SECOND);
    add(buffer, &grandchild, 1, 2 * SECOND);
    cr_expect_eq(told.late, 0);
    clew_trace_buffer_tick(buffer, 8 * SECOND);
    cr_expect_eq(told.late, 1);
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.spans, 3);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).late_spans, 2);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).traces_complete[CLEW_COMPLETE_QUIET], 1);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, waits_for_a_quiet_time_before_it_speaks_of_late_spans) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    for (uint64_t i = 1; i <= 100; i++) {
        char id[20];
        snprintf(id, sizeof id, "%llx", (unsigned long long)i);
        struct build_span span = {.id = id, .parent = "9999", .start = 20, .end = 30};
        expect_one_more(buffer, "1", i);
        add(buffer, &span, 1, i);
    }
    cr_expect_eq(told.complete, 1);
    cr_expect_eq(told.late, 0);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 100 * MS + 50), 100 + 100 * MS);
    cr_expect_eq(told.late, 0);
    clew_trace_buffer_tick(buffer, SECOND);
    cr_expect_eq(told.late, 1);
    cr_expect_eq(told.spans, 101, "and their missing parent");
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* Adds traces of one span until one has left; returns how many. */
static int crowd_out(clew_trace_buffer *buffer, const struct told *told, uint64_t now) {
    int count = 0;
    for (; told->left == 0 && count < 100000; count++) {
        char id[20];
        snprintf(id, sizeof id, "%x", 1000 + count);
        struct build_span span = {.id = "1", .start = 50, .end = 60, .trace = id, .service = "s"};
        add(buffer, &span, 1, now);
        clew_trace_buffer_flush(buffer);
    }
    return count;
}

Test(buffer, counts_spans_that_come_after_their_trace_has_left) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 128 << 10);
    add(buffer, &root, 1, 0);
    clew_trace_buffer_flush(buffer);
    crowd_out(buffer, &told, 1);
    cr_assert_eq(told.left, 1);
    cr_expect_null(find(buffer, "1"), "the one that was complete first");
    add(buffer, &child, 1, 2);
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
    cr_expect_eq(stats.dropped_late, 1);
    cr_expect_eq(stats.spans_left, 1);
    cr_expect_null(find(buffer, "1"), "a decision stays");
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, remembers_only_so_many_traces_that_have_left) {
    struct told told;
    clew_trace_buffer_options options = {.struct_size = sizeof options,
                                         .memory_limit = 128 << 10,
                                         .decision_count = 3,
                                         .on_leave = on_leave,
                                         .user = &told};
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    memset(&told, 0, sizeof told);
    add(buffer, &root, 1, 0);
    clew_trace_buffer_flush(buffer);
    for (int i = 0; told.left < 4; i++) {
        char id[20];
        snprintf(id, sizeof id, "%x", 1000 + i);
        struct build_span span = {.id = "1", .start = 50, .end = 60, .trace = id};
        add(buffer, &span, 1, 1);
        clew_trace_buffer_flush(buffer);
    }
    add(buffer, &child, 1, 2);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).dropped_late, 0);
    cr_expect(find(buffer, "1") != NULL);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- looking up ---- */

Test(buffer, shows_a_provisional_trace_before_it_is_complete) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    cr_expect_null(find(buffer, "1"));
    add(buffer, &root, 1, 0);
    cr_expect_eq(clew_trace_span_count(find(buffer, "1")), 1);
    add(buffer, &child, 1, 0);
    cr_expect_eq(clew_trace_span_count(find(buffer, "1")), 2);
    cr_expect_eq(told.complete, 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, does_not_show_a_trace_of_which_only_starts_are_known) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    expect_one_more(buffer, "1", 1);
    cr_expect_null(find(buffer, "1"));
    cr_expect_null(clew_trace_buffer_next(buffer, NULL));
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).traces_held, 0);
    clew_trace_buffer_flush(buffer);
    clew_trace_buffer_tick(buffer, 400 * SECOND);
    cr_expect_eq(told.complete, 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, keeps_the_same_ids_of_two_tenants_apart_in_two_buffers) {
    struct told first, second;
    clew_trace_buffer *a = make(&first, 0), *b = make(&second, 0);
    add(a, &root, 1, 0);
    add(b, &root, 1, 0);
    add(b, &child, 1, 0);
    cr_expect_eq(clew_trace_span_count(find(a, "1")), 1);
    cr_expect_eq(clew_trace_span_count(find(b, "1")), 2);
    clew_trace_buffer_free(a);
    clew_trace_buffer_free(b);
    CLEW_NO_LEAKS();
}

Test(buffer, counts_duplicates_as_spans_and_shows_them_once) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &root, 1, 0);
    add(buffer, &root, 1, 0);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).spans_held, 2);
    cr_expect_eq(clew_trace_span_count(find(buffer, "1")), 1);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- input ---- */

Test(buffer, adds_nothing_of_malformed_bytes) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    clew_bytes bytes = build_bytes(&root, 1, NULL);
    bytes.size--;
    cr_expect_eq(clew_trace_buffer_add(buffer, bytes, 0), CLEW_EFORMAT);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).spans_in, 0);
    free((void *)(uintptr_t)bytes.data);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, counts_a_span_without_an_id_as_malformed) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    const struct build_span nobody = {.id = "0", .start = 1, .end = 2};
    const struct build_span nowhere = {.id = "1", .start = 1, .end = 2, .trace = "0"};
    cr_expect_eq(add(buffer, &nobody, 1, 0), CLEW_OK);
    add(buffer, &nowhere, 1, 0);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).dropped_malformed, 2);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, takes_a_clock_that_goes_back_for_one_that_stands_still) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 0);
    add(buffer, &root, 1, 10 * SECOND);
    add(buffer, &child, 1, 1 * SECOND);
    cr_expect_eq(clew_trace_buffer_tick(buffer, 2 * SECOND), 10 * SECOND + 100 * MS);
    cr_expect_eq(told.complete, 0);
    add(buffer, &grandchild, 1, 3 * SECOND);
    clew_trace_buffer_tick(buffer, 5 * SECOND);
    cr_expect_eq(told.complete, 0);
    clew_trace_buffer_tick(buffer, 10 * SECOND + 100 * MS);
    cr_expect_eq(told.complete, 1);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- the budget ---- */

/* Memory of Clew's, by what was asked for. */
static size_t live_bytes;
static uint64_t allocations, fail_every;

static bool fails(void) {
    return fail_every && ++allocations % fail_every == 0;
}

static void *count_allocate(void *user, size_t size) {
    size_t *block = fails() ? NULL : malloc(size + 16);
    (void)user;
    if (!block)
        return NULL;
    live_bytes += size;
    *block = size;
    return block + 2;
}

static void count_release(void *user, void *pointer) {
    size_t *block = pointer;
    (void)user;
    if (!block)
        return;
    live_bytes -= block[-2];
    free(block - 2);
}

static void *count_reallocate(void *user, void *pointer, size_t size) {
    size_t *block = count_allocate(user, size), *before = pointer;
    if (!block || !before)
        return block;
    memcpy(block, before, before[-2] < size ? before[-2] : size);
    count_release(user, before);
    return block;
}

static void count_memory(void) {
    static const clew_allocator allocator = {count_allocate, count_reallocate, count_release, NULL};
    cr_assert_eq(clew_set_allocator(&allocator), CLEW_OK);
}

Test(buffer, completes_the_largest_and_oldest_first_when_nothing_complete_can_leave) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 256 << 10);
    struct build_span large[200] = {{NULL}};
    char ids[200][8];
    for (int i = 0; i < 200; i++) {
        snprintf(ids[i], sizeof ids[i], "%x", i + 1);
        large[i] = (struct build_span){.id = ids[i], .start = 5, .end = 6, .trace = "b16"};
    }
    add(buffer, &root, 1, 5);
    add(buffer, large, 200, 5);
    for (int i = 0; told.complete == 0; i++) {
        char id[20];
        snprintf(id, sizeof id, "%x", 0x1000000 + i);
        struct build_span span = {.id = "1", .parent = "9", .start = 50, .end = 60, .trace = id};
        add(buffer, &span, 1, 6);
    }
    cr_expect_str_eq(told.ids[0] + 29, "b16");
    cr_expect_eq(told.left, told.complete);
    cr_expect(find(buffer, "1") != NULL);
    cr_expect_gt(clew_trace_buffer_get_stats(buffer).traces_complete[CLEW_COMPLETE_MEMORY], 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* The texts of the only record of a trace, which are all different. */
static void expect_texts(const clew_trace *trace, int number) {
    const struct clew__record *record = &trace->source->records[0];
    const clew__text texts[] = {record->id_text,  record->operation,  record->host,          record->peer,
                                record->provider, record->error_type, record->error_message, record->detail,
                                record->service,  trace->id_text};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char expected[160];
        clew_text text = clew__texts_get(trace->texts, texts[i]);
        snprintf(expected, sizeof expected, "%c %0100d", (char)('a' + i), number);
        cr_assert_eq(text.size, strlen(expected), "%zu of %d: \"%.*s\"", i, number, (int)text.size,
                     text.data);
        cr_assert_eq(memcmp(text.data, expected, text.size), 0, "%zu of %d", i, number);
    }
}

Test(buffer, forgets_texts_of_traces_that_have_left_and_no_others) {
    struct told told;
    char text[10][160], before[160] = "";
    clew_trace_buffer *buffer = make(&told, 256 << 10);
    for (int i = 0; i < 5000; i++) {
        for (int k = 0; k < 10; k++)
            snprintf(text[k], sizeof text[k], "%c %0100d", (char)('a' + k), i);
        struct build_span span = {.id = text[0],
                                  .start = 50,
                                  .end = 60,
                                  .operation = text[1],
                                  .host = text[2],
                                  .attributes = {{"peer.service", text[3]},
                                                 {"gen_ai.provider.name", text[4]},
                                                 {"error.type", text[5]},
                                                 {"http.route", text[7]}},
                                  .status = CLEW_STATUS_ERROR,
                                  .status_message = text[6],
                                  .service = text[8],
                                  .trace = text[9]};
        cr_assert_eq(add(buffer, &span, 1, (uint64_t)i), CLEW_OK);
        clew_trace_buffer_flush(buffer);
        expect_texts(find(buffer, text[9]), i);
        if (i > 0)
            expect_texts(find(buffer, before), i - 1);
        snprintf(before, sizeof before, "%s", text[9]);
    }
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).dropped_memory, 0);
    cr_expect_gt(told.left, 1000);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, forgets_texts_in_the_middle_of_a_request_too) {
    enum { SPANS = 3000 };
    struct told told;
    struct build_span *spans = calloc(SPANS, sizeof *spans);
    char(*names)[160] = calloc(SPANS, sizeof *names);
    clew_trace_buffer *buffer = make(&told, 256 << 10);
    const clew_trace *trace = NULL;
    uint32_t seen = 0;
    for (int i = 0; i < SPANS; i++) {
        snprintf(names[i], sizeof names[i], "%0140d", i);
        spans[i] = (struct build_span){.id = "1",
                                       .start = 50,
                                       .end = 60,
                                       .trace = names[i] + 120,
                                       .operation = names[i],
                                       .service = "shop",
                                       .host = "there"};
    }
    add(buffer, spans, SPANS, 1);
    while ((trace = clew_trace_buffer_next(buffer, trace))) {
        clew_trace_span span;
        clew_trace_span_at(trace, 0, &span);
        cr_assert(span.service.size == 4 && memcmp(span.service.data, "shop", 4) == 0);
        cr_assert(span.host.size == 5 && memcmp(span.host.data, "there", 5) == 0);
        cr_assert_eq(span.operation.size, 140);
        seen++;
    }
    cr_expect_gt(seen, 10);
    cr_expect_gt(told.left, 1000);
    clew_trace_buffer_free(buffer);
    free(spans);
    free(names);
    CLEW_NO_LEAKS();
}

Test(buffer, takes_nothing_in_when_there_is_no_room_at_all) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 1);
    cr_expect_eq(add(buffer, &root, 1, 0), CLEW_ENOMEM);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).dropped_memory, 1);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(buffer, stands_a_million_traces_of_one_span) {
    struct told told;
    clew_trace_buffer *buffer = make(&told, 8 << 20);
    struct build_span spans[100];
    char ids[100][20];
    for (uint32_t i = 0; i < 1000000; i += 100) {
        for (uint32_t k = 0; k < 100; k++) {
            snprintf(ids[k], sizeof ids[k], "%x", i + k + 1);
            spans[k] = root;
            spans[k].trace = ids[k];
        }
        add(buffer, spans, 100, i * MS);
        clew_trace_buffer_tick(buffer, i * MS);
    }
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).spans_in, 1000000);
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).dropped_memory, 0);
    cr_expect_leq(clew_trace_buffer_get_stats(buffer).bytes_used, 8 << 20);
    expect_books(buffer);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- any operations ---- */

static void any_lookup(struct random *random, clew_trace_buffer *buffer) {
    const clew_trace *trace = NULL;
    char id[20];
    snprintf(id, sizeof id, "%x", 1 + (unsigned)random_below(random, 30));
    if (random_below(random, 4) > 0) {
        find(buffer, id);
        return;
    }
    while ((trace = clew_trace_buffer_next(buffer, trace)))
        cr_assert(clew_trace_span_count(trace) > 0);
}

static void any_spans(struct random *random, clew_trace_buffer *buffer, uint64_t now) {
    struct build_random made = build_random(random, 1 + (size_t)random_below(random, 40), true);
    char ids[4][20], name[2000];
    memset(name, 'x', sizeof name);
    snprintf(name + random_below(random, 1900), 20, "%d", (int)random_below(random, 1000));
    for (int i = 0; i < 4; i++)
        snprintf(ids[i], sizeof ids[i], i ? "%x" : "t-%x", (unsigned)random_below(random, 30));
    for (size_t i = 0; i < made.count; i++) {
        made.spans[i].trace = ids[random_below(random, 4)];
        if (random_below(random, 10) == 0)
            made.spans[i].operation = name;
    }
    add(buffer, made.spans, made.count, now);
    build_random_free(&made);
}

static void any_operations(uint64_t seed, uint64_t memory_limit, bool checks_memory) {
    struct told told;
    struct random random = {seed};
    size_t before = live_bytes;
    clew_trace_buffer *buffer = make(&told, memory_limit);
    uint64_t now = 0;
    for (int i = 0; i < 300; i++) {
        uint64_t seen = now - random_below(&random, now / 2 + 1);
        now += random_below(&random, 500) * MS;
        switch (random_below(&random, 8)) {
        case 0:
            cr_assert_gt(clew_trace_buffer_tick(buffer, random_below(&random, 3) ? now : seen), 0);
            break;
        case 1:
            any_lookup(&random, buffer);
            break;
        case 2:
            if (random_below(&random, 10) == 0)
                clew_trace_buffer_flush(buffer);
            break;
        case 3: {
            char id[20];
            snprintf(id, sizeof id, "%x", 1 + (unsigned)random_below(&random, 30));
            expect_one_more(buffer, id, now);
            break;
        }
        default:
            any_spans(&random, buffer, now);
            break;
        }
        clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
        expect_books(buffer);
        cr_assert_leq(stats.bytes_used, memory_limit, "seed %llu", (unsigned long long)seed);
        if (checks_memory)
            cr_assert_leq(live_bytes - before, stats.bytes_used, "seed %llu", (unsigned long long)seed);
    }
    clew_trace_buffer_stats stats = clew_trace_buffer_get_stats(buffer);
    cr_assert(fail_every || stats.spans_left == told.left_spans);
    clew_trace_buffer_free(buffer);
    cr_assert_eq(live_bytes, before, "seed %llu", (unsigned long long)seed);
}

Test(buffer, keeps_its_books_and_its_budget_under_any_operations) {
    count_memory();
    for (uint64_t seed = 0; seed < 150; seed++)
        any_operations(seed, (uint64_t)(seed % 3 == 0 ? 64 : seed % 3 == 1 ? 200 : 4000) << 10, true);
    CLEW_NO_LEAKS();
}

Test(buffer, survives_every_allocation_that_fails) {
    count_memory();
    for (uint64_t seed = 0; seed < 60; seed++) {
        fail_every = 0;
        struct random random = {seed};
        struct told told;
        clew_trace_buffer *buffer = make(&told, 100 << 10);
        fail_every = 2 + seed % 13;
        for (int i = 0; i < 50; i++) {
            any_spans(&random, buffer, (uint64_t)i * SECOND);
            clew_trace_buffer_tick(buffer, (uint64_t)i * SECOND);
            any_lookup(&random, buffer);
            expect_books(buffer);
        }
        clew_trace_buffer_free(buffer);
        cr_assert_eq(live_bytes, 0);
    }
    fail_every = 1;
    cr_expect_null(clew_trace_buffer_new(NULL));
    CLEW_NO_LEAKS();
}
