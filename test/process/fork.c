/* fork: the child starts anew, keeps its contexts, and sends nothing twice. */
#include "process.h"
#include "test/fork_now.h"

#include <pthread.h>
#include <sys/mman.h>

/* ---- one thread, the file exporter ---- */

static int child_of_one_thread(clew_span inherited, clew_scope scope, const char *path) {
    clew_stats_data before = clew_stats(), after;
    int failures = 0;
    (void)path;
    failures += before.started != 0 || before.open != 0 || before.pipelines[0].offered != 0;
    failures += clew_span_is_recording(inherited);
    clew_span_set_string(inherited, "from", "the child");
    clew_span_end(inherited);
    after = clew_stats();
    failures += 2 * (after.stale_spans != before.stale_spans + 2);
    /* What was current is still the parent. */
    clew_span_context current = clew_current_span_context();
    failures += 4 * (memcmp(current.span_id, scope.span.span_id, 8) != 0);
    clew_span own = clew_span_start(NULL, "in the child", NULL);
    failures += 8 * (memcmp(own.trace_id, scope.span.trace_id, 16) != 0);
    failures += 16 * !clew_span_is_recording(own);
    clew_span_end(own);
    clew_delivery delivery = clew_flush(5000);
    failures += 32 * (delivery.status != 0 || delivery.delivered != 1);
    failures += 64 * (clew_stats().pipelines[0].offered != 1);
    clew_shutdown(5000);
    return failures;
}

static void with_one_thread(void) {
    char path[64], hex[17], what[64];
    clew_options options = {.exporters = "none"};
    strcpy(path, new_file());
    options.otlp_file = path;
    tap_ok(clew_init_with("fork", &options) == 0, "initialised");
    clew_span_end(clew_span_start(NULL, "queued before the fork", NULL));
    clew_span open = clew_span_start(NULL, "open at the fork", NULL);
    clew_scope scope = clew_scope_enter(NULL, "current at the fork", NULL);
    pid_t child = fork_now();
    if (child == 0)
        _exit(child_of_one_thread(open, scope, path));
    int status = status_of(child);
    tap_ok(status == 0, "what the child sees is right (%d)", status);
    clew_scope_leave(&scope);
    tap_ok(clew_span_is_recording(open), "the parent's open span is untouched");
    clew_span_end(open);
    tap_ok(clew_shutdown(5000).status == 0, "the parent delivers");
    tap_ok(spans_named(path, "queued before the fork") == 1, "what was queued arrives once");
    tap_ok(spans_named(path, "open at the fork") == 1, "what was open arrives once");
    tap_ok(spans_named(path, "current at the fork") == 1, "what was current arrives once");
    tap_ok(spans_named(path, "in the child") == 1, "what the child made arrives once");
    char *text = content_of(path);
    hex_of(scope.span.span_id, hex);
    snprintf(what, sizeof what, "\"parentSpanId\":\"%s\"", hex);
    tap_ok(count_in(text, what) == 1, "the child's span has the inherited one as parent");
    tap_ok(strstr(text, "the child\"") == NULL || !strstr(text, "\"from\""),
           "the child changed nothing of the parent's");
    snprintf(what, sizeof what, "\"process.pid\",\"value\":{\"intValue\":\"%d\"}", (int)child);
    tap_ok(count_in(text, what) == 1, "process.pid is the child's");
    snprintf(what, sizeof what, "\"process.pid\",\"value\":{\"intValue\":\"%d\"}", (int)getpid());
    tap_ok(count_in(text, what) >= 1, "and the parent's");
    const char *key = "\"service.instance.id\",\"value\":{\"stringValue\":\"", *first = strstr(text, key);
    bool differ = false;
    for (const char *at = first; at && (at = strstr(at + 1, key)) != NULL;)
        differ |= strncmp(at + strlen(key), first + strlen(key), 36) != 0;
    tap_ok(differ, "service.instance.id differs");
    free(text);
    unlink(path);
}

/* ---- ids ---- */

static void ids_differ(void) {
    clew_options options = {.exporters = "none"};
    char path[64];
    uint8_t(*ids)[8] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool differ = true;
    strcpy(path, new_file());
    options.otlp_file = path;
    clew_init_with("fork", &options);
    clew_span_end(clew_span_start(NULL, "seeds the generator", NULL));
    for (int i = 0; i < 10; i++) {
        pid_t child = fork_now();
        if (child == 0) {
            memcpy(ids[i], clew_span_start(NULL, "x", NULL).span_id, 8);
            _exit(0);
        }
        status_of(child);
    }
    memcpy(ids[10], clew_span_start(NULL, "x", NULL).span_id, 8);
    for (int i = 0; i <= 10; i++)
        for (int k = 0; k < i; k++)
            differ &= memcmp(ids[i], ids[k], 8) != 0;
    tap_ok(differ, "ten children and their parent make different ids");
    clew_shutdown(5000);
    unlink(path);
}

/* ---- generations of forks ---- */

/* One more generation: what was open is stale, the books are empty, the next one is below `levels`. */
static int generation(int levels, clew_span inherited, const char *path) {
    clew_stats_data before = clew_stats(), after;
    int failures = before.started != 0 || before.ended != 0 || before.open != 0 || before.stale_spans != 0 ||
                   before.pipelines[0].offered != 0 || before.pipelines[0].pending != 0;
    char name[32];
    clew_span_end(inherited);
    after = clew_stats();
    failures += 2 * (after.stale_spans != 1 || after.ended != 0);
    snprintf(name, sizeof name, "generation %d", levels);
    clew_span own = clew_span_start(NULL, name, NULL);
    if (levels > 1) {
        clew_span_end(clew_span_start(NULL, "queued at a fork", NULL));
        pid_t child = fork_now();
        if (child == 0)
            _exit(generation(levels - 1, own, path));
        int status = status_of(child);
        if (status != 0)
            fprintf(stderr, "# generation %d: %d\n", levels - 1, status);
        failures += 4 * (status != 0);
    }
    clew_span_end(own);
    failures += 8 * (clew_shutdown(5000).delivered != (levels > 1 ? 2 : 1));
    /* The resource is the one of this very process. */
    char what[96];
    snprintf(what, sizeof what, "\"process.pid\",\"value\":{\"intValue\":\"%d\"}", (int)getpid());
    char *text = content_of(path);
    failures += 16 * (count_in(text, what) != 1);
    free(text);
    return failures;
}

static void generations(void) {
    clew_options options = {.exporters = "none"};
    char path[64];
    strcpy(path, new_file());
    options.otlp_file = path;
    clew_init_with("fork", &options);
    clew_span open = clew_span_start(NULL, "open", NULL);
    clew_span_end(clew_span_start(NULL, "queued at a fork", NULL));
    pid_t child = fork_now();
    if (child == 0)
        _exit(generation(3, open, path));
    int status = status_of(child);
    tap_ok(status == 0, "three generations start anew, each from the one before (%d)", status);
    clew_span_end(open);
    clew_shutdown(5000);
    tap_ok(spans_named(path, "generation 3") == 1 && spans_named(path, "generation 2") == 1 &&
               spans_named(path, "generation 1") == 1 && spans_named(path, "open") == 1,
           "what each makes arrives once");
    tap_ok(spans_named(path, "queued at a fork") == 3, "what was queued comes from who queued it alone");
    char *text = content_of(path);
    const char *key = "\"service.instance.id\",\"value\":{\"stringValue\":\"";
    const char *instances[8];
    size_t count = 0;
    bool differ = true;
    for (const char *at = text; count < 8 && (at = strstr(at, key)) != NULL; at += strlen(key)) {
        for (size_t i = 0; i < count; i++)
            differ &= strncmp(instances[i], at + strlen(key), 36) != 0;
        instances[count++] = at + strlen(key);
    }
    tap_ok(count == 4 && differ, "four processes, four instances (%zu)", count);
    free(text);
    unlink(path);
}

static void grandchildren(void) {
    clew_options options = {.exporters = "none"};
    char path[64];
    strcpy(path, new_file());
    options.otlp_file = path;
    clew_init_with("fork", &options);
    pid_t child = fork_now();
    if (child == 0) {
        clew_span_end(clew_span_start(NULL, "child", NULL));
        pid_t grandchild = fork_now();
        if (grandchild == 0) {
            clew_span_end(clew_span_start(NULL, "grandchild", NULL));
            _exit(clew_shutdown(5000).delivered == 1 ? 0 : 1);
        }
        int status = status_of(grandchild);
        _exit(clew_shutdown(5000).delivered == 1 && status == 0 ? 0 : 1);
    }
    tap_ok(status_of(child) == 0, "a child and its child deliver");
    clew_shutdown(5000);
    tap_ok(spans_named(path, "child") == 1 && spans_named(path, "grandchild") == 1, "each span arrives once");
    unlink(path);
}

/* ---- an exporter of one's own, blocking, while it is busy ---- */

struct pipe_exporter {
    int descriptor;
    atomic_uint forked;
    atomic_bool holds;
};

static clew_export_outcome pipe_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                       clew_export_report *report) {
    struct pipe_exporter *own = self;
    (void)timeout_ms;
    (void)report;
    while (atomic_load(&own->holds))
        usleep(1000);
    for (size_t i = 0; i < clew_batch_count(batch); i++)
        if (write(own->descriptor, "s", 1) != 1)
            return CLEW_EXPORT_FAILED;
    return CLEW_EXPORT_DELIVERED;
}

static void pipe_forked(void *self) {
    atomic_fetch_add(&((struct pipe_exporter *)self)->forked, 1);
    atomic_store(&((struct pipe_exporter *)self)->holds, false);
}

static void while_an_exporter_is_busy(void) {
    static struct pipe_exporter own = {.holds = true};
    clew_exporter exporter = {
        .name = "pipe", .self = &own, .export_batch = pipe_export, .forked = pipe_forked};
    clew_batch_options options = clew_batch_options_default();
    int ends[2];
    char bytes[256];
    if (pipe(ends) != 0)
        return;
    own.descriptor = ends[1];
    options.schedule_delay_ms = 0;
    clew_provider *provider = clew_provider_new(NULL);
    clew_provider_add_batch(provider, &exporter, &options);
    clew_tracer *tracer = clew_provider_tracer(provider, "t", NULL, NULL, NULL, 0);
    for (int i = 0; i < 5; i++)
        clew_span_end(clew_span_start(tracer, "parent", NULL));
    clew_provider_flush(provider, 50);
    pid_t child = fork_now();
    if (child == 0) {
        for (int i = 0; i < 3; i++)
            clew_span_end(clew_span_start(tracer, "child", NULL));
        clew_delivery delivery = clew_provider_shutdown(provider, 5000);
        _exit(delivery.status == 0 && all_exported(provider, 3) && atomic_load(&own.forked) == 1 ? 0 : 1);
    }
    tap_ok(status_of(child) == 0, "the child of a process whose exporter is busy delivers its own");
    atomic_store(&own.holds, false);
    tap_ok(clew_provider_shutdown(provider, 5000).status == 0, "the parent delivers");
    ssize_t got = read(ends[0], bytes, sizeof bytes);
    tap_ok(got == 8, "five spans of the parent and three of the child, each once (%zd)", got);
}

/* ---- many threads ---- */

static atomic_bool done;
static clew_tracer *shared_tracer;
static atomic_uint children_bad;

static void *records(void *argument) {
    static char large[3000];
    clew_tracestate *state = clew_tracestate_parse("vendor=value", 12);
    clew_span_context remote = {.trace_flags = 1, .is_remote = true, .tracestate = state};
    memset(remote.trace_id, 1, 16);
    memset(remote.span_id, 2, 8);
    clew_context *context = clew_context_with_span_context(NULL, &remote);
    clew_span_options with_parent = {.parent = context};
    (void)argument;
    memset(large, 'x', sizeof large - 1);
    for (int i = 0; !atomic_load(&done); i++) {
        clew_scope scope = clew_scope_enter(shared_tracer, "parent", i % 3 ? NULL : &with_parent);
        clew_span_set_string(scope.span, "key", i % 5 ? "value" : large);
        clew_span_add_event(scope.span, "event", NULL, 0, 0);
        clew_scope_leave(&scope);
    }
    clew_context_unref(context);
    clew_tracestate_unref(state);
    return NULL;
}

static int by_bytes(const void *left, const void *right) {
    return memcmp(left, right, 16);
}

/* Whether no span id is twice in the file, and how many there are. */
static bool all_differ(const char *path, size_t *count) {
    const char *key = "\"spanId\":\"";
    char *text = content_of(path);
    size_t capacity = strlen(text) / 100 + 1; /* a span has more bytes than that */
    char(*ids)[16] = malloc(capacity * sizeof *ids);
    bool differ = true;
    *count = 0;
    for (const char *at = text; *count < capacity && (at = strstr(at, key)) != NULL;)
        memcpy(ids[(*count)++], at += strlen(key), 16);
    qsort(ids, *count, sizeof *ids, by_bytes);
    for (size_t i = 1; i < *count; i++)
        differ &= memcmp(ids[i - 1], ids[i], 16) != 0;
    free(ids);
    free(text);
    return differ;
}

/* What a child may take for its spans and its shutdown. */
#define CHILD_MS 2000u

static int child_of_many(clew_provider *provider) {
    uint64_t forked = clew_monotonic_nano();
    for (int i = 0; i < 20; i++) {
        clew_scope scope = clew_scope_enter(shared_tracer, "child", NULL);
        clew_span_set_string(scope.span, "key", "value");
        clew_scope_leave(&scope);
    }
    clew_delivery delivery = clew_provider_shutdown(provider, 10000);
    clew_stats_data data;
    clew_stats_of(provider, &data);
    if (delivery.status != 0 || delivery.delivered > 20) /* fewer, when the worker had begun before */
        return 1;
    if (milliseconds_since(forked) > CHILD_MS)
        return 3;
    return data.pipelines[0].exported == 20 && data.open == 0 ? 0 : 2;
}

static clew_provider *shared_provider;
enum { FORKS = 50 };

static void *forks(void *argument) {
    (void)argument;
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            _exit(child_of_many(shared_provider));
        }
        if (status_of(child) != 0)
            atomic_fetch_add(&children_bad, 1);
    }
    return NULL;
}

static void from_a_thread_while_others_record(void) {
    char path[64];
    clew_exporter exporter;
    clew_batch_options options = clew_batch_options_default();
    pthread_t threads[4], forking;
    strcpy(path, new_file());
    options.schedule_delay_ms = 5;
    clew_exporter_otlp_file(path, &exporter);
    shared_provider = clew_provider_new(NULL);
    clew_provider_add_batch(shared_provider, &exporter, &options);
    shared_tracer = clew_provider_tracer(shared_provider, "t", NULL, NULL, NULL, 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, records, NULL);
    pthread_create(&forking, NULL, forks, NULL);
    pthread_join(forking, NULL);
    atomic_store(&done, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    clew_provider_shutdown(shared_provider, 20000);
    clew_stats_data data;
    clew_stats_of(shared_provider, &data);
    tap_ok(atomic_load(&children_bad) == 0, "%d forks while 4 threads record: %u children failed", FORKS,
           atomic_load(&children_bad));
    tap_ok(spans_named(path, "child") == FORKS * 20, "every span of the children arrives once");
    tap_ok(spans_named(path, "parent") == data.pipelines[0].exported,
           "every span of the parent arrives once");
    size_t written;
    bool differ = all_differ(path, &written);
    tap_ok(differ && written == FORKS * 20 + data.pipelines[0].exported,
           "no span of anybody arrives twice (%zu)", written);
    tap_ok(data.open == 0 && data.pipelines[0].pending == 0, "nothing is left in the parent");
    unlink(path);
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    only_full_batches_go();
    with_one_thread();
    ids_differ();
    grandchildren();
    generations();
    while_an_exporter_is_busy();
    if (SANITIZED)
        tap_skip("forks while 4 threads record", "the allocator of a sanitizer does not survive it");
    else
        from_a_thread_while_others_record();
    return tap_done();
}
