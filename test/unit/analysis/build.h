/* Traces for tests, out of compact tables of spans. */
#ifndef CLEW_TEST_ANALYSIS_BUILD_H
#define CLEW_TEST_ANALYSIS_BUILD_H

#include "sdk/traces/model.h"
#include "test/unit/analysis/random.h"

#define BUILD_ATTRIBUTES 8

/* All zero is a root without a kind or texts. Ids are hexadecimal digits ("C" is a number), padded on the
 * left; other texts are hashed and stay as texts, as in files. Values of attributes are strings; "#80" is the
 * integer 80. */
struct build_span {
    const char *id, *parent; /* parent NULL or "": a root */
    uint64_t start, end;
    const char *service, *operation, *host; /* NULL: none */
    clew_span_kind kind;
    clew_status status;
    const char *status_message;
    const char *trace; /* NULL: "1" */
    const char *tracestate;
    uint32_t flags;
    const char *attributes[BUILD_ATTRIBUTES][2];
    const char *exception[2]; /* type and message of an event */
    struct build_link {
        const char *trace, *id; /* id NULL: no link; trace NULL: the span's own */
        const char *reference;  /* "follows_from", "child_of", NULL */
    } links[4];
    struct build_wait {
        const char *target; /* NULL: no wait */
        uint64_t start, duration;
    } waits[4];
};

/* The number of an id and whether it is a number; what is none is hashed. */
uint64_t build_span_id(const char *text, bool *is_number);
void build_trace_id(const char *text, uint8_t out[16]);

/* A TracesData of the spans, in the order of the table or of `order`; to be freed with free(). */
clew_bytes build_bytes(const struct build_span *spans, size_t count, const uint32_t *order);

/* A trace with all that it borrows: of the spans of one trace id. */
struct built {
    struct clew__texts *texts;
    struct clew__records records;
    struct clew_trace *trace;
};
struct built build_trace(const struct build_span *spans, size_t count, const uint32_t *order);
/* The same of bytes; `trace_id` NULL: of the first span. */
struct built build_from_bytes(clew_bytes traces, const uint8_t *trace_id);
void build_free(struct built *built);

/* The index of the span that prints as this id (numbers may be short); CLEW_NO_SPAN. */
uint32_t build_find(const struct clew_trace *trace, const char *id);

/* Everything that the public functions say of a trace, one line a span; to be freed with free(). Texts
 * instead of numbers: equal for equal traces. */
char *build_print(const struct clew_trace *trace);

/* A random order of `count` indices; to be freed with free(). */
uint32_t *build_shuffle(struct random *random, size_t count);

/* A random trace; equal for equal seeds. Sane: a tree of services with calls that nest, overlap and outlive
 * their parents. Hostile: also rings, self-parents, missing parents, ids that are shared and repeated, times
 * that are missing or reversed, spans that have not ended. `count` is not exact. */
struct build_random {
    struct build_span *spans;
    size_t count;
    char *names;
};
struct build_random build_random(struct random *random, size_t count, bool is_hostile);
void build_random_free(struct build_random *built);

#endif
