/* What wakes whoever drives: one descriptor, and a flag that saves writing to it twice. Host programs do
 * close descriptors that are not theirs: it is identified before it is read, written or closed. */
#ifndef CLEW_WORKER_WAKE_H
#define CLEW_WORKER_WAKE_H

#include <stdbool.h>

/* Makes the descriptor unless there is one that is still ours; the number of an error, or 0. Caller holds the
 * worker's mutex. */
int clew__wake_make(void);

/* To wait for input on; -1: there is none. */
int clew__wake_descriptor(void);

/* Wakes; at most two system calls until it is heard. False when the descriptor was taken away: who waits on
 * it cannot be reached. Any thread. */
bool clew__wake_send(void);

/* Heard: from here on a wake means that something came after this. By who drives. */
void clew__wake_hear(void);

/* In the child of a fork: the descriptor is one with the parent's, and would wake the parent. */
void clew__wake_forked(void);

#endif
