/* One mutex a pipeline keeps its exports apart; counters are in the accounts of the threads. */
#include "sdk/pipeline/simple.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"

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
    bool closed; /* under the mutex */
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

/* Caller holds the mutex. */
static enum clew__counter export_span(struct clew__simple *simple, const struct clew__scope *scope,
                                      const uint8_t *span, size_t size) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome;
    struct clew__outgoing *outgoing;
    if (simple->closed)
        return CLEW__DROPPED_SHUTDOWN;
    outgoing = clew__request_of_span(simple->origin, scope, span, size);
    if (!outgoing)
        return CLEW__DROPPED_MEMORY;
    outcome = simple->exporter.export_batch(simple->exporter.self, &outgoing->batch, 0, &report);
    clew__outgoing_unref(outgoing);
    if (outcome == CLEW_EXPORT_DELIVERED && report.rejected == 0)
        return CLEW__EXPORTED;
    report.reason[sizeof report.reason - 1] = '\0';
    clew_log(CLEW_LOG_WARN, simple->exporter.name, "a span was not delivered: %s",
             report.reason[0] ? report.reason : "the exporter gave no reason");
    return CLEW__FAILED;
}

void clew__simple_offer(struct clew__simple *simple, struct clew__thread *thread,
                        const struct clew__scope *scope, const uint8_t *span, size_t size, bool sampled) {
    struct clew__account *account = clew__account_of(thread, simple->number);
    uint32_t suppressed = thread->suppressed;
    enum clew__counter fate;
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
    if (suppressed == EXPORTING) {
        /* Ended by the exporter itself, or by a signal handler that interrupted it: waiting would be for
         * ever. */
        clew_log(CLEW_LOG_WARN, "simple.nested", "a span that ended inside an export was not delivered");
        clew__account_add(account, CLEW__FAILED, 1);
        return;
    }
    saved = errno; /* what the exporter does to it is not the caller's */
    cancel = clew__cancel_forbid();
    thread->suppressed = EXPORTING;
    thread->inside = 0; /* the exporter may use Clew, to no effect */
    pthread_mutex_lock(&simple->mutex);
    fate = export_span(simple, scope, span, size);
    pthread_mutex_unlock(&simple->mutex);
    thread->inside = 1;
    thread->suppressed = suppressed;
    clew__cancel_allow(cancel);
    errno = saved;
    clew__account_add(account, fate, 1);
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
    if (!simple->closed)
        result = simple->exporter.flush(
            simple->exporter.self, deadline > now ? (uint32_t)((deadline - now) / CLEW__NANO_PER_MILLI) : 0);
    pthread_mutex_unlock(&simple->mutex);
    return result;
}

bool clew__simple_close(struct clew__simple *simple, uint64_t deadline) {
    bool was_closed;
    if (!lock_until(simple, deadline))
        return false;
    was_closed = simple->closed;
    simple->closed = true; /* first, for the child of a fork in between */
    if (!was_closed && simple->exporter.destroy)
        simple->exporter.destroy(simple->exporter.self);
    pthread_mutex_unlock(&simple->mutex);
    return true;
}

void clew__simple_free(struct clew__simple *simple) {
    pthread_mutex_destroy(&simple->mutex);
    clew_memory_release((char *)(uintptr_t)simple->exporter.name);
    clew_memory_release(simple);
}

void clew__simple_stats(struct clew__simple *simple, clew_pipeline_stats *out) {
    uint64_t uncounted = atomic_load(&simple->uncounted);
    out->name = simple->exporter.name;
    out->exported = clew__account_sum(simple->number, CLEW__EXPORTED);
    out->failed = clew__account_sum(simple->number, CLEW__FAILED);
    out->not_sampled = clew__account_sum(simple->number, CLEW__NOT_SAMPLED);
    out->dropped_memory = clew__account_sum(simple->number, CLEW__DROPPED_MEMORY) + uncounted;
    out->dropped_shutdown = clew__account_sum(simple->number, CLEW__DROPPED_SHUTDOWN);
    out->offered = clew__account_sum(simple->number, CLEW__OFFERED) + uncounted;
}

void clew__simple_forked(struct clew__simple *simple) {
    pthread_mutex_init(&simple->mutex, NULL);
    atomic_store(&simple->uncounted, 0);
    if (!simple->closed && simple->exporter.forked)
        simple->exporter.forked(simple->exporter.self);
}
