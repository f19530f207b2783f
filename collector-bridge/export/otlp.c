/* The OTLP exporter: a state machine over one batch at a time. Owns its settings, its transport and the plan
 * of attempts; knows neither how bytes travel (transport.h) nor how they are encoded (body.h). One thread at
 * a time: Clew's worker, or whoever drives or shuts it down; `forked` in the child of a fork.
 *
 * A batch is sent as one or several pieces, one after the other. What becomes of a piece:
 *  - delivered: an answer that accepts it was seen, whole or not.
 *  - unknown: it was not delivered, and in at least one of the attempts the receiver may have got all of it.
 *  - failed: otherwise. Every attempt was answered with a refusal, or none got the whole request out.
 *
 * An attempt that failed is made again after a wait when that still fits into the time, which is one for all
 * pieces: where it does not, the pieces that have not been tried fail too. When the receiver has asked for
 * peace (Retry-After, RetryInfo) the exporter keeps it, beyond the end of the batch. */
#include "collector-bridge/export/otlp.h"

#include "collector-bridge/export/otlp_answer.h"
#include "collector-bridge/export/spooling.h"
#include "collector-bridge/wire/retry.h"

#include <clew/extend.h>
#include <clew/otlp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

#define NANO_PER_MILLI UINT64_C(1000000)

enum state {
    IDLE,    /* no batch */
    NEXT,    /* the next piece is to be taken */
    READY,   /* a piece is to be sent, or sent again */
    SENDING, /* an attempt is under way */
    PAUSED,  /* between attempts, or before the first */
    OVER,    /* all spans have their fates */
};

struct otlp {
    struct clew__otlp_settings settings;
    struct clew__transport *transport;
    struct clew__bodies *bodies;
    uint64_t peace_until_nano; /* the receiver wants nothing before */
    bool once;                 /* no attempt is repeated: see clew__otlp_try_once() */
    enum state state;

    /* The batch; valid unless IDLE. */
    uint64_t deadline_nano;
    struct clew__fates fates;
    unsigned pieces; /* that were taken */

    /* The piece; valid when `has_piece`. */
    struct clew__body piece;
    bool has_piece;
    struct clew__retry retry;
    uint64_t piece_nano; /* when it was taken */
    uint64_t retry_nano; /* PAUSED: when the next attempt begins */
    unsigned attempts;
    bool may_have_arrived;          /* see unknown above */
    char reason[CLEW__REASON_SIZE]; /* of the last attempt's failure */
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

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* ---- fates ---- */

static void fail_spans(struct otlp *otlp, uint64_t spans, clew_export_failure failure) {
    clew__fates_fail(&otlp->fates, spans, failure, otlp->reason);
}

static void piece_done(struct otlp *otlp) {
    otlp->has_piece = false;
    otlp->state = NEXT;
}

/* The piece was not delivered. */
static void piece_lost(struct otlp *otlp, clew_export_failure failure) {
    if (otlp->may_have_arrived)
        clew__fates_unknown(&otlp->fates, otlp->piece.spans, otlp->reason);
    else
        fail_spans(otlp, otlp->piece.spans, failure);
    piece_done(otlp);
}

static void fail_rest(struct otlp *otlp, clew_export_failure failure) {
    fail_spans(otlp, otlp->fates.left, failure);
    otlp->state = OVER;
}

/* No attempt fits into the time any more. */
static void give_up(struct otlp *otlp, uint64_t now) {
    char last[sizeof otlp->reason];
    if (!otlp->has_piece) {
        fail_rest(otlp, CLEW_FAILURE_UNREACHABLE);
        return;
    }
    if (otlp->attempts > 1) {
        uint64_t waited_ms = (now - otlp->piece_nano + NANO_PER_MILLI / 2) / NANO_PER_MILLI;
        memcpy(last, otlp->reason, sizeof last);
        say(otlp, "%.115s; %u attempts in %llu ms", last, otlp->attempts, (unsigned long long)waited_ms);
    }
    piece_lost(otlp, CLEW_FAILURE_UNREACHABLE);
    fail_rest(otlp, otlp->may_have_arrived ? CLEW_FAILURE_CANCELLED : CLEW_FAILURE_UNREACHABLE);
}

static void settle(struct otlp *otlp) {
    otlp->transport->kind->free_answer(otlp->transport);
    clew__bodies_end(otlp->bodies);
    otlp->has_piece = false;
    otlp->state = IDLE;
}

static clew_export_outcome conclude(struct otlp *otlp, clew_export_report *report) {
    clew_export_outcome outcome = clew__fates_report(&otlp->fates, report);
    settle(otlp);
    return outcome;
}

/* ---- pieces ---- */

static void pass_over(struct otlp *otlp, uint64_t spans) {
    say(otlp, "%llu span%s larger than the limit of %llu bytes", (unsigned long long)spans,
        spans == 1 ? " is" : "s are", (unsigned long long)otlp->settings.max_request_bytes);
    clew_log(CLEW_LOG_WARN, "otlp_too_large", "%s: %s", otlp->settings.shown, otlp->reason);
    fail_spans(otlp, spans, CLEW_FAILURE_TOO_LARGE);
}

static void no_memory(struct otlp *otlp, uint64_t spans) {
    say(otlp, "out of memory while sending to %s", otlp->settings.shown);
    fail_spans(otlp, spans, CLEW_FAILURE_MEMORY);
}

static void take_piece(struct otlp *otlp, uint64_t now) {
    memset(&otlp->piece, 0, sizeof otlp->piece);
    int error = clew__bodies_next(otlp->bodies, &otlp->piece);
    if (error == CLEW_OK) {
        otlp->pieces++;
        otlp->has_piece = true;
        otlp->piece_nano = now;
        otlp->attempts = 0;
        otlp->may_have_arrived = false;
        otlp->retry = (struct clew__retry){0};
        otlp->state = READY;
    } else if (error == CLEW_ELIMIT && otlp->piece.spans) {
        pass_over(otlp, otlp->piece.spans);
    } else if (error == CLEW_ENOMEM && otlp->piece.spans) {
        no_memory(otlp, otlp->piece.spans);
    } else if (error == CLEW_ENOMEM) {
        no_memory(otlp, otlp->fates.left);
        otlp->state = OVER;
    } else if (error == CLEW_ESHUTDOWN && otlp->fates.left == 0) {
        otlp->state = OVER;
    } else {
        say(otlp, "the batch is malformed");
        fail_rest(otlp, CLEW_FAILURE_OTHER);
    }
}

static void next_piece(struct otlp *otlp, uint64_t now) {
    if (now < otlp->deadline_nano) {
        take_piece(otlp, now);
    } else if (otlp->pieces && otlp->fates.left == 0) {
        otlp->state = OVER;
    } else {
        say(otlp, "no time left to send to %s", otlp->settings.shown);
        fail_rest(otlp, CLEW_FAILURE_CANCELLED);
    }
}

/* ---- answers ---- */

static void plan_retry(struct otlp *otlp, const struct clew__transport_result *result, uint64_t now) {
    uint64_t wait = clew__retry_next_nano(&otlp->retry, result->told, result->told_nano, random_bits(otlp));
    otlp->retry_nano = now + wait;
    otlp->state = PAUSED;
    if (result->told)
        otlp->peace_until_nano = otlp->retry_nano;
    if (otlp->once || (!result->told && otlp->retry_nano >= otlp->deadline_nano))
        give_up(otlp, now);
}

static void refused(struct otlp *otlp, const struct clew__transport_result *result, uint64_t now) {
    clew__otlp_describe_refusal(&otlp->settings, result, otlp->reason, sizeof otlp->reason);
    if (result->request_too_large && clew__bodies_halve(otlp->bodies))
        piece_done(otlp);
    else if (result->request_too_large)
        piece_lost(otlp, CLEW_FAILURE_TOO_LARGE);
    else if (result->retryable)
        plan_retry(otlp, result, now);
    else
        piece_lost(otlp, CLEW_FAILURE_REFUSED);
}

static void unanswered(struct otlp *otlp, const struct clew__transport_result *result, uint64_t now) {
    /* An answer beyond the limits is one, whatever it says: the specification has it fail. */
    if (result->end != CLEW__TRANSPORT_TOO_LARGE && result->sent)
        otlp->may_have_arrived = true;
    say(otlp, "%s", result->reason);
    if (result->end == CLEW__TRANSPORT_LATE)
        give_up(otlp, now);
    else if (result->retryable)
        plan_retry(otlp, result, now);
    else if (result->memory)
        piece_lost(otlp, CLEW_FAILURE_MEMORY);
    else
        piece_lost(otlp,
                   result->end == CLEW__TRANSPORT_HOPELESS ? CLEW_FAILURE_UNREACHABLE : CLEW_FAILURE_OTHER);
}

static void attempt_ended(struct otlp *otlp, const struct clew__transport_result *result, uint64_t now) {
    if (result->status >= 0)
        otlp->fates.status = result->status;
    if (result->end != CLEW__TRANSPORT_ANSWERED) {
        unanswered(otlp, result, now);
    } else if (!result->accepted) {
        refused(otlp, result, now);
    } else {
        clew__otlp_accepted(&otlp->settings, result, otlp->piece.spans, &otlp->fates);
        piece_done(otlp);
    }
    otlp->transport->kind->free_answer(otlp->transport);
}

/* ---- the machine ---- */

static void begin_attempt(struct otlp *otlp, uint64_t now) {
    otlp->attempts++;
    otlp->state = SENDING;
    if (otlp->transport->kind->begin(otlp->transport, &otlp->piece, now, otlp->deadline_nano) == CLEW_OK)
        return;
    say(otlp, "out of memory while sending to %s", otlp->settings.shown);
    piece_lost(otlp, CLEW_FAILURE_MEMORY);
}

/* False: there is nothing to do but wait. */
static bool go_on_sending(struct otlp *otlp, const clew_poll *descriptors, size_t count, uint64_t now) {
    struct clew__transport *transport = otlp->transport;
    struct clew__transport_result result;
    if (!transport->kind->step(transport, descriptors, count, now, &result)) {
        if (now < otlp->deadline_nano)
            return false;
        transport->kind->stop(transport, &result);
    }
    attempt_ended(otlp, &result, now);
    return true;
}

static bool go_on_waiting(struct otlp *otlp, uint64_t now) {
    if (now >= otlp->deadline_nano || otlp->once)
        give_up(otlp, now);
    else if (now >= otlp->retry_nano)
        otlp->state = otlp->has_piece ? READY : NEXT;
    else
        return false;
    return true;
}

static clew_export_outcome run(struct otlp *otlp, const clew_poll *descriptors, size_t count, uint64_t now,
                               clew_export_report *report) {
    for (;;) {
        switch (otlp->state) {
        case IDLE:
            return CLEW_EXPORT_FAILED;
        case NEXT:
            next_piece(otlp, now);
            break;
        case READY:
            /* The descriptors are about what was before. */
            descriptors = NULL;
            count = 0;
            begin_attempt(otlp, now);
            break;
        case SENDING:
            if (!go_on_sending(otlp, descriptors, count, now))
                return CLEW_EXPORT_PENDING;
            break;
        case PAUSED:
            if (!go_on_waiting(otlp, now))
                return CLEW_EXPORT_PENDING;
            break;
        case OVER:
            return conclude(otlp, report);
        }
    }
}

/* ---- the table ---- */

static clew_export_outcome on_start(void *self, const clew_batch *batch, uint64_t deadline_nano,
                                    clew_export_report *report) {
    struct otlp *otlp = self;
    uint64_t now = clew_monotonic_nano();
    clew__fates_begin(&otlp->fates, clew_batch_count(batch));
    otlp->pieces = 0;
    otlp->deadline_nano = deadline_nano;
    if (otlp->settings.timeout_ms)
        otlp->deadline_nano = earlier(deadline_nano, now + otlp->settings.timeout_ms * NANO_PER_MILLI);
    otlp->has_piece = false;
    clew__bodies_begin(otlp->bodies, clew_batch_request(batch), otlp->fates.left);
    otlp->state = NEXT;
    if (otlp->peace_until_nano > now && now < otlp->deadline_nano) {
        say(otlp, "%s has asked to be left alone for another %llu s", otlp->settings.shown,
            (unsigned long long)((otlp->peace_until_nano - now) / (1000 * NANO_PER_MILLI) + 1));
        otlp->retry_nano = otlp->peace_until_nano;
        otlp->state = PAUSED;
    }
    return run(otlp, NULL, 0, now, report);
}

static size_t on_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake_nano) {
    const struct otlp *otlp = self;
    size_t count = 0;
    *wake_nano = UINT64_MAX;
    if (otlp->state == SENDING)
        count = otlp->transport->kind->wait(otlp->transport, descriptors, capacity, wake_nano);
    else if (otlp->state == PAUSED)
        *wake_nano = otlp->retry_nano;
    if (otlp->state != IDLE)
        *wake_nano = earlier(*wake_nano, otlp->deadline_nano);
    return count;
}

static clew_export_outcome on_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now_nano,
                                   clew_export_report *report) {
    return run(self, descriptors, count, now_nano, report);
}

/* So what does not fit into the time any more ends with its own reason, and not with a cancel. */
static void on_hasten(void *self, uint64_t deadline_nano) {
    struct otlp *otlp = self;
    otlp->deadline_nano = earlier(otlp->deadline_nano, deadline_nano);
}

static clew_export_outcome on_cancel(void *self) {
    struct otlp *otlp = self;
    struct clew__transport_result result;
    bool arrived = otlp->state != IDLE && (otlp->fates.any_accepted || otlp->fates.unknown ||
                                           (otlp->has_piece && otlp->may_have_arrived));
    if (otlp->state == IDLE)
        return CLEW_EXPORT_FAILED;
    if (otlp->state == SENDING) {
        otlp->transport->kind->stop(otlp->transport, &result);
        if (result.end == CLEW__TRANSPORT_ANSWERED ? result.accepted : result.sent)
            arrived = true;
    }
    settle(otlp);
    return arrived ? CLEW_EXPORT_UNKNOWN : CLEW_EXPORT_FAILED;
}

static void on_forked(void *self) {
    struct otlp *otlp = self;
    otlp->transport->kind->forget(otlp->transport);
    clew__bodies_forget(otlp->bodies);
    otlp->has_piece = false;
    otlp->state = IDLE; /* the batch is the parent's */
}

static void free_otlp(struct otlp *otlp) {
    if (otlp->transport)
        otlp->transport->kind->destroy(otlp->transport);
    clew__bodies_free(otlp->bodies);
    clew__otlp_settings_fini(&otlp->settings);
    clew_memory_release(otlp);
}

static void on_destroy(void *self) {
    int saved = errno;
    free_otlp(self);
    errno = saved;
}

/* ---- making one ---- */

static int create(clew__transport_maker make, const clew_otlp_options *options, struct otlp **out) {
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
    otlp->bodies = clew__bodies_new(&otlp->settings);
    otlp->transport = otlp->bodies ? make(&otlp->settings) : NULL;
    if (!otlp->transport) {
        free_otlp(otlp);
        return CLEW_ENOMEM;
    }
    *out = otlp;
    return CLEW_OK;
}

static const char *component_name(const struct clew__otlp_settings *settings) {
    bool metrics = settings->signal == CLEW_SIGNAL_METRICS;
    switch (settings->protocol) {
    case CLEW_OTLP_GRPC:
        return metrics ? "otlp_grpc_metric_exporter" : "otlp_grpc_span_exporter";
    case CLEW_OTLP_HTTP_JSON:
        return metrics ? "otlp_http_json_metric_exporter" : "otlp_http_json_span_exporter";
    default:
        return metrics ? "otlp_http_metric_exporter" : "otlp_http_span_exporter";
    }
}

int clew__otlp_exporter_over(clew__transport_maker make, const clew_otlp_options *options,
                             clew_exporter *out) {
    struct otlp *otlp = NULL;
    int saved = errno;
    int error = out ? create(make, options, &otlp) : CLEW_EINVAL;
    if (error == CLEW_OK) {
        memset(out, 0, sizeof *out);
        out->struct_size = sizeof *out;
        out->name = component_name(&otlp->settings);
        out->self = otlp;
        out->start = on_start;
        out->wait = on_wait;
        out->step = on_step;
        out->cancel = on_cancel;
        out->hasten = on_hasten;

        out->forked = on_forked;
        out->destroy = on_destroy;
        out->server_address = otlp->settings.server_address[0] ? otlp->settings.server_address : NULL;
        out->server_port = otlp->settings.server_port;
    }
    errno = saved;
    return error;
}

static struct clew__transport *make_transport(const struct clew__otlp_settings *settings) {
    return settings->protocol == CLEW_OTLP_GRPC ? clew__grpc_new(settings) : clew__http_new(settings);
}

void clew__otlp_try_once(const clew_exporter *exporter) {
    struct otlp *otlp = exporter->self;
    otlp->once = true;
}

uint64_t clew__otlp_peace_nano(const clew_exporter *exporter) {
    const struct otlp *otlp = exporter->self;
    return otlp->peace_until_nano;
}

static int make_exporter(const clew_otlp_options *options, bool once, clew_exporter *out) {
    int error = clew__otlp_exporter_over(make_transport, options, out);
    if (error == CLEW_OK && once)
        clew__otlp_try_once(out);
    return error;
}

int clew_otlp_exporter(const clew_otlp_options *options, clew_exporter *out) {
    int saved = errno;
    int error = out ? clew__spooling_otlp(options, make_exporter, out) : CLEW_EINVAL;
    errno = saved;
    return error;
}
