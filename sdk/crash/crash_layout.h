/* A crash file as it lies on disk: what its owner writes while it lives (crash.c) and who comes later reads
 * (recover.c). Numbers are the owner's own: a machine of another byte order does not recover it.
 *
 * Pages of 4 KiB. In front the header and the table, a word a page; then blocks of whole pages. The word of
 * a block's first page says what it is and how many pages it has, all others are zero: a word that is stored
 * makes the block be there, a zero takes it away. In a block, `end` says up to where records are complete.
 * Each is one aligned store after what it speaks of, so that a process that dies between any two instructions
 * leaves the old or the new state. */
#ifndef CLEW_CRASH_CRASH_LAYOUT_H
#define CLEW_CRASH_CRASH_LAYOUT_H

#include "sdk/crash/records.h"

#define CLEW__CRASH_MAGIC "clewcrsh"
#define CLEW__CRASH_VERSION 1u
#define CLEW__CRASH_BYTE_ORDER 0x01020304u
#define CLEW__CRASH_PAGE 4096u
#define CLEW__CRASH_PAGES_MAX (1u << 20) /* 4 GiB */

struct clew__crash_header {
    char magic[8]; /* written last */
    uint32_t version;
    uint32_t byte_order;
    uint32_t page_size;
    uint32_t pages;      /* in all */
    uint32_t first_page; /* that blocks may have */
    uint32_t pid;
    uint64_t opened_unix_nano;
};

enum clew__crash_kind {
    CLEW__CRASH_FREE = 0,
    CLEW__CRASH_SPANS = 1,   /* see records.h */
    CLEW__CRASH_ORIGINS = 2, /* where spans come from */
};

/* The word of a block's first page. */
#define CLEW__CRASH_KIND_SHIFT 24u
#define CLEW__CRASH_RUN_MASK 0xFFFFFFu

/* In a block of origins, unaligned, followed by its bytes. `scope` is what records say; 0: the resource. */
struct clew__crash_origin {
    uint64_t scope;
    uint32_t head_size;
    uint32_t tail_size;
};

/* Longer ones are not written, and not believed. */
#define CLEW__CRASH_ORIGIN_MAX (256u << 10)

#endif
