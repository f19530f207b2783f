/* Drives the state machine of an exporter with a poll loop, as the worker does. For tests. */
#ifndef CLEW_TEST_DRIVE_H
#define CLEW_TEST_DRIVE_H

#include "sdk/pipeline/batch.h"

#include <poll.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* How late an outcome may be, in milliseconds; the sanitizers slow everything down. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRACE_MS 200
#else
#define GRACE_MS 50
#endif

#define DRIVE_WATCHED 8

struct run {
    clew_export_outcome outcome;
    clew_export_report report;
    unsigned elapsed_ms;
};

/* Not a request that a receiver could read, but bytes that it can count. */
static const char request_bytes[] = "not read by anybody";
static const clew_batch small = {{request_bytes, sizeof request_bytes - 1}, 7};

static size_t watch_capacity = DRIVE_WATCHED;

static inline clew_export_outcome step_once(clew_exporter *exporter, uint64_t until,
                                            clew_export_report *report) {
    clew_poll watched[DRIVE_WATCHED];
    struct pollfd polled[DRIVE_WATCHED];
    uint64_t wake;
    size_t count = exporter->wait(exporter->self, watched, watch_capacity, &wake);
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){watched[i].fd, watched[i].events, 0};
    uint64_t now = clew_monotonic_nano();
    uint64_t end = wake < until ? wake : until;
    poll(polled, count, end <= now ? 0 : (int)((end - now + NANO_PER_MILLI - 1) / NANO_PER_MILLI));
    for (size_t i = 0; i < count; i++)
        watched[i].revents = polled[i].revents;
    return exporter->step(exporter->self, watched, count, clew_monotonic_nano(), report);
}

static inline struct run export_batch(clew_exporter *exporter, const clew_batch *batch,
                                      unsigned deadline_ms) {
    struct run run = {.outcome = CLEW_EXPORT_PENDING};
    uint64_t started = clew_monotonic_nano();
    uint64_t give_up = started + UINT64_C(20000) * NANO_PER_MILLI;
    run.outcome = exporter->start(exporter->self, batch, started + deadline_ms * NANO_PER_MILLI, &run.report);
    while (run.outcome == CLEW_EXPORT_PENDING && clew_monotonic_nano() < give_up)
        run.outcome = step_once(exporter, give_up, &run.report);
    run.elapsed_ms = (unsigned)((clew_monotonic_nano() - started) / NANO_PER_MILLI);
    return run;
}

static inline const char *outcome_name(clew_export_outcome outcome) {
    static const char *const names[] = {"delivered", "failed", "unknown", "pending"};
    return names[outcome];
}

#endif
