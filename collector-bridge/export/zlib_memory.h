/* zlib's memory out of Clew's allocator. Any thread. */
#ifndef CLEW_EXPORT_ZLIB_MEMORY_H
#define CLEW_EXPORT_ZLIB_MEMORY_H

#include <clew/extend.h>
#include <stdint.h>
#include <zlib.h>

static inline voidpf clew__zlib_allocate(voidpf user, uInt items, uInt size) {
    (void)user;
    return size && items > SIZE_MAX / size ? NULL : clew_memory_allocate((size_t)items * size);
}

static inline void clew__zlib_release(voidpf user, voidpf block) {
    (void)user;
    clew_memory_release(block);
}

#endif
