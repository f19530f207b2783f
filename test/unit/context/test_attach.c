#include "sdk/context/context.h"
#include "test/support.h"
#include "test/unit/context/headers.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A context whose span has the id `number`. */
static clew_context *numbered(uint8_t number) {
    clew_span_context span_context = example_span_context();
    memset(span_context.span_id, 0, 8);
    span_context.span_id[7] = number;
    return clew_context_with_span_context(NULL, &span_context);
}

/* Attaches one, and leaves it to the stack. */
static clew_token attach_numbered(uint8_t number) {
    clew_context *context = numbered(number);
    clew_token token = clew_context_attach(context);
    clew_context_unref(context);
    return token;
}

static int current_number(void) {
    return clew_current_span_context().span_id[7];
}

static int destroyed;
static void destroy(void *value) {
    (void)value;
    destroyed++;
}

Test(attach, makes_a_context_current_until_its_detach) {
    clew_context *context = numbered(1);
    clew_token token = clew_context_attach(context);
    clew_context *current = clew_context_current();
    cr_expect_eq(current, context);
    clew_context_unref(current);
    clew_context_unref(context);
    cr_expect_eq(current_number(), 1, "the stack holds a reference");
    cr_expect_eq(clew_context_detach(token), CLEW_OK);
    cr_expect_eq(current_number(), 0);
    cr_expect_eq(clew_context_current(), clew_context_empty());
    cr_expect_eq(clew__context_bad_tokens(), 0);
    CLEW_NO_LEAKS();
}

Test(attach, of_null_makes_the_empty_context_current) {
    clew_token outer = attach_numbered(1);
    clew_token inner = clew_context_attach(NULL);
    cr_expect_eq(current_number(), 0);
    cr_expect_eq(clew_context_detach(inner), CLEW_OK);
    cr_expect_eq(current_number(), 1);
    cr_expect_eq(clew_context_detach(outer), CLEW_OK);
    CLEW_NO_LEAKS();
}

Test(attach, nests) {
    clew_token tokens[100];
    for (uint8_t i = 0; i < 100; i++) {
        tokens[i] = attach_numbered((uint8_t)(i + 1));
        cr_assert_eq(current_number(), i + 1);
    }
    for (uint8_t i = 100; i-- > 0;) {
        cr_assert_eq(current_number(), i + 1);
        cr_assert_eq(clew_context_detach(tokens[i]), CLEW_OK);
    }
    cr_expect_eq(current_number(), 0);
    CLEW_NO_LEAKS();
}

Test(attach, detach_ends_all_that_came_after) {
    clew_token first = attach_numbered(1);
    clew_token second = attach_numbered(2);
    clew_token third = attach_numbered(3);
    cr_expect_eq(clew_context_detach(second), CLEW_OK);
    cr_expect_eq(current_number(), 1);
    cr_expect_eq(clew_context_detach(third), CLEW_EINVAL);
    cr_expect_eq(clew__context_bad_tokens(), 1);
    cr_expect_eq(clew_context_detach(first), CLEW_OK);
    CLEW_NO_LEAKS();
}

Test(attach, repairs_itself_after_a_longjmp) {
    jmp_buf back;
    clew_token outer = attach_numbered(1);
    if (setjmp(back) == 0) {
        attach_numbered(2);
        attach_numbered(3);
        longjmp(back, 1);
    }
    cr_expect_eq(clew_context_detach(outer), CLEW_OK);
    cr_expect_eq(current_number(), 0);
    CLEW_NO_LEAKS();
}

Test(attach, second_detach_does_nothing_but_count) {
    clew_token outer = attach_numbered(1);
    clew_token inner = attach_numbered(2);
    cr_expect_eq(clew_context_detach(inner), CLEW_OK);
    cr_expect_eq(clew_context_detach(inner), CLEW_EINVAL);
    cr_expect_eq(current_number(), 1);
    clew_token again = attach_numbered(3); /* at the same depth */
    cr_expect_eq(clew_context_detach(inner), CLEW_EINVAL);
    cr_expect_eq(current_number(), 3);
    cr_expect_eq(clew__context_bad_tokens(), 2);
    cr_expect_eq(clew_context_detach(again), CLEW_OK);
    cr_expect_eq(clew_context_detach(outer), CLEW_OK);
    CLEW_NO_LEAKS();
}

Test(attach, made_up_token_does_nothing_but_count) {
    clew_token good = attach_numbered(1);
    clew_token none = {0, 0}, deep = {good.thread, good.depth + 1},
               other = {good.thread, good.depth + (1 << 16)};
    cr_expect_eq(clew_context_detach(none), CLEW_EINVAL);
    cr_expect_eq(clew_context_detach(deep), CLEW_EINVAL);
    cr_expect_eq(clew_context_detach(other), CLEW_EINVAL);
    cr_expect_eq(clew__context_bad_tokens(), 3);
    cr_expect_eq(current_number(), 1);
    cr_expect_eq(clew_context_detach(good), CLEW_OK);
    CLEW_NO_LEAKS();
}

static void *detach_foreign(void *argument) {
    clew_token *token = argument;
    clew_token own = attach_numbered(9);
    cr_expect_eq(clew_context_detach(*token), CLEW_EINVAL);
    cr_expect_eq(current_number(), 9);
    *token = own;
    return NULL; /* and leaves without a detach */
}

Test(attach, is_a_matter_of_its_thread) {
    pthread_t thread;
    clew_token token = attach_numbered(1), foreign = token;
    pthread_create(&thread, NULL, detach_foreign, &foreign);
    pthread_join(thread, NULL);
    cr_expect_eq(current_number(), 1);
    cr_expect_eq(clew_context_detach(foreign), CLEW_EINVAL);
    cr_expect_eq(clew_context_detach(token), CLEW_OK);
    cr_expect_eq(clew__context_bad_tokens(), 2);
    CLEW_NO_LEAKS();
}

static void *attach_and_leave(void *argument) {
    clew_context *context = argument;
    cr_expect_eq(current_number(), 0, "a thread starts without what another one left");
    for (int i = 0; i < 20; i++)
        clew_context_attach(context);
    clew_context_unref(context);
    return NULL;
}

Test(attach, thread_gives_back_what_it_held_when_it_exits) {
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int value;
        clew_context *traced = numbered(1);
        clew_context *context = clew_context_with_value(traced, clew_context_key_new(NULL), &value, destroy);
        clew_context_unref(traced);
        pthread_create(&thread, NULL, attach_and_leave, context);
        pthread_join(thread, NULL);
        cr_expect_eq(destroyed, i + 1);
    }
    CLEW_NO_LEAKS();
}

Test(attach, pushed_data_lives_until_it_is_detached) {
    struct clew__thread *thread = clew__thread_self();
    clew_tracestate *state = clew_tracestate_parse("foo=1", 5);
    clew_baggage *baggage = clew_baggage_set(NULL, "a", "1", NULL);
    clew_context *source = numbered(7);
    struct clew__context_data data = *clew__context_data(source);
    data.tracestate = state;
    data.baggage = baggage;
    data.span_ref = 42;
    clew_token first = clew__context_push(thread, &data);
    clew_token second = clew__context_push(thread, &data); /* borrows from the first */
    clew_tracestate_unref(state);
    clew_baggage_unref(baggage);
    clew_context_unref(source);

    clew_context *current = clew_context_current();
    cr_expect_eq(clew__context_data(current)->span_ref, 42);
    cr_expect_eq(clew_context_detach(second), CLEW_OK);
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(NULL), "a"), "1");
    cr_expect_str_eq(clew_tracestate_text(clew_current_span_context().tracestate).data, "foo=1");
    cr_expect_eq(clew_context_detach(first), CLEW_OK);
    cr_expect_null(clew_context_baggage(NULL));
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(current), "a"), "1");
    clew_context_unref(current);
    CLEW_NO_LEAKS();
}

static void *push_and_leave(void *argument) {
    clew__context_push(clew__thread_self(), clew__context_data(argument));
    clew_context_unref(argument);
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(NULL), "a"), "1");
    return NULL;
}

static clew_context *full_context(void) {
    static int value;
    clew_span_context span_context = example_span_context();
    clew_tracestate *state = clew_tracestate_parse("foo=1", 5);
    clew_baggage *baggage = clew_baggage_set(NULL, "a", "1", NULL);
    span_context.tracestate = state;
    clew_context *traced = clew_context_with_span_context(NULL, &span_context);
    clew_context *with_baggage = clew_context_with_baggage(traced, baggage);
    clew_context *context =
        clew_context_with_value(with_baggage, clew_context_key_new(NULL), &value, destroy);
    clew_tracestate_unref(state);
    clew_baggage_unref(baggage);
    clew_context_unref(traced);
    clew_context_unref(with_baggage);
    return context;
}

/* Many times and on threads of their own, for a leak checker finds what popped entries and old frames had. */
Test(attach, pushed_data_gives_back_its_references) {
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, push_and_leave, full_context());
        pthread_join(thread, NULL);
        cr_expect_eq(destroyed, i + 1);
    }
    CLEW_NO_LEAKS();
}

Test(attach, stale_tokens_are_known_after_the_stack_grew) {
    clew_token tokens[17];
    for (uint8_t i = 0; i < 17; i++)
        tokens[i] = attach_numbered((uint8_t)(i + 1));
    cr_expect_eq(clew_context_detach(tokens[1]), CLEW_OK);
    attach_numbered(50);
    cr_expect_eq(clew_context_detach(tokens[1]), CLEW_EINVAL);
    cr_expect_eq(current_number(), 50);
    cr_expect_eq(clew_context_detach(tokens[0]), CLEW_OK);
    CLEW_NO_LEAKS();
}

Test(attach, pushes_the_active_context_while_the_stack_grows) {
    struct clew__thread *thread = clew__thread_self();
    clew_token first = attach_numbered(5);
    for (int i = 0; i < 40; i++)
        clew__context_push(thread, clew__context_active(thread));
    cr_expect_eq(current_number(), 5);
    cr_expect_eq(clew_context_detach(first), CLEW_OK);
    CLEW_NO_LEAKS();
}

Test(attach, is_refused_beyond_65536_levels) {
    clew_context *context = numbered(1);
    clew_token first = clew_context_attach(context), last = first, refused;
    for (int i = 1; i < 65536; i++)
        last = clew_context_attach(context);
    refused = clew_context_attach(context);
    cr_expect_eq(refused.thread, 0);
    cr_expect_eq(clew_context_detach(refused), CLEW_EINVAL);
    cr_expect_eq(clew_context_detach(last), CLEW_OK);
    cr_expect_eq(clew_context_detach(first), CLEW_OK);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(attach, swap_replaces_the_whole_stack) {
    clew_token stale = attach_numbered(1);
    attach_numbered(2);
    clew_context *fibre = numbered(3);
    clew_context *old = clew_context_swap(fibre);
    clew_context_unref(fibre);
    cr_expect_eq(clew_context_span_context(old).span_id[7], 2);
    cr_expect_eq(current_number(), 3);
    cr_expect_eq(clew_context_detach(stale), CLEW_EINVAL);
    clew_token within = attach_numbered(4);
    cr_expect_eq(clew_context_detach(within), CLEW_OK);
    cr_expect_eq(current_number(), 3);

    clew_context *back = clew_context_swap(old);
    clew_context_unref(old);
    cr_expect_eq(clew_context_span_context(back).span_id[7], 3);
    clew_context_unref(back);
    cr_expect_eq(current_number(), 2);
    back = clew_context_swap(NULL);
    cr_expect_eq(current_number(), 0);
    clew_context_unref(back);
    CLEW_NO_LEAKS();
}

Test(attach, swap_to_the_context_that_only_the_stack_holds) {
    attach_numbered(1);
    clew_context *current = clew_context_current();
    clew_context_unref(current); /* the stack has the only reference now */
    clew_context *old = clew_context_swap(current);
    cr_expect_eq(old, current);
    cr_expect_eq(current_number(), 1);
    clew_context_unref(old);
    old = clew_context_swap(NULL);
    clew_context_unref(old);
    CLEW_NO_LEAKS();
}

Test(attach, values_may_attach_and_detach_when_they_go) {
    int value;
    clew_context *context = clew_context_with_value(NULL, clew_context_key_new(NULL), &value, destroy);
    clew_token outer = attach_numbered(1);
    clew_token inner = clew_context_attach(context);
    clew_context_unref(context);
    cr_expect_eq(clew_context_detach(outer), CLEW_OK);
    cr_expect_eq(destroyed, 1);
    cr_expect_eq(clew_context_detach(inner), CLEW_EINVAL);
    CLEW_NO_LEAKS();
}

static void *attach_in_child(void *unused) {
    (void)unused;
    clew_token token = attach_numbered(6);
    return clew_current_span_context().span_id[7] == 6 && clew_context_detach(token) == CLEW_OK &&
                   current_number() == 0
               ? NULL
               : &destroyed;
}

static int block_until_closed;
static void *attach_and_wait(void *written) {
    char byte = 0;
    attach_numbered(8);
    attach_numbered(9);
    if (write(*(int *)written, &byte, 1) == 1 && read(block_until_closed, &byte, 1) < 0)
        return written;
    return NULL;
}

Test(attach, forked_child_keeps_its_own_stack_and_forgets_the_others) {
    int ready[2], hold[2], status = 0;
    char byte;
    pthread_t other;
    cr_assert_eq(pipe(ready) + pipe(hold), 0);
    block_until_closed = hold[0];
    clew_token token = attach_numbered(1);
    pthread_create(&other, NULL, attach_and_wait, &ready[1]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    pid_t child = fork();
    if (child == 0) {
        void *wrong = NULL;
        pthread_t thread;
        bool good = current_number() == 1;
        pthread_create(&thread, NULL, attach_in_child, NULL); /* gets the block of the thread that is gone */
        pthread_join(thread, &wrong);
        good = good && !wrong && clew_context_detach(token) == CLEW_OK && current_number() == 0;
        _exit(good ? 0 : 1);
    }
    close(hold[1]);
    pthread_join(other, NULL);
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    clew_context_detach(token);
    CLEW_NO_LEAKS();
}

/* A handler that looks at the current context, and attaches and detaches, whatever it interrupts. */
static volatile sig_atomic_t looks, torn;
static clew_context *from_handler;

static void look(int signal) {
    int saved = errno;
    (void)signal;
    clew_span_context found = clew_current_span_context();
    clew_text state = clew_tracestate_text(found.tracestate);
    uint8_t expected = found.span_id[7] & 1 ? 'o' : 'e';
    if (clew_span_context_is_valid(&found) && (state.size != 3 || state.data[2] != (char)expected))
        torn++;
    clew_token token = clew_context_attach(from_handler);
    if (token.thread && clew_context_detach(token) != CLEW_OK)
        torn++;
    looks++;
    errno = saved;
}

static clew_context *odd_or_even(uint8_t number) {
    clew_span_context span_context = example_span_context();
    clew_tracestate *state = clew_tracestate_parse(number & 1 ? "x=o" : "x=e", 3);
    memset(span_context.span_id, 0, 8);
    span_context.span_id[7] = number;
    span_context.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &span_context);
    clew_tracestate_unref(state);
    return context;
}

struct interrupter {
    pthread_t victim;
    atomic_bool stop;
};

static void *interrupt(void *argument) {
    struct interrupter *interrupter = argument;
    while (!atomic_load(&interrupter->stop))
        pthread_kill(interrupter->victim, SIGUSR1);
    return NULL;
}

Test(attach, signal_handler_sees_whole_contexts) {
    struct interrupter interrupter = {.victim = pthread_self()};
    pthread_t thread;
    clew_context *contexts[2] = {odd_or_even(2), odd_or_even(1)};
    from_handler = odd_or_even(4);
    signal(SIGUSR1, look);
    pthread_create(&thread, NULL, interrupt, &interrupter);
    while (looks < 20000) {
        /* Data of its own references, deeper than the inlined levels, so that pushing, growing and popping
         * are hit. */
        clew_token first = {0, 0};
        for (int i = 0; i < 20; i++) {
            clew_token token = clew__context_push(clew__thread_self(), clew__context_data(contexts[i & 1]));
            if (i == 0)
                first = token;
        }
        cr_assert_eq(clew_context_detach(first), CLEW_OK);
    }
    atomic_store(&interrupter.stop, true);
    pthread_join(thread, NULL);
    cr_expect_eq(torn, 0);
    cr_expect_eq(clew__context_bad_tokens(), 0);
    cr_expect_eq(current_number(), 0);
    clew_context_unref(contexts[0]);
    clew_context_unref(contexts[1]);
    clew_context_unref(from_handler);
    CLEW_NO_LEAKS();
}
