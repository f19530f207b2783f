/* Clocks in the trace buffer, and in real traces. */
#include "collector-bridge/files/input.h"
#include "test/support.h"
#include "test/unit/analysis/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MILLI UINT64_C(1000000)
#define SECOND (1000 * MILLI)

static bool is_text(clew_text text, const char *wanted) {
    return text.size == strlen(wanted) && memcmp(text.data, wanted, text.size) == 0;
}

struct seen {
    int64_t skew[8];
    uint32_t count, late;
};

static void on_complete(void *user, const clew_trace *trace, clew_completion reason, bool is_late) {
    struct seen *seen = (struct seen *)user;
    clew_trace_span span;
    (void)reason;
    cr_assert(clew_trace_span_at(trace, build_find(trace, "2"), &span));
    cr_assert_lt(seen->count, 8);
    seen->skew[seen->count++] = span.skew_nano;
    seen->late += is_late;
}

static clew_trace_buffer *make(clew_skew skew, uint64_t max, struct seen *seen) {
    clew_trace_buffer_options options = {.struct_size = sizeof options,
                                         .skew = skew,
                                         .skew_max_nano = max,
                                         .on_complete = on_complete,
                                         .user = seen};
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    cr_assert(buffer);
    memset(seen, 0, sizeof *seen);
    return buffer;
}

static void add(clew_trace_buffer *buffer, const struct build_span *spans, size_t count) {
    clew_bytes bytes = build_bytes(spans, count, NULL);
    cr_assert_eq(clew_trace_buffer_add(buffer, bytes, SECOND), CLEW_OK);
    free((void *)(uintptr_t)bytes.data);
}

/* In the first trace nothing is wrong to be seen; in the second b is 50 ms behind. */
static const struct build_span traces[] = {
    {.id = "1", .trace = "1", .start = SECOND, .end = SECOND + 900 * MILLI, .host = "a"},
    {.id = "2",
     .trace = "1",
     .parent = "1",
     .start = SECOND + 300 * MILLI,
     .end = SECOND + 400 * MILLI,
     .host = "b"},
    {.id = "1", .trace = "2", .start = 9 * SECOND, .end = 9 * SECOND + 100 * MILLI, .host = "a"},
    {.id = "2",
     .trace = "2",
     .parent = "1",
     .start = 9 * SECOND - 40 * MILLI,
     .end = 9 * SECOND + 40 * MILLI,
     .host = "b"},
};

static int64_t skew_in(clew_trace_buffer *buffer, const char *trace) {
    uint8_t id[16];
    clew_trace_span span;
    build_trace_id(trace, id);
    const clew_trace *found = clew_trace_buffer_find(buffer, id);
    cr_assert(found && clew_trace_span_at(found, build_find(found, "2"), &span));
    return span.skew_nano;
}

Test(skew_buffer, what_comes_last_corrects_what_came_first) {
    struct seen seen;
    size_t count;
    clew_trace_buffer *buffer = make(CLEW_SKEW_FLEET, 0, &seen);
    add(buffer, traces, 4);
    clew_trace_buffer_flush(buffer);
    cr_assert_eq(seen.count, 2);
    cr_expect_eq(seen.skew[0], 50 * (int64_t)MILLI);
    cr_expect_eq(seen.skew[1], 50 * (int64_t)MILLI);
    cr_expect_eq(skew_in(buffer, "1"), 50 * (int64_t)MILLI);
    const clew_clock_offset *list = clew_trace_buffer_offsets(buffer, &count);
    cr_assert_eq(count, 1);
    cr_expect(is_text(list->reference, "a") && is_text(list->host, "b"));
    cr_expect_eq(list->low_nano, 40 * (int64_t)MILLI);
    cr_expect_eq(list->high_nano, 60 * (int64_t)MILLI);
    cr_expect_eq(list->offset_nano, 50 * (int64_t)MILLI);
    cr_expect_eq(list->edges, 2);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(skew_buffer, a_trace_that_is_held_follows_what_is_learned_later) {
    struct seen seen;
    size_t count;
    clew_trace_buffer *buffer = make(CLEW_SKEW_FLEET, 0, &seen);
    add(buffer, traces, 2);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(seen.skew[0], 0);
    cr_expect_eq(skew_in(buffer, "1"), 0);
    add(buffer, traces + 2, 2);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(skew_in(buffer, "1"), 50 * (int64_t)MILLI);
    /* A late span of a trace that was counted. */
    const struct build_span late = {
        .id = "3", .trace = "2", .parent = "1", .start = 9 * SECOND, .end = 9 * SECOND + 1, .host = "a"};
    add(buffer, &late, 1);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(seen.late, 1);
    cr_expect_eq(skew_in(buffer, "2"), 50 * (int64_t)MILLI);
    cr_expect_eq(clew_trace_buffer_offsets(buffer, &count)->edges, 2);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(skew_buffer, within_a_trace_each_is_corrected_alone_up_to_the_bound) {
    struct seen seen;
    size_t count;
    clew_trace_buffer *buffer = make(CLEW_SKEW_TRACE, 0, &seen);
    add(buffer, traces, 4);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(seen.skew[0], 0);
    cr_expect_eq(seen.skew[1], 50 * (int64_t)MILLI);
    clew_trace_buffer_offsets(buffer, &count);
    cr_expect_eq(count, 0);
    clew_trace_buffer_free(buffer);
    buffer = make(CLEW_SKEW_TRACE, 49 * MILLI, &seen);
    add(buffer, traces, 4);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(seen.skew[1], 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

Test(skew_buffer, times_stay_as_recorded_when_nothing_is_to_be_corrected) {
    struct seen seen;
    clew_trace_buffer *buffer = make(CLEW_SKEW_OFF, 0, &seen);
    add(buffer, traces, 4);
    clew_trace_buffer_flush(buffer);
    cr_expect_eq(seen.skew[0], 0);
    cr_expect_eq(seen.skew[1], 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* ---- the hotel ---- */

static bool take(void *user, const void *data, size_t size) {
    cr_assert_eq(clew_trace_buffer_add((clew_trace_buffer *)user, (clew_bytes){data, size}, SECOND), CLEW_OK);
    return true;
}

/* NULL: there are no traces. */
static clew_trace_buffer *read_hotel(const char *load, clew_skew skew) {
    const char *folder = getenv("CLEW_TEST_TRACES");
    clew_trace_buffer_options options = {.struct_size = sizeof options, .skew = skew};
    char path[4096];
    if (!folder || !*folder)
        return NULL;
    clew_trace_buffer *buffer = clew_trace_buffer_new(&options);
    struct clew__input_sink sink = {take, buffer};
    snprintf(path, sizeof path, "%s/hotel/%s", folder, load);
    cr_assert(clew__input_read_path(path, &sink, stderr), "%s", path);
    clew_trace_buffer_flush(buffer);
    return buffer;
}

static clew_trace_span span_of(const clew_trace *trace, uint32_t index) {
    clew_trace_span span;
    cr_assert(clew_trace_span_at(trace, index, &span));
    return span;
}

/* Each host is one service there. */
static void name_hosts(clew_trace_buffer *buffer, char names[8][2][64], size_t *count) {
    const clew_trace *trace = clew_trace_buffer_next(buffer, NULL);
    *count = 0;
    for (uint32_t i = 0; i < clew_trace_span_count(trace); i++) {
        clew_trace_span span = span_of(trace, i);
        bool is_new = true;
        for (size_t k = 0; k < *count; k++)
            is_new &= !is_text(span.host, names[k][0]);
        if (!is_new)
            continue;
        cr_assert_lt(*count, 8);
        snprintf(names[*count][0], 64, "%.*s", (int)span.host.size, span.host.data);
        snprintf(names[(*count)++][1], 64, "%.*s", (int)span.service.size, span.service.data);
    }
}

static const char *service_on(char names[8][2][64], size_t count, clew_text host) {
    for (size_t i = 0; i < count; i++)
        if (is_text(host, names[i][0]))
            return names[i][1];
    cr_assert(false, "an unknown host");
    return NULL;
}

/* Calls that do not lie within their callers by a whole microsecond, as they are recorded. */
static uint64_t count_outside(clew_trace_buffer *buffer) {
    uint64_t outside = 0;
    for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
         trace = clew_trace_buffer_next(buffer, trace)) {
        for (uint32_t i = 0; i < clew_trace_span_count(trace); i++) {
            clew_trace_span span = span_of(trace, i);
            if (span.parent == CLEW_NO_SPAN)
                continue;
            clew_trace_span parent = span_of(trace, span.parent);
            bool is_call = !(span.host.size == parent.host.size &&
                             memcmp(span.host.data, parent.host.data, span.host.size) == 0);
            outside += is_call && (span.start_unix_nano < parent.start_unix_nano ||
                                   span.end_unix_nano > parent.end_unix_nano);
        }
    }
    return outside;
}

Test(skew_buffer, clocks_of_the_hotel_are_found) {
    static const struct {
        const char *reference, *host;
        int64_t low, high; /* microseconds */
    } wanted[] = {{"frontend", "reservation", -2076, -647},
                  {"frontend", "search", -1935, -502},
                  {"frontend", "profile", -580, 497},
                  {"search", "geo", -612, 510},
                  {"search", "rate", -512, 493}};
    clew_trace_buffer *buffer = read_hotel("hotel_load25", CLEW_SKEW_FLEET);
    char names[8][2][64];
    size_t name_count, count;
    if (!buffer)
        cr_skip_test("CLEW_TEST_TRACES is not set");
    cr_expect_eq(clew_trace_buffer_get_stats(buffer).traces_held, 300);
    name_hosts(buffer, names, &name_count);
    const clew_clock_offset *list = clew_trace_buffer_offsets(buffer, &count);
    cr_assert_eq(count, 5);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < 5 &&
               (strcmp(wanted[at].reference, service_on(names, name_count, list[i].reference)) != 0 ||
                strcmp(wanted[at].host, service_on(names, name_count, list[i].host)) != 0))
            at++;
        cr_assert_lt(at, 5);
        cr_expect_eq(list[i].low_nano, wanted[at].low * 1000, "%s: %lld", wanted[at].host,
                     (long long)list[i].low_nano);
        cr_expect_eq(list[i].high_nano, wanted[at].high * 1000, "%s: %lld", wanted[at].host,
                     (long long)list[i].high_nano);
        cr_expect_eq(list[i].edges, 300);
        cr_expect_not(list[i].is_contradicted);
        cr_expect_eq(list[i].offset_nano, wanted[at].high < 0 ? (wanted[at].low + wanted[at].high) * 500 : 0);
    }
    cr_expect_eq(count_outside(buffer), 0);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}

/* Whether a trace alone would show that the callee's clock is off. */
static bool shows(const clew_trace *trace, const char *callee) {
    for (uint32_t i = 0; i < clew_trace_span_count(trace); i++) {
        clew_trace_span span = span_of(trace, i);
        if (!is_text(span.service, callee) || span.parent == CLEW_NO_SPAN)
            continue;
        clew_trace_span parent = span_of(trace, span.parent);
        if (!is_text(parent.service, callee) &&
            (span.start_unix_nano < parent.start_unix_nano || span.end_unix_nano > parent.end_unix_nano))
            return true;
    }
    return false;
}

Test(skew_buffer, a_third_of_the_hotels_traces_shows_nothing_alone) {
    clew_trace_buffer *buffer = read_hotel("hotel_load25", CLEW_SKEW_OFF);
    uint32_t silent[2] = {0, 0};
    if (!buffer)
        cr_skip_test("CLEW_TEST_TRACES is not set");
    for (const clew_trace *trace = clew_trace_buffer_next(buffer, NULL); trace;
         trace = clew_trace_buffer_next(buffer, trace)) {
        silent[0] += !shows(trace, "reservation");
        silent[1] += !shows(trace, "search");
    }
    cr_expect_eq(silent[0], 92);
    cr_expect_eq(silent[1], 109);
    clew_trace_buffer_free(buffer);
    CLEW_NO_LEAKS();
}
