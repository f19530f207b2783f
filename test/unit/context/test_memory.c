/* Whatever allocation fails: no crash, no leak, and a result that the contracts allow. */
#include "sdk/context/context.h"
#include "test/support.h"
#include "test/unit/context/headers.h"

#include <clew/diagnostics.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned fail_at; /* 0: never */
static unsigned allocations;

static void *allocate(void *user, size_t size) {
    (void)user;
    return ++allocations == fail_at ? NULL : malloc(size);
}
static void *reallocate(void *user, void *block, size_t size) {
    (void)user;
    return ++allocations == fail_at ? NULL : realloc(block, size);
}
static void release(void *user, void *block) {
    (void)user;
    free(block);
}

static int destroyed;
static void destroy(void *value) {
    (void)value;
    destroyed++;
}

static void use_everything(void) {
    struct headers in = {0}, out = {0};
    clew_propagator *members[] = {clew_propagator_tracecontext(), clew_propagator_baggage()};
    clew_carrier from = headers_carrier(&in), to = headers_carrier(&out);
    clew_propagator *propagator = clew_propagator_composite(members, 2);
    int value = 0, error = 0;

    headers_add(&in, "traceparent", EXAMPLE_TRACEPARENT);
    headers_add(&in, "tracestate", "foo=1");
    headers_add(&in, "tracestate", "bar=1");
    headers_add(&in, "baggage", "a=%FF;m,b=2");
    clew_context *found = clew_propagator_extract(propagator, NULL, &from);
    cr_assert_not_null(found);

    int destroyed_before = destroyed;
    clew_context *with_value = clew_context_with_value(found, clew_context_key_new(NULL), &value, destroy);
    clew_token token = clew_context_attach(with_value);
    clew_token pushed = {0, 0};
    struct clew__thread *thread = clew__thread_self();
    if (thread) {
        struct clew__context_data data = *clew__context_active(thread);
        data.span_id[0] ^= 1;
        pushed = clew__context_push(thread, &data);
    }
    clew_context *current = clew_context_current();
    cr_assert_not_null(current);
    clew_propagator_inject(propagator, NULL, &to);
    clew_environ_free(clew_environ_new(NULL));
    clew_context_unref(current);
    clew_context_detach(pushed);
    clew_context_detach(token);
    clew_context_unref(with_value);
    cr_assert_eq(destroyed - destroyed_before, with_value != NULL,
                 "the value is destroyed only when it was taken");

    const clew_tracestate *state = clew_context_span_context(found).tracestate;
    clew_tracestate *set = clew_tracestate_set(state, "new", "1", &error);
    cr_assert(error == CLEW_OK || (error == CLEW_ENOMEM && set == state));
    clew_tracestate *removed = clew_tracestate_remove(set, "foo");
    clew_tracestate_unref(removed);
    clew_tracestate_unref(set);
    clew_baggage *more = clew_baggage_set(clew_context_baggage(found), "c", "3", "m");
    clew_baggage_unref(clew_baggage_remove(more, "a"));
    clew_baggage_unref(more);
    clew_context_unref(clew_context_swap(found));
    clew_context_unref(clew_context_swap(NULL));

    clew_context_unref(found);
    clew_propagator_free(propagator);
    headers_fini(&in);
    headers_fini(&out);
}

Test(memory, every_allocation_may_fail) {
    static const clew_allocator allocator = {allocate, reallocate, release, NULL};
    static char *small[] = {NULL, NULL};
    static char variable[] = "PATH=/bin";
    unsigned count;
    cr_assert_eq(clew_set_allocator(&allocator), CLEW_OK);
    small[0] = variable;
    environ = small;
    for (fail_at = 1; fail_at < 200; fail_at++) {
        allocations = 0;
        use_everything();
        if (allocations < fail_at)
            break;
    }
    count = fail_at;
    fail_at = 0;
    cr_expect_gt(count, 15);
    cr_expect_lt(count, 200, "it came to an end");
    CLEW_NO_LEAKS();
}

Test(memory, attaching_a_span_s_context_allocates_nothing) {
    static const clew_allocator allocator = {allocate, reallocate, release, NULL};
    clew_set_allocator(&allocator);
    clew_span_context span_context = example_span_context();
    clew_context *context = clew_context_with_span_context(NULL, &span_context);
    clew_context_detach(clew_context_attach(context)); /* makes the stack */
    unsigned before = allocations;
    clew_token tokens[16];
    for (int i = 0; i < 16; i++)
        tokens[i] = i & 1 ? clew_context_attach(context)
                          : clew__context_push(clew__thread_self(), clew__context_data(context));
    clew_current_span_context();
    for (int i = 16; i-- > 0;)
        clew_context_detach(tokens[i]);
    cr_expect_eq(allocations, before);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}
