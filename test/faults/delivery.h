/* What the tests of delivery share: spans that go to a receiver, and how late the machine itself is. */
#ifndef CLEW_TEST_DELIVERY_H
#define CLEW_TEST_DELIVERY_H

#include "test/peer/receiver.h"
#include "test/tap.h"

#include <clew/clew.h>
#include <clew/otlp.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define NANO_PER_MILLI UINT64_C(1000000)
/* What a deadline may be passed by, in ms. */
#define GRACE_MS (SANITIZED ? 300u : 50u)

static inline const char *protocol_name(clew_otlp_protocol protocol) {
    return protocol == CLEW_OTLP_GRPC        ? "grpc"
           : protocol == CLEW_OTLP_HTTP_JSON ? "http/json"
                                             : "http/protobuf";
}

static inline bool is_large(void) {
    const char *scale = getenv("CLEW_TEST_SCALE");
    return scale && strcmp(scale, "large") == 0;
}

static inline unsigned milliseconds_since(uint64_t before) {
    return (unsigned)((clew_monotonic_nano() - before) / NANO_PER_MILLI);
}

static inline uint64_t fates_of(const clew_pipeline_stats *p) {
    return p->exported + p->rejected + p->failed + p->unknown + p->spooled + p->not_sampled +
           p->dropped_queue_full + p->dropped_memory + p->dropped_shutdown;
}

static inline void make_spans(clew_tracer *tracer, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        clew_span span = clew_span_start(tracer, "GET /cart", NULL);
        clew_span_set_int(span, "i", (int64_t)i);
        clew_span_set_string(span, "url.path", "/cart/items");
        clew_span_end(span);
    }
}

/* ---- the most memory that was resident ---- */

static inline bool forget_peak(void) {
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool done = file >= 0 && write(file, "5", 1) == 1;
    if (file >= 0)
        close(file);
    return done;
}

static inline long peak_kb(void) {
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %ld", &kb) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kb;
}

/* ---- how late the machine is, beside what is measured ---- */

struct canary {
    pthread_t thread;
    _Atomic bool stop;
    uint64_t late_nano;    /* the worst wake-up */
    uint64_t starved_nano; /* what the threads of this process waited for a processor, together */
};

/* Since the threads that there are were started; 0 where the kernel does not say. */
static inline uint64_t starved_nano(void) {
    DIR *tasks = opendir("/proc/self/task");
    uint64_t sum = 0;
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
        unsigned long long on, waited;
        char path[300];
        FILE *file;
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
        file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file && fscanf(file, "%llu %llu", &on, &waited) == 2)
            sum += waited;
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return sum;
}

static inline void *canary_run(void *argument) {
    struct canary *canary = argument;
    const uint64_t pause = 5 * NANO_PER_MILLI;
    uint64_t before = starved_nano();
    while (!atomic_load(&canary->stop)) {
        struct timespec moment = {0, (long)pause};
        uint64_t asleep = clew_monotonic_nano(), late, starved;
        nanosleep(&moment, NULL);
        late = clew_monotonic_nano() - asleep - pause;
        starved = starved_nano();
        if (late > canary->late_nano)
            canary->late_nano = late;
        /* It falls when a thread ends. */
        if (starved > before + canary->starved_nano)
            canary->starved_nano = starved - before;
    }
    return NULL;
}

static inline void canary_start(struct canary *canary) {
    memset(canary, 0, sizeof *canary);
    pthread_create(&canary->thread, NULL, canary_run, canary);
}

/* In ms. */
static inline unsigned canary_stop(struct canary *canary) {
    atomic_store(&canary->stop, true);
    pthread_join(canary->thread, NULL);
    return (unsigned)((canary->late_nano + canary->starved_nano) / NANO_PER_MILLI);
}

#endif
