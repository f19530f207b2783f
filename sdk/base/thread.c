/* Owns the blocks of all threads, the thread-local pointer to one's own, and the process's fork handlers.
 * Blocks are made under one lock and never unmapped; the hooks are written once before they are published. */
#include "sdk/base/thread.h"

#include <clew/extend.h>

#include "sdk/base/lock.h"
#include "sdk/base/log.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOOKS_MAX 12
#define FORK_ROUNDS 1000u /* of waiting for the fork of another thread: about 50 ms */

static const volatile uint32_t never_alive = 0;
const volatile uint32_t *clew__process_alive = &never_alive;
static volatile uint32_t *alive_page;

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static atomic_bool setup_done;
static pthread_key_t exit_key;

static struct clew__lock lock = CLEW__LOCK_INIT;
static _Atomic(struct clew__thread *) first;
static _Atomic uint32_t in_use_count;
static _Atomic uint64_t next_id = 1;
static _Atomic uint64_t refused;

/* The thread whose fork is under way, by an address that is its own. Hooks remember what they locked in plain
 * variables, so they run for one fork at a time; another that has waited long enough goes on without them:
 * its child repairs everything, and the parent has nothing to give back. */
static _Atomic uintptr_t forker;
static volatile unsigned nested; /* forks by signal handlers that interrupted that one */
static bool locked_blocks;       /* by the fork that is under way */

static struct clew__thread_hooks hooks[HOOKS_MAX];
static atomic_uint hook_count;

#ifdef CLEW_STATIC
struct clew__thread *clew__thread_current(void) {
    return atomic_load_explicit(&setup_done, memory_order_acquire) ? pthread_getspecific(exit_key) : NULL;
}
static void set_current(struct clew__thread *thread) {
    (void)thread; /* pthread_setspecific() is all there is */
}
#else
_Thread_local struct clew__thread *clew__thread_of_this __attribute__((tls_model("initial-exec")));
static void set_current(struct clew__thread *thread) {
    clew__thread_of_this = thread;
}
#endif

static void setup(void);

/* Also sees to it that there are handlers to call the hooks: a thread that never makes spans may fork. */
void clew__thread_register_hooks(const struct clew__thread_hooks *added) {
    unsigned count;
    pthread_once(&setup_once, setup);
    clew__lock_acquire(&lock);
    count = atomic_load(&hook_count);
    if (count < HOOKS_MAX) {
        hooks[count] = *added;
        atomic_store_explicit(&hook_count, count + 1, memory_order_release);
    }
    clew__lock_release(&lock);
}

static void thread_exits(void *block) {
    struct clew__thread *thread = block;
    unsigned count = atomic_load_explicit(&hook_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (hooks[i].on_exit)
            hooks[i].on_exit(thread);
    set_current(NULL);
    thread->inside = 0;
    atomic_fetch_sub(&in_use_count, 1);
    atomic_store_explicit(&thread->in_use, false, memory_order_release);
}

static bool become_forker(void) {
    uintptr_t self = (uintptr_t)&errno, nobody = 0;
    if (atomic_load(&forker) == self) {
        nested++;
        return false;
    }
    for (unsigned round = 0; !atomic_compare_exchange_strong(&forker, &nobody, self); round++) {
        if (round == FORK_ROUNDS)
            return false;
        clew__wait_a_little(round);
        nobody = 0;
    }
    return true;
}

static void before_fork(void) {
    unsigned count;
    if (!become_forker())
        return;
    count = atomic_load_explicit(&hook_count, memory_order_acquire);
    for (unsigned i = count; i-- > 0;)
        if (hooks[i].on_fork_prepare)
            hooks[i].on_fork_prepare();
    locked_blocks = clew__lock_acquire_bounded(&lock);
}

static void after_fork_in_parent(void) {
    unsigned count = atomic_load_explicit(&hook_count, memory_order_acquire);
    if (atomic_load(&forker) != (uintptr_t)&errno)
        return;
    if (nested > 0) {
        nested--;
        return;
    }
    if (locked_blocks)
        clew__lock_release(&lock);
    for (unsigned i = 0; i < count; i++)
        if (hooks[i].on_fork_parent)
            hooks[i].on_fork_parent();
    atomic_store(&forker, 0);
}

/* The child has one thread: the others' blocks are free for reuse, their hooks clean what those threads
 * owned. */
static void after_fork_in_child(void) {
    struct clew__thread *self = clew__thread_current();
    unsigned count = atomic_load_explicit(&hook_count, memory_order_acquire);
    clew__lock_release(&lock);
    clew__log_forked();
    *alive_page = 1;
    for (struct clew__thread *thread = atomic_load(&first); thread; thread = thread->next) {
        memset(thread->random, 0, sizeof thread->random);
        thread->inside = 0;
        if (thread != self) {
            thread->suppressed = 0;
            atomic_store(&thread->in_use, false);
        }
    }
    atomic_store(&in_use_count, self ? 1 : 0);
    atomic_store(&refused, 0);
    for (unsigned i = 0; i < count; i++)
        if (hooks[i].on_fork_child)
            hooks[i].on_fork_child(self);
    nested = 0;
    atomic_store(&forker, 0);
}

/* dlopen(3), where there is one: a fully static program has none, and nothing to unload. */
extern void *dlopen(const char *file, int mode) __attribute__((weak));
extern int dladdr1(const void *address, Dl_info *info, void **extra, int flags) __attribute__((weak));

/* Keeps the object that holds this code in memory: it may be a plugin, and threads that outlive it will call
 * back. The program itself, whose name is empty, stays anyway. */
static void pin(void) {
    struct link_map *object = NULL;
    Dl_info info;
    if (dlopen && dladdr1 && dladdr1(&setup_done, &info, (void **)&object, RTLD_DL_LINKMAP) && object &&
        object->l_name[0])
        dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

static void setup(void) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pthread_key_create(&exit_key, thread_exits) != 0)
        return;
    /* A kernel that cannot wipe (before 4.14) leaves the fork handlers, which see all but raw clones. */
    madvise(page, size, MADV_WIPEONFORK);
    alive_page = page;
    *alive_page = 1;
    pin();
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    clew__process_alive = alive_page;
    atomic_store_explicit(&setup_done, true, memory_order_release);
}

static struct clew__thread *recycle(void) {
    for (struct clew__thread *thread = atomic_load(&first); thread; thread = thread->next) {
        bool free = false;
        if (atomic_compare_exchange_strong_explicit(&thread->in_use, &free, true, memory_order_acquire,
                                                    memory_order_relaxed))
            return thread;
    }
    return NULL;
}

static struct clew__thread *obtain(void) {
    struct clew__thread *thread = recycle();
    if (!thread) {
        thread = clew_memory_allocate(sizeof *thread);
        if (!thread)
            return NULL;
        memset(thread, 0, sizeof *thread);
        atomic_store(&thread->in_use, true);
        clew__lock_acquire(&lock);
        thread->next = atomic_load(&first);
        atomic_store_explicit(&first, thread, memory_order_release);
        clew__lock_release(&lock);
    }
    thread->id = atomic_fetch_add(&next_id, 1);
    thread->suppressed = 0;
    atomic_fetch_add(&in_use_count, 1);
    return thread;
}

/* Makes a block the calling thread's; NULL when that fails. */
static struct clew__thread *own(struct clew__thread *thread) {
    if (thread && pthread_setspecific(exit_key, thread) != 0) {
        atomic_fetch_sub(&in_use_count, 1);
        atomic_store(&thread->in_use, false);
        thread = NULL;
    }
    if (thread)
        set_current(thread);
    return thread;
}

/* A thread's first use. Signals wait: a handler that used Clew in here would wait for what it interrupted. */
static struct clew__thread *first_use(void) {
    struct clew__thread *thread = NULL;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_once(&setup_once, setup);
    if (atomic_load_explicit(&setup_done, memory_order_acquire) && *clew__process_alive != 0) {
        thread = clew__thread_current();
        if (!thread)
            thread = own(obtain());
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread;
}

struct clew__thread *clew__thread_self_slowly(void) {
    int saved = errno;
    struct clew__thread *thread;
    if (atomic_load_explicit(&setup_done, memory_order_acquire) && *clew__process_alive == 0)
        return NULL; /* the child of a raw clone */
    thread = first_use();
    errno = saved;
    return thread;
}

struct clew__thread *clew__thread_refuse(void) {
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return NULL;
}

bool clew__thread_lacks_memory(void) {
    return *clew__process_alive != 0 && !clew__thread_current();
}

struct clew__thread *clew__thread_first(void) {
    return atomic_load_explicit(&first, memory_order_acquire);
}

uint32_t clew__thread_count(void) {
    return atomic_load_explicit(&in_use_count, memory_order_relaxed);
}

uint64_t clew__thread_reentrant_calls(void) {
    return atomic_load_explicit(&refused, memory_order_relaxed);
}

void clew_suppress_thread(void) {
    struct clew__thread *thread = clew__thread_self();
    if (thread)
        thread->suppressed = 1;
}
