/* One mutex a pipeline keeps its exports apart; what was offered is counted in the accounts of the threads. A
 * close that meets an export that never returns goes on without it; whoever comes back destroys the exporter.
 */
#include "sdk/pipeline/simple.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/pipeline/fate.h"

#include <clew/extend.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* In a thread's `suppressed`: inside an export here, whose mutex it may hold. */
#define EXPORTING 2u

struct clew__simple {
    uint32_t number;
    clew_exporter exporter;
    struct clew__origin *origin;
    pthread_mutex_t mutex;
    atomic_bool closed;     /* no export begins any more */
    bool destroyed;         /* under the mutex, as is the next */
    clew_spool_stats spool; /* the exporter's last ones */
    _Atomic uint64_t fates[CLEW__FATES];
    struct clew__durations durations;
    _Atomic uint64_t uncounted;
};

struct clew__simple *clew__simple_new(const clew_exporter *exporter, struct clew__origin *origin) {
    uint32_t number = clew__account_number();
    struct clew__simple *simple = number == UINT32_MAX ? NULL : clew_memory_allocate(sizeof *simple);
    /* Books and messages name the exporter when it is gone, too. */
    char *name = clew_memory_copy_text(exporter->name, strlen(exporter->name));
    if (!simple || !name) {
        if (exporter->destroy)
            exporter->destroy(exporter->self);
        clew_memory_release(name);
        clew_memory_release(simple);
        return NULL;
    }
    memset(simple, 0, sizeof *simple);
    simple->number = number;
    simple->exporter = *exporter;
    simple->exporter.name = name;
    simple->origin = origin;
    pthread_mutex_init(&simple->mutex, NULL);
    return simple;
}

static void book(struct clew__simple *simple, enum clew__fate fate) {
    atomic_fetch_add_explicit(&simple->fates[fate], 1, memory_order_release);
}

/* Caller holds the mutex. */
static void export_span(struct clew__simple *simple, const struct clew__scope *scope, const uint8_t *span,
                        size_t size) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    struct clew__outgoing *outgoing = clew__request_of_span(simple->origin, scope, span, size);
    uint64_t fates[CLEW__FATES], began;
    if (!outgoing) {
        book(simple, CLEW__FATE_DROPPED_MEMORY);
        return;
    }
    began = clew__monotonic_nano();
    outcome = simple->exporter.export_batch(simple->exporter.self, &outgoing->batch, 0, &report);
    clew__durations_record(&simple->durations, outcome, &report, clew__monotonic_nano() - began);
    clew__outgoing_unref(outgoing);
    clew__fates_of_report(outcome, &report, 1, fates);
    for (int fate = 0; fate < CLEW__FATES; fate++)
        if (fates[fate])
            book(simple, (enum clew__fate)fate);
    if (fates[CLEW__FATE_EXPORTED] || fates[CLEW__FATE_SPOOLED])
        return;
    report.reason[sizeof report.reason - 1] = '\0';
    clew_log(CLEW_LOG_WARN, simple->exporter.name, "a span was not delivered: %s",
             report.reason[0] ? report.reason : "the exporter gave no reason");
}

/* Caller holds the mutex: nobody is in the exporter. */
static void destroy(struct clew__simple *simple) {
    if (simple->destroyed)
        return;
    simple->destroyed = true; /* first, for the child of a fork in between */
    if (simple->exporter.spool_stats)
        simple->exporter.spool_stats(simple->exporter.self, &simple->spool);
    if (simple->exporter.destroy)
        simple->exporter.destroy(simple->exporter.self);
}

static void export_alone(struct clew__simple *simple, const struct clew__scope *scope, const uint8_t *span,
                         size_t size) {
    pthread_mutex_lock(&simple->mutex);
    if (atomic_load(&simple->closed))
        book(simple, CLEW__FATE_DROPPED_SHUTDOWN);
    else
        export_span(simple, scope, span, size);
    if (atomic_load(&simple->closed)) /* a close that did not wait for this export leaves it the rest */
        destroy(simple);
    pthread_mutex_unlock(&simple->mutex);
}

void clew__simple_offer(struct clew__simple *simple, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled) {
    struct clew__account *account = clew__account_of(thread, simple->number);
    uint32_t suppressed = thread->suppressed;
    int saved, cancel;
    if (!account) {
        atomic_fetch_add(&simple->uncounted, 1);
        return;
    }
    clew__account_add(account, CLEW__OFFERED, 1);
    if (!sampled) {
        clew__account_add(account, CLEW__NOT_SAMPLED, 1);
        return;
    }
    if (atomic_load(&simple->closed)) {
        book(simple, CLEW__FATE_DROPPED_SHUTDOWN);
        return;
    }
    if (suppressed == EXPORTING) {
        /* Ended by the exporter itself, or by a signal handler that interrupted it: waiting would be for
         * ever. */
        clew_log(CLEW_LOG_WARN, "simple.nested", "a span that ended inside an export was not delivered");
        book(simple, CLEW__FATE_FAILED + CLEW_FAILURE_OTHER);
        return;
    }
    saved = errno; /* what the exporter does to it is not the caller's */
    cancel = clew__cancel_forbid();
    thread->suppressed = EXPORTING;
    thread->inside = 0; /* the exporter may use Clew, to no effect */
    export_alone(simple, scope, span, size);
    thread->inside = 1;
    thread->suppressed = suppressed;
    clew__cancel_allow(cancel);
    errno = saved;
}

static bool lock_until(struct clew__simple *simple, uint64_t deadline) {
    unsigned round = 0;
    while (pthread_mutex_trylock(&simple->mutex) != 0) {
        if (clew__monotonic_nano() >= deadline)
            return false;
        clew__wait_a_little(round++);
    }
    return true;
}

int clew__simple_flush(struct clew__simple *simple, uint64_t deadline) {
    uint64_t now;
    int result = CLEW_OK;
    if (!simple->exporter.flush)
        return CLEW_OK;
    if (!lock_until(simple, deadline))
        return CLEW_ETIMEDOUT;
    now = clew__monotonic_nano();
    if (!atomic_load(&simple->closed))
        result = simple->exporter.flush(
            simple->exporter.self, deadline > now ? (uint32_t)((deadline - now) / CLEW__NANO_PER_MILLI) : 0);
    pthread_mutex_unlock(&simple->mutex);
    return result;
}

bool clew__simple_close(struct clew__simple *simple, uint64_t deadline) {
    atomic_store(&simple->closed, true);
    if (!lock_until(simple, deadline))
        return false;
    destroy(simple);
    pthread_mutex_unlock(&simple->mutex);
    return true;
}

void clew__simple_free(struct clew__simple *simple) {
    pthread_mutex_destroy(&simple->mutex);
    clew_memory_release((char *)(uintptr_t)simple->exporter.name);
    clew_memory_release(simple);
}

/* The exporter's while nobody is in it. A thread that is stuck in it leaves none. */
static void spool_stats(struct clew__simple *simple, clew_spool_stats *out) {
    if (!simple->exporter.spool_stats || pthread_mutex_trylock(&simple->mutex) != 0)
        return;
    if (simple->destroyed)
        *out = simple->spool;
    else
        simple->exporter.spool_stats(simple->exporter.self, out);
    pthread_mutex_unlock(&simple->mutex);
}

void clew__simple_stats(struct clew__simple *simple, clew_pipeline_stats *out) {
    uint64_t uncounted = atomic_load(&simple->uncounted), fates[CLEW__FATES];
    for (int i = 0; i < CLEW__FATES; i++)
        fates[i] = atomic_load_explicit(&simple->fates[i], memory_order_acquire);
    clew__fates_to_stats(fates, out);
    out->name = simple->exporter.name;
    out->not_sampled = clew__account_sum(simple->number, CLEW__NOT_SAMPLED);
    out->dropped_memory += uncounted;
    out->offered = clew__account_sum(simple->number, CLEW__OFFERED) + uncounted;
    spool_stats(simple, &out->spool);
}

const struct clew__durations *clew__simple_durations(const struct clew__simple *simple) {
    return &simple->durations;
}

void clew__simple_forked(struct clew__simple *simple) {
    pthread_mutex_init(&simple->mutex, NULL);
    atomic_store(&simple->uncounted, 0);
    clew__durations_reset(&simple->durations);
    for (int i = 0; i < CLEW__FATES; i++)
        atomic_store(&simple->fates[i], 0);
    if (!simple->destroyed && simple->exporter.forked)
        simple->exporter.forked(simple->exporter.self);
}
