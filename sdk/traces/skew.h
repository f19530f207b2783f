/* Clocks of hosts brought together: offsets learned over many traces, or within one. One thread at a time.
 *
 * A call from host a to host b (a child that its parent waits for and that is not longer) must have happened
 * within its parent. So what is to be added to b's times to have a's lies in
 * [parent.start - child.start, parent.end - child.end]. These intervals are intersected for each pair of
 * hosts, in both directions, in windows of time (CLEW__OFFSETS_WINDOW). Everything kept is the smallest, the
 * largest, a sum, or the members with the smallest hashes: so the order of traces does not matter, and two
 * books merge exactly as long as no limit is reached.
 *
 * 0 in the intersection: no skew is proven, nothing is changed. Else its midpoint is taken, which is wrong by
 * half its width at most. When it is empty (clocks drift, or not every call was waited for) what counts is
 * the windows nearest to the time asked for; if those contradict each other too, the interval that most of a
 * sample of their calls support. Then one correction a host is found that fits all pairs. */
#ifndef CLEW_TRACES_SKEW_H
#define CLEW_TRACES_SKEW_H

#include "sdk/traces/model.h"

/* Pairs of hosts that are kept. Of more, those that were seen longest ago (by the spans' time) make room; a
 * call that is older than all is counted as overflowed and its pair not corrected. */
#define CLEW__OFFSETS_PAIRS 1024u
/* Intervals are intersected within five minutes: a bad clock (20 parts of a million) drifts 6 ms meanwhile.
 * The latest windows are kept: three hours of calls. */
#define CLEW__OFFSETS_WINDOW (UINT64_C(300) * 1000000000)
#define CLEW__OFFSETS_WINDOWS 36u
/* Calls of a window that are kept as they are: those with the smallest hashes. */
#define CLEW__OFFSETS_SAMPLE 32u
/* A larger difference is no clock's: the call is not used. About 146 years. */
#define CLEW__OFFSETS_MAX (INT64_MAX / 2)

struct clew__offsets;

/* Never holds more than `memory_limit` bytes: what is new makes room among its own, the oldest first. NULL
 * when memory runs out. */
struct clew__offsets *clew__offsets_new(size_t memory_limit);
void clew__offsets_free(struct clew__offsets *offsets);

/* Learns from the recorded times of a trace, corrected or not. `known`: how many records its source had when
 * it was last learned from; 0 the first time. Calls between two of those are not counted again. False when
 * memory ran out: some were not learned, and are counted as overflowed. */
bool clew__offsets_learn(struct clew__offsets *offsets, const struct clew_trace *trace, uint32_t known);
/* Adds what another one learned. False as above. */
bool clew__offsets_merge(struct clew__offsets *into, const struct clew__offsets *from);

/* Corrects the times of a trace's spans by the offsets learned so far, relative to the host of its first
 * root, starting from the recorded times however often it is done: children, roots and phantoms follow. A
 * span without a host, on a host without a pair, or whose times would leave the range of numbers stays as
 * recorded. False when memory runs out: the trace is as it was. */
bool clew__offsets_apply(struct clew__offsets *offsets, struct clew_trace *trace);

/* Changes whenever clew__offsets_apply() may come to another result than before. */
uint64_t clew__offsets_generation(const struct clew__offsets *offsets);
/* What clew_trace_buffer_offsets() says: of each pair of hosts, the one that calls the other more often is
 * the reference. Valid until the offsets are next changed; NULL and 0 when memory runs out. */
const clew_clock_offset *clew__offsets_list(struct clew__offsets *offsets, size_t *count);
/* Calls that were not learned, for want of room or memory. */
uint64_t clew__offsets_overflowed(const struct clew__offsets *offsets);
/* Memory that it holds. */
size_t clew__offsets_bytes(const struct clew__offsets *offsets);

/* ---- within one trace ---- */

/* Corrections that were larger than they may be. */
struct clew__skew_refused {
    uint32_t count;
    uint32_t span; /* the first of them, in order of parents before children */
    int64_t delta;
};

/* As Jaeger's adjuster: a span of another host than its parent's (or of none) that does not lie within its
 * parent is moved to its middle; one that is longer, to its start if it began before. Those below it on the
 * same host move with it. Nothing moves by more than `max`; `refused` may be NULL. Starts from the recorded
 * times. False when memory runs out: the trace is as it was. */
bool clew__skew_within(struct clew_trace *trace, uint64_t max, struct clew__skew_refused *refused);
/* Back to the recorded times. False as above. */
bool clew__skew_undo(struct clew_trace *trace);

#endif
