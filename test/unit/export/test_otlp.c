/* The exporter over a transport that does what a script says; nothing here waits. */
#include "collector-bridge/export/otlp.h"
#include "collector-bridge/wire/retry.h"
#include "test/unit/export/requests.h"
#include "test/unit/proto/growing.h"

#include <clew/extend.h>
#include <stdlib.h>

#define MILLI UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define NEVER UINT64_MAX

static char said[8192];

static void on_message(void *user, clew_log_level level, const char *message) {
    (void)user;
    (void)level;
    if (strlen(said) + strlen(message) + 2 < sizeof said)
        strcat(strcat(said, message), "\n");
}

/* ---- the transport ---- */

#define ATTEMPTS_MAX 64

static struct {
    struct clew__transport base;
    struct clew__transport_result script[ATTEMPTS_MAX]; /* how attempt i ends; the last one goes on */
    size_t script_size;
    bool hang;          /* attempts never end by themselves */
    size_t begin_fails; /* from this attempt on, counted from 1 */
    size_t begun;
    unsigned freed, forgotten, destroyed;
    size_t spans[ATTEMPTS_MAX], sizes[ATTEMPTS_MAX];
    uint64_t times[ATTEMPTS_MAX], deadline;
    bool running;
} fake;

static int fake_begin(struct clew__transport *transport, const struct clew__body *body, uint64_t now,
                      uint64_t deadline) {
    (void)transport;
    cr_assert_not(fake.running);
    cr_assert_lt(fake.begun, ATTEMPTS_MAX);
    fake.spans[fake.begun] = body->spans;
    fake.sizes[fake.begun] = body->size;
    fake.times[fake.begun] = now;
    fake.deadline = deadline;
    fake.begun++;
    if (fake.begin_fails && fake.begun >= fake.begin_fails)
        return CLEW_ENOMEM;
    fake.running = true;
    return CLEW_OK;
}

static size_t fake_wait(const struct clew__transport *transport, clew_poll *descriptors, size_t capacity,
                        uint64_t *wake_nano) {
    (void)transport;
    (void)descriptors;
    (void)capacity;
    *wake_nano = NEVER;
    return 0;
}

static struct clew__transport_result scripted(void) {
    size_t index = fake.begun - 1;
    return fake.script[index < fake.script_size ? index : fake.script_size - 1];
}

static bool fake_step(struct clew__transport *transport, const clew_poll *descriptors, size_t count,
                      uint64_t now, struct clew__transport_result *result) {
    (void)transport;
    (void)descriptors;
    (void)count;
    (void)now;
    cr_assert(fake.running);
    if (fake.hang)
        return false;
    *result = scripted();
    fake.running = false;
    return true;
}

static void fake_stop(struct clew__transport *transport, struct clew__transport_result *result) {
    (void)transport;
    cr_assert(fake.running);
    *result = scripted();
    fake.running = false;
}

static void fake_free_answer(struct clew__transport *transport) {
    (void)transport;
    fake.freed++;
}

static void fake_forget(struct clew__transport *transport) {
    (void)transport;
    fake.running = false;
    fake.forgotten++;
}

static void fake_destroy(struct clew__transport *transport) {
    (void)transport;
    fake.destroyed++;
}

static struct clew__transport *make_fake(const struct clew__otlp_settings *settings) {
    static const struct clew__transport_kind kind = {fake_begin,       fake_wait,   fake_step,   fake_stop,
                                                     fake_free_answer, fake_forget, fake_destroy};
    fake.base = (struct clew__transport){&kind, settings};
    return &fake.base;
}

static struct clew__transport_result accepts(void) {
    return (struct clew__transport_result){.end = CLEW__TRANSPORT_ANSWERED, .accepted = true, .status = 200};
}

static struct clew__transport_result refuses(int32_t status, bool retryable) {
    return (struct clew__transport_result){
        .end = CLEW__TRANSPORT_ANSWERED, .status = status, .retryable = retryable};
}

static struct clew__transport_result too_large(void) {
    struct clew__transport_result result = refuses(413, false);
    result.request_too_large = true;
    return result;
}

static struct clew__transport_result breaks(bool sent) {
    return (struct clew__transport_result){.end = CLEW__TRANSPORT_BROKEN,
                                           .status = -1,
                                           .sent = sent,
                                           .retryable = true,
                                           .reason = "the line is cut"};
}

static void script(struct clew__transport_result result) {
    fake.script[fake.script_size++] = result;
}

/* ---- the exporter ---- */

static clew_exporter exporter;
static clew_otlp_options options;
static struct clew__writer request;
static clew_batch *batch;
static clew_export_report report;
static uint64_t now, deadline = NEVER;

static void set_up(void) {
    said[0] = '\0';
    memset(&fake, 0, sizeof fake);
    options = clew_otlp_options_default();
    options.endpoint = "http://c:4318/v1/traces";
    options.protocol = CLEW_OTLP_HTTP_PROTOBUF;
    options.compression = CLEW_COMPRESSION_NONE;
    options.timeout_ms = 10000;
    request = growing_writer();
    clew_set_log_callback(on_message, NULL);
}

/* Of `spans` spans, each of somewhat more than `text_size` bytes. */
static void make(int spans, size_t text_size) {
    write_many(&request, 1, 1, spans, text_size);
    batch = clew_batch_new((clew_bytes){(const char *)request.data, request.size}, (size_t)spans);
    cr_assert_eq(clew__otlp_exporter_over(make_fake, &options, &exporter), CLEW_OK);
}

static clew_export_outcome start(void) {
    memset(&report, 0, sizeof report);
    report.status = -1;
    now = clew_monotonic_nano();
    return exporter.start(exporter.self, batch, deadline, &report);
}

static uint64_t wake_time(void) {
    uint64_t wake;
    exporter.wait(exporter.self, NULL, 0, &wake);
    return wake;
}

/* Steps at the times that the exporter asks for. */
static clew_export_outcome finish(clew_export_outcome outcome) {
    while (outcome == CLEW_EXPORT_PENDING) {
        uint64_t wake = wake_time();
        cr_assert_neq(wake, NEVER);
        now = wake > now ? wake : now;
        outcome = exporter.step(exporter.self, NULL, 0, now, &report);
    }
    return outcome;
}

static clew_export_outcome run(void) {
    return finish(start());
}

static void done(void) {
    exporter.destroy(exporter.self);
    cr_assert_eq(fake.destroyed, 1);
    clew_batch_free(batch);
    free(request.data);
    cr_assert_eq(clew_stats().memory_used, 0);
    CLEW_NO_LEAKS();
}

TestSuite(otlp, .init = set_up);

Test(otlp, accepted_batch_is_delivered_in_one_piece) {
    script(accepts());
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 1);
    cr_assert_eq(fake.spans[0], 7);
    cr_assert_eq(report.rejected + report.failed + report.unknown, 0);
    cr_assert_eq(report.status, 200);
    cr_assert_str_eq(report.reason, "");
    cr_assert_str_eq(exporter.name, "otlp_http_span_exporter");
    done();
}

Test(otlp, names_say_protocol_and_signal) {
    static const struct {
        clew_otlp_protocol protocol;
        clew_otlp_signal signal;
        const char *name;
    } rows[] = {{CLEW_OTLP_HTTP_JSON, CLEW_SIGNAL_TRACES, "otlp_http_json_span_exporter"},
                {CLEW_OTLP_GRPC, CLEW_SIGNAL_TRACES, "otlp_grpc_span_exporter"},
                {CLEW_OTLP_HTTP_PROTOBUF, CLEW_SIGNAL_METRICS, "otlp_http_metric_exporter"},
                {CLEW_OTLP_GRPC, CLEW_SIGNAL_METRICS, "otlp_grpc_metric_exporter"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        options.protocol = rows[i].protocol;
        options.signal = rows[i].signal;
        cr_assert_eq(clew__otlp_exporter_over(make_fake, &options, &exporter), CLEW_OK);
        cr_assert_str_eq(exporter.name, rows[i].name);
        exporter.destroy(exporter.self);
    }
    free(request.data);
    CLEW_NO_LEAKS();
}

/* ---- retries ---- */

Test(otlp, retryable_answers_are_tried_again_until_one_accepts) {
    script(refuses(503, true));
    script(refuses(429, true));
    script(accepts());
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 3);
    uint64_t first = fake.times[1] - fake.times[0], second = fake.times[2] - fake.times[1];
    cr_assert(first >= 800 * MILLI && first <= 1200 * MILLI);
    cr_assert(second >= 1200 * MILLI && second <= 1800 * MILLI);
    cr_assert_eq(report.status, 200);
    done();
}

Test(otlp, answers_that_are_final_are_not_tried_again) {
    script(refuses(400, false));
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_FAILED);
    cr_assert_eq(fake.begun, 1);
    cr_assert_eq(report.failure, CLEW_FAILURE_REFUSED);
    cr_assert_eq(report.status, 400);
    cr_assert(strstr(report.reason, "HTTP 400 from http://c:4318"));
    done();
}

Test(otlp, refusals_of_grpc_are_named_with_the_words_of_the_receiver) {
    struct clew__transport_result answer = refuses(7, false);
    answer.message = clew__slice_text("no key hunter2hunter2\nhere");
    options.protocol = CLEW_OTLP_GRPC;
    options.endpoint = "http://c:4317";
    options.headers = "x-key=hunter2hunter2";
    script(answer);
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_FAILED);
    cr_assert_str_eq(report.reason, "gRPC status 7 (PERMISSION_DENIED) from http://c:4317: no key *** here");
    cr_assert_eq(report.status, 7);
    done();
}

Test(otlp, attempts_end_when_the_next_wait_does_not_fit_into_the_time) {
    script(refuses(503, true));
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_eq(report.status, 503);
    cr_assert(fake.begun >= 4 && fake.begun <= 6, "%zu", fake.begun);
    cr_assert_leq(now, fake.times[0] + 10 * SECOND);
    cr_assert(strstr(report.reason, "attempts in"));
    done();
}

Test(otlp, connections_that_break_are_tried_again_and_unknown_when_all_was_sent) {
    options.timeout_ms = 1500;
    script(breaks(true));
    script(breaks(false));
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_UNKNOWN);
    cr_assert_eq(fake.begun, 2);
    cr_assert_eq(report.status, -1);
    done();
}

Test(otlp, nothing_sent_is_failed) {
    options.timeout_ms = 500;
    script(breaks(false));
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_str_eq(report.reason, "the line is cut");
    done();
}

Test(otlp, ends_without_an_answer_have_fates_of_their_own) {
    static const struct {
        struct clew__transport_result result;
        clew_export_outcome outcome;
        clew_export_failure failure;
    } rows[] = {
        {{.end = CLEW__TRANSPORT_HOPELESS, .status = -1}, CLEW_EXPORT_FAILED, CLEW_FAILURE_UNREACHABLE},
        {{.end = CLEW__TRANSPORT_HOPELESS, .status = -1, .memory = true},
         CLEW_EXPORT_FAILED,
         CLEW_FAILURE_MEMORY},
        {{.end = CLEW__TRANSPORT_GARBAGE, .status = -1}, CLEW_EXPORT_FAILED, CLEW_FAILURE_OTHER},
        {{.end = CLEW__TRANSPORT_GARBAGE, .status = -1, .sent = true},
         CLEW_EXPORT_UNKNOWN,
         CLEW_FAILURE_OTHER},
        {{.end = CLEW__TRANSPORT_TOO_LARGE, .status = 200, .sent = true},
         CLEW_EXPORT_FAILED,
         CLEW_FAILURE_OTHER},
        {{.end = CLEW__TRANSPORT_LATE, .status = -1}, CLEW_EXPORT_FAILED, CLEW_FAILURE_UNREACHABLE},
        {{.end = CLEW__TRANSPORT_LATE, .status = -1, .sent = true}, CLEW_EXPORT_UNKNOWN, CLEW_FAILURE_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set_up();
        script(rows[i].result);
        make(7, 10);
        cr_assert_eq(start(), rows[i].outcome, "row %zu", i);
        cr_assert_eq(report.failure, rows[i].failure, "row %zu", i);
        cr_assert_eq(fake.begun, 1);
        done();
    }
}

Test(otlp, deadline_stops_an_attempt) {
    fake.hang = true;
    script((struct clew__transport_result){.end = CLEW__TRANSPORT_LATE, .status = -1, .sent = true});
    options.timeout_ms = 100;
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    uint64_t wake = wake_time();
    cr_assert(wake >= now + 100 * MILLI && wake < now + 200 * MILLI);
    cr_assert_eq(exporter.step(exporter.self, NULL, 0, wake - 1, &report), CLEW_EXPORT_PENDING);
    cr_assert_eq(exporter.step(exporter.self, NULL, 0, wake, &report), CLEW_EXPORT_UNKNOWN);
    done();
}

Test(otlp, a_close_that_leaves_less_time_gets_the_reason_of_the_last_attempt) {
    script(breaks(false));
    options.timeout_ms = 10000;
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    uint64_t closes = now + 100 * MILLI;
    exporter.hasten(exporter.self, closes);
    cr_assert_leq(wake_time(), closes);
    cr_assert_eq(exporter.step(exporter.self, NULL, 0, closes, &report), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failed, 7);
    cr_assert(strstr(report.reason, "the line is cut"), "%s", report.reason);
    done();
}

Test(otlp, answer_at_the_deadline_counts) {
    fake.hang = true;
    script(accepts());
    options.timeout_ms = 100;
    make(7, 10);
    cr_assert_eq(finish(start()), CLEW_EXPORT_DELIVERED);
    done();
}

Test(otlp, batch_without_time_is_not_sent) {
    make(7, 10);
    memset(&report, 0, sizeof report);
    cr_assert_eq(exporter.start(exporter.self, batch, 1, &report), CLEW_EXPORT_FAILED);
    cr_assert_eq(fake.begun, 0);
    cr_assert_eq(report.failure, CLEW_FAILURE_CANCELLED);
    cr_assert_eq(report.failed, 7);
    done();
}

/* ---- waits that the receiver asks for ---- */

static struct clew__transport_result tells(uint64_t nano) {
    struct clew__transport_result result = refuses(503, true);
    result.told = true;
    result.told_nano = nano;
    return result;
}

Test(otlp, wait_that_the_receiver_asks_for_is_kept) {
    script(tells(3 * SECOND));
    script(accepts());
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    uint64_t waited = fake.times[1] - fake.times[0];
    cr_assert(waited >= 3 * SECOND && waited <= 3600 * MILLI);
    done();
}

Test(otlp, waits_grow_from_what_the_receiver_asked_for) {
    script(tells(3 * SECOND));
    script(refuses(503, true));
    script(accepts());
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_geq(fake.times[2] - fake.times[1], 4500 * MILLI);
    done();
}

Test(otlp, peace_is_kept_beyond_the_batch) {
    options.timeout_ms = 1000;
    script(tells(60 * SECOND));
    script(accepts());
    make(7, 10);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert(strstr(report.reason, "left alone for another"));
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    cr_assert_eq(report.failed, 7);
    cr_assert_eq(report.status, -1);
    cr_assert_eq(fake.begun, 1);
    done();
}

Test(otlp, batch_that_outlives_the_peace_is_sent_after_it) {
    script(tells(200 * MILLI));
    script(accepts());
    make(7, 10);
    deadline = clew_monotonic_nano() + 150 * MILLI;
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    deadline = NEVER;
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 2);
    cr_assert_geq(fake.times[1] - fake.times[0], 200 * MILLI);
    done();
}

/* ---- partial success ---- */

static struct clew__transport_result accepts_with(const char *answer, size_t size, bool json) {
    static char bytes[256];
    struct clew__transport_result result = accepts();
    memcpy(bytes, answer, size);
    result.answer = bytes;
    result.answer_size = size;
    result.answer_json = json;
    return result;
}

Test(otlp, partial_success_is_counted_and_never_tried_again) {
    static const char answer[] = "\x0a\x0c\x08\x03\x12\x08too\nlong";
    script(accepts_with(answer, sizeof answer - 1, false));
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.rejected, 3);
    cr_assert_str_eq(report.reason, "too long");
    cr_assert_eq(fake.begun, 1);
    cr_assert(strstr(said, "rejected 3 of 7 spans: too long"));
    done();
}

Test(otlp, partial_success_in_json_is_the_same) {
    static const char answer[] = "{\"partialSuccess\":{\"rejectedSpans\":\"9\",\"errorMessage\":\"no\"}}";
    script(accepts_with(answer, sizeof answer - 1, true));
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.rejected, 7); /* no more than were sent */
    cr_assert_str_eq(report.reason, "no");
    done();
}

Test(otlp, answer_that_cannot_be_read_is_delivered_and_logged) {
    script(accepts_with("<html>", 6, false));
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.rejected, 0);
    cr_assert(strstr(said, "cannot be read"));
    done();
}

/* ---- pieces ---- */

#define SPAN 1000

Test(otlp, batch_over_the_limit_goes_in_pieces) {
    options.max_request_bytes = 3 * SPAN;
    script(accepts());
    make(7, SPAN / 2);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_gt(fake.begun, 1);
    size_t spans = 0;
    for (size_t i = 0; i < fake.begun; i++) {
        spans += fake.spans[i];
        cr_assert_leq(fake.sizes[i], options.max_request_bytes);
    }
    cr_assert_eq(spans, 7);
    cr_assert_eq(report.rejected + report.failed + report.unknown, 0);
    done();
}

Test(otlp, pieces_with_different_fates_are_counted) {
    options.max_request_bytes = 2 * SPAN;
    script(accepts());
    script(refuses(400, false));
    script((struct clew__transport_result){.end = CLEW__TRANSPORT_GARBAGE, .status = -1, .sent = true});
    script(accepts());
    make(4, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 4);
    cr_assert_eq(report.failed, 1);
    cr_assert_eq(report.unknown, 1);
    cr_assert_eq(report.failure, CLEW_FAILURE_REFUSED);
    cr_assert_eq(report.status, 200);
    done();
}

Test(otlp, pieces_with_one_fate_keep_its_outcome) {
    options.max_request_bytes = 2 * SPAN;
    script(refuses(400, false));
    make(4, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(fake.begun, 4);
    cr_assert_eq(report.failed, 4);
    done();
}

Test(otlp, failed_and_unknown_pieces_are_told_apart) {
    options.max_request_bytes = 2 * SPAN;
    script((struct clew__transport_result){.end = CLEW__TRANSPORT_GARBAGE, .status = -1, .sent = true});
    script(refuses(400, false));
    make(3, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.unknown, 1);
    cr_assert_eq(report.failed, 2);
    done();
}

Test(otlp, deadline_is_one_for_all_pieces) {
    options.max_request_bytes = 2 * SPAN;
    options.timeout_ms = 500;
    script(accepts());
    script(breaks(false));
    make(4, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 2); /* a wait for the second does not fit, so the others have no chance either */
    cr_assert_eq(report.failed, 3);
    cr_assert_eq(report.failure, CLEW_FAILURE_UNREACHABLE);
    done();
}

Test(otlp, pieces_behind_one_that_used_up_the_time_are_given_up) {
    options.max_request_bytes = 2 * SPAN;
    options.timeout_ms = 100;
    fake.hang = true;
    script((struct clew__transport_result){.end = CLEW__TRANSPORT_LATE, .status = -1, .sent = true});
    make(4, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.unknown, 1);
    cr_assert_eq(report.failed, 3);
    cr_assert_eq(report.failure, CLEW_FAILURE_CANCELLED);
    done();
}

Test(otlp, span_over_the_limit_is_passed_over) {
    options.max_request_bytes = 3 * SPAN;
    script(accepts());
    write_many(&request, 1, 1, 2, 10);
    write_many(&request, 1, 1, 1, 4 * SPAN);
    make(2, 10);
    clew_batch_free(batch);
    batch = clew_batch_new((clew_bytes){(const char *)request.data, request.size}, 5);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(report.failed, 1);
    cr_assert_eq(report.failure, CLEW_FAILURE_TOO_LARGE);
    cr_assert(strstr(said, "larger than the limit of 3000 bytes"));
    done();
}

Test(otlp, request_that_is_too_large_for_the_receiver_is_halved) {
    script(too_large()); /* 8 */
    script(too_large()); /* 4 */
    script(accepts());   /* 2, 2, 2, 2 */
    make(8, 10);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 6);
    cr_assert_eq(fake.spans[1], 4);
    cr_assert_eq(fake.spans[2], 2);
    cr_assert_eq(report.failed, 0);
    done();
}

Test(otlp, single_span_that_is_too_large_for_the_receiver_fails) {
    script(too_large());
    make(2, 10);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(fake.begun, 3); /* 2, 1, 1 */
    cr_assert_eq(report.failed, 2);
    cr_assert_eq(report.failure, CLEW_FAILURE_TOO_LARGE);
    cr_assert_eq(report.status, 413);
    done();
}

Test(otlp, attempt_without_memory_fails_its_piece_and_the_others_are_tried) {
    options.max_request_bytes = 2 * SPAN;
    fake.begin_fails = 2;
    script(accepts());
    make(3, SPAN);
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    cr_assert_eq(fake.begun, 3);
    cr_assert_eq(report.failed, 2);
    cr_assert_eq(report.failure, CLEW_FAILURE_MEMORY);
    done();
}

Test(otlp, batch_that_is_none_fails) {
    options.max_request_bytes = 10;
    script(accepts());
    make(1, 10);
    clew_batch_free(batch);
    batch = clew_batch_new((clew_bytes){"no request, but more than ten bytes", 35}, 3);
    cr_assert_eq(run(), CLEW_EXPORT_FAILED);
    cr_assert_eq(report.failed, 3);
    cr_assert_eq(fake.begun, 0);
    done();
}

/* ---- cancel, fork ---- */

Test(otlp, cancel_says_unknown_when_something_may_have_arrived) {
    fake.hang = true;
    script((struct clew__transport_result){.end = CLEW__TRANSPORT_LATE, .status = -1, .sent = true});
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    cr_assert_eq(exporter.cancel(exporter.self), CLEW_EXPORT_UNKNOWN);
    fake.script[0].sent = false;
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    cr_assert_eq(exporter.cancel(exporter.self), CLEW_EXPORT_FAILED);
    done();
}

Test(otlp, cancel_after_a_delivered_piece_is_unknown) {
    options.max_request_bytes = 2 * SPAN;
    script(accepts());
    script(refuses(503, true));
    make(2, SPAN);
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    cr_assert_eq(exporter.cancel(exporter.self), CLEW_EXPORT_UNKNOWN);
    done();
}

Test(otlp, forked_child_begins_anew) {
    fake.hang = true;
    script(accepts());
    make(7, 10);
    cr_assert_eq(start(), CLEW_EXPORT_PENDING);
    exporter.forked(exporter.self);
    cr_assert_eq(fake.forgotten, 1);
    cr_assert_eq(wake_time(), NEVER);
    fake.hang = false;
    cr_assert_eq(run(), CLEW_EXPORT_DELIVERED);
    done();
}

/* ---- the tables of the specification (OTLP, Failures and Throttling), through the whole exporter ---- */

enum hint { NO_HINT, HINT_SECONDS, HINT_HUGE, HINT_NOTHING, HINTS };

/* What a wait may be, after the first attempt. */
static bool wait_is_right(enum hint hint, uint64_t wait) {
    static const uint64_t least[] = {800 * MILLI, 7 * SECOND, 300 * SECOND, 100 * MILLI};
    static const uint64_t most[] = {1200 * MILLI, 8400 * MILLI, 300 * SECOND, 120 * MILLI};
    return wait >= least[hint] && wait <= most[hint];
}

/* One batch to a receiver that answers like this. */
static void check_answer(struct clew__transport_result answer, enum hint hint) {
    static const uint64_t asked[] = {0, 7 * SECOND, UINT64_MAX, 0};
    clew_export_outcome expected = answer.accepted    ? CLEW_EXPORT_DELIVERED
                                   : answer.retryable ? CLEW_EXPORT_PENDING
                                                      : CLEW_EXPORT_FAILED;
    answer.told = answer.retryable && hint != NO_HINT;
    answer.told_nano = asked[hint];
    fake.begun = fake.script_size = 0;
    script(answer);
    cr_assert_eq(clew__otlp_exporter_over(make_fake, &options, &exporter), CLEW_OK);
    cr_assert_eq(start(), expected, "status %d", answer.status);
    cr_assert_eq(fake.begun, 1);
    if (answer.retryable) {
        cr_assert(wait_is_right(hint, wake_time() - fake.times[0]), "status %d, hint %d", answer.status,
                  (int)hint);
        fake.script[0] = accepts();
        cr_assert_eq(finish(CLEW_EXPORT_PENDING), CLEW_EXPORT_DELIVERED);
        cr_assert_eq(fake.begun, 2);
    } else {
        cr_assert_eq(report.status, answer.status);
    }
    exporter.destroy(exporter.self);
}

static void make_for_table(void) {
    options.timeout_ms = 0;
    make(7, 10);
    exporter.destroy(exporter.self);
}

static void table_done(void) {
    clew_batch_free(batch);
    free(request.data);
    cr_assert_eq(clew_stats().memory_used, 0);
    CLEW_NO_LEAKS();
}

Test(otlp, every_http_status_is_final_but_for_four) {
    make_for_table();
    for (int status = 200; status < 600; status++) {
        bool retryable = status == 429 || (status >= 502 && status <= 504);
        struct clew__transport_result answer = refuses(status, clew__retry_status(status));
        answer.accepted = status < 300;
        cr_assert_eq(answer.retryable, retryable, "%d", status);
        for (int hint = 0; hint < HINTS; hint++)
            check_answer(answer, (enum hint)hint);
    }
    table_done();
}

Test(otlp, every_grpc_code_is_final_but_for_those_of_the_table) {
    static const int retryable[] = {1, 4, 10, 11, 14, 15};
    options.protocol = CLEW_OTLP_GRPC;
    make_for_table();
    for (int code = 0; code <= 16; code++) {
        bool listed = false;
        for (size_t i = 0; i < sizeof retryable / sizeof retryable[0]; i++)
            listed = listed || code == retryable[i];
        for (int hint = 0; hint < HINTS; hint++) {
            /* RESOURCE_EXHAUSTED only where the receiver says how long to wait. */
            bool again = listed || (code == 8 && hint != NO_HINT);
            struct clew__transport_result answer = refuses(code, clew__retry_code(code, hint != NO_HINT));
            answer.accepted = code == 0;
            cr_assert_eq(answer.retryable, again, "code %d, hint %d", code, hint);
            check_answer(answer, (enum hint)hint);
        }
    }
    table_done();
}
