/* Owns nothing. Any thread.
 *
 * A block's address tells where it comes from: a mapped one begins a page, one of malloc's is moved so that
 * it does not. */
#include "sdk/base/mapped.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_LEAST 4096u /* the pages of every system are a multiple */
/* In front of a block of malloc's: what malloc returned. Twice malloc's alignment, for there are two places
 * to choose from. */
#define HEAD 32u

static bool is_mapped(const void *block) {
    return ((uintptr_t)block & (PAGE_LEAST - 1)) == 0;
}

/* ---- without a mapping ---- */

static void *unmapped_new(size_t size) {
    uint8_t *start, *block;
    if (size > SIZE_MAX - HEAD)
        return NULL;
    start = (uint8_t *)malloc(size + HEAD);
    if (!start)
        return NULL;
    block = start + HEAD / 2;
    if (is_mapped(block))
        block = start + HEAD;
    memcpy(block - sizeof start, &start, sizeof start);
    return block;
}

static void unmapped_free(void *block) {
    uint8_t *start;
    memcpy(&start, (uint8_t *)block - sizeof start, sizeof start);
    free(start);
}

/* ---- either ---- */

/* The kernel rounds sizes up to whole pages. */
void *clew__mapped_new(size_t size) {
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? unmapped_new(size) : block;
}

void *clew__mapped_grow(void *block, size_t size, size_t new_size) {
    void *grown = is_mapped(block) ? mremap(block, size, new_size, MREMAP_MAYMOVE) : MAP_FAILED;
    if (grown != MAP_FAILED)
        return grown;
    grown = clew__mapped_new(new_size);
    if (!grown)
        return NULL;
    memcpy(grown, block, size);
    clew__mapped_free(block, size);
    return grown;
}

/* The kernel joins neighbours to one mapping, and may refuse to cut that in two (vm.max_map_count): then the
 * range stays, but not its memory. */
void clew__mapped_free(void *block, size_t size) {
    if (!is_mapped(block))
        unmapped_free(block);
    else if (munmap(block, size) != 0)
        madvise(block, size, MADV_DONTNEED);
}
