/* Examples of a thing: of each trace its slowest span, of traces the slowest. Which ones stay does not depend
 * on the order in which they were offered. One thread at a time. */
#ifndef CLEW_ANALYSIS_EXEMPLARS_H
#define CLEW_ANALYSIS_EXEMPLARS_H

#include "sdk/containers/arena.h"
#include "sdk/containers/texts.h"

#include <clew/analysis/exemplar.h>
#include <clew/analysis/trace.h>

/* Ids that are no hexadecimal numbers are kept as texts, up to so many of them; beyond, examples with such
 * ids are not kept. */
#define CLEW__EXEMPLAR_TEXTS 65536u

struct clew__exemplar {
    uint8_t trace_id[16];
    uint64_t span_id;
    clew__text trace_text, span_text; /* instead of the number; 0: the number is it */
    uint64_t start, duration;
};

struct clew__exemplars {
    uint32_t count;
    struct clew__exemplar kept[CLEW_EXEMPLAR_MAX]; /* the slowest first */
};

/* The trace that is being looked at: its id is read once. */
struct clew__exemplar_source {
    struct clew__texts *texts; /* of the thing that keeps examples */
    uint32_t *text_count;      /* how many texts of ids that holds */
    const clew_trace *trace;
    uint8_t trace_id[16];
    clew__text trace_text;
    bool is_usable;
};

void clew__exemplar_begin(struct clew__exemplar_source *source, struct clew__texts *texts,
                          uint32_t *text_count, const clew_trace *trace);
void clew__exemplar_offer(struct clew__exemplars *exemplars, struct clew__exemplar_source *source,
                          uint32_t span, uint64_t start, uint64_t duration);
/* Those of another thing, which has its own texts (or the same). */
void clew__exemplar_merge(struct clew__exemplars *into, struct clew__texts *texts, uint32_t *text_count,
                          const struct clew__exemplars *from, const struct clew__texts *from_texts);
/* For a result. False when memory runs out. */
bool clew__exemplar_show(const struct clew__exemplars *exemplars, const struct clew__texts *texts,
                         struct clew__arena *arena, clew_exemplar out[CLEW_EXEMPLAR_MAX], uint32_t *count);
/* Copies those of one result for another. False when memory runs out. */
bool clew__exemplar_copy(struct clew__arena *arena, clew_exemplar *out, const clew_exemplar *from,
                         uint32_t count);

#endif
