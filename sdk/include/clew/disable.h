/* With CLEW_DISABLE <clew/clew.h> ends with this: each usual call becomes an expression that the compiler
 * checks and never evaluates. A program of these calls needs no Clew library at all. */
#ifndef CLEW_DISABLE_H
#define CLEW_DISABLE_H

#include <clew/clew.h>

static inline int clew_off(void) {
    return 0;
}
static inline clew_span clew_span_none(void) {
    clew_span span;
    memset(&span, 0, sizeof span);
    return span;
}
static inline clew_scope clew_scope_none(void) {
    clew_scope scope;
    memset(&scope, 0, sizeof scope);
    return scope;
}
static inline void clew_scope_forget(clew_scope *scope) {
    (void)scope;
}
static inline clew_span_context clew_span_context_none(void) {
    clew_span_context context;
    memset(&context, 0, sizeof context);
    return context;
}
static inline clew_token clew_token_none(void) {
    clew_token token = {0, 0};
    return token;
}
static inline clew_stats_data clew_stats_none(void) {
    clew_stats_data stats;
    memset(&stats, 0, sizeof stats);
    return stats;
}
static inline clew_delivery clew_delivery_none(void) {
    clew_delivery delivery;
    memset(&delivery, 0, sizeof delivery);
    return delivery;
}

/* The comma keeps structures and conditions out of the `?:`, whose dead side clang would keep at -O0. */
#define CLEW_VOID_(call) ((void)(0 ? ((void)(call), 0) : 0))
#define CLEW_OFF_(call, instead) (CLEW_VOID_(call), (instead))

#define clew_init(...) CLEW_OFF_(clew_init(__VA_ARGS__), clew_off())
#define clew_init_with(...) CLEW_OFF_(clew_init_with(__VA_ARGS__), clew_off())
#define clew_flush(...) CLEW_OFF_(clew_flush(__VA_ARGS__), clew_delivery_none())
#define clew_shutdown(...) CLEW_OFF_(clew_shutdown(__VA_ARGS__), clew_delivery_none())
#define clew_stats(...) CLEW_OFF_(clew_stats(__VA_ARGS__), clew_stats_none())
#define clew_strerror(...) CLEW_OFF_(clew_strerror(__VA_ARGS__), "switched off")
#define clew_set_log_callback(...) CLEW_VOID_(clew_set_log_callback(__VA_ARGS__))
#define clew_set_log_level(...) CLEW_VOID_(clew_set_log_level(__VA_ARGS__))

#define clew_tracer_get(...) CLEW_OFF_(clew_tracer_get(__VA_ARGS__), (clew_tracer *)0)
#define clew_tracer_default(...) CLEW_OFF_(clew_tracer_default(__VA_ARGS__), (clew_tracer *)0)
#define clew_tracer_enabled(...) CLEW_OFF_(clew_tracer_enabled(__VA_ARGS__), clew_off())

#define clew_span_start(...) CLEW_OFF_(clew_span_start(__VA_ARGS__), clew_span_none())
#define clew_span_get_context(...) CLEW_OFF_(clew_span_get_context(__VA_ARGS__), clew_span_context_none())
#define clew_span_is_recording(...) CLEW_OFF_(clew_span_is_recording(__VA_ARGS__), clew_off())
#define clew_span_set_string(...) CLEW_VOID_(clew_span_set_string(__VA_ARGS__))
#define clew_span_set_string_n(...) CLEW_VOID_(clew_span_set_string_n(__VA_ARGS__))
#define clew_span_set_bool(...) CLEW_VOID_(clew_span_set_bool(__VA_ARGS__))
#define clew_span_set_int(...) CLEW_VOID_(clew_span_set_int(__VA_ARGS__))
#define clew_span_set_double(...) CLEW_VOID_(clew_span_set_double(__VA_ARGS__))
#define clew_span_set_value(...) CLEW_VOID_(clew_span_set_value(__VA_ARGS__))
#define clew_span_set_attributes(...) CLEW_VOID_(clew_span_set_attributes(__VA_ARGS__))
#define clew_span_set_unsigned(...) CLEW_VOID_(clew_span_set_unsigned(__VA_ARGS__))
#define clew_span_add_event(...) CLEW_VOID_(clew_span_add_event(__VA_ARGS__))
#define clew_span_add_link(...) CLEW_VOID_(clew_span_add_link(__VA_ARGS__))
#define clew_wait_begin(...) CLEW_VOID_(clew_wait_begin(__VA_ARGS__))
#define clew_wait_end(...) CLEW_VOID_(clew_wait_end(__VA_ARGS__))
#define clew_span_set_status(...) CLEW_VOID_(clew_span_set_status(__VA_ARGS__))
#define clew_span_update_name(...) CLEW_VOID_(clew_span_update_name(__VA_ARGS__))
#define clew_span_record_exception(...) CLEW_VOID_(clew_span_record_exception(__VA_ARGS__))
#define clew_span_set_error(...) CLEW_VOID_(clew_span_set_error(__VA_ARGS__))
#define clew_span_end(...) CLEW_VOID_(clew_span_end(__VA_ARGS__))
#define clew_span_end_at(...) CLEW_VOID_(clew_span_end_at(__VA_ARGS__))
#ifdef __cplusplus
#define clew_set(...) CLEW_VOID_(clew_set(__VA_ARGS__))
#else
#undef clew_set
#define clew_set(span, key, v) CLEW_VOID_(CLEW_SET_(span, key, v))
#endif
#undef clew_error
#define clew_error(span, ...) ((void)(0 ? (clew_abi_span_set_error_format((span).ref, __VA_ARGS__), 0) : 0))

#define clew_current_span(...) CLEW_OFF_(clew_current_span(__VA_ARGS__), clew_span_none())
#define clew_current_span_context(...)                                                                       \
    CLEW_OFF_(clew_current_span_context(__VA_ARGS__), clew_span_context_none())
#define clew_span_attach(...) CLEW_OFF_(clew_span_attach(__VA_ARGS__), clew_token_none())
#define clew_scope_enter(...) CLEW_OFF_(clew_scope_enter(__VA_ARGS__), clew_scope_none())
#define clew_scope_leave(...) CLEW_VOID_(clew_scope_leave(__VA_ARGS__))
#define clew_context_current(...) CLEW_OFF_(clew_context_current(__VA_ARGS__), (clew_context *)0)
#define clew_context_with_span(...) CLEW_OFF_(clew_context_with_span(__VA_ARGS__), (clew_context *)0)
#define clew_context_attach(...) CLEW_OFF_(clew_context_attach(__VA_ARGS__), clew_token_none())
#define clew_context_detach(...) CLEW_OFF_(clew_context_detach(__VA_ARGS__), clew_off())
#define clew_context_unref(...) CLEW_VOID_(clew_context_unref(__VA_ARGS__))
#define clew_inject(...) CLEW_OFF_(clew_inject(__VA_ARGS__), clew_off())
#define clew_extract(...) CLEW_OFF_(clew_extract(__VA_ARGS__), (clew_context *)0)

#endif
