/* The short forms: scoped spans, setters that look at the type, key-value lists. Each has a function behind
 * it in <clew/trace.h>. With CLEW_DISABLE the compiler checks the arguments of these and of the usual
 * functions, evaluates none of them, and leaves nothing in the program. */
#ifndef CLEW_MACROS_H
#define CLEW_MACROS_H

#include <clew/trace.h>

/** The tracer of the macros below. A library defines its own before it includes Clew's headers:
 *  `#define CLEW_TRACER my_library_tracer()`. */
#ifndef CLEW_TRACER
#define CLEW_TRACER ((clew_tracer *)0)
#endif

/* ---- values by type ---- */

#ifdef __cplusplus
static inline clew_value clew_value_of(const char *v) {
    return clew_value_string(v);
}
static inline clew_value clew_value_of(bool v) {
    return clew_value_bool(v);
}
static inline clew_value clew_value_of(int v) {
    return clew_value_int(v);
}
static inline clew_value clew_value_of(unsigned v) {
    return clew_value_int(v);
}
static inline clew_value clew_value_of(unsigned long v) {
    return clew_value_unsigned(v);
}
static inline clew_value clew_value_of(unsigned long long v) {
    return clew_value_unsigned(v);
}
static inline clew_value clew_value_of(long v) {
    return clew_value_int(v);
}
static inline clew_value clew_value_of(long long v) {
    return clew_value_int(v);
}
static inline clew_value clew_value_of(double v) {
    return clew_value_double(v);
}
static inline clew_value clew_value_of(clew_value v) {
    return v;
}

static inline void clew_set(clew_span s, const char *k, const char *v) {
    clew_span_set_string(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, bool v) {
    clew_span_set_bool(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, int v) {
    clew_span_set_int(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, unsigned v) {
    clew_span_set_int(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, long v) {
    clew_span_set_int(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, long long v) {
    clew_span_set_int(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, unsigned long v) {
    clew_span_set_unsigned(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, unsigned long long v) {
    clew_span_set_unsigned(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, double v) {
    clew_span_set_double(s, k, v);
}
static inline void clew_set(clew_span s, const char *k, clew_value v) {
    clew_span_set_value(s, k, v);
}
#else
static inline clew_value clew_value_of_value(clew_value v) {
    return v;
}
/** A clew_value from a string, a bool, a number of any size, a double or a clew_value. In C before C23 the
 * constant `true` is an int: write `(bool)true`, or use a variable. */
#define clew_value_of(v)                                                                                     \
    _Generic((v),                                                                                            \
        char *: clew_value_string,                                                                           \
        const char *: clew_value_string,                                                                     \
        bool: clew_value_bool,                                                                               \
        float: clew_value_double,                                                                            \
        double: clew_value_double,                                                                           \
        clew_value: clew_value_of_value,                                                                     \
        char: clew_value_int,                                                                                \
        signed char: clew_value_int,                                                                         \
        unsigned char: clew_value_int,                                                                       \
        short: clew_value_int,                                                                               \
        unsigned short: clew_value_int,                                                                      \
        int: clew_value_int,                                                                                 \
        unsigned: clew_value_int,                                                                            \
        long: clew_value_int,                                                                                \
        long long: clew_value_int,                                                                           \
        unsigned long: clew_value_unsigned,                                                                  \
        unsigned long long: clew_value_unsigned)(v)

/** clew_set(span, key, value): the setter for the type of the value, as in clew_value_of(). */
#define clew_set(span, key, v) CLEW_SET_(span, key, v)
#define CLEW_SET_(span, key, v)                                                                              \
    _Generic((v),                                                                                            \
        char *: clew_span_set_string,                                                                        \
        const char *: clew_span_set_string,                                                                  \
        bool: clew_span_set_bool,                                                                            \
        float: clew_span_set_double,                                                                         \
        double: clew_span_set_double,                                                                        \
        clew_value: clew_span_set_value,                                                                     \
        char: clew_span_set_int,                                                                             \
        signed char: clew_span_set_int,                                                                      \
        unsigned char: clew_span_set_int,                                                                    \
        short: clew_span_set_int,                                                                            \
        unsigned short: clew_span_set_int,                                                                   \
        int: clew_span_set_int,                                                                              \
        unsigned: clew_span_set_int,                                                                         \
        long: clew_span_set_int,                                                                             \
        long long: clew_span_set_int,                                                                        \
        unsigned long: clew_span_set_unsigned,                                                               \
        unsigned long long: clew_span_set_unsigned)(span, key, v)
#endif

/** A clew_attribute, for lists. */
#define CLEW_KV(key, v) clew_attribute_of(key, clew_value_of(v))

/** clew_error(span, type, format, …): clew_span_set_error() with a formatted message. `type` is
 * CLEW_ERROR_TIMEOUT, CLEW_ERROR_CANCELLED or another name of few different values. */
#define clew_error(span, ...)                                                                                \
    (clew_abi_speaks((span).ref) ? clew_abi_span_set_error_format((span).ref, __VA_ARGS__) : (void)0)

/** CLEW_EVENT(span, name, CLEW_KV(…), …): an event now, with at least one attribute. */
#define CLEW_EVENT(span, name, ...)                                                                          \
    do {                                                                                                     \
        const clew_attribute clew_event_attributes_[] = {__VA_ARGS__};                                       \
        clew_span_add_event(span, name, clew_event_attributes_,                                              \
                            sizeof clew_event_attributes_ / sizeof clew_event_attributes_[0], 0);            \
    } while (0)

/* ---- scoped waits ---- */

typedef struct clew_wait {
    clew_span span, target;
} clew_wait;
static inline clew_wait clew_wait_enter(clew_span span, clew_span target) {
    clew_wait wait;
    wait.span = span;
    wait.target = target;
    clew_wait_begin(span, target);
    return wait;
}
static inline void clew_wait_leave(clew_wait *wait) {
    clew_wait_end(wait->span, wait->target);
}

/** CLEW_WAIT(span, target): `span` waits for `target` until the block is left in whichever way. At most one a
 * line. longjmp() and pthread_exit() out of the block leave the wait open. */
#ifdef CLEW_DISABLE
#define CLEW_WAIT(span, target) ((void)(0 ? ((void)clew_wait_enter(span, target), 0) : 0))
#else
#define CLEW_WAIT(span, target)                                                                              \
    clew_wait CLEW_WAIT_NAME_(__LINE__) CLEW_CLEANUP(clew_wait_leave) = clew_wait_enter(span, target)
#endif
#define CLEW_WAIT_NAME_(line) CLEW_WAIT_PASTE_(line)
#define CLEW_WAIT_PASTE_(line) clew_wait_of_line_##line

/* ---- scoped spans ---- */

static inline clew_scope clew_scope_enter_kind(clew_tracer *tracer, const char *name, int kind,
                                               const clew_attribute *attributes, size_t count) {
    clew_span_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.kind = (clew_span_kind)kind;
    options.attributes = attributes;
    options.attribute_count = count;
    return clew_scope_enter(tracer, name, &options);
}

#define CLEW_FIRST_(first, ...) first
#define CLEW_SECOND_(first, second, ...) second
#ifdef CLEW_DISABLE
#define CLEW_ENTER_(...) ((void)(0 ? ((void)clew_scope_enter_kind(__VA_ARGS__), 0) : 0), clew_scope_none())
#define CLEW_LEAVE_ clew_scope_forget
#else
#define CLEW_ENTER_(...) clew_scope_enter_kind(__VA_ARGS__)
#define CLEW_LEAVE_ clew_scope_leave
#endif

/** CLEW_SPAN(span, name) or CLEW_SPAN(span, name, kind): declares `clew_span span`, started as a child of the
 * current span, current itself until the block is left in whichever way, and ended there. longjmp() and
 * pthread_exit() out of the block leave the span open, but no dangling scope. */
#define CLEW_SPAN(variable, ...)                                                                             \
    clew_scope clew_scope_of_##variable CLEW_CLEANUP(CLEW_LEAVE_) =                                          \
        CLEW_ENTER_(CLEW_TRACER, CLEW_FIRST_(__VA_ARGS__, 0),                                                \
                    (int)CLEW_SECOND_(__VA_ARGS__, CLEW_INTERNAL, 0), NULL, 0);                              \
    const clew_span variable CLEW_UNUSED = clew_scope_of_##variable.span

/** CLEW_SPAN_WITH(span, name, kind, CLEW_KV(…), …): the same with attributes that the sampler sees. */
#define CLEW_SPAN_WITH(variable, name, kind, ...)                                                            \
    const clew_attribute clew_attributes_of_##variable[] = {__VA_ARGS__};                                    \
    clew_scope clew_scope_of_##variable CLEW_CLEANUP(CLEW_LEAVE_) =                                          \
        CLEW_ENTER_(CLEW_TRACER, name, (int)(kind), clew_attributes_of_##variable,                           \
                    sizeof clew_attributes_of_##variable / sizeof clew_attributes_of_##variable[0]);         \
    const clew_span variable CLEW_UNUSED = clew_scope_of_##variable.span

#endif
