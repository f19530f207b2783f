/* Signals: handlers that use Clew and interrupt it, and what Clew leaves as it was. */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static clew_tracer *tracer;
static clew_span victim;
static volatile sig_atomic_t handled;
static atomic_uint errno_changed;
static volatile sig_atomic_t recorded_in_handler;
static volatile sig_atomic_t injected;
static clew_context *carried;

/* A carrier that allocates nothing: counts headers that are whole. */
static int take_header(void *self, const char *name, const char *value) {
    clew_span_context context;
    (void)self;
    if (strcmp(name, "traceparent") == 0 && clew_traceparent_parse(value, strlen(value), &context) == 0)
        injected = injected + 1;
    return 0;
}

static clew_span start_in_handler(const char *name) {
    clew_span span = clew_span_start(tracer, name, NULL);
    if (clew_span_is_recording(span))
        recorded_in_handler = recorded_in_handler + 1;
    return span;
}

/* Everything a handler may be tempted to do. */
static void on_alarm(int number) {
    int saved = errno;
    (void)number;
    errno = 4711;
    clew_span span = start_in_handler("in the handler");
    clew_span_set_string(span, "key", "a value that is rather long, so that it takes the slow way");
    clew_span_set_int(victim, "from.handler", 1);
    clew_span_add_event(victim, "event", NULL, 0, 0);
    clew_wait_begin(victim, span);
    clew_wait_end(victim, span);
    clew_token token = clew_span_attach(span);
    clew_span_end(start_in_handler("child in the handler"));
    clew_carrier carrier = {.set = take_header};
    clew_propagator_inject(clew_propagator_tracecontext(), carried, &carrier);
    clew_context_detach(token);
    clew_span_end(span);
    (void)clew_span_is_recording(victim);
    (void)clew_span_get_context(victim);
    (void)clew_current_span_context();
    if (errno != 4711)
        atomic_fetch_add(&errno_changed, 1);
    errno = saved;
    handled = handled + 1;
}

static void storm(clew_provider *provider, const char *name, unsigned wanted) {
    struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    uint64_t end = clew_monotonic_nano() + UINT64_C(10000000000);
    uint64_t made = 0;
    handled = recorded_in_handler = injected = 0;
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
    tap_ok(data.started == 1 + made + (uint64_t)recorded_in_handler,
           "%s: the books know every span, %d of handlers among them", name, (int)recorded_in_handler);
    tap_ok(injected == handled, "%s: every handler injects a whole header", name);
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
    clew_span_context remote = {.trace_flags = CLEW_FLAG_SAMPLED};
    memset(remote.trace_id, 1, sizeof remote.trace_id);
    memset(remote.span_id, 2, sizeof remote.span_id);
    carried = clew_context_with_span_context(NULL, &remote);
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
    clew_context_unref(carried);
}

/* ---- handlers that only ask which trace they interrupted ---- */

static volatile sig_atomic_t torn;

/* Each context here has one byte throughout: more than one, and it is made of two. */
static void on_alarm_read(int number) {
    clew_span_context read = clew_current_span_context(), parsed;
    char text[CLEW_TRACEPARENT_SIZE];
    uint8_t byte = read.trace_id[0];
    bool whole = true;
    (void)number;
    for (size_t i = 0; i < sizeof read.trace_id; i++)
        whole &= read.trace_id[i] == byte;
    for (size_t i = 0; i < sizeof read.span_id; i++)
        whole &= read.span_id[i] == byte;
    clew_traceparent_format(&read, text);
    whole &= byte == 0 ? text[0] == '\0' : clew_traceparent_parse(text, strlen(text), &parsed) == 0;
    if (!whole)
        torn = torn + 1;
    handled = handled + 1;
}

static void handlers_that_read(void) {
    enum { CONTEXTS = 3, DEPTH = 40, WANTED = 3000 }; /* deeper than a stack is at first */
    struct sigaction action = {.sa_handler = on_alarm_read}, before;
    struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    clew_context *contexts[CONTEXTS];
    clew_token tokens[DEPTH];
    uint64_t end = clew_monotonic_nano() + UINT64_C(10000000000);
    for (int i = 0; i < CONTEXTS; i++) {
        clew_span_context one = {.trace_flags = CLEW_FLAG_SAMPLED};
        memset(one.trace_id, i + 1, sizeof one.trace_id);
        memset(one.span_id, i + 1, sizeof one.span_id);
        contexts[i] = clew_context_with_span_context(NULL, &one);
    }
    handled = 0;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int rounds = 0; handled < WANTED && clew_monotonic_nano() < end; rounds++) {
        int depth = rounds % DEPTH + 1;
        for (int i = 0; i < depth; i++)
            tokens[i] = clew_context_attach(contexts[(i + rounds) % CONTEXTS]);
        for (int i = depth; i-- > 0;)
            clew_context_detach(tokens[i]);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    tap_ok(handled >= WANTED && torn == 0,
           "what handlers read of the current context is whole (%d of %d not)", (int)torn, (int)handled);
    for (int i = 0; i < CONTEXTS; i++)
        clew_context_unref(contexts[i]);
}

/* ---- errno ---- */

static atomic_uint allocations;
static atomic_bool at_times_nothing;

/* An allocator that sets errno at every turn, and at times has nothing. */
static void *rude_allocate(void *user, size_t size) {
    unsigned number = atomic_fetch_add(&allocations, 1);
    (void)user;
    void *block = number % 4 == 3 && atomic_load(&at_times_nothing) ? NULL : malloc(size);
    errno = ENOMEM;
    return block;
}
static void *rude_reallocate(void *user, void *block, size_t size) {
    (void)user;
    block = realloc(block, size);
    errno = ENOMEM;
    return block;
}
static void rude_release(void *user, void *block) {
    (void)user;
    free(block);
    errno = EFAULT;
}

static unsigned errno_changes;

static void expect_errno(const char *operation) {
    if (errno != 4711) {
        fprintf(stderr, "# %s changed errno to %d\n", operation, errno);
        errno_changes++;
    }
}

#define KEEPS_ERRNO(operation)                                                                               \
    do {                                                                                                     \
        errno = 4711;                                                                                        \
        operation;                                                                                           \
        expect_errno(#operation);                                                                            \
    } while (0)

static void every_setter(clew_span span) {
    static char large[4000];
    const clew_attribute list[] = {CLEW_KV("a", 1), CLEW_KV("b", "two"), CLEW_KV("c", 3.0)};
    const clew_span target = {.span_id = {1}};
    clew_span_context other = {.trace_flags = 1};
    memset(other.trace_id, 7, sizeof other.trace_id);
    memset(other.span_id, 7, sizeof other.span_id);
    memset(large, 'x', sizeof large - 1);
    KEEPS_ERRNO((void)clew_span_is_recording(span));
    KEEPS_ERRNO((void)clew_span_get_context(span));
    KEEPS_ERRNO(clew_span_set_string(span, "string", "value"));
    KEEPS_ERRNO(clew_span_set_string(span, NULL, NULL));
    KEEPS_ERRNO(clew_span_set_string(span, "not UTF-8", "\xff\xfe"));
    KEEPS_ERRNO(clew_span_set_string_n(span, "large", large, sizeof large));
    KEEPS_ERRNO(clew_span_set_bool(span, "bool", true));
    KEEPS_ERRNO(clew_span_set_int(span, "int", -1));
    KEEPS_ERRNO(clew_span_set_double(span, "double", 0.1));
    KEEPS_ERRNO(clew_span_set_unsigned(span, "unsigned", UINT64_MAX));
    KEEPS_ERRNO(clew_span_set_value(span, "map", clew_value_map(list, 3)));
    KEEPS_ERRNO(clew_span_set_attributes(span, list, 3));
    KEEPS_ERRNO(clew_span_add_event(span, "event", list, 3, 0));
    KEEPS_ERRNO(clew_span_add_link(span, &other, list, 3));
    KEEPS_ERRNO(clew_wait_begin(span, target));
    KEEPS_ERRNO(clew_wait_end(span, target));
    KEEPS_ERRNO(clew_span_set_status(span, CLEW_STATUS_ERROR, "description"));
    KEEPS_ERRNO(clew_span_update_name(span, "another name"));
    KEEPS_ERRNO(clew_span_record_exception(span, "type", "message", large, list, 3));
    KEEPS_ERRNO(clew_span_set_error(span, CLEW_ERROR_TIMEOUT, "message"));
    KEEPS_ERRNO(clew_error(span, CLEW_ERROR_OTHER, "%d: %s %f", 1, "two", 3.0));
}

static void every_operation(clew_tracer *own) {
    clew_span none = {.ref = 0}, span, child;
    clew_span_options options = {.kind = CLEW_CLIENT};
    clew_context *context, *current;
    clew_token token;
    clew_scope scope;
    KEEPS_ERRNO((void)clew_tracer_enabled(own, NULL));
    KEEPS_ERRNO(span = clew_span_start(own, "work", &options));
    every_setter(span);
    KEEPS_ERRNO(token = clew_span_attach(span));
    KEEPS_ERRNO((void)clew_current_span());
    KEEPS_ERRNO((void)clew_current_span_context());
    KEEPS_ERRNO(current = clew_context_current());
    KEEPS_ERRNO(child = clew_span_start(own, NULL, NULL));
    KEEPS_ERRNO(clew_span_end_at(child, 1));
    KEEPS_ERRNO(clew_context_unref(current));
    KEEPS_ERRNO(clew_context_detach(token));
    KEEPS_ERRNO(clew_context_detach(token));
    KEEPS_ERRNO(context = clew_context_with_span(NULL, span));
    KEEPS_ERRNO((void)clew_context_span(context));
    KEEPS_ERRNO(clew_span_end(span));
    every_setter(span);
    KEEPS_ERRNO(clew_span_end(span));
    every_setter(none);
    KEEPS_ERRNO(clew_span_end(none));
    KEEPS_ERRNO(token = clew_context_attach(context));
    KEEPS_ERRNO(scope = clew_scope_enter(own, "scope", NULL));
    KEEPS_ERRNO(clew_scope_leave(&scope));
    KEEPS_ERRNO(clew_scope_leave(&scope));
    KEEPS_ERRNO(clew_context_detach(token));
    KEEPS_ERRNO(clew_context_unref(context));
}

/* In a process of its own, whose allocator is the rude one. One provider has a worker to start and to wake,
 * the other writes within the end of a span, to where there is no room. */
static int errno_with_a_rude_allocator(void) {
    clew_allocator rude = {rude_allocate, rude_reallocate, rude_release, NULL};
    clew_exporter local = {.flags = CLEW_EXPORTER_LOCAL, .name = "nowhere", .export_batch = deliver};
    clew_exporter full;
    clew_batch_options at_once = clew_batch_options_default();
    clew_provider *provider;
    clew_tracer *own;
    if (clew_set_allocator(&rude) != 0)
        return 100;
    at_once.schedule_delay_ms = 0;
    provider = clew_provider_new(NULL);
    if (clew_provider_add_batch(provider, &local, &at_once) != 0 ||
        clew_exporter_otlp_file("/dev/full", &full) != 0 || clew_provider_add_simple(provider, &full) != 0)
        return 102;
    own = clew_provider_tracer(provider, "errno", NULL, NULL, NULL, 0);
    atomic_store(&at_times_nothing, true);
    for (int i = 0; i < 200; i++)
        every_operation(own);
    clew_provider_shutdown(provider, 5000);
    every_operation(own);
    every_operation(NULL); /* without an SDK */
    clew_stats_data data;
    clew_stats_of(provider, &data);
    if (data.ended < 200)
        return 101;
    return errno_changes > 99 ? 99 : (int)errno_changes;
}

static void errno_is_kept(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(errno_with_a_rude_allocator());
    int status = status_of(child);
    tap_ok(status == 0, "no operation changes errno, whatever the allocator and the exporter do (%d)",
           status);
}

/* ---- what Clew leaves as it was ---- */

enum { SIGNALS = 65 };

static bool same_signals(const struct sigaction *before) {
    bool same = true;
    for (int number = 1; number < SIGNALS; number++) {
        struct sigaction now;
        if (number == SIGKILL || number == SIGSTOP || sigaction(number, NULL, &now) != 0)
            continue;
        same &= now.sa_handler == before[number].sa_handler && now.sa_flags == before[number].sa_flags;
    }
    return same;
}

/* How many threads of Clew there are; `*blocked`: none of them takes a signal that was meant for the program.
 */
static unsigned threads_of_clew(bool *blocked) {
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    *blocked = true;
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        char *text = content_of(path), *mask = strstr(text, "SigBlk:");
        if (mask && strncmp(text, "Name:\tclew", 10) == 0) {
            uint64_t bits = strtoull(mask + strlen("SigBlk:"), NULL, 16);
            for (int number = 1; number < 32; number++)
                *blocked &= number == SIGKILL || number == SIGSTOP || (bits >> (number - 1) & 1);
            count++;
        }
        free(text);
    }
    if (tasks)
        closedir(tasks);
    return count;
}

static void nothing_is_changed(void) {
    struct sigaction before[SIGNALS];
    sigset_t mask_before, mask_after;
    int ends[2], saved = dup(1);
    char path[64], bytes[16];
    clew_otlp_options nobody = clew_otlp_options_default();
    clew_options options = {.exporters = "otlp", .otlp = clew_otlp_exporter, .otlp_options = &nobody};
    memset(before, 0, sizeof before);
    strcpy(path, new_file());
    options.otlp_file = path;
    nobody.endpoint = "http://127.0.0.1:1/v1/traces";
    nobody.timeout_ms = 200;
    for (int number = 1; number < SIGNALS; number++)
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
    bool blocked;
    unsigned threads = threads_of_clew(&blocked);
    clew_shutdown(5000);
    dup2(saved, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    tap_ok(same_signals(before), "dispositions of all signals are as they were");
    tap_ok(threads > 0 && blocked, "the threads of Clew block all signals (%u)", threads);
    bool same_mask = true;
    for (int number = 1; number < SIGNALS; number++)
        same_mask &= sigismember(&mask_before, number) == sigismember(&mask_after, number);
    tap_ok(same_mask, "the signal mask is as it was");
    tap_ok(read(ends[0], bytes, sizeof bytes) < 0 && errno == EAGAIN, "nothing was written to stdout");
    close(saved);
    unlink(path);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_NONE);
    errno_is_kept();
    handlers_that_read();
    handlers_that_use_clew();
    nothing_is_changed();
    return tap_done();
}
