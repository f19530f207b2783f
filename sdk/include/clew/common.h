/* What every other header needs: export marks, attributes of the compiler, error codes. */
#ifndef CLEW_COMMON_H
#define CLEW_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CLEW_BEGIN_DECLS extern "C" {
#define CLEW_END_DECLS }
#else
#define CLEW_BEGIN_DECLS
#define CLEW_END_DECLS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define CLEW_API __attribute__((visibility("default")))
#define CLEW_NODISCARD __attribute__((warn_unused_result))
#define CLEW_PRINTF(index, first) __attribute__((format(printf, index, first)))
#define CLEW_UNUSED __attribute__((unused))
/** Runs a function with the address of the variable when its scope is left, whichever way. */
#define CLEW_CLEANUP(function) __attribute__((cleanup(function)))
#else
#error "Clew needs a compiler with GNU attributes: gcc or clang"
#endif

CLEW_BEGIN_DECLS

/* Every error: name, number, text. Functions return 0 or one of these; span operations return nothing. */
#define CLEW_ERRORS(X)                                                                                       \
    X(CLEW_EINVAL, -1, "invalid argument")                                                                   \
    X(CLEW_ENOMEM, -2, "out of memory, or the memory budget is used up")                                     \
    X(CLEW_ELIMIT, -3, "a limit is reached")                                                                 \
    X(CLEW_ETIMEDOUT, -4, "the deadline passed")                                                             \
    X(CLEW_EALREADY, -5, "already initialised")                                                              \
    X(CLEW_ESHUTDOWN, -6, "shut down")                                                                       \
    X(CLEW_EFORMAT, -7, "malformed input")                                                                   \
    X(CLEW_EIO, -8, "input or output failed")                                                                \
    X(CLEW_EREJECTED, -9, "rejected by the receiver")

typedef enum clew_error_code {
    CLEW_OK = 0,
#define CLEW_ERROR_VALUE(name, number, text) name = number,
    CLEW_ERRORS(CLEW_ERROR_VALUE)
#undef CLEW_ERROR_VALUE
} clew_error_code;

/** The text of an error code; "success" for 0, "unknown error" for a number that is none. Static storage; any
 *  thread; safe in a signal handler. */
CLEW_API const char *clew_strerror(int code);

/** A run of bytes that somebody else owns. Not terminated. */
typedef struct clew_bytes {
    const void *data;
    size_t size;
} clew_bytes;

/** Text that somebody else owns: `size` bytes, not terminated. */
typedef struct clew_text {
    const char *data;
    size_t size;
} clew_text;

CLEW_END_DECLS

#endif
