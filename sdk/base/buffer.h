/* Writers whose memory grows: for requests, scopes and text. One thread at a time each. */
#ifndef CLEW_BASE_BUFFER_H
#define CLEW_BASE_BUFFER_H

#include "proto/wire.h"

/* Grows from Clew's allocator, charged to the memory budget. */
struct clew__writer clew__buffer_charged(void);
/* Grows from Clew's allocator, not charged: for what a program asked for and frees itself. */
struct clew__writer clew__buffer_plain(void);

/* Empty and usable again; keeps a little memory for the next time and gives back what is more. */
void clew__buffer_reset(struct clew__writer *buffer);
void clew__buffer_fini(struct clew__writer *buffer);
/* The bytes of a plain buffer, in memory of just their size, which the caller releases with
 * clew_memory_release(). The buffer is empty then. */
uint8_t *clew__buffer_take(struct clew__writer *buffer);
/* Forgets its memory without freeing it: for the child of a fork that came in the midst of growing. */
void clew__buffer_forget(struct clew__writer *buffer);

#endif
