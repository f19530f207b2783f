#include "test/support.h"
#include "test/unit/context/headers.h"

#include <errno.h>
#include <string.h>

static clew_context *example_context(void) {
    clew_span_context span_context = example_span_context();
    clew_baggage *baggage = clew_baggage_set(NULL, "a", "1", NULL);
    clew_context *traced = clew_context_with_span_context(NULL, &span_context);
    clew_context *context = clew_context_with_baggage(traced, baggage);
    clew_baggage_unref(baggage);
    clew_context_unref(traced);
    return context;
}

Test(propagators, global_one_does_nothing_at_first) {
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *context = example_context();
    cr_expect_eq(clew_propagator_get_global(), clew_propagator_none());
    cr_expect_eq(clew_inject(context, &carrier), CLEW_OK);
    cr_expect_eq(headers.count, 0);
    headers_add(&headers, "traceparent", EXAMPLE_TRACEPARENT);
    cr_expect_eq(clew_extract(NULL, &carrier), clew_context_empty());
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(propagators, global_one_can_be_set_and_taken_away) {
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *context = example_context();
    clew_propagator_set_global(clew_propagator_tracecontext());
    cr_expect_eq(clew_inject(context, &carrier), CLEW_OK);
    cr_expect_str_eq(headers_get(&headers, "traceparent"), EXAMPLE_TRACEPARENT);
    clew_context *found = clew_extract(NULL, &carrier);
    cr_expect(clew_context_span_context(found).is_remote);
    clew_propagator_set_global(NULL);
    cr_expect_eq(clew_propagator_get_global(), clew_propagator_none());
    clew_context_unref(found);
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(propagators, composite_has_each_member_once_and_its_fields) {
    clew_propagator *members[] = {clew_propagator_tracecontext(), clew_propagator_baggage(), NULL,
                                  clew_propagator_tracecontext()};
    clew_propagator *composite = clew_propagator_composite(members, 4);
    const char *const *fields = clew_propagator_fields(composite);
    cr_expect_str_eq(fields[0], "traceparent");
    cr_expect_str_eq(fields[1], "tracestate");
    cr_expect_str_eq(fields[2], "baggage");
    cr_expect_null(fields[3]);

    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *context = example_context();
    cr_expect_eq(clew_propagator_inject(composite, context, &carrier), CLEW_OK);
    cr_expect_eq(headers.count, 2);
    clew_context *found = clew_propagator_extract(composite, NULL, &carrier);
    cr_expect(clew_context_span_context(found).is_remote);
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(found), "a"), "1");
    clew_context_unref(found);
    clew_context_unref(context);
    clew_propagator_free(composite);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(propagators, composite_of_nothing_does_nothing) {
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_propagator *composite = clew_propagator_composite(NULL, 0);
    clew_context *context = example_context();
    cr_expect_eq(clew_propagator_inject(composite, context, &carrier), CLEW_OK);
    clew_context *found = clew_propagator_extract(composite, context, &carrier);
    cr_expect_eq(found, context);
    cr_expect_null(clew_propagator_fields(composite)[0]);
    clew_context_unref(found);
    clew_context_unref(context);
    clew_propagator_free(composite);
    CLEW_NO_LEAKS();
}

/* A propagator that notes its calls, one letter each, and carries one header. */
struct noting {
    char letter;
    char *notes;
    const char *fields[2];
    clew_context *result; /* of extract; NULL: `context` again */
    int error;            /* of inject */
};

static void note(struct noting *noting) {
    size_t used = strlen(noting->notes);
    noting->notes[used] = noting->letter;
    noting->notes[used + 1] = '\0';
    errno = EBADF;
}

static int noting_inject(void *self, const clew_context *context, const clew_carrier *carrier) {
    struct noting *noting = self;
    clew_span_context span_context = clew_context_span_context(context);
    char hex[17];
    note(noting);
    clew_span_id_to_hex(span_context.span_id, hex);
    carrier->set(carrier->self, noting->fields[0], hex);
    return noting->error;
}

static clew_context *noting_extract(void *self, const clew_context *context, const clew_carrier *carrier) {
    struct noting *noting = self;
    (void)carrier;
    note(noting);
    return clew_context_ref(noting->result ? noting->result : context);
}

static const char *const *noting_fields(void *self) {
    return ((struct noting *)self)->fields;
}

static clew_propagator *noting_new(struct noting *noting) {
    clew_propagator_callbacks callbacks = {sizeof callbacks, noting, noting_inject, noting_extract,
                                           noting_fields};
    return clew_propagator_custom(&callbacks);
}

Test(propagators, composite_calls_members_in_order_and_reports_the_first_error) {
    char notes[8] = "";
    struct noting first = {'1', notes, {"x-first", NULL}, NULL, 0};
    struct noting second = {'2', notes, {"x-second", NULL}, NULL, CLEW_EIO};
    struct noting third = {'3', notes, {"x-first", NULL}, NULL, CLEW_ELIMIT};
    clew_propagator *members[] = {noting_new(&first), noting_new(&second), noting_new(&third)};
    clew_propagator *composite = clew_propagator_composite(members, 3);
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *context = example_context();
    errno = ENOENT;
    cr_expect_eq(clew_propagator_inject(composite, context, &carrier), CLEW_EIO);
    clew_context_unref(clew_propagator_extract(composite, context, &carrier));
    cr_expect_eq(errno, ENOENT, "the caller's errno is the caller's");
    cr_expect_str_eq(notes, "123123");
    cr_expect_str_eq(headers_get(&headers, "x-second"), "b7ad6b7169203331");
    cr_expect_str_eq(clew_propagator_fields(composite)[1], "x-second");
    cr_expect_null(clew_propagator_fields(composite)[2], "a field is named once");
    clew_context_unref(context);
    clew_propagator_free(composite);
    for (size_t i = 0; i < 3; i++)
        clew_propagator_free(members[i]);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(propagators, composite_gives_each_member_what_the_one_before_found) {
    char notes[8] = "";
    struct noting first = {'1', notes, {NULL}, example_context(), 0};
    struct noting second = {'2', notes, {NULL}, NULL, 0};
    clew_propagator *members[] = {noting_new(&first), noting_new(&second)};
    clew_propagator *composite = clew_propagator_composite(members, 2);
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *found = clew_propagator_extract(composite, NULL, &carrier);
    cr_expect_eq(found, first.result);
    clew_context_unref(found);
    clew_context_unref(first.result);
    clew_propagator_free(composite);
    clew_propagator_free(members[0]);
    clew_propagator_free(members[1]);
    CLEW_NO_LEAKS();
}

Test(propagators, composite_has_8_members_at_most) {
    char notes[8] = "";
    struct noting noting = {'x', notes, {NULL}, NULL, 0};
    clew_propagator *members[9];
    for (size_t i = 0; i < 9; i++)
        members[i] = noting_new(&noting);
    clew_propagator *eight = clew_propagator_composite(members, 8);
    cr_expect_not_null(eight);
    cr_expect_null(clew_propagator_composite(members, 9));
    clew_propagator_free(eight);
    for (size_t i = 0; i < 9; i++)
        clew_propagator_free(members[i]);
    CLEW_NO_LEAKS();
}

Test(propagators, custom_one_may_leave_functions_out) {
    clew_propagator_callbacks callbacks = {0};
    clew_propagator *custom = clew_propagator_custom(&callbacks);
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    cr_expect_eq(clew_propagator_inject(custom, NULL, &carrier), CLEW_OK);
    cr_expect_eq(clew_propagator_extract(custom, NULL, &carrier), clew_context_empty());
    cr_expect_null(clew_propagator_fields(custom)[0]);
    cr_expect_null(clew_propagator_custom(NULL));
    clew_propagator_free(custom);
    CLEW_NO_LEAKS();
}

Test(propagators, inject_the_current_context_when_none_is_named) {
    struct headers headers = {0};
    clew_carrier carrier = headers_carrier(&headers);
    clew_context *context = example_context();
    clew_token token = clew_context_attach(context);
    cr_expect_eq(clew_propagator_inject(clew_propagator_tracecontext(), NULL, &carrier), CLEW_OK);
    cr_expect_str_eq(headers_get(&headers, "traceparent"), EXAMPLE_TRACEPARENT);
    clew_context_detach(token);
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(propagators, refuse_a_carrier_that_cannot_do_it) {
    clew_carrier carrier = {0};
    clew_context *context = example_context();
    cr_expect_eq(clew_propagator_inject(clew_propagator_tracecontext(), context, &carrier), CLEW_EINVAL);
    cr_expect_eq(clew_propagator_inject(clew_propagator_tracecontext(), context, NULL), CLEW_EINVAL);
    cr_expect_eq(clew_propagator_inject(NULL, context, &carrier), CLEW_EINVAL);
    cr_expect_eq(clew_propagator_extract(clew_propagator_tracecontext(), NULL, &carrier),
                 clew_context_empty());
    cr_expect_eq(clew_propagator_extract(NULL, NULL, NULL), clew_context_empty());
    cr_expect_null(clew_propagator_fields(NULL)[0]);
    clew_propagator_free(NULL);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(propagators, built_in_ones_cannot_be_freed) {
    clew_propagator_free(clew_propagator_tracecontext());
    clew_propagator_free(clew_propagator_baggage());
    clew_propagator_free(clew_propagator_none());
    cr_expect_not_null(clew_propagator_fields(clew_propagator_none()));
}
