#include "test/support.h"
#include "test/unit/context/headers.h"

#include <errno.h>
#include <string.h>

static clew_context *extract(clew_propagator *propagator, struct headers *headers, const clew_context *base) {
    clew_carrier carrier = headers_carrier(headers);
    return clew_propagator_extract(propagator, base, &carrier);
}

static int inject(clew_propagator *propagator, struct headers *headers, const clew_context *context) {
    clew_carrier carrier = headers_carrier(headers);
    return clew_propagator_inject(propagator, context, &carrier);
}

static clew_context *example_context(const char *tracestate) {
    clew_span_context span_context = example_span_context();
    clew_tracestate *state = clew_tracestate_parse(tracestate, strlen(tracestate));
    span_context.tracestate = state;
    clew_context *context = clew_context_with_span_context(NULL, &span_context);
    clew_tracestate_unref(state);
    return context;
}

Test(w3c, injects_trace_context) {
    struct headers headers = {0};
    clew_context *context = example_context("foo=1,bar=2");
    cr_expect_eq(inject(clew_propagator_tracecontext(), &headers, context), CLEW_OK);
    cr_expect_eq(headers.count, 2);
    cr_expect_str_eq(headers.list[0].name, "traceparent");
    cr_expect_str_eq(headers.list[0].value, EXAMPLE_TRACEPARENT);
    cr_expect_str_eq(headers.list[1].name, "tracestate");
    cr_expect_str_eq(headers.list[1].value, "foo=1,bar=2");
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(w3c, does_not_send_an_empty_tracestate) {
    struct headers headers = {0};
    clew_context *context = example_context("");
    inject(clew_propagator_tracecontext(), &headers, context);
    cr_expect_eq(headers.count, 1);
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(w3c, injects_nothing_for_an_invalid_span_context) {
    struct headers headers = {0};
    cr_expect_eq(inject(clew_propagator_tracecontext(), &headers, clew_context_empty()), CLEW_OK);
    cr_expect_eq(inject(clew_propagator_baggage(), &headers, clew_context_empty()), CLEW_OK);
    cr_expect_eq(headers.count, 0);
}

Test(w3c, extracts_a_remote_span_context) {
    struct headers headers = {0};
    headers_add(&headers, "TraceParent", EXAMPLE_TRACEPARENT);
    headers_add(&headers, "TRACESTATE", "foo=1");
    clew_context *context = extract(clew_propagator_tracecontext(), &headers, NULL);
    clew_span_context found = clew_context_span_context(context), expected = example_span_context();
    cr_expect_arr_eq(found.trace_id, expected.trace_id, 16);
    cr_expect_arr_eq(found.span_id, expected.span_id, 8);
    cr_expect_eq(found.trace_flags, 3);
    cr_expect(found.is_remote);
    cr_expect_str_eq(clew_tracestate_text(found.tracestate).data, "foo=1");
    clew_context_unref(context);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

struct harness_case {
    const char *about;
    const char *traceparent[3];
    const char *tracestate[3];
    const char *injected_parent; /* NULL: the trace starts anew */
    const char *injected_state;  /* NULL: not sent */
};

#define PARENT EXAMPLE_TRACEPARENT

Test(w3c, passes_on_what_the_rules_of_several_headers_say) {
    static const struct harness_case cases[] = {
        {"both missing", {NULL}, {NULL}, NULL, NULL},
        {"tracestate alone", {NULL}, {"foo=1"}, NULL, NULL},
        {"traceparent alone", {PARENT}, {NULL}, PARENT, NULL},
        {"two traceparents", {PARENT, PARENT}, {"foo=1"}, NULL, NULL},
        {"a good and a bad traceparent", {PARENT, "x"}, {NULL}, NULL, NULL},
        {"a bad and a good traceparent", {"x", PARENT}, {NULL}, NULL, NULL},
        {"a bad traceparent takes the tracestate along", {"00-x"}, {"foo=1"}, NULL, NULL},
        {"a bad tracestate leaves the traceparent", {PARENT}, {"foo=1,bar"}, PARENT, NULL},
        {"an empty tracestate", {PARENT}, {""}, PARENT, NULL},
        {"several tracestates", {PARENT}, {"foo=1", "bar=2"}, PARENT, "foo=1,bar=2"},
        {"an empty one among them", {PARENT}, {"foo=1", ""}, PARENT, "foo=1"},
        {"a bad one among them", {PARENT}, {"foo=1", "bar"}, PARENT, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct headers in = {0}, out = {0};
        for (size_t j = 0; cases[i].traceparent[j]; j++)
            headers_add(&in, "traceparent", cases[i].traceparent[j]);
        for (size_t j = 0; cases[i].tracestate[j]; j++)
            headers_add(&in, "tracestate", cases[i].tracestate[j]);
        clew_context *context = extract(clew_propagator_tracecontext(), &in, NULL);
        cr_expect_eq(inject(clew_propagator_tracecontext(), &out, context), CLEW_OK);
        const char *parent = headers_get(&out, "traceparent"), *state = headers_get(&out, "tracestate");
        cr_expect_str_eq(parent ? parent : "none",
                         cases[i].injected_parent ? cases[i].injected_parent : "none", "%s", cases[i].about);
        cr_expect_str_eq(state ? state : "none", cases[i].injected_state ? cases[i].injected_state : "none",
                         "%s", cases[i].about);
        clew_context_unref(context);
        headers_fini(&in);
        headers_fini(&out);
    }
    CLEW_NO_LEAKS();
}

Test(w3c, ignores_names_that_only_look_like_it) {
    static const char *const names[] = {"trace-parent", "trace.parent", "traceparent2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct headers headers = {0};
        headers_add(&headers, names[i], EXAMPLE_TRACEPARENT);
        clew_context *context = extract(clew_propagator_tracecontext(), &headers, NULL);
        cr_expect_eq(context, clew_context_empty());
        headers_fini(&headers);
    }
    CLEW_NO_LEAKS();
}

Test(w3c, failed_extraction_gives_the_base_back) {
    struct headers headers = {0};
    clew_context *base = example_context("foo=1");
    headers_add(&headers, "traceparent", "00-bad");
    headers_add(&headers, "baggage", "bad");
    clew_context *traced = extract(clew_propagator_tracecontext(), &headers, base);
    clew_context *with_baggage = extract(clew_propagator_baggage(), &headers, base);
    cr_expect_eq(traced, base);
    cr_expect_eq(with_baggage, base);
    clew_context_unref(traced);
    clew_context_unref(with_baggage);
    clew_context_unref(base);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(w3c, extraction_keeps_the_rest_of_the_base) {
    struct headers headers = {0};
    clew_context_key key = clew_context_key_new("key");
    int value;
    clew_context *base = clew_context_with_value(NULL, key, &value, NULL);
    headers_add(&headers, "traceparent", EXAMPLE_TRACEPARENT);
    headers_add(&headers, "baggage", "a=1");
    clew_context *traced = extract(clew_propagator_tracecontext(), &headers, base);
    clew_context *all = extract(clew_propagator_baggage(), &headers, traced);
    cr_expect_eq(clew_context_value(all, key), &value);
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(all), "a"), "1");
    clew_span_context found = clew_context_span_context(all);
    cr_expect(clew_span_context_is_valid(&found));
    clew_context_unref(base);
    clew_context_unref(traced);
    clew_context_unref(all);
    headers_fini(&headers);
    CLEW_NO_LEAKS();
}

Test(w3c, baggage_goes_out_as_it_came_in) {
    struct headers in = {0}, out = {0};
    headers_add(&in, "baggage", "a=%20;m=1 , b=2");
    headers_add(&in, "Baggage", "c=3");
    clew_context *context = extract(clew_propagator_baggage(), &in, NULL);
    cr_expect_eq(inject(clew_propagator_baggage(), &out, context), CLEW_OK);
    cr_expect_str_eq(headers_get(&out, "baggage"), "a=%20;m=1,b=2,c=3");
    clew_context_unref(context);
    headers_fini(&in);
    headers_fini(&out);
    CLEW_NO_LEAKS();
}

Test(w3c, reports_what_the_carrier_reports) {
    struct headers headers = {.set_result = CLEW_EIO};
    clew_context *context = example_context("foo=1");
    clew_baggage *baggage = clew_baggage_set(NULL, "a", "1", NULL);
    clew_context *with_baggage = clew_context_with_baggage(context, baggage);
    cr_expect_eq(inject(clew_propagator_tracecontext(), &headers, context), CLEW_EIO);
    cr_expect_eq(inject(clew_propagator_baggage(), &headers, with_baggage), CLEW_EIO);
    clew_baggage_unref(baggage);
    clew_context_unref(with_baggage);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(w3c, names_the_headers_that_it_writes) {
    const char *const *fields = clew_propagator_fields(clew_propagator_tracecontext());
    cr_expect_str_eq(fields[0], "traceparent");
    cr_expect_str_eq(fields[1], "tracestate");
    cr_expect_null(fields[2]);
    fields = clew_propagator_fields(clew_propagator_baggage());
    cr_expect_str_eq(fields[0], "baggage");
    cr_expect_null(fields[1]);
}
