#include "sdk/context/context.h"
#include "test/support.h"
#include "test/unit/context/headers.h"

#include <errno.h>
#include <string.h>

static clew_context *example_context(void) {
    clew_span_context span_context = example_span_context();
    return clew_context_with_span_context(NULL, &span_context);
}

static unsigned destroyed;
static void destroy(void *value) {
    destroyed++;
    *(int *)value = -1;
    errno = EBADF;
}

Test(context, empty_one_has_nothing) {
    clew_context *empty = clew_context_empty();
    clew_span_context span_context = clew_context_span_context(empty);
    cr_expect_not(clew_span_context_is_valid(&span_context));
    cr_expect_null(clew_context_baggage(empty));
    cr_expect_null(clew_context_value(empty, clew_context_key_new("key")));
    clew_context_unref(empty); /* reference and unreference are optional */
    clew_context_unref(empty);
    cr_expect_eq(clew_context_ref(empty), empty);
}

Test(context, takes_null_for_the_empty_one) {
    clew_span_context span_context = clew_context_span_context(NULL);
    cr_expect_not(clew_span_context_is_valid(&span_context));
    cr_expect_null(clew_context_value(NULL, clew_context_key_new(NULL)));
    cr_expect_null(clew_context_ref(NULL));
    clew_context_unref(NULL);
    cr_expect_eq(clew_context_with_baggage(NULL, NULL), clew_context_empty());
    cr_expect_eq(clew_context_with_span_context(NULL, NULL), clew_context_empty());
}

Test(context, keeps_its_span_context_and_tracestate) {
    clew_span_context given = example_span_context();
    clew_tracestate *state = clew_tracestate_parse("foo=1", 5);
    given.tracestate = state;
    given.is_remote = true;
    clew_context *context = clew_context_with_span_context(NULL, &given);
    clew_tracestate_unref(state);
    clew_span_context found = clew_context_span_context(context);
    cr_expect_arr_eq(found.trace_id, given.trace_id, 16);
    cr_expect_arr_eq(found.span_id, given.span_id, 8);
    cr_expect_eq(found.trace_flags, given.trace_flags);
    cr_expect(found.is_remote);
    cr_expect_str_eq(clew_tracestate_text(found.tracestate).data, "foo=1");
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(context, never_changes) {
    clew_context_key key = clew_context_key_new("key");
    int value;
    clew_context *context = example_context();
    clew_context *with_value = clew_context_with_value(context, key, &value, NULL);
    clew_context *without_span = clew_context_with_span_context(with_value, NULL);
    clew_span_context found = clew_context_span_context(with_value),
                      removed = clew_context_span_context(without_span);
    cr_expect_null(clew_context_value(context, key));
    cr_expect_eq(clew_context_value(with_value, key), &value);
    cr_expect(clew_span_context_is_valid(&found));
    cr_expect_not(clew_span_context_is_valid(&removed));
    cr_expect_eq(clew_context_value(without_span, key), &value);
    clew_context_unref(context);
    clew_context_unref(with_value);
    clew_context_unref(without_span);
    CLEW_NO_LEAKS();
}

Test(context, keys_of_the_same_name_are_different) {
    clew_context_key one = clew_context_key_new("key"), two = clew_context_key_new("key");
    int value;
    clew_context *context = clew_context_with_value(NULL, one, &value, NULL);
    cr_expect_neq(one.id, two.id);
    cr_expect_eq(clew_context_value(context, one), &value);
    cr_expect_null(clew_context_value(context, two));
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(context, destroys_a_value_once_with_its_last_context) {
    clew_context_key key = clew_context_key_new("key"), other = clew_context_key_new("other");
    int value = 1, another = 2;
    clew_context *one = clew_context_with_value(NULL, key, &value, destroy);
    clew_context *two = clew_context_with_value(one, other, &another, NULL);
    clew_context *three = clew_context_ref(two);
    clew_context_unref(one);
    clew_context_unref(two);
    cr_expect_eq(destroyed, 0);
    cr_expect_eq(*(int *)clew_context_value(three, key), 1);
    errno = ENOENT;
    clew_context_unref(three);
    cr_expect_eq(destroyed, 1);
    cr_expect_eq(value, -1);
    cr_expect_eq(another, 2);
    cr_expect_eq(errno, ENOENT);
    CLEW_NO_LEAKS();
}

Test(context, a_new_value_replaces_the_old_one) {
    clew_context_key key = clew_context_key_new("key");
    int values[2] = {1, 2};
    clew_context *one = clew_context_with_value(NULL, key, &values[0], destroy);
    clew_context *two = clew_context_with_value(one, key, &values[1], destroy);
    cr_expect_eq(clew_context_value(one, key), &values[0]);
    cr_expect_eq(clew_context_value(two, key), &values[1]);
    clew_context_unref(one);
    cr_expect_eq(destroyed, 1, "the second context does not hold the first value");
    clew_context_unref(two);
    cr_expect_eq(destroyed, 2);
    CLEW_NO_LEAKS();
}

Test(context, without_anything_in_it_is_the_empty_one) {
    clew_context *context = example_context();
    cr_expect_eq(clew_context_with_span_context(context, NULL), clew_context_empty());
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(context, process_base_is_current_where_nothing_is_attached) {
    clew_span_context span_context = example_span_context();
    clew_context *base = example_context();
    cr_expect_eq(clew_context_current(), clew_context_empty());
    clew__context_set_process_base(base);
    cr_expect_eq(clew__context_process_base(), clew__context_data(base));
    cr_expect_eq(clew__context_active(clew__thread_self()), clew__context_data(base));
    cr_expect_arr_eq(clew_current_span_context().span_id, span_context.span_id, 8);
    clew_context *current = clew_context_current();
    cr_expect_eq(current, base);
    clew_context_unref(current);
    clew_context_unref(base); /* the process keeps one */
    cr_expect(clew__context_has_span_context(clew__context_process_base()));

    clew__context_set_process_base(NULL);
    cr_expect_eq(clew_context_current(), clew_context_empty());
    cr_expect_not(clew__context_has_span_context(clew__context_process_base()));
    CLEW_NO_LEAKS();
}

Test(context, replaced_process_base_stays_for_who_looks_at_it) {
    clew_context *base = example_context();
    clew__context_set_process_base(base);
    clew_context_unref(base);
    const struct clew__context_data *seen = clew__context_active(clew__thread_self());
    for (int i = 0; i < 3; i++) {
        clew_context *next = example_context();
        clew__context_set_process_base(next);
        clew_context_unref(next);
    }
    cr_expect(clew__context_has_span_context(seen));
    CLEW_NO_LEAKS();
}
