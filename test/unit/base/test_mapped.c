/* Large blocks that are mapped, and what happens where the kernel does not map. */
#include "sdk/base/mapped.h"
#include "sdk/base/memory.h"
#include "test/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
#define LARGE ((size_t)256 << 10)
#define LARGER ((size_t)3 << 20)

/* ---- a kernel that refuses ---- */

static atomic_bool refuses_mmap, refuses_mremap, refuses_munmap;
static atomic_uint refused;

#define REAL(name) (*(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, #name))

static bool is_refused(atomic_bool *refuses) {
    if (!atomic_load(refuses))
        return false;
    atomic_fetch_add(&refused, 1);
    errno = ENOMEM;
    return true;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset) {
    static void *(*_Atomic real)(void *, size_t, int, int, int, off_t);
    if (!real)
        REAL(mmap);
    return is_refused(&refuses_mmap) ? MAP_FAILED : real(at, size, protection, flags, fd, offset);
}

void *mremap(void *block, size_t size, size_t new_size, int flags, ...) {
    static void *(*_Atomic real)(void *, size_t, size_t, int, ...);
    if (!real)
        REAL(mremap);
    return is_refused(&refuses_mremap) ? MAP_FAILED : real(block, size, new_size, flags);
}

int munmap(void *block, size_t size) {
    static int (*_Atomic real)(void *, size_t);
    if (!real)
        REAL(munmap);
    return is_refused(&refuses_munmap) ? -1 : real(block, size);
}

/* ---- content ---- */

static void fill(void *block, size_t size, unsigned seed) {
    for (size_t i = 0; i < size; i += 512)
        ((uint8_t *)block)[i] = (uint8_t)(seed + i / 512);
    ((uint8_t *)block)[size - 1] = (uint8_t)seed;
}

static bool holds(const void *block, size_t size, unsigned seed) {
    for (size_t i = 0; i < size; i += 512)
        if (i != size - 1 && ((const uint8_t *)block)[i] != (uint8_t)(seed + i / 512))
            return false;
    return ((const uint8_t *)block)[size - 1] == (uint8_t)seed;
}

static bool begins_page(const void *block) {
    return (uintptr_t)block % 4096 == 0;
}

static bool is_aligned(const void *block) {
    return (uintptr_t)block % _Alignof(max_align_t) == 0;
}

enum residence { NOT_MAPPED, NOT_RESIDENT, RESIDENT };

static enum residence residence_of(void *page) {
    unsigned char resident = 0;
    if (mincore(page, 1, &resident) != 0)
        return NOT_MAPPED;
    return resident & 1 ? RESIDENT : NOT_RESIDENT;
}

/* ---- mapped blocks ---- */

Test(mapped, block_goes_back_to_the_system_at_once) {
    void *block = clew__mapped_new(LARGE);
    fill(block, LARGE, 1);
    cr_assert(begins_page(block));
    cr_assert_eq(residence_of(block), RESIDENT);
    clew__mapped_free(block, LARGE);
    cr_assert_eq(residence_of(block), NOT_MAPPED);
}

Test(mapped, growing_block_keeps_its_content) {
    void *block = clew__mapped_new(LARGE + 1);
    fill(block, LARGE + 1, 2);
    block = clew__mapped_grow(block, LARGE + 1, LARGER);
    cr_assert(holds(block, LARGE + 1, 2));
    fill(block, LARGER, 3);
    clew__mapped_free(block, LARGER);
}

Test(mapped, block_that_cannot_be_moved_is_copied) {
    void *block = clew__mapped_new(LARGE), *grown;
    fill(block, LARGE, 4);
    atomic_store(&refuses_mremap, true);
    grown = clew__mapped_grow(block, LARGE, LARGER);
    cr_assert_eq(atomic_load(&refused), 1);
    cr_assert(holds(grown, LARGE, 4));
    cr_assert_eq(residence_of(block), NOT_MAPPED);
    clew__mapped_free(grown, LARGER);
}

Test(mapped, memory_of_a_block_that_cannot_be_unmapped_goes_back) {
    void *block = clew__mapped_new(LARGE);
    fill(block, LARGE, 5);
    atomic_store(&refuses_munmap, true);
    clew__mapped_free(block, LARGE);
    cr_assert_eq(atomic_load(&refused), 1);
    cr_assert_eq(residence_of(block), NOT_RESIDENT);
}

/* ---- what is not mapped ---- */

/* Of malloc's addresses some begin a page, and some would when the head is in front: so many sizes. */
Test(mapped, where_nothing_is_mapped_malloc_serves) {
    enum { BLOCKS = 1024 };
    static void *blocks[BLOCKS];
    atomic_store(&refuses_mmap, true);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + 16 * i;
        blocks[i] = clew__mapped_new(size);
        cr_assert_not_null(blocks[i]);
        cr_assert_not(begins_page(blocks[i]));
        cr_assert(is_aligned(blocks[i]));
        fill(blocks[i], size, (unsigned)i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + 16 * i;
        blocks[i] = clew__mapped_grow(blocks[i], size, 2 * size);
        cr_assert_not(begins_page(blocks[i]));
        cr_assert(holds(blocks[i], size, (unsigned)i));
        clew__mapped_free(blocks[i], 2 * size);
    }
    atomic_store(&refuses_mmap, false);
    cr_assert_eq(atomic_load(&refused), 2 * BLOCKS);
    CLEW_NO_LEAKS();
}

Test(mapped, block_of_malloc_is_mapped_when_it_grows) {
    void *block;
    atomic_store(&refuses_mmap, true);
    block = clew__mapped_new(LARGE);
    atomic_store(&refuses_mmap, false);
    fill(block, LARGE, 6);
    block = clew__mapped_grow(block, LARGE, LARGER);
    cr_assert(begins_page(block));
    cr_assert(holds(block, LARGE, 6));
    clew__mapped_free(block, LARGER);
    CLEW_NO_LEAKS();
}

Test(mapped, size_that_nobody_has_is_refused) {
    void *block = clew__mapped_new(LARGE);
    fill(block, LARGE, 7);
    cr_assert_null(clew__mapped_new(SIZE_MAX));
    cr_assert_null(clew__mapped_grow(block, LARGE, SIZE_MAX));
    cr_assert(holds(block, LARGE, 7));
    clew__mapped_free(block, LARGE);
}

/* ---- charged blocks ---- */

Test(charged, block_grows_across_the_border_and_is_charged_as_it_grows) {
    static const size_t sizes[] = {1, 1000, LARGE - 1, LARGE, LARGE + 1, LARGER};
    uint64_t used = clew__budget_used();
    size_t size = 0;
    void *block = NULL;
    errno = 4711;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = clew_charged_grow(block, size, sizes[i]);
        cr_assert(size == 0 || holds(block, size, (unsigned)i - 1));
        cr_assert_eq(clew__budget_used(), used + sizes[i]);
        size = sizes[i];
        fill(block, size, (unsigned)i);
    }
    clew_charged_release(block, size);
    cr_assert_eq(clew__budget_used(), used);
    cr_assert_eq(errno, 4711);
    CLEW_NO_LEAKS();
}

Test(charged, growth_past_the_budget_leaves_the_block) {
    uint64_t used;
    void *block;
    clew_set_memory_limit(1 << 20);
    block = clew_charged_allocate(LARGE);
    used = clew__budget_used();
    fill(block, LARGE, 8);
    cr_assert_null(clew_charged_grow(block, LARGE, LARGER));
    cr_assert_null(clew_charged_grow(block, LARGE, LARGE - 1));
    cr_assert_eq(clew__budget_used(), used);
    cr_assert(holds(block, LARGE, 8));
    clew_charged_release(block, LARGE);
    clew_charged_release(NULL, LARGE);
    cr_assert_eq(clew__budget_used(), used - LARGE);
    CLEW_NO_LEAKS();
}

#if !SANITIZED
Test(charged, large_block_is_mapped_and_no_other) {
    void *block = clew_charged_allocate(LARGE);
    cr_assert(begins_page(block));
    clew_charged_release(block, LARGE);
    cr_assert_eq(residence_of(block), NOT_MAPPED);
    atomic_store(&refuses_mmap, true);
    clew_charged_release(clew_charged_allocate(LARGE - 1), LARGE - 1);
    cr_assert_eq(atomic_load(&refused), 0);
    clew_charged_release(clew_charged_allocate(LARGE), LARGE);
    cr_assert_eq(atomic_load(&refused), 1);
}
#endif

Test(charged, allocator_is_refused_after_a_large_block) {
    clew_charged_release(clew_charged_allocate(LARGE), LARGE);
    cr_assert_eq(clew_set_allocator(NULL), CLEW_EALREADY);
}

static unsigned allocated, released;

static void *count_allocate(void *user, size_t size) {
    (void)user;
    allocated++;
    return malloc(size);
}
static void *count_reallocate(void *user, void *block, size_t size) {
    (void)user;
    allocated++;
    return realloc(block, size);
}
static void count_release(void *user, void *block) {
    (void)user;
    released++;
    free(block);
}

Test(charged, large_block_comes_from_the_programs_own_allocator) {
    clew_allocator own = {count_allocate, count_reallocate, count_release, NULL};
    void *block;
    cr_assert_eq(clew_set_allocator(&own), 0);
    block = clew_charged_allocate(LARGE);
    block = clew_charged_grow(block, LARGE, LARGE + 1);
    clew_charged_release(block, LARGE + 1);
    cr_assert_eq(allocated, 2);
    cr_assert_eq(released, 1);
}

/* ---- threads and forks ---- */

enum { THREADS = 8, BLOCKS = 6, FORKS = SANITIZED ? 0 : 40, ROUNDS = SANITIZED ? 300 : 2000 };

/* Where blocks come from; a block that grows from NULL is a new one. */
static const struct source {
    void *(*grow)(void *block, size_t size, size_t new_size);
    void (*release)(void *block, size_t size);
} * source;

static atomic_uint wrong;

static size_t size_of(unsigned seed) {
    return LARGE / 2 + (size_t)(seed * 2654435761u >> 13);
}

/* Blocks of many sizes, on both sides of the border. */
static void *hammer(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    void *blocks[BLOCKS] = {NULL};
    size_t sizes[BLOCKS] = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned k = i % BLOCKS;
        size_t size = size_of(seed * ROUNDS + i);
        void *grown = size > sizes[k] ? source->grow(blocks[k], sizes[k], size) : NULL;
        if (grown && blocks[k] && !holds(grown, sizes[k], seed + k))
            atomic_fetch_add(&wrong, 1);
        if (!grown)
            source->release(blocks[k], sizes[k]);
        blocks[k] = grown;
        sizes[k] = grown ? size : 0;
        if (grown)
            fill(grown, size, seed + k);
    }
    for (unsigned k = 0; k < BLOCKS; k++)
        if (blocks[k])
            source->release(blocks[k], sizes[k]);
    return NULL;
}

/* What the child does with a block of its parent's, and with its own. */
static int in_child(void *block, size_t size) {
    void *own = source->grow(NULL, 0, LARGE);
    if (!own || !holds(block, size, 9))
        return 1;
    fill(own, LARGE, 10);
    block = source->grow(block, size, 2 * size);
    if (!block || !holds(block, size, 9) || !holds(own, LARGE, 10))
        return 2;
    source->release(block, 2 * size);
    source->release(own, LARGE);
    return 0;
}

static void blocks_are_their_own(const struct source *from) {
    pthread_t threads[THREADS];
    void *block;
    source = from;
    block = source->grow(NULL, 0, LARGER);
    fill(block, LARGER, 9);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hammer, (void *)(i + 1));
    for (int i = 0; i < FORKS; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            _exit(in_child(block, LARGER));
        waitpid(child, &status, 0);
        cr_assert_eq(status, 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(atomic_load(&wrong), 0);
    cr_assert(holds(block, LARGER, 9));
    source->release(block, LARGER);
}

Test(charged, blocks_of_many_threads_and_of_forks_amid_are_their_own) {
    static const struct source charged = {clew_charged_grow, clew_charged_release};
    uint64_t used = clew__budget_used();
    blocks_are_their_own(&charged);
    cr_assert_eq(clew__budget_used(), used);
    CLEW_NO_LEAKS();
}

static void *grow_mapped(void *block, size_t size, size_t new_size) {
    return block ? clew__mapped_grow(block, size, new_size) : clew__mapped_new(new_size);
}

static void release_mapped(void *block, size_t size) {
    if (block)
        clew__mapped_free(block, size);
}

Test(mapped, blocks_of_many_threads_and_of_forks_amid_are_their_own) {
    static const struct source mapped = {grow_mapped, release_mapped};
    blocks_are_their_own(&mapped);
}
