/* An exporter of metrics that keeps what it was given, and behaves as told. */
#ifndef CLEW_TEST_UNIT_TELEMETRY_CAPTURE_H
#define CLEW_TEST_UNIT_TELEMETRY_CAPTURE_H

#include <clew/extend.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct capture {
    /* What to do. */
    clew_export_outcome outcome; /* of `start`; PENDING: never concluded */
    const char *reason;
    void (*on_start)(struct capture *capture);

    /* What was seen; `data` is the last request. */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint8_t data[65536];
    size_t size, points;
    unsigned starts, steps, cancels, destroyed;
    uint64_t deadline_nano;
};

#define CAPTURE_INIT                                                                                         \
    { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static inline void capture_count(struct capture *capture, unsigned *counter) {
    pthread_mutex_lock(&capture->mutex);
    ++*counter;
    pthread_cond_broadcast(&capture->changed);
    pthread_mutex_unlock(&capture->mutex);
}

static inline clew_export_outcome capture_start(void *self, const clew_batch *batch, uint64_t deadline_nano,
                                                clew_export_report *report) {
    struct capture *capture = self;
    clew_bytes request = clew_batch_request(batch);
    if (capture->on_start)
        capture->on_start(capture);
    if (capture->reason)
        strncpy(report->reason, capture->reason, sizeof report->reason - 1);
    pthread_mutex_lock(&capture->mutex);
    capture->size = request.size < sizeof capture->data ? request.size : 0;
    if (capture->size)
        memcpy(capture->data, request.data, capture->size);
    capture->points = clew_batch_count(batch);
    capture->deadline_nano = deadline_nano;
    pthread_mutex_unlock(&capture->mutex);
    capture_count(capture, &capture->starts);
    return capture->outcome;
}

/* So that whoever drives comes by now and then. */
static inline size_t capture_wait(void *self, clew_poll *descriptors, size_t capacity, uint64_t *wake_nano) {
    (void)self;
    (void)descriptors;
    (void)capacity;
    *wake_nano = clew_monotonic_nano() + 1000000;
    return 0;
}

static inline clew_export_outcome capture_step(void *self, const clew_poll *descriptors, size_t count,
                                               uint64_t now_nano, clew_export_report *report) {
    struct capture *capture = self;
    (void)descriptors;
    (void)count;
    (void)now_nano;
    (void)report;
    capture_count(capture, &capture->steps);
    return CLEW_EXPORT_PENDING;
}

static inline clew_export_outcome capture_cancel(void *self) {
    struct capture *capture = self;
    capture_count(capture, &capture->cancels);
    return CLEW_EXPORT_UNKNOWN;
}

static inline void capture_destroy(void *self) {
    struct capture *capture = self;
    capture_count(capture, &capture->destroyed);
}

static inline clew_exporter capture_exporter(struct capture *capture) {
    clew_exporter exporter = {.struct_size = sizeof exporter,
                              .name = "capture",
                              .self = capture,
                              .start = capture_start,
                              .wait = capture_wait,
                              .step = capture_step,
                              .cancel = capture_cancel,
                              .destroy = capture_destroy};
    return exporter;
}

/* Waits until a counter has got so far; false after ten seconds. */
static inline bool capture_reaches(struct capture *capture, const unsigned *counter, unsigned value) {
    struct timespec until;
    int error = 0;
    bool reached;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&capture->mutex);
    while (*counter < value && error == 0)
        error = pthread_cond_timedwait(&capture->changed, &capture->mutex, &until);
    reached = *counter >= value;
    pthread_mutex_unlock(&capture->mutex);
    return reached;
}

#endif
