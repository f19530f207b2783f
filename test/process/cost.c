/* What a span costs the thread that makes it, once warm: no allocation, no lock of pthread, no system call
 * but a wake-up a batch. This program's own malloc and pthread functions stand before those of the C library
 * and count; system calls are counted by strace, of this program run once more. */
#include "process.h"
#include "test/peer/receiver.h"

#include <clew/otlp.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

enum { BATCH = 512, WINDOW = 2 * BATCH, WARM = 3 * WINDOW, SPANS = 10 * WINDOW };

static _Thread_local bool counting;
static _Thread_local uint64_t allocations, locks;

/* ---- what is counted ---- */

#if !SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) {
    allocations += counting;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    allocations += counting;
    return __libc_calloc(count, size);
}
void *realloc(void *block, size_t size) {
    allocations += counting;
    return __libc_realloc(block, size);
}
void free(void *block) {
    allocations += counting && block;
    __libc_free(block);
}

#define COUNTED(name, parameters, arguments)                                                                 \
    int name parameters {                                                                                    \
        static int(*_Atomic real) parameters;                                                                \
        if (!real)                                                                                           \
            *(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, #name);                                            \
        locks += counting;                                                                                   \
        return real arguments;                                                                               \
    }
COUNTED(pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
COUNTED(pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex))
COUNTED(pthread_mutex_unlock, (pthread_mutex_t * mutex), (mutex))
COUNTED(pthread_cond_signal, (pthread_cond_t * condition), (condition))
COUNTED(pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
COUNTED(pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex))
COUNTED(pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
COUNTED(pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
COUNTED(pthread_rwlock_unlock, (pthread_rwlock_t * lock), (lock))
COUNTED(pthread_once, (pthread_once_t * once, void (*run)(void)), (once, run))
#endif

static _Thread_local uint64_t clew_allocations;

static void *counted_allocate(void *user, size_t size) {
    (void)user;
    clew_allocations += counting;
    return malloc(size);
}
static void *counted_reallocate(void *user, void *block, size_t size) {
    (void)user;
    clew_allocations += counting;
    return realloc(block, size);
}
static void counted_release(void *user, void *block) {
    (void)user;
    free(block);
}

/* ---- the work ---- */

static atomic_bool holds;

static clew_export_outcome discard(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                   clew_export_report *report) {
    (void)self;
    (void)batch;
    (void)timeout_ms;
    (void)report;
    while (atomic_load(&holds))
        usleep(1000);
    return CLEW_EXPORT_DELIVERED;
}

static clew_provider *provider;
static clew_tracer *tracer;

static const clew_exporter discarding = {
    .flags = CLEW_EXPORTER_LOCAL, .name = "discard", .export_batch = discard};

static int make_discarding(const clew_otlp_options *options, clew_exporter *out) {
    (void)options;
    *out = discarding;
    return 0;
}

/* With spans in a crash file. */
static void set_up_protected(const clew_batch_options *batch) {
    clew_options options = {.struct_size = sizeof options, .otlp = make_discarding, .exporters = "otlp"};
    options.batch = batch;
    clew_init_with("cost", &options);
    provider = clew_provider_get_global();
    tracer = clew_tracer_get("cost", NULL, NULL, NULL, 0);
}

static void set_up(void) {
    clew_exporter exporter = discarding;
    clew_batch_options options = clew_batch_options_default();
    options.max_queue_size = 8 * BATCH;
    options.max_export_batch_size = BATCH;
    if (getenv("CLEW_CRASH_DIR")) {
        set_up_protected(&options);
        return;
    }
    provider = clew_provider_new(NULL);
    clew_provider_add_batch(provider, &exporter, &options);
    tracer = clew_provider_tracer(provider, "cost", NULL, NULL, NULL, 0);
}

static void make_spans(int count) {
    for (int i = 0; i < count; i++) {
        clew_scope scope = clew_scope_enter(tracer, "operation", NULL);
        clew_span span = scope.span;
        clew_span_set_string(span, "http.request.method", "GET");
        clew_span_set_string(span, "url.path", "/cart/items");
        clew_span_set_int(span, "http.response.status_code", 200);
        clew_span_set_bool(span, "cache.hit", i % 2 == 0);
        clew_span_set_double(span, "order.total", 9.5);
        clew_scope_leave(&scope);
    }
}

/* A receiver that hangs has a batch, and the queue behind it is full. */
static bool hangs;

static clew_pipeline_stats books(void) {
    clew_stats_data data;
    clew_stats_of(provider, &data);
    return data.pipelines[0];
}

static struct receiver *set_up_hung(void) {
    struct receiver_options hung = {.mode = RECEIVER_HANG, .process = true};
    struct receiver *receiver = receiver_start(&hung);
    clew_otlp_options options = clew_otlp_options_default();
    clew_batch_options batch = clew_batch_options_default();
    clew_exporter exporter;
    char endpoint[80];
    receiver_endpoint(receiver, false, endpoint, sizeof endpoint);
    options.endpoint = endpoint;
    options.timeout_ms = batch.export_timeout_ms = 0; /* it stays as it is */
    provider = clew_provider_new(NULL);
    if (clew_otlp_exporter(&options, &exporter) == 0)
        clew_provider_add_batch(provider, &exporter, &batch);
    tracer = clew_provider_tracer(provider, "cost", NULL, NULL, NULL, 0);
    make_spans(BATCH);
    clew_provider_flush(provider, 1000); /* has begun to send, and cannot end */
    make_spans(WARM + 8 * BATCH);
    hangs = receiver_counts(receiver).connections == 1 && books().dropped_queue_full > 0;
    return receiver;
}

/* Spans in windows with a flush between, so that the queue is never the measure, unless it is to be full. */
static void make_in_windows(int count, void (*before)(void), void (*after)(void)) {
    for (int made = 0; made < count; made += WINDOW) {
        before();
        make_spans(WINDOW);
        after();
        if (!hangs)
            clew_provider_flush(provider, 5000);
    }
}

/* More spans wait at once than ever will later, however late the worker is. */
static void warm_up(void) {
    atomic_store(&holds, true);
    make_spans(WARM);
    atomic_store(&holds, false);
    clew_provider_flush(provider, 5000);
}

static void begin_counting(void) {
    counting = true;
}
static void end_counting(void) {
    counting = false;
}

struct cost {
    uint64_t allocations, clew_allocations, locks;
};

static struct cost cost_of(int count) {
    struct cost cost;
    allocations = clew_allocations = locks = 0;
    make_in_windows(count, begin_counting, end_counting);
    cost.allocations = allocations;
    cost.clew_allocations = clew_allocations;
    cost.locks = locks;
    return cost;
}

static void *on_another_thread(void *argument) {
    struct cost *costs = argument;
    warm_up();
    cost_of(2 * SPANS);
    costs[0] = cost_of(SPANS);
    costs[1] = cost_of(2 * SPANS);
    return NULL;
}

static void say(const char *who, const struct cost *costs) {
    tap_ok(costs[1].allocations == costs[0].allocations,
           "%s: %d spans more, %ld calls of malloc or free more", who, SPANS,
           (long)(costs[1].allocations - costs[0].allocations));
    tap_ok(costs[1].clew_allocations == costs[0].clew_allocations, "%s: %ld calls of the allocator more", who,
           (long)(costs[1].clew_allocations - costs[0].clew_allocations));
    tap_ok(costs[1].locks == costs[0].locks, "%s: %ld calls of pthread more", who,
           (long)(costs[1].locks - costs[0].locks));
}

static void counted_in_process(void) {
    clew_allocator allocator = {counted_allocate, counted_reallocate, counted_release, NULL};
    struct cost costs[2];
    pthread_t thread;
    clew_set_allocator(&allocator);
    set_up();
    begin_counting();
    clew_tracer_get("another", NULL, NULL, NULL, 0);
    clew_provider_flush(provider, 5000);
    end_counting();
    tap_ok(allocations > 0 && clew_allocations > 0 && locks > 0, "what Clew calls is counted");
    on_another_thread(costs);
    say("the first thread", costs);
    pthread_create(&thread, NULL, on_another_thread, costs);
    pthread_join(thread, NULL);
    say("another thread", costs);
    clew_stats_data data;
    clew_stats_of(provider, &data);
    tap_ok(data.pipelines[0].exported == data.started && data.started == 10 * SPANS + 2 * WARM,
           "every span was exported (%lu)", (unsigned long)data.pipelines[0].exported);
    clew_provider_shutdown(provider, 5000);
}

static void counted_before_a_hung_receiver(void) {
    struct receiver *receiver = set_up_hung();
    struct cost cost;
    clew_pipeline_stats after, before = books();
    tap_ok(hangs, "a receiver hangs, and the queue is full");
    cost_of(SPANS);
    cost = cost_of(SPANS);
    after = books();
    tap_ok(cost.allocations == 0 && cost.clew_allocations == 0 && cost.locks == 0,
           "then %d spans call malloc %lu times, the allocator %lu times, pthread %lu times", SPANS,
           (unsigned long)cost.allocations, (unsigned long)cost.clew_allocations, (unsigned long)cost.locks);
    tap_ok(after.dropped_queue_full == before.dropped_queue_full + 2 * SPANS && after.exported == 0,
           "and each is counted as dropped");
    clew_provider_shutdown(provider, 100);
    receiver_stop(receiver);
    hangs = false;
}

/* ---- system calls ---- */

/* Calls that nothing else here makes. */
static void mark_begin(void) {
    (void)!getsid(0);
}
static void mark_end(void) {
    (void)!getpgid(0);
}

/* What strace watches: this thread makes spans between marks. */
static int be_traced(int count, bool before_a_hung_receiver) {
    struct receiver *receiver = before_a_hung_receiver ? set_up_hung() : NULL;
    if (!receiver) {
        set_up();
        warm_up();
    } else if (!hangs) {
        return 1;
    }
    make_in_windows(4 * WINDOW, mark_end, mark_end);
    make_in_windows(count, mark_begin, mark_end);
    clew_provider_shutdown(provider, receiver ? 100 : 5000);
    if (receiver)
        receiver_stop(receiver);
    return 0;
}

/* A wake-up is a look whether the descriptor is still Clew's own, and a write. */
static bool is_look(const char *call) {
    return strncmp(call, "newfstatat(", 11) == 0 || strncmp(call, "fstat", 5) == 0;
}

/* Lines of the first thread between the marks: all but the looks that come with writes, and the writes. */
static bool read_trace(const char *path, unsigned *calls, unsigned *writes) {
    unsigned looks = 0;
    FILE *file = fopen(path, "r");
    char line[4096];
    long first = 0;
    bool inside = false, any = false;
    *calls = *writes = 0;
    while (file && fgets(line, sizeof line, file)) {
        char *at;
        long thread = strtol(line, &at, 10);
        at += strspn(at, " ");
        first = first ? first : thread;
        if (thread != first || strncmp(at, "<...", 4) == 0)
            continue; /* another thread's, or the rest of a call that was seen before */
        if (strncmp(at, "getsid(", 7) == 0) {
            inside = any = true;
        } else if (strncmp(at, "getpgid(", 8) == 0) {
            inside = false;
        } else if (inside) {
            ++*calls;
            if (strncmp(at, "write(", 6) == 0)
                ++*writes;
            else if (is_look(at))
                looks++;
            else
                fprintf(stderr, "# %s", line);
        }
    }
    if (file)
        fclose(file);
    *calls -= looks < *writes ? looks : *writes;
    return any;
}

static bool traced(int count, bool hung, unsigned *calls, unsigned *writes) {
    char path[64], self[4096], number[16];
    bool read;
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size < 0)
        return false;
    self[size] = '\0';
    strcpy(path, new_file());
    snprintf(number, sizeof number, "%d", count);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(9);
        execlp("strace", "strace", "-f", "-o", path, self, number, hung ? "hung" : NULL, NULL);
        _exit(9);
    }
    read = status_of(child) == 0 && read_trace(path, calls, writes);
    unlink(path);
    return read;
}

static void counted_by_strace(void) {
    unsigned calls[2], writes[2];
    if (system("strace -f -o /dev/null true >/dev/null 2>&1") != 0) {
        tap_skip("system calls of the thread that makes spans", "strace is missing or may not trace");
        return;
    }
    if (!tap_ok(traced(SPANS, false, &calls[0], &writes[0]) &&
                    traced(2 * SPANS, false, &calls[1], &writes[1]),
                "strace sees the thread that makes spans"))
        return;
    tap_ok(calls[0] == writes[0] && calls[1] == writes[1],
           "no system call between start and end but wake-ups (%u and %u others)", calls[0] - writes[0],
           calls[1] - writes[1]);
    tap_ok(writes[1] <= 2 * SPANS / BATCH, "at most one wake-up a batch (%u for %u spans)", writes[1],
           2 * SPANS);
    bool seen = traced(2 * SPANS, true, &calls[0], &writes[0]);
    tap_ok(seen && calls[0] == 0, "none at all before a receiver that hangs (%u)", calls[0]);
}

static unsigned crash_files(const char *directory) {
    DIR *listing = opendir(directory);
    unsigned count = 0;
    for (struct dirent *entry; listing && (entry = readdir(listing)) != NULL;)
        count += entry->d_name[0] != '.';
    if (listing)
        closedir(listing);
    return count;
}

static int count_protected(void) {
    counted_in_process();
    return tap_done();
}

static void counted_with_a_crash_file(void) {
    char directory[] = "/tmp/clew-test-XXXXXX";
    unsigned calls = 0, writes = 0;
    pid_t child;
    if (!mkdtemp(directory) || setenv("CLEW_CRASH_DIR", directory, 1) != 0)
        return;
    child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(9);
        execl("/proc/self/exe", "cost", "protected", (char *)NULL);
        _exit(9);
    }
    tap_ok(status_of(child) == 0, "with a crash file: nothing more of all that");
    child = fork();
    if (child == 0) {
        set_up();
        make_spans(1);
        _exit(crash_files(directory) == 1 ? 0 : 1);
    }
    tap_ok(status_of(child) == 0, "with a crash file, which there is");
    if (system("strace -f -o /dev/null true >/dev/null 2>&1") != 0)
        tap_skip("with a crash file: system calls", "strace is missing or may not trace");
    else
        tap_ok(traced(SPANS, false, &calls, &writes) && calls == writes,
               "with a crash file: no system call but wake-ups (%u others)", calls - writes);
    if (chdir(directory) == 0 && system("rm -f *.crash") == 0)
        rmdir(directory);
    unsetenv("CLEW_CRASH_DIR");
}

int main(int count, char **arguments) {
    clew_set_log_level(CLEW_LOG_ERROR);
    if (count > 1 && strcmp(arguments[1], "protected") == 0)
        return count_protected();
    if (count > 1)
        return be_traced(atoi(arguments[1]), count > 2);
    if (SANITIZED) {
        tap_skip("the cost of a span", "sanitizers have an allocator and locks of their own");
        return tap_done();
    }
    counted_in_process();
    counted_before_a_hung_receiver();
    counted_by_strace();
    counted_with_a_crash_file();
    return tap_done();
}
