/* How ended spans lie one after the other, in chunks and in crash files. */
#ifndef CLEW_CRASH_RECORDS_H
#define CLEW_CRASH_RECORDS_H

#include <stdatomic.h>
#include <stdint.h>

struct clew__scope;

/* In front of each span's bytes, unaligned. The bytes are the member `spans` of a ScopeSpans, tag and length
 * included. */
struct clew__record {
    const struct clew__scope *scope;
    uint32_t size;
};
#define CLEW__RECORD_SIZE 12u

/* A block of them. The two marks are what a crash file goes by: those in between are complete and have no
 * fate yet. */
struct clew__records {
    _Atomic uint32_t begin;
    _Atomic uint32_t end;
    uint8_t data[];
};

#endif
