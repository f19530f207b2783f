/* The usual calls, compiled as C and as C++ with CLEW_DISABLE: nothing of Clew is needed to link this, and no
 * argument is evaluated: it exits with the number of those that were. */
#include <clew/clew.h>

static int evaluated;

static int number(void) {
    return ++evaluated;
}

static const char *text(void) {
    ++evaluated;
    return "text";
}

static void scoped(void) {
    CLEW_SPAN(plain, text());
    CLEW_SPAN(client, "charge card", CLEW_CLIENT);
    CLEW_SPAN_WITH(rich, "lookup", CLEW_SERVER, CLEW_KV("a", 1), CLEW_KV("b", "two"));
    clew_set(plain, "order.id", text());
    clew_set(plain, "order.count", number());
    clew_set(client, "order.total", (double)number());
    clew_set(client, "order.big", (unsigned long long)number());
    clew_set(rich, "order.paid", (bool)(number() != 0));
    CLEW_EVENT(rich, "retry", CLEW_KV("attempt", 2), CLEW_KV("why", "busy"));
    CLEW_WAIT(client, rich);
    CLEW_WAIT(client, (number(), plain));
    clew_error(client, "timeout", "no reply in %d ms", number());
}

static void functions(void) {
    clew_tracer *tracer = clew_tracer_get(text(), "1.0", NULL, NULL, 0);
    clew_span_context context;
    clew_token token;
    clew_context *with_span;
    clew_span span = clew_span_start(tracer, text(), NULL);
    if (clew_span_is_recording(span) || clew_tracer_enabled(tracer, NULL))
        ++evaluated;
    clew_span_set_string(span, "k", text());
    clew_span_set_string_n(span, "k", text(), 2);
    clew_span_set_bool(span, "k", number() != 0);
    clew_span_set_int(span, "k", number());
    clew_span_set_double(span, "k", (double)number());
    clew_span_set_unsigned(span, "k", (uint64_t)number());
    clew_span_set_value(span, "k", clew_value_int(number()));
    clew_span_set_attributes(span, NULL, (size_t)number());
    clew_span_add_event(span, text(), NULL, 0, 0);
    clew_span_add_link(span, NULL, NULL, (size_t)number());
    clew_wait_begin(span, (number(), span));
    clew_wait_end(span, (number(), span));
    clew_span_set_status(span, CLEW_STATUS_ERROR, text());
    clew_span_update_name(span, text());
    clew_span_set_error(span, "timeout", text());
    context = clew_span_get_context(span);
    context = clew_current_span_context();
    (void)context;
    token = clew_span_attach(clew_current_span());
    (void)clew_context_detach(token);
    with_span = clew_context_with_span(NULL, span);
    (void)clew_inject(with_span, NULL);
    clew_context_unref(with_span);
    with_span = clew_extract(NULL, NULL);
    clew_context_unref(with_span);
    clew_span_end_at(span, (uint64_t)number());
    clew_span_end(span);
}

int main(void) {
    clew_set_log_callback(NULL, &evaluated);
    clew_set_log_level((clew_log_level)number());
    if (clew_init(text()) != 0 || clew_stats().started != 0 || clew_strerror(number()) == NULL)
        return 1;
    scoped();
    functions();
    if (clew_flush((uint32_t)number()).status != 0 || clew_shutdown((uint32_t)number()).status != 0)
        return 1;
    return evaluated;
}
