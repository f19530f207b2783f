/* The exporter with a spool. Owns its two inner exporters, and a thread that alone touches the disk.
 *
 * Clew's worker enters by the functions of the table, drives the exporter for what comes, and hands what that
 * does not deliver to the thread, as a copy: a disk that hangs keeps neither the worker nor a batch. The
 * thread (spool_thread.c) stores, tells the worker by an eventfd, and sends what is on disk with the other
 * exporter. What both see is in `struct clew__spooling`, under its mutex. */
#include "collector-bridge/export/spooling.h"

#include "collector-bridge/export/spool_thread.h"

#include <clew/extend.h>
#include <stdio.h>
#include <string.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* With less time than this a batch goes to disk at once: it could be sent, but not sent and stored. */
#define TOO_LATE_TO_SEND_NANO (100 * NANO_PER_MILLI)
/* Of the time of a batch, what is kept for storing it. */
#define STORE_SHARE 3
#define STORE_MAX_NANO (500 * NANO_PER_MILLI)
/* How long the end waits for the thread. One that hangs in the disk frees everything if it ever comes back.
 */
#define LEAVE_NANO (10 * NANO_PER_MILLI)

enum state { IDLE, SENDING, STORING };

struct exporter {
    struct clew__spooling *shared;
    clew_exporter live;
    enum state state;
    const clew_batch *batch;
    uint64_t deadline, live_deadline;
    bool disk_refused;           /* it was not stored, and is counted so */
    bool was_sent;               /* it has been given to `live`, */
    clew_export_outcome outcome; /* which ended so, */
    clew_export_report report;   /* with this */
};

/* ---- storing ---- */

static clew_export_outcome fail(struct exporter *exporter, clew_export_outcome outcome, const char *reason,
                                clew_export_report *report) {
    exporter->state = IDLE;
    if (exporter->was_sent) {
        *report = exporter->report;
        return outcome == CLEW_EXPORT_UNKNOWN ? outcome : exporter->outcome;
    }
    report->failure = CLEW_FAILURE_UNREACHABLE;
    snprintf(report->reason, sizeof report->reason, "%s", reason);
    return outcome;
}

static clew_export_outcome send_live(struct exporter *exporter, uint64_t now, clew_export_report *report);

static clew_export_outcome not_stored(struct exporter *exporter, uint64_t now, clew_export_report *report) {
    exporter->disk_refused = true;
    if (!exporter->was_sent && now < exporter->live_deadline)
        return send_live(exporter, now, report);
    return fail(exporter, CLEW_EXPORT_FAILED, "the receiver is down and the spool takes nothing", report);
}

static clew_export_outcome store(struct exporter *exporter, uint64_t now, clew_export_report *report) {
    bool tried = exporter->was_sent && exporter->outcome != CLEW_EXPORT_FAILED;
    if (!clew__spooling_hand_over(exporter->shared, exporter->batch, tried))
        return not_stored(exporter, now, report);
    exporter->state = STORING;
    return CLEW_EXPORT_PENDING;
}

static clew_export_outcome go_on_storing(struct exporter *exporter, uint64_t now,
                                         clew_export_report *report) {
    switch (clew__spooling_take_result(exporter->shared, now >= exporter->deadline)) {
    case CLEW__SPOOLING_STORED:
        exporter->state = IDLE;
        report->spooled = clew_batch_count(exporter->batch);
        return CLEW_EXPORT_DELIVERED;
    case CLEW__SPOOLING_NOT_STORED:
        return not_stored(exporter, now, report);
    case CLEW__SPOOLING_ABANDONED:
        return fail(exporter, CLEW_EXPORT_UNKNOWN, "the disk of the spool does not answer", report);
    default:
        return CLEW_EXPORT_PENDING;
    }
}

/* ---- sending ---- */

/* Everything is worth another try later, but what the receiver has looked at. */
static bool is_final(clew_export_outcome outcome, const clew_export_report *report) {
    if (outcome == CLEW_EXPORT_DELIVERED)
        return report->unknown == 0 && (report->failed == 0 || clew__spooling_is_final(report->failure));
    return outcome == CLEW_EXPORT_FAILED && clew__spooling_is_final(report->failure);
}

static clew_export_outcome live_ended(struct exporter *exporter, clew_export_outcome outcome, uint64_t now,
                                      clew_export_report *report) {
    if (outcome == CLEW_EXPORT_PENDING)
        return outcome;
    exporter->state = IDLE;
    if (is_final(outcome, report)) {
        clew__spooling_receiver_answers(exporter->shared);
        return outcome;
    }
    clew__spooling_receiver_fails(exporter->shared, &exporter->live);
    exporter->outcome = outcome;
    exporter->report = *report;
    *report = (clew_export_report){.status = -1};
    return exporter->disk_refused ? not_stored(exporter, now, report) : store(exporter, now, report);
}

static clew_export_outcome send_live(struct exporter *exporter, uint64_t now, clew_export_report *report) {
    clew_exporter *live = &exporter->live;
    exporter->was_sent = true;
    exporter->state = SENDING;
    return live_ended(exporter, live->start(live->self, exporter->batch, exporter->live_deadline, report),
                      now, report);
}

static clew_export_outcome go_on_sending(struct exporter *exporter, const clew_poll *descriptors,
                                         size_t count, uint64_t now, clew_export_report *report) {
    clew_exporter *live = &exporter->live;
    clew_export_outcome outcome = live->step(live->self, descriptors, count, now, report);
    if (outcome == CLEW_EXPORT_PENDING && now >= exporter->live_deadline) {
        outcome = live->cancel(live->self);
        report->failure = CLEW_FAILURE_CANCELLED;
        snprintf(report->reason, sizeof report->reason, "not delivered in time");
    }
    return live_ended(exporter, outcome, now, report);
}

/* ---- the table ---- */

static void plan(struct exporter *exporter, uint64_t deadline, uint64_t now) {
    uint64_t left = deadline > now ? deadline - now : 0;
    uint64_t kept = left / STORE_SHARE < STORE_MAX_NANO ? left / STORE_SHARE : STORE_MAX_NANO;
    exporter->deadline = deadline;
    exporter->live_deadline = deadline == UINT64_MAX         ? deadline
                              : left < TOO_LATE_TO_SEND_NANO ? now
                                                             : deadline - kept;
}

static clew_export_outcome on_start(void *self, const clew_batch *batch, uint64_t deadline_nano,
                                    clew_export_report *report) {
    struct exporter *exporter = self;
    uint64_t now = clew_monotonic_nano();
    exporter->batch = batch;
    exporter->was_sent = exporter->disk_refused = false;
    plan(exporter, deadline_nano, now);
    clew__spooling_ensure_thread(exporter->shared);
    if (now < exporter->live_deadline && clew__spooling_may_send(exporter->shared))
        return send_live(exporter, now, report);
    return store(exporter, now, report);
}

static size_t on_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake_nano) {
    struct exporter *exporter = self;
    size_t count = 0;
    *wake_nano = UINT64_MAX;
    if (exporter->state == SENDING) {
        count = exporter->live.wait(exporter->live.self, descriptors, capacity, wake_nano);
        if (exporter->live_deadline < *wake_nano)
            *wake_nano = exporter->live_deadline;
    } else if (exporter->state == STORING) {
        count = clew__spooling_wait(exporter->shared, descriptors, capacity, wake_nano);
        if (exporter->deadline < *wake_nano)
            *wake_nano = exporter->deadline;
    }
    return count;
}

static clew_export_outcome on_step(void *self, const clew_poll *descriptors, size_t count, uint64_t now_nano,
                                   clew_export_report *report) {
    struct exporter *exporter = self;
    switch (exporter->state) {
    case SENDING:
        return go_on_sending(exporter, descriptors, count, now_nano, report);
    case STORING:
        return go_on_storing(exporter, now_nano, report);
    default:
        return CLEW_EXPORT_FAILED;
    }
}

static void on_hasten(void *self, uint64_t deadline_nano) {
    struct exporter *exporter = self;
    if (exporter->state != IDLE && deadline_nano < exporter->deadline)
        plan(exporter, deadline_nano, clew_monotonic_nano());
}

static clew_export_outcome on_cancel(void *self) {
    struct exporter *exporter = self;
    clew_export_report ignored = {.status = -1};
    clew_export_outcome outcome = CLEW_EXPORT_FAILED;
    if (exporter->state == SENDING) {
        outcome = exporter->live.cancel(exporter->live.self);
    } else if (exporter->state == STORING) {
        exporter->live_deadline = exporter->deadline = 0;
        outcome = go_on_storing(exporter, UINT64_MAX, &ignored);
    }
    exporter->state = IDLE;
    return outcome == CLEW_EXPORT_FAILED ? outcome : CLEW_EXPORT_UNKNOWN;
}

static void on_forked(void *self) {
    struct exporter *exporter = self;
    exporter->state = IDLE; /* the batch is the parent's */
    if (exporter->live.forked)
        exporter->live.forked(exporter->live.self);
    clew__spooling_forked(exporter->shared);
}

static void on_destroy(void *self) {
    struct exporter *exporter = self;
    if (exporter->live.destroy)
        exporter->live.destroy(exporter->live.self);
    clew__spooling_leave(exporter->shared, clew_monotonic_nano() + LEAVE_NANO);
    clew_memory_release(exporter);
}

static void on_spool_stats(void *self, clew_spool_stats *out) {
    clew__spooling_stats(((struct exporter *)self)->shared, out);
}

int clew__spooling_new(const struct clew__spooling_parts *parts, clew_exporter *out) {
    struct exporter *exporter = clew_memory_allocate(sizeof *exporter);
    if (!exporter)
        return CLEW_ENOMEM;
    memset(exporter, 0, sizeof *exporter);
    exporter->shared = clew__spooling_share(parts);
    if (!exporter->shared) {
        clew_memory_release(exporter);
        return CLEW_ENOMEM;
    }
    exporter->live = parts->live;
    *out = (clew_exporter){.struct_size = sizeof *out,
                           .name = parts->live.name,
                           .self = exporter,
                           .start = on_start,
                           .wait = on_wait,
                           .step = on_step,
                           .cancel = on_cancel,
                           .forked = on_forked,
                           .destroy = on_destroy,
                           .spool_stats = on_spool_stats,
                           .hasten = on_hasten,
                           .server_address = parts->live.server_address,
                           .server_port = parts->live.server_port};
    return CLEW_OK;
}
