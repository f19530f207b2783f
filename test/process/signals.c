/* Signals: handlers that use Clew and interrupt it, and what Clew leaves as it was. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static clew_tracer *tracer;
static clew_span victim;
static volatile sig_atomic_t handled;
static atomic_uint errno_changed;

/* Everything a handler may be tempted to do. */
static void on_alarm(int number) {
    (void)number;
    errno = 4711;
    clew_span span = clew_span_start(tracer, "in the handler", NULL);
    clew_span_set_string(span, "key", "a value that is rather long, so that it takes the slow way");
    clew_span_set_int(victim, "from.handler", 1);
    clew_span_add_event(victim, "event", NULL, 0, 0);
    clew_token token = clew_span_attach(span);
    clew_span_end(clew_span_start(tracer, "child in the handler", NULL));
    clew_context_detach(token);
    clew_span_end(span);
    (void)clew_span_is_recording(victim);
    (void)clew_span_get_context(victim);
    (void)clew_current_span_context();
    if (errno != 4711)
        atomic_fetch_add(&errno_changed, 1);
    handled = handled + 1;
}

static void storm(clew_provider *provider, const char *name, unsigned wanted) {
    struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    uint64_t end = clew_monotonic_nano() + UINT64_C(10000000000);
    uint64_t made = 0;
    handled = 0;
    tracer = clew_provider_tracer(provider, "signals", NULL, NULL, NULL, 0);
    victim = clew_span_start(tracer, "victim", NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while ((unsigned)handled < wanted && clew_monotonic_nano() < end) {
        clew_scope scope = clew_scope_enter(tracer, "work", NULL);
        clew_span_set_string(scope.span, "key", "value");
        clew_span_set_int(victim, "n", (int64_t)made);
        clew_scope_leave(&scope);
        made++;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    clew_span_end(victim);
    clew_provider_flush(provider, 10000);
    clew_stats_data data;
    clew_stats_of(provider, &data);
    const clew_pipeline_stats *p = &data.pipelines[0];
    tap_ok((unsigned)handled >= wanted, "%s: %d signals handled while %lu spans were made", name,
           (int)handled, (unsigned long)made);
    tap_ok(data.open == 0 && data.started == data.ended, "%s: no span is left open (%lu)", name,
           (unsigned long)data.open);
    tap_ok(p->offered == data.ended && p->pending == 0 &&
               p->offered == p->exported + p->failed + p->dropped_queue_full + p->dropped_memory,
           "%s: the books balance", name);
    tap_ok(data.reentrant > 0, "%s: calls that interrupted Clew are counted (%lu)", name,
           (unsigned long)data.reentrant);
    tap_ok(clew_current_span().ref == 0, "%s: no scope is left", name);
}

static clew_export_outcome deliver(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                   clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    return CLEW_EXPORT_DELIVERED;
}

static void handlers_that_use_clew(void) {
    struct sigaction action = {.sa_handler = on_alarm}, before;
    clew_exporter exporter = {.flags = CLEW_EXPORTER_LOCAL, .name = "nowhere", .export_batch = deliver};
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 100000;
    sigaction(SIGALRM, &action, &before);
    alarm(0);
    clew_provider *batch = clew_provider_new(NULL), *simple = clew_provider_new(NULL);
    clew_provider_add_batch(batch, &exporter, &options);
    clew_provider_add_simple(simple, &exporter);
    storm(batch, "batch", 3000);
    storm(simple, "simple", 3000);
    tap_ok(atomic_load(&errno_changed) == 0, "errno is left alone in handlers");
    clew_provider_shutdown(batch, 5000);
    clew_provider_shutdown(simple, 5000);
    sigaction(SIGALRM, &before, NULL);
}

/* ---- what Clew leaves as it was ---- */

static bool same_signals(const struct sigaction *before) {
    bool same = true;
    for (int number = 1; number < 32; number++) {
        struct sigaction now;
        if (number == SIGKILL || number == SIGSTOP || sigaction(number, NULL, &now) != 0)
            continue;
        same &= now.sa_handler == before[number].sa_handler && now.sa_flags == before[number].sa_flags;
    }
    return same;
}

static void nothing_is_changed(void) {
    struct sigaction before[32];
    sigset_t mask_before, mask_after;
    int ends[2], saved = dup(1);
    char path[64], bytes[16];
    clew_options options = {.exporters = "none"};
    memset(before, 0, sizeof before);
    strcpy(path, new_file());
    options.otlp_file = path;
    for (int number = 1; number < 32; number++)
        sigaction(number, NULL, &before[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    if (pipe(ends) != 0)
        return;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fflush(stdout);
    dup2(ends[1], 1);
    clew_set_log_level(CLEW_LOG_DEBUG);
    setenv("OTEL_BSP_MAX_QUEUE_SIZE", "nonsense", 1);
    clew_init_with("signals", &options);
    for (int i = 0; i < 5000; i++) {
        clew_span span = clew_span_start(NULL, "work", NULL);
        clew_span_set_string(span, "", "no key");
        clew_span_end(span);
    }
    clew_flush(5000);
    clew_shutdown(5000);
    dup2(saved, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    tap_ok(same_signals(before), "dispositions of all signals are as they were");
    bool same_mask = true;
    for (int number = 1; number < 32; number++)
        same_mask &= sigismember(&mask_before, number) == sigismember(&mask_after, number);
    tap_ok(same_mask, "the signal mask is as it was");
    tap_ok(read(ends[0], bytes, sizeof bytes) < 0 && errno == EAGAIN, "nothing was written to stdout");
    close(saved);
    unlink(path);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_NONE);
    handlers_that_use_clew();
    nothing_is_changed();
    return tap_done();
}
