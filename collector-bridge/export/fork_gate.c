/* Two counters: who is behind the gate, and who wants to fork. No lock that a child could inherit. */
#include "collector-bridge/export/fork_gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* A disk that hangs must not hold up a fork: the thread is then in a system call, where it holds no lock. */
#define ROUNDS_MAX 500
#define ROUND_NANO 100000

static atomic_uint inside, forking;
static pid_t child; /* the last one that opened the gate */
static bool was_quiet;

static void wait_a_round(void) {
    const struct timespec round = {0, ROUND_NANO};
    nanosleep(&round, NULL);
}

void clew__fork_gate_enter(void) {
    for (;;) {
        while (atomic_load(&forking))
            wait_a_round();
        atomic_fetch_add(&inside, 1);
        if (!atomic_load(&forking))
            return;
        atomic_fetch_sub(&inside, 1);
    }
}

void clew__fork_gate_leave(void) {
    atomic_fetch_sub(&inside, 1);
}

static void before_fork(void) {
    atomic_fetch_add(&forking, 1);
    for (int i = 0; i < ROUNDS_MAX && atomic_load(&inside); i++)
        wait_a_round();
}

static void after_fork_in_parent(void) {
    atomic_fetch_sub(&forking, 1);
}

bool clew__fork_gate_in_child(void) {
    if (child != getpid()) {
        child = getpid();
        was_quiet = atomic_load(&inside) == 0;
        atomic_store(&inside, 0);
        atomic_store(&forking, 0);
    }
    return was_quiet;
}

static void after_fork_in_child(void) {
    clew__fork_gate_in_child();
}

static void setup(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void clew__fork_gate_setup(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, setup);
}
