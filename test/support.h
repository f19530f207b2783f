/* What unit tests share. */
#ifndef CLEW_TEST_SUPPORT_H
#define CLEW_TEST_SUPPORT_H

#include <criterion/criterion.h>

/* Criterion leaves a test's process without the leak check: the last line of a test's body asks for it. */
#if defined(__SANITIZE_ADDRESS__)
#define CLEW_TEST_LEAK_CHECK 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CLEW_TEST_LEAK_CHECK 1
#endif
#endif

#ifdef CLEW_TEST_LEAK_CHECK
#include <sanitizer/lsan_interface.h>
#define CLEW_NO_LEAKS() cr_assert(!__lsan_do_recoverable_leak_check(), "memory leaked")
/* At its own exit Criterion's runner now and then leaks, which is nobody's business here. */
__attribute__((weak, visibility("default"))) const char *__asan_default_options(void);
__attribute__((weak, visibility("default"))) const char *__asan_default_options(void) {
    return "leak_check_at_exit=0";
}
#else
#define CLEW_NO_LEAKS() ((void)0)
#endif

#endif
