/* Who waits for whom: stage 1 of the critical path, and for a span at a time the pieces of others that it
 * waits for. Recorded waits come first. One thread at a time. */
#ifndef CLEW_PATH_RELATION_H
#define CLEW_PATH_RELATION_H

#include "sdk/traces/model.h"

#include <clew/analysis/path.h>

/* Of one span to its parent. */
struct clew__relation {
    uint8_t relation; /* clew_relation */
    bool is_assumed;  /* blocking only because a child that outlives its parent counts so */
    bool is_recorded; /* its parent recorded its waits for it */
    bool is_waiter;   /* has windows of its own */
};

/* A recorded wait, cut to the intervals of both. */
struct clew__window {
    uint64_t start, end;
    uint32_t waiter, target;
};

enum {
    /* Bits of clew__piece.mark. */
    CLEW__PIECE_ASSUMED = 1,
    CLEW__PIECE_RECORDED = 2,
};

/* A span, cut to the time in which another may wait for it. Never empty. */
struct clew__piece {
    uint64_t start, end;
    uint32_t span;
    uint32_t mark; /* CLEW__PIECE_… as gathered; then whatever its holder keeps there */
};

struct clew__pieces {
    struct clew__piece *items;
    uint32_t count, capacity;
};

/* Members are the trace's nodes. All zero is a valid start. */
struct clew__relations {
    const struct clew_trace *trace;
    clew_path_options options;
    struct clew__relation *of;
    struct clew__window *windows; /* in order of waiter, then start; of one waiter disjoint */
    struct clew__sort_key *keys;  /* scratch */
    uint64_t *reached;            /* by place in the trace's children, when spans may be waited for more than
                                     once: the latest end of the siblings up to it */
    uint64_t start, end;          /* of the trace */
    uint64_t steps;
    uint32_t capacity, window_count, window_capacity, key_capacity, reached_capacity;
    uint32_t unused_waits;
    bool is_full;
};

/* Judges every span of the trace. `options` may be NULL. Not in full: each span is waited for at most once;
 * recorded waits count as unused, and for the whole trace no child is waited for outside its parent's time.
 * False when memory runs out. */
bool clew__relations_find(struct clew__relations *relations, const struct clew_trace *trace,
                          const clew_path_options *options, bool in_full);
void clew__relations_fini(struct clew__relations *relations);

/* Appends what `span` may wait for between the two times; in order of start unless the span is a waiter or
 * CLEW_NO_SPAN, which stands for the whole trace (CLEW_SCOPE_TRACE). Pieces within recorded windows overlap
 * with no other. False when memory runs out. */
bool clew__relations_pieces(struct clew__relations *relations, uint32_t span, uint64_t start, uint64_t end,
                            struct clew__pieces *pieces);

/* How much children of the span may overlap and still count as one after the other. */
uint64_t clew__relations_eps(const struct clew__relations *relations, uint32_t span);

/* So many steps may be taken before spans that are waited for more than once have multiplied beyond measure.
 */
uint64_t clew__relations_limit(const struct clew__relations *relations);

#endif
