/* The OTLP/HTTP exporter: a state machine over one batch at a time. Owns its settings, its transport and the
 * plan of attempts. One thread at a time: Clew's worker, or whoever shuts it down; `forked` in the child of a
 * fork.
 *
 * What becomes of a batch:
 *  - DELIVERED: an answer with a status of 2xx was seen, whole or not.
 *  - UNKNOWN: it was not delivered, and in at least one of the attempts the whole request had been handed to
 * the system when the connection ended, what came back was no HTTP, or the time was up, before a status was
 * seen.
 *  - FAILED: otherwise. Every attempt was answered with a refusal, or no attempt got the whole request out.
 *
 * An attempt that failed is made again after a wait when that still fits into the time; when the receiver has
 * asked for peace (Retry-After) the exporter keeps it, beyond the end of the batch. */
#include "collector-bridge/export/http.h"
#include "collector-bridge/wire/answer.h"
#include "collector-bridge/wire/endpoint.h"
#include "collector-bridge/wire/retry.h"
#include "proto/otlp.h"

#include <clew/extend.h>
#include <clew/otlp.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* The specification's limit on requests (OTLP, Request size). */
#define REQUEST_MAX ((size_t)64 << 20)
#define SHOWN_MAX 120

enum state { IDLE, SENDING, PAUSED };

struct otlp {
    struct clew__otlp_settings settings;
    struct clew__http transport;
    struct clew__slice secrets[CLEW__OTLP_HEADERS_MAX]; /* the values of the headers */
    uint64_t peace_until_nano;                          /* the receiver wants nothing before */

    /* The batch; valid unless IDLE. */
    enum state state;
    clew_bytes request;
    size_t span_count;
    uint64_t started_nano, deadline_nano;
    uint64_t retry_nano; /* PAUSED: when the next attempt begins */
    unsigned attempts;
    bool may_have_arrived; /* see UNKNOWN above */
    char reason[160];      /* of the last attempt's failure */
};

CLEW_PRINTF(2, 3) static void say(struct otlp *otlp, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(otlp->reason, sizeof otlp->reason, format, arguments);
    va_end(arguments);
}

static uint64_t random_bits(const struct otlp *otlp) {
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) == (ssize_t)sizeof bits)
        return bits;
    /* Good enough to keep processes apart: time and address, spread over all bits. */
    return (clew_monotonic_nano() ^ (uint64_t)(uintptr_t)otlp) * UINT64_C(0x9e3779b97f4a7c15);
}

static void settle(struct otlp *otlp) {
    clew__http_free_body(&otlp->transport);
    otlp->state = IDLE;
    otlp->request = (clew_bytes){NULL, 0};
}

/* ---- outcomes ---- */

static clew_export_outcome conclude(struct otlp *otlp, clew_export_report *report) {
    memcpy(report->reason, otlp->reason, sizeof report->reason);
    settle(otlp);
    return otlp->may_have_arrived ? CLEW_EXPORT_UNKNOWN : CLEW_EXPORT_FAILED;
}

static clew_export_outcome give_up(struct otlp *otlp, uint64_t now, clew_export_report *report) {
    uint64_t waited_ms = (now - otlp->started_nano + NANO_PER_MILLI / 2) / NANO_PER_MILLI;
    char last[sizeof otlp->reason];
    if (otlp->attempts > 1) {
        memcpy(last, otlp->reason, sizeof last);
        say(otlp, "%.115s; %u attempts in %llu ms", last, otlp->attempts, (unsigned long long)waited_ms);
    }
    return conclude(otlp, report);
}

static clew_export_outcome delivered(struct otlp *otlp, const struct clew__http_result *result,
                                     clew_export_report *report) {
    int64_t rejected = 0;
    struct clew__wire message = clew__wire_of(NULL, 0);
    char shown[SHOWN_MAX] = "";
    const char *broken = result->body_cut ? "it breaks off" : NULL;
    if (!broken) {
        enum clew__wire_error error =
            clew__read_export_response(result->body, result->body_size, &rejected, &message);
        broken = error ? clew__wire_error_text(error) : NULL;
    }
    if (broken) {
        clew_log(CLEW_LOG_WARN, "otlp_answer",
                 "%s took a batch (HTTP %ld), but the rest of its answer cannot be read: %s",
                 otlp->settings.shown, result->status, broken);
        settle(otlp);
        return CLEW_EXPORT_DELIVERED;
    }
    if (message.at != message.end)
        clew__answer_show(clew__slice_of((const char *)message.at, (size_t)(message.end - message.at)),
                          otlp->secrets, otlp->settings.header_count, shown, sizeof shown);
    if (rejected > 0) {
        report->rejected = (uint64_t)rejected < otlp->span_count ? (uint64_t)rejected : otlp->span_count;
        clew_log(CLEW_LOG_WARN, "otlp_partial_success", "%s rejected %llu of %zu spans: %s",
                 otlp->settings.shown, (unsigned long long)report->rejected, otlp->span_count,
                 shown[0] ? shown : "it does not say why");
    } else if (shown[0]) {
        clew_log(CLEW_LOG_WARN, "otlp_warning", "%s took a batch with a warning: %s", otlp->settings.shown,
                 shown);
    }
    memcpy(report->reason, shown, sizeof shown);
    settle(otlp);
    return CLEW_EXPORT_DELIVERED;
}

/* ---- attempts ---- */

static clew_export_outcome attempt(struct otlp *otlp, uint64_t now, clew_export_report *report);

static clew_export_outcome plan_retry(struct otlp *otlp, const struct clew__http_result *result, uint64_t now,
                                      clew_export_report *report) {
    uint64_t random = random_bits(otlp);
    uint64_t wait = result->retry_after ? clew__retry_told_nano(result->retry_after_nano, random)
                                        : clew__retry_backoff_nano(otlp->attempts - 1, random);
    otlp->retry_nano = now + wait;
    if (result->retry_after)
        otlp->peace_until_nano = otlp->retry_nano;
    else if (otlp->retry_nano >= otlp->deadline_nano)
        return give_up(otlp, now, report);
    clew__http_free_body(&otlp->transport);
    otlp->state = PAUSED;
    return CLEW_EXPORT_PENDING;
}

static void describe_status(struct otlp *otlp, const struct clew__http_result *result) {
    char shown[SHOWN_MAX];
    struct clew__slice message = clew__answer_status_message(result->body, result->body_size);
    size_t size = clew__answer_show(message, otlp->secrets, otlp->settings.header_count, shown, sizeof shown);
    say(otlp, "HTTP %ld from %s%s%s", result->status, otlp->settings.shown, size ? ": " : "", shown);
}

static clew_export_outcome answered(struct otlp *otlp, const struct clew__http_result *result, uint64_t now,
                                    clew_export_report *report) {
    if (result->status >= 200 && result->status < 300)
        return delivered(otlp, result, report);
    describe_status(otlp, result);
    if (!clew__retry_status(result->status))
        return conclude(otlp, report);
    return plan_retry(otlp, result, now, report);
}

static clew_export_outcome attempt_ended(struct otlp *otlp, const struct clew__http_result *result,
                                         uint64_t now, clew_export_report *report) {
    if (result->end == CLEW__HTTP_ANSWERED)
        return answered(otlp, result, now, report);
    /* An answer beyond the limits is one, whatever it says: the specification has it fail. */
    if (result->end != CLEW__HTTP_TOO_LARGE && result->sent)
        otlp->may_have_arrived = true;
    say(otlp, "%s", result->reason);
    switch (result->end) {
    case CLEW__HTTP_BROKEN:
        return plan_retry(otlp, result, now, report);
    case CLEW__HTTP_LATE:
        return give_up(otlp, now, report);
    default:
        return conclude(otlp, report);
    }
}

static clew_export_outcome go_on(struct otlp *otlp, const clew_poll *descriptors, size_t count, uint64_t now,
                                 clew_export_report *report) {
    struct clew__http_result result;
    if (clew__http_step(&otlp->transport, descriptors, count, now, &result))
        return attempt_ended(otlp, &result, now, report);
    if (now < otlp->deadline_nano)
        return CLEW_EXPORT_PENDING;
    clew__http_stop(&otlp->transport, &result);
    return attempt_ended(otlp, &result, now, report);
}

static clew_export_outcome attempt(struct otlp *otlp, uint64_t now, clew_export_report *report) {
    otlp->attempts++;
    otlp->state = SENDING;
    if (clew__http_begin(&otlp->transport, otlp->request, now, otlp->deadline_nano) != CLEW_OK) {
        say(otlp, "out of memory while sending to %s", otlp->settings.shown);
        return conclude(otlp, report);
    }
    return go_on(otlp, NULL, 0, now, report);
}

/* ---- the table ---- */

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

static clew_export_outcome on_start(void *self, const clew_batch *batch, uint64_t deadline_nano,
                                    clew_export_report *report) {
    struct otlp *otlp = self;
    uint64_t now = clew_monotonic_nano();
    otlp->request = clew_batch_request(batch);
    otlp->span_count = clew_batch_count(batch);
    otlp->started_nano = now;
    otlp->deadline_nano = deadline_nano;
    if (otlp->settings.timeout_ms)
        otlp->deadline_nano = earlier(deadline_nano, now + otlp->settings.timeout_ms * NANO_PER_MILLI);
    otlp->attempts = 0;
    otlp->may_have_arrived = false;
    if (otlp->request.size > REQUEST_MAX) {
        say(otlp, "a request of %zu bytes is over the limit of 64 MiB", otlp->request.size);
        return conclude(otlp, report);
    }
    if (now >= otlp->deadline_nano) {
        say(otlp, "no time left to send to %s", otlp->settings.shown);
        return conclude(otlp, report);
    }
    if (otlp->peace_until_nano > now) {
        say(otlp, "%s has asked to be left alone for another %llu s", otlp->settings.shown,
            (unsigned long long)((otlp->peace_until_nano - now) / (1000 * NANO_PER_MILLI) + 1));
        otlp->retry_nano = otlp->peace_until_nano;
        otlp->state = PAUSED;
        return CLEW_EXPORT_PENDING;
    }
    return attempt(otlp, now, report);
}

static size_t on_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake_nano) {
    const struct otlp *otlp = self;
    size_t count = 0;
    *wake_nano = UINT64_MAX;
    if (otlp->state == SENDING)
        count = clew__http_wait(&otlp->transport, descriptors, capacity, wake_nano);
    else if (otlp->state == PAUSED)
        *wake_nano = otlp->retry_nano;
    if (otlp->state != IDLE)
        *wake_nano = earlier(*wake_nano, otlp->deadline_nano);
    return count;
}

static clew_export_outcome on_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now_nano,
                                   clew_export_report *report) {
    struct otlp *otlp = self;
    switch (otlp->state) {
    case SENDING:
        return go_on(otlp, descriptors, count, now_nano, report);
    case PAUSED:
        if (now_nano >= otlp->deadline_nano)
            return give_up(otlp, now_nano, report);
        return now_nano >= otlp->retry_nano ? attempt(otlp, now_nano, report) : CLEW_EXPORT_PENDING;
    default:
        return CLEW_EXPORT_FAILED;
    }
}

static clew_export_outcome on_cancel(void *self) {
    struct otlp *otlp = self;
    struct clew__http_result result;
    if (otlp->state == SENDING) {
        clew__http_stop(&otlp->transport, &result);
        /* With a status of 2xx it has arrived; with another one it was refused. */
        if (result.end == CLEW__HTTP_ANSWERED ? result.status < 300 : result.sent)
            otlp->may_have_arrived = true;
    }
    settle(otlp);
    return otlp->may_have_arrived ? CLEW_EXPORT_UNKNOWN : CLEW_EXPORT_FAILED;
}

static void on_forked(void *self) {
    struct otlp *otlp = self;
    clew__http_forget(&otlp->transport);
    otlp->state = IDLE; /* the batch is the parent's */
    otlp->request = (clew_bytes){NULL, 0};
}

static void on_destroy(void *self) {
    struct otlp *otlp = self;
    int saved = errno;
    clew__http_fini(&otlp->transport);
    clew__otlp_settings_fini(&otlp->settings);
    clew_memory_release(otlp);
    errno = saved;
}

static CURLcode global_result;

static void init_curl(void) {
    /* Never undone: others in the program may use libcurl, too. */
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool speaks(const char *protocol) {
    const char *const *known = curl_version_info(CURLVERSION_NOW)->protocols;
    while (*known && strcmp(*known, protocol) != 0)
        known++;
    return *known != NULL;
}

static int create(const clew_otlp_options *options, struct otlp **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    if (global_result != CURLE_OK) {
        clew_log(CLEW_LOG_ERROR, "otlp_libcurl", "libcurl cannot be used: %s",
                 curl_easy_strerror(global_result));
        return global_result == CURLE_OUT_OF_MEMORY ? CLEW_ENOMEM : CLEW_EINVAL;
    }
    struct otlp *otlp = clew_memory_allocate(sizeof *otlp);
    if (!otlp)
        return CLEW_ENOMEM;
    memset(otlp, 0, sizeof *otlp);
    int error = clew__otlp_settings_init(&otlp->settings, options);
    if (error) {
        if (error == CLEW_EINVAL)
            clew_log(CLEW_LOG_ERROR, "otlp_options", "the struct_size of clew_otlp_options is wrong");
        clew_memory_release(otlp);
        return error;
    }
    if (clew__endpoint_is_https(clew__slice_text(otlp->settings.url)) && !speaks("https")) {
        clew_log(CLEW_LOG_ERROR, "otlp_libcurl", "this libcurl knows no TLS: no traces can go to %s",
                 otlp->settings.shown);
        clew__otlp_settings_fini(&otlp->settings);
        clew_memory_release(otlp);
        return CLEW_EINVAL;
    }
    for (size_t i = 0; i < otlp->settings.header_count; i++)
        otlp->secrets[i] = clew__otlp_settings_header_value(otlp->settings.headers[i]);
    clew__http_init(&otlp->transport, &otlp->settings);
    *out = otlp;
    return CLEW_OK;
}

int clew_otlp_exporter(const clew_otlp_options *options, clew_exporter *out) {
    struct otlp *otlp = NULL;
    int saved = errno;
    int error = out ? create(options, &otlp) : CLEW_EINVAL;
    if (error == CLEW_OK) {
        memset(out, 0, sizeof *out);
        out->struct_size = sizeof *out;
        out->name = "otlp_http_span_exporter";
        out->self = otlp;
        out->start = on_start;
        out->wait = on_wait;
        out->step = on_step;
        out->cancel = on_cancel;
        out->forked = on_forked;
        out->destroy = on_destroy;
    }
    errno = saved;
    return error;
}
