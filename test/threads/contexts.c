/* Contexts and scopes across threads: ended parents, foreign tokens, longjmp, threads that leave spans open.
 */
#include "threads.h"

#include <setjmp.h>
#include <stdlib.h>

#undef CLEW_TRACER
#define CLEW_TRACER tracer

static clew_tracer *tracer;
static struct counter counter;
static clew_provider *provider;

/* ---- an ended span stays the parent while others use its slot ---- */

static clew_span parent;
static atomic_bool done;

static bool child_of_parent(const clew_span_view *view) {
    clew_span_data data = clew_span_view_data(view);
    if (data.name.size != 5 || memcmp(data.name.data, "child", 5) != 0)
        return true;
    return memcmp(data.parent_span_id, parent.span_id, 8) == 0 &&
           memcmp(data.trace_id, parent.trace_id, 16) == 0;
}

static void *churns(void *argument) {
    (void)argument;
    while (!atomic_load(&done)) {
        clew_span spans[100];
        for (int i = 0; i < 100; i++)
            spans[i] = clew_span_start(tracer, "churn", &(clew_span_options){.flags = CLEW_SPAN_ROOT});
        for (int i = 0; i < 100; i++)
            clew_span_end(spans[i]);
    }
    return NULL;
}

static void ended_parent_stays_parent(void) {
    pthread_t thread;
    unsigned count = ROUNDS(100000);
    counter.is_good = child_of_parent;
    parent = clew_span_start(tracer, "parent", NULL);
    clew_token token = clew_span_attach(parent);
    clew_span_end(parent);
    pthread_create(&thread, NULL, churns, NULL);
    for (unsigned i = 0; i < count; i++)
        clew_span_end(clew_span_start(tracer, "child", NULL));
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    tap_ok(clew_context_detach(token) == 0, "the token is still good");
    clew_provider_flush(provider, 20000);
    tap_ok(counter.bad == 0, "%u children of an ended span whose slot serves others have it as parent",
           count);
    counter.is_good = NULL;
}

/* ---- tokens ---- */

static clew_token token_of_main;

static void *detaches_foreign(void *argument) {
    uint64_t before = books_of(provider).bad_tokens;
    clew_span own = clew_span_start(tracer, "own", NULL);
    clew_token token = clew_span_attach(own);
    bool refused = clew_context_detach(token_of_main) == CLEW_EINVAL;
    bool untouched = clew_current_span().ref == own.ref;
    bool accepted = clew_context_detach(token) == 0, again = clew_context_detach(token) == CLEW_EINVAL;
    (void)argument;
    clew_span_end(own);
    return (void *)(uintptr_t)(refused && untouched && accepted && again &&
                               books_of(provider).bad_tokens == before + 2);
}

static void foreign_token_is_refused(void) {
    pthread_t thread;
    void *good;
    clew_span span = clew_span_start(tracer, "main", NULL);
    token_of_main = clew_span_attach(span);
    pthread_create(&thread, NULL, detaches_foreign, NULL);
    pthread_join(thread, &good);
    tap_ok(good != NULL, "tokens of other threads and used ones are refused and counted");
    tap_ok(clew_current_span().ref == span.ref, "what is current elsewhere stays");
    clew_context_detach(token_of_main);
    clew_span_end(span);
}

/* ---- longjmp ---- */

static jmp_buf back;
static clew_span jumped_over;

static int jumps(int depth) {
    CLEW_SPAN(span, "jumped over");
    jumped_over = span;
    if (depth == 0)
        longjmp(back, 1);
    return depth > 0 ? jumps(depth - 1) : 0;
}

static void longjmp_leaves_no_dangling_scope(void) {
    CLEW_SPAN(outer, "outer");
    {
        CLEW_SPAN(middle, "middle");
        if (setjmp(back) == 0)
            jumps(20);
        tap_ok(clew_span_is_recording(jumped_over), "a span that longjmp has left is open");
        clew_span_end(jumped_over);
    }
    clew_span after = clew_span_start(tracer, "after", NULL);
    tap_ok(clew_current_span().ref == outer.ref, "the end of the next scope repairs the stack");
    tap_ok(memcmp(after.trace_id, outer.trace_id, 16) == 0, "later spans are in the right trace");
    clew_span_end(after);
}

/* ---- threads that leave their spans open ---- */

static clew_span left[64];

static void *leaves_open(void *argument) {
    uintptr_t number = (uintptr_t)argument;
    left[number] = clew_span_start(tracer, "left", NULL);
    clew_span_attach(left[number]);
    clew_span_set_int(left[number], "thread", (int64_t)number);
    return NULL;
}

static void spans_outlive_their_threads(void) {
    pthread_t threads[64];
    clew_provider_flush(provider, 20000);
    uint64_t before = counter.spans;
    for (uintptr_t i = 0; i < 64; i++)
        pthread_create(&threads[i], NULL, leaves_open, (void *)i);
    for (int i = 0; i < 64; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 64; i++) {
        clew_span_set_int(left[i], "main", i);
        clew_span_end(left[i]);
    }
    clew_provider_flush(provider, 20000);
    tap_ok(counter.spans - before == 64, "spans of threads that are gone end elsewhere");
}

int main(void) {
    clew_set_log_level(CLEW_LOG_ERROR);
    provider = counting_provider(&counter);
    tracer = tracer_of(provider);
    ended_parent_stays_parent();
    foreign_token_is_refused();
    longjmp_leaves_no_dangling_scope();
    spans_outlive_their_threads();
    tap_ok(books_balance(provider), "the books balance");
    clew_provider_shutdown(provider, 5000);
    return tap_done();
}
