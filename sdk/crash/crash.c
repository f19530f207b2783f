/* Owns the mapped files of this process and the pages in them, each under a lock of its own that is held for
 * a scan of page states. Any thread. Books about pages are ordinary memory: nothing that stands in the file
 * is read again. */
#include "sdk/crash/crash.h"

#include "sdk/base/clock.h"
#include "sdk/base/lock.h"
#include "sdk/base/thread.h"
#include "sdk/crash/crash_file.h"
#include "sdk/crash/crash_layout.h"

#include <clew/extend.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum state {
    OPEN,
    INHERITED, /* by the child of a fork: what it needs opens a file of its own */
    OPENING,
    OFF,     /* that failed: chunks are in ordinary memory */
    RETIRED, /* no more blocks; the file stays until the last one is freed */
    CLOSED,
};

struct clew__crash {
    struct clew__lock lock;
    _Atomic int state;
    _Atomic uint32_t generation; /* of files of this process; what scopes remember */
    char *directory, *label;
    struct clew__origin *origin;
    uint64_t bytes;

    char name[CLEW__CRASH_NAME_SIZE]; /* empty: there is no file that is ours */
    struct clew__descriptor file;
    uint8_t *base;
    _Atomic uint32_t *table; /* in the file */
    uint32_t pages, first_page;

    struct clew__crash_shell *shells; /* of the block that starts at a page */
    uint8_t *taken;                   /* whether a page belongs to a block */
    uint32_t hint;                    /* where the search for pages begins */
    uint32_t blocks;                  /* that somebody has */
    bool kept;                        /* something is left for the next start */
    struct clew__records *origins;    /* the block that is being filled, of */
    uint32_t origins_capacity;

    bool locked_for_fork;
    struct clew__crash *next;
};

static _Atomic(struct clew__crash *) first; /* never shrinks */
static _Atomic uint32_t generations;
static atomic_bool keeps_undelivered;
static bool
    forked_inside; /* the thread that forks is in the midst of something of Clew's: a signal handler */

/* A file that is being opened is not in its struct yet: the child of a fork could not let go of it, and would
 * keep it locked as long as it lives. So a fork waits, within bounds, and nothing is opened meanwhile. */
static struct clew__lock openings_lock = CLEW__LOCK_INIT;
static atomic_uint openings; /* under way */
static bool openings_locked_for_fork;
#define FORK_ROUNDS 1000u /* of waiting: about 50 ms */

/* ---- pages; the caller holds the lock ---- */

static bool is_run_free(const struct clew__crash *crash, uint32_t page, uint32_t count, uint32_t *taken_at) {
    for (uint32_t i = page; i < page + count; i++)
        if (crash->taken[i]) {
            *taken_at = i;
            return false;
        }
    return true;
}

/* The first of so many free pages in a row, between two pages; 0 when there are none. */
static uint32_t find_between(const struct clew__crash *crash, uint32_t from, uint32_t to, uint32_t count) {
    uint32_t taken_at;
    for (uint32_t page = from; page < to && count <= crash->pages - page; page = taken_at + 1)
        if (is_run_free(crash, page, count, &taken_at))
            return page;
    return 0;
}

static struct clew__records *take_block(struct clew__crash *crash, enum clew__crash_kind kind, uint32_t count,
                                        uint32_t *page) {
    struct clew__records *records;
    *page = find_between(crash, crash->hint, crash->pages, count);
    if (!*page)
        *page = find_between(crash, crash->first_page, crash->hint, count);
    if (!*page)
        return NULL;
    memset(crash->taken + *page, 1, count);
    crash->hint = *page + count < crash->pages ? *page + count : crash->first_page;
    records = (struct clew__records *)(void *)(crash->base + (size_t)*page * CLEW__CRASH_PAGE);
    atomic_store_explicit(&records->begin, 0, memory_order_relaxed);
    atomic_store_explicit(&records->end, 0, memory_order_relaxed);
    atomic_store_explicit(&crash->table[*page], (uint32_t)kind << CLEW__CRASH_KIND_SHIFT | count,
                          memory_order_release);
    return records;
}

/* 0 when it can never be had. */
static uint32_t pages_for(size_t data) {
    size_t pages = (sizeof(struct clew__records) + data + CLEW__CRASH_PAGE - 1) / CLEW__CRASH_PAGE;
    return pages <= CLEW__CRASH_RUN_MASK ? (uint32_t)pages : 0;
}

uint64_t clew__crash_block_size(uint32_t capacity) {
    return (uint64_t)pages_for(capacity) * CLEW__CRASH_PAGE;
}

/* ---- where spans come from ---- */

static void note_locked(struct clew__crash *crash, const struct clew__scope *scope, clew_bytes head,
                        clew_bytes tail) {
    struct clew__crash_origin entry = {(uintptr_t)scope, (uint32_t)head.size, (uint32_t)tail.size};
    size_t size = sizeof entry + head.size + tail.size;
    uint32_t end = crash->origins ? atomic_load(&crash->origins->end) : 0, page, count;
    uint8_t *at;
    if (head.size > CLEW__CRASH_ORIGIN_MAX || tail.size > CLEW__CRASH_ORIGIN_MAX)
        return;
    if (!crash->origins || size > crash->origins_capacity - end) {
        struct clew__records *block;
        count = pages_for(size);
        block = take_block(crash, CLEW__CRASH_ORIGINS, count, &page);
        if (!block)
            return;
        crash->origins = block;
        crash->origins_capacity = count * CLEW__CRASH_PAGE - (uint32_t)sizeof *block;
        end = 0;
    }
    at = crash->origins->data + end;
    memcpy(at, &entry, sizeof entry);
    if (head.size)
        memcpy(at + sizeof entry, head.data, head.size);
    if (tail.size)
        memcpy(at + sizeof entry + head.size, tail.data, tail.size);
    atomic_store_explicit(&crash->origins->end, end + (uint32_t)size, memory_order_release);
}

void clew__crash_note_slowly(struct clew__crash *crash, const struct clew__scope *scope) {
    struct clew__scope *noted = (struct clew__scope *)(uintptr_t)scope;
    clew_bytes head = {scope->head, scope->head_size}, tail = {scope->tail, scope->tail_size};
    uint32_t generation = clew__crash_generation(crash);
    clew__lock_acquire(&crash->lock);
    if (atomic_load(&scope->noted) != generation &&
        (atomic_load(&crash->state) == OPEN || atomic_load(&crash->state) == RETIRED)) {
        note_locked(crash, scope, head, tail);
        atomic_store(&noted->noted, generation);
    }
    clew__lock_release(&crash->lock);
}

uint32_t clew__crash_generation(const struct clew__crash *crash) {
    return atomic_load_explicit(&crash->generation, memory_order_relaxed);
}

/* ---- opening and closing ---- */

static void write_header(struct clew__crash *crash) {
    struct clew__crash_header *header = (struct clew__crash_header *)(void *)crash->base;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    header->version = CLEW__CRASH_VERSION;
    header->byte_order = CLEW__CRASH_BYTE_ORDER;
    header->page_size = CLEW__CRASH_PAGE;
    header->pages = crash->pages;
    header->first_page = crash->first_page;
    header->pid = (uint32_t)getpid();
    header->opened_unix_nano = (uint64_t)now.tv_sec * CLEW__NANO_PER_SECOND + (uint64_t)now.tv_nsec;
    atomic_signal_fence(memory_order_seq_cst); /* who reads it comes when this process is gone */
    memcpy(header->magic, CLEW__CRASH_MAGIC, sizeof header->magic);
}

/* The books about pages, in one block: shells, then a byte a page. */
static bool make_books(struct clew__crash *crash) {
    crash->shells = clew_memory_allocate(crash->pages * (sizeof *crash->shells + 1));
    if (!crash->shells)
        return false;
    crash->taken = (uint8_t *)(crash->shells + crash->pages);
    memset(crash->taken, 0, crash->pages);
    memset(crash->taken, 1, crash->first_page);
    crash->hint = crash->first_page;
    crash->blocks = 0;
    crash->kept = false;
    crash->origins = NULL;
    return true;
}

/* A new file, mapped. */
static bool open_new(struct clew__crash *crash) {
    int directory = clew__crash_directory_make(crash->directory), descriptor = -1;
    void *base = MAP_FAILED;
    clew_bytes bytes;
    if (directory < 0)
        return false;
    descriptor = clew__crash_create(directory, crash->label, crash->bytes, crash->name);
    if (descriptor < 0)
        clew_log(CLEW_LOG_ERROR, "crash", "no crash file of %llu bytes in %s: %s",
                 (unsigned long long)crash->bytes, crash->directory, strerror(errno));
    else
        base = mmap(NULL, crash->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (base == MAP_FAILED || !make_books(crash)) {
        if (base != MAP_FAILED)
            munmap(base, crash->bytes);
        if (descriptor >= 0) {
            clew_log(CLEW_LOG_ERROR, "crash", "the crash file cannot be mapped: %s", strerror(errno));
            unlinkat(directory, crash->name, 0);
            close(descriptor);
        }
        close(directory);
        crash->name[0] = '\0';
        return false;
    }
    close(directory);
    crash->file = clew__descriptor_of(descriptor);
    crash->base = base;
    crash->table = (_Atomic uint32_t *)(void *)(crash->base + CLEW__CRASH_PAGE);
    write_header(crash);
    atomic_store(&crash->generation, atomic_fetch_add(&generations, 1) + 1);
    bytes = clew__origin_bytes(crash->origin);
    note_locked(crash, NULL, bytes, (clew_bytes){NULL, 0});
    return true;
}

static bool open_file(struct clew__crash *crash) {
    bool opened;
    clew__lock_acquire(&openings_lock);
    atomic_fetch_add(&openings, 1);
    clew__lock_release(&openings_lock);
    opened = open_new(crash);
    atomic_fetch_sub(&openings, 1);
    return opened;
}

static void remove_file(const struct clew__crash *crash) {
    int directory = clew__crash_directory_open(crash->directory);
    if (directory < 0)
        return;
    clew__crash_remove(directory, crash->name, &crash->file);
    close(directory);
}

/* Retired, and nobody has a block any more. */
static void close_file(struct clew__crash *crash) {
    int saved = errno, cancel = clew__cancel_forbid();
    if (crash->name[0] && !crash->kept)
        remove_file(crash);
    clew__descriptor_close(&crash->file);
    if (crash->base)
        munmap(crash->base, crash->bytes);
    crash->base = NULL;
    clew_memory_release(crash->shells);
    crash->shells = NULL;
    clew_budget_give(crash->bytes);
    clew__cancel_allow(cancel);
    errno = saved;
}

static struct clew__crash *give_up(struct clew__crash *crash) {
    clew_memory_release(crash->directory);
    clew_memory_release(crash->label);
    clew_memory_release(crash);
    return NULL;
}

/* The same place after the program has changed its working directory. */
static char *copy_absolute(const char *path) {
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0), *absolute;
    size_t size = strlen(path) + 1, before = here ? strlen(here) + 1 : 0;
    absolute = clew_memory_allocate(before + size);
    if (absolute) {
        if (here)
            snprintf(absolute, before + 1, "%s/", here);
        memcpy(absolute + before, path, size);
    }
    free(here);
    return absolute;
}

static char *copy_service_name(const clew_resource *resource) {
    clew_value name = clew_resource_get(resource, "service.name");
    if (name.type != CLEW_TYPE_STRING)
        return clew_memory_copy_text("", 0);
    return clew_memory_copy_text(name.as.string, name.size);
}

struct clew__crash *clew__crash_new(const char *directory, uint64_t bytes, struct clew__origin *origin) {
    struct clew__crash *crash = clew_memory_allocate(sizeof *crash);
    uint64_t pages;
    if (!crash)
        return NULL;
    memset(crash, 0, sizeof *crash);
    pages = (bytes < CLEW__CRASH_BYTES_LEAST ? CLEW__CRASH_BYTES_LEAST : bytes) / CLEW__CRASH_PAGE;
    crash->pages = (uint32_t)(pages < CLEW__CRASH_PAGES_MAX ? pages : CLEW__CRASH_PAGES_MAX);
    crash->bytes = (uint64_t)crash->pages * CLEW__CRASH_PAGE;
    crash->first_page =
        1 + (uint32_t)((crash->pages * sizeof *crash->table + CLEW__CRASH_PAGE - 1) / CLEW__CRASH_PAGE);
    crash->file.fd = -1;
    crash->origin = origin;
    crash->directory = copy_absolute(directory);
    crash->label = copy_service_name(origin->resource);
    if (!crash->directory || !crash->label)
        return give_up(crash);
    if (!clew_budget_take(crash->bytes)) {
        clew_log(CLEW_LOG_ERROR, "crash",
                 "no crash file: its %llu bytes are more than the memory limit leaves",
                 (unsigned long long)crash->bytes);
        return give_up(crash);
    }
    if (!open_file(crash)) {
        clew_budget_give(crash->bytes);
        return give_up(crash);
    }
    crash->next = atomic_load(&first);
    while (!atomic_compare_exchange_weak(&first, &crash->next, crash)) {
    }
    return crash;
}

void clew__crash_keep_undelivered(void) {
    atomic_store(&keeps_undelivered, true);
}

bool clew__crash_keeps_undelivered(void) {
    return atomic_load(&keeps_undelivered);
}

/* Whether the file is to be closed now, by who asks. Caller holds the lock. */
static bool is_done_locked(struct clew__crash *crash) {
    if (crash->blocks > 0 || atomic_load(&crash->state) != RETIRED)
        return false;
    atomic_store(&crash->state, CLOSED);
    return true;
}

/* Whoever opens a file just now finishes first. */
static void set_retired(struct clew__crash *crash) {
    int state = atomic_load(&crash->state);
    for (unsigned round = 0; state != CLOSED; round++) {
        if (state == OPENING)
            clew__wait_a_little(round);
        else if (atomic_compare_exchange_strong(&crash->state, &state, RETIRED))
            return;
        state = atomic_load(&crash->state);
    }
}

void clew__crash_retire(struct clew__crash *crash) {
    bool done;
    set_retired(crash);
    clew__lock_acquire(&crash->lock);
    done = is_done_locked(crash);
    clew__lock_release(&crash->lock);
    if (done)
        close_file(crash);
}

/* ---- blocks ---- */

/* The first block of a forked child: a file of its own. What it inherited is nobody's, unless the fork came
 * from a signal handler, to which what it interrupted is still to return. */
static void reopen(struct clew__crash *crash) {
    int saved = errno, cancel = clew__cancel_forbid();
    if (!forked_inside && crash->base) {
        munmap(crash->base, crash->bytes);
        clew_memory_release(crash->shells);
    }
    crash->base = NULL;
    crash->shells = NULL;
    crash->blocks = 0; /* those that the parent's threads had are nobody's */
    atomic_store(&crash->state, open_file(crash) ? OPEN : OFF);
    clew__cancel_allow(cancel);
    errno = saved;
}

bool clew__crash_ready(struct clew__crash *crash) {
    int state = atomic_load(&crash->state);
    if (state == INHERITED && atomic_compare_exchange_strong(&crash->state, &state, OPENING))
        reopen(crash);
    for (unsigned round = 0; atomic_load(&crash->state) == OPENING; round++)
        clew__wait_a_little(round);
    return atomic_load(&crash->state) != OFF;
}

bool clew__crash_take(struct clew__crash *crash, uint32_t capacity, struct clew__crash_block *out) {
    uint32_t count = pages_for(capacity), page;
    struct clew__records *records = NULL;
    clew__lock_acquire(&crash->lock);
    if (count && atomic_load(&crash->state) == OPEN)
        records = take_block(crash, CLEW__CRASH_SPANS, count, &page);
    if (records) {
        *out = (struct clew__crash_block){&crash->shells[page], records, count * CLEW__CRASH_PAGE};
        crash->blocks++;
    }
    clew__lock_release(&crash->lock);
    return records != NULL;
}

/* Whether a block is one of the present file: not one that a forked child has inherited. */
static bool is_ours(const struct clew__crash *crash, const struct clew__crash_shell *shell) {
    return crash->shells && shell >= crash->shells && shell < crash->shells + crash->pages;
}

void clew__crash_give(struct clew__crash *crash, const struct clew__crash_shell *shell, uint32_t size,
                      bool keep) {
    bool done = false;
    clew__lock_acquire(&crash->lock);
    if (is_ours(crash, shell)) {
        uint32_t page = (uint32_t)(shell - crash->shells);
        crash->kept |= keep;
        if (!keep) {
            atomic_store_explicit(&crash->table[page], CLEW__CRASH_FREE, memory_order_release);
            memset(crash->taken + page, 0, size / CLEW__CRASH_PAGE);
        }
        crash->blocks--;
        done = is_done_locked(crash);
    }
    clew__lock_release(&crash->lock);
    if (done)
        close_file(crash);
}

/* ---- fork ---- */

void clew__crash_before_fork(void) {
    const struct clew__thread *self = clew__thread_current();
    forked_inside = self && self->inside;
    openings_locked_for_fork = clew__lock_acquire_bounded(&openings_lock);
    for (unsigned round = 0; atomic_load(&openings) > 0 && !forked_inside && round < FORK_ROUNDS; round++)
        clew__wait_a_little(round);
    for (struct clew__crash *crash = atomic_load(&first); crash; crash = crash->next)
        crash->locked_for_fork = clew__lock_acquire_bounded(&crash->lock);
}

void clew__crash_after_fork_in_parent(void) {
    for (struct clew__crash *crash = atomic_load(&first); crash; crash = crash->next)
        if (crash->locked_for_fork)
            clew__lock_release(&crash->lock);
    if (openings_locked_for_fork)
        clew__lock_release(&openings_lock);
}

/* The pages are the parent's, which goes on with them: ours from here on are empty ones at the same place.
 * The lock on the file ends with the parent, for nothing here refers to it any more. */
static void inherit(struct clew__crash *crash) {
    int state = atomic_load(&crash->state);
    clew__lock_release(&crash->lock);
    clew__descriptor_close(&crash->file);
    crash->name[0] = '\0';
    if (crash->base && mmap(crash->base, crash->bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
        crash->shells = NULL; /* so that none of its pages is touched */
    if (state == OPEN || state == OPENING || state == OFF)
        atomic_store(&crash->state, INHERITED);
}

void clew__crash_after_fork_in_child(void) {
    clew__lock_release(&openings_lock);
    if (!forked_inside)
        atomic_store(&openings, 0); /* those of threads that are gone */
    for (struct clew__crash *crash = atomic_load(&first); crash; crash = crash->next)
        inherit(crash);
}
