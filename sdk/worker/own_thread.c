/* Owns what the application decided about Clew's threads: written before there is one. */
#include "sdk/worker/own_thread.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/struct_size.h"

#include <clew/extend.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME_SIZE 16 /* as the kernel keeps it, terminator included */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_LEAST ((size_t)2 << 20) /* their frames are large */
#else
#define STACK_LEAST ((size_t)128 << 10)
#endif
#define STACK_USUAL ((size_t)256 << 10)

static struct {
    char name[NAME_SIZE];
    cpu_set_t cpus;
    bool has_cpus;
    size_t stack_bytes;
    void (*on_start)(void *user);
    void *user;
} configured = {.name = "clew"};

static _Atomic pid_t leaving; /* as the system numbers threads; 0: none */

int clew__own_thread_configure(const clew_worker_options *given) {
    clew_worker_options options = {0};
    clew__options_copy(&options, sizeof options, given, sizeof options);
    if ((options.name && strlen(options.name) >= NAME_SIZE) ||
        (options.cpu_count > 0) != (options.cpus != NULL))
        return CLEW_EINVAL;
    for (size_t i = 0; i < options.cpu_count; i++)
        if (options.cpus[i] >= CPU_SETSIZE)
            return CLEW_EINVAL;
    CPU_ZERO(&configured.cpus);
    for (size_t i = 0; i < options.cpu_count; i++)
        CPU_SET(options.cpus[i], &configured.cpus);
    configured.has_cpus = options.cpu_count > 0;
    strcpy(configured.name, options.name ? options.name : "clew");
    configured.stack_bytes = options.stack_bytes;
    configured.on_start = options.on_start;
    configured.user = options.user;
    return CLEW_OK;
}

static size_t stack_size(void) {
    size_t wanted = configured.stack_bytes ? configured.stack_bytes : STACK_USUAL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    least = least < STACK_LEAST ? STACK_LEAST : least;
    wanted = wanted < least ? least : wanted;
    return wanted > SIZE_MAX - page ? wanted : (wanted + page - 1) / page * page;
}

int clew__own_thread_start(void *(*body)(void *argument), void *argument) {
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_size());
    error = pthread_create(&thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    if (error == EINVAL) {
        /* The program's thread-local storage alone takes more: as large as its own threads. */
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        error = pthread_create(&thread, &attributes, body, argument);
        pthread_attr_destroy(&attributes);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

void clew__own_thread_begin(const char *name) {
    prctl(PR_SET_NAME, name ? name : configured.name);
    clew_suppress_thread();
    if (configured.has_cpus && sched_setaffinity(0, sizeof configured.cpus, &configured.cpus) != 0)
        clew_log(CLEW_LOG_WARN, "worker.cpus", "cannot keep to the configured processors: %s",
                 strerror(errno));
    if (configured.on_start)
        configured.on_start(configured.user);
}

void clew__own_thread_leaves(void) {
    atomic_store(&leaving, gettid());
}

void clew__own_thread_wait(uint64_t deadline) {
    pid_t thread = atomic_exchange(&leaving, 0);
    int saved = errno;
    for (unsigned round = 0; thread && tgkill(getpid(), thread, 0) == 0; round++) {
        if (clew__monotonic_nano() >= deadline)
            break;
        clew__wait_a_little(round);
    }
    errno = saved;
}

void clew__own_thread_forked(void) {
    atomic_store(&leaving, 0);
}
