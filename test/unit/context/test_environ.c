#include "test/support.h"
#include "test/unit/context/headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The value in an environment, and how many there are of the name. */
static const char *get(char *const *environment, const char *name, unsigned *count) {
    const char *value = NULL;
    size_t size = strlen(name);
    *count = 0;
    for (; *environment; environment++) {
        if (strncmp(*environment, name, size) != 0 || (*environment)[size] != '=')
            continue;
        if ((*count)++ == 0)
            value = *environment + size + 1;
    }
    return value;
}

static void expect_variable(char *const *environment, const char *name, const char *expected) {
    unsigned count;
    const char *value = get(environment, name, &count);
    cr_expect_str_eq(value ? value : "none", expected ? expected : "none", "%s", name);
    cr_expect_eq(count, expected ? 1u : 0u, "%s", name);
}

static clew_context *example_context(const char *tracestate, const char *baggage_value) {
    clew_span_context span_context = example_span_context();
    clew_tracestate *state = clew_tracestate_parse(tracestate, strlen(tracestate));
    clew_baggage *baggage = baggage_value ? clew_baggage_set(NULL, "a", baggage_value, NULL) : NULL;
    span_context.tracestate = state;
    clew_context *traced = clew_context_with_span_context(NULL, &span_context);
    clew_context *context = clew_context_with_baggage(traced, baggage);
    clew_context_unref(traced);
    clew_tracestate_unref(state);
    clew_baggage_unref(baggage);
    return context;
}

Test(environ, new_one_has_the_context_and_everything_else) {
    clearenv();
    setenv("PATH", "/bin", 1);
    setenv("EMPTY", "", 1);
    setenv("EQUALS", "a=b=c", 1);
    clew_context *context = example_context("foo=1", "x y");
    char **made = clew_environ_new(context);
    expect_variable(made, "PATH", "/bin");
    expect_variable(made, "EMPTY", "");
    expect_variable(made, "EQUALS", "a=b=c");
    expect_variable(made, "TRACEPARENT", EXAMPLE_TRACEPARENT);
    expect_variable(made, "TRACESTATE", "foo=1");
    expect_variable(made, "BAGGAGE", "a=x%20y");
    cr_expect_null(getenv("TRACEPARENT"), "this process's own is not touched");
    clew_environ_free(made);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(environ, context_replaces_older_variables) {
    clearenv();
    setenv("TRACEPARENT", "old", 1);
    setenv("TRACESTATE", "old=1", 1);
    setenv("BAGGAGE", "old=1", 1);
    setenv("TRACEPARENT_X", "mine", 1);
    setenv("traceparent", "mine", 1);
    clew_context *context = example_context("", NULL);
    char **made = clew_environ_new(context);
    expect_variable(made, "TRACEPARENT", EXAMPLE_TRACEPARENT);
    expect_variable(made, "TRACESTATE", NULL); /* belongs to another trace */
    expect_variable(made, "BAGGAGE", NULL);
    expect_variable(made, "TRACEPARENT_X", "mine");
    expect_variable(made, "traceparent", "mine");
    clew_environ_free(made);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(environ, passes_older_variables_on_when_there_is_no_context) {
    clearenv();
    setenv("TRACEPARENT", "old", 1);
    char **passed = clew_environ_new(NULL);
    char **cleared = clew_environ_new(clew_context_empty());
    expect_variable(passed, "TRACEPARENT", "old");
    expect_variable(cleared, "TRACEPARENT", NULL);
    clew_environ_free(passed);
    clew_environ_free(cleared);
    clew_environ_free(NULL);
    CLEW_NO_LEAKS();
}

Test(environ, takes_the_current_context_when_none_is_named) {
    clearenv();
    clew_context *context = example_context("", NULL);
    clew_token token = clew_context_attach(context);
    char **made = clew_environ_new(NULL);
    expect_variable(made, "TRACEPARENT", EXAMPLE_TRACEPARENT);
    clew_environ_free(made);
    clew_context_detach(token);
    clew_context_unref(context);
    CLEW_NO_LEAKS();
}

Test(environ, an_empty_environment_is_fine) {
    environ = NULL;
    char **made = clew_environ_new(clew_context_empty());
    cr_expect_null(made[0]);
    cr_expect_eq(clew_environ_extract(NULL), clew_context_empty());
    clew_environ_free(made);
    CLEW_NO_LEAKS();
}

Test(environ, extracts_what_was_put_in) {
    clearenv();
    clew_context *context = example_context("foo=1", "x y");
    char **made = clew_environ_new(context);
    clew_context *found = clew_environ_extract(made);
    clew_span_context span_context = clew_context_span_context(found), expected = example_span_context();
    cr_expect_arr_eq(span_context.trace_id, expected.trace_id, 16);
    cr_expect_arr_eq(span_context.span_id, expected.span_id, 8);
    cr_expect(span_context.is_remote);
    cr_expect_str_eq(clew_tracestate_text(span_context.tracestate).data, "foo=1");
    cr_expect_str_eq(clew_baggage_get(clew_context_baggage(found), "a"), "x y");
    clew_context_unref(found);
    clew_context_unref(context);
    clew_environ_free(made);
    CLEW_NO_LEAKS();
}

Test(environ, extracts_from_the_process_when_none_is_named) {
    clearenv();
    setenv("TRACEPARENT", EXAMPLE_TRACEPARENT, 1);
    clew_context *found = clew_environ_extract(NULL);
    cr_expect(clew_context_span_context(found).is_remote);
    clew_context_unref(found);
    CLEW_NO_LEAKS();
}

Test(environ, reads_only_the_normalised_name) {
    static char lower[] = "traceparent=" EXAMPLE_TRACEPARENT, mixed[] = "TraceParent=" EXAMPLE_TRACEPARENT,
                bare[] = "TRACEPARENT", longer[] = "TRACEPARENTS=" EXAMPLE_TRACEPARENT;
    char *environment[] = {lower, mixed, bare, longer, NULL};
    cr_expect_eq(clew_environ_extract(environment), clew_context_empty());
}

Test(environ, first_of_several_variables_counts_as_for_getenv) {
    static char first[] = "TRACEPARENT=" EXAMPLE_TRACEPARENT, second[] = "TRACEPARENT=bad";
    char *environment[] = {first, second, NULL};
    clew_context *found = clew_environ_extract(environment);
    cr_expect(clew_context_span_context(found).is_remote);
    clew_context_unref(found);
    CLEW_NO_LEAKS();
}

/* A propagator that writes and reads headers of any names. */
struct names {
    const char *fields[8];
    char seen[256]; /* names, a space behind each, and values in front of a ; */
    int results[8];
};

static int inject_names(void *self, const clew_context *context, const clew_carrier *carrier) {
    struct names *names = self;
    (void)context;
    for (size_t i = 0; names->fields[i]; i++)
        names->results[i] = carrier->set(carrier->self, names->fields[i], names->fields[i]);
    return 0;
}

static void see_name(void *arg, const char *name) {
    strcat(strcat(arg, name), " ");
}

static void see_value(void *arg, const char *value, size_t size) {
    strcat(strncat(arg, value, size), ";");
}

static clew_context *extract_names(void *self, const clew_context *context, const clew_carrier *carrier) {
    struct names *names = self;
    carrier->keys(carrier->self, see_name, names->seen);
    for (size_t i = 0; names->fields[i]; i++)
        carrier->get_all(carrier->self, names->fields[i], see_value, names->seen);
    return clew_context_ref(context);
}

static const char *const *name_fields(void *self) {
    return ((struct names *)self)->fields;
}

static clew_propagator *install(struct names *names) {
    clew_propagator_callbacks callbacks = {sizeof callbacks, names, inject_names, extract_names, name_fields};
    clew_propagator *propagator = clew_propagator_custom(&callbacks);
    clew_propagator_set_global(propagator);
    return propagator;
}

Test(environ, normalises_the_names_of_headers) {
    struct names names = {.fields = {"x-b3-TraceId", "uber.trace id", "3days", "", "\xc3\xa4", "_ok9", NULL}};
    clearenv();
    setenv("X_B3_TRACEID", "old", 1);
    clew_propagator *propagator = install(&names);
    char **made = clew_environ_new(clew_context_empty());
    expect_variable(made, "X_B3_TRACEID", "x-b3-TraceId");
    expect_variable(made, "UBER_TRACE_ID", "uber.trace id");
    expect_variable(made, "_3DAYS", "3days");
    expect_variable(made, "_", "");
    expect_variable(made, "__", "\xc3\xa4");
    expect_variable(made, "_OK9", "_ok9");
    clew_environ_free(made);
    clew_propagator_free(propagator);
    CLEW_NO_LEAKS();
}

Test(environ, sets_a_variable_once) {
    struct names names = {.fields = {"x-a", "X.A", NULL}};
    clearenv();
    clew_propagator *propagator = install(&names);
    char **made = clew_environ_new(clew_context_empty());
    expect_variable(made, "X_A", "X.A");
    clew_environ_free(made);
    clew_propagator_free(propagator);
    CLEW_NO_LEAKS();
}

Test(environ, tells_of_names_that_are_normalised_already) {
    struct names names = {.fields = {"x-a", NULL}};
    static char upper[] = "X_A=1", lower[] = "x_b=2", digit[] = "3C=3", bare[] = "BARE", nameless[] = "=4";
    char *environment[] = {lower, upper, digit, nameless, bare, NULL};
    clew_propagator *propagator = install(&names);
    cr_expect_eq(clew_environ_extract(environment), clew_context_empty());
    cr_expect_str_eq(names.seen, "X_A BARE 1;");
    clew_propagator_free(propagator);
    CLEW_NO_LEAKS();
}

Test(environ, refuses_a_name_that_is_too_long) {
    char name[300];
    struct names names = {.fields = {name, NULL}};
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    clew_propagator *propagator = install(&names);
    char **made = clew_environ_new(clew_context_empty());
    cr_expect_eq(names.results[0], CLEW_ELIMIT);
    cr_expect_not_null(made);
    clew_environ_free(made);
    clew_propagator_free(propagator);
    CLEW_NO_LEAKS();
}
