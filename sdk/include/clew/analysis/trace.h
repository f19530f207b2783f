/* A trace as the analysis sees it: the spans of one trace id, repaired, in one order, each below its parent.
 *
 * Made by a trace buffer (<clew/analysis/buffer.h>), which owns it. The same spans give the same trace in
 * whatever order they came. Reading is for any thread while nobody changes the buffer. */
#ifndef CLEW_ANALYSIS_TRACE_H
#define CLEW_ANALYSIS_TRACE_H

#include <clew/trace.h>

CLEW_BEGIN_DECLS

typedef struct clew_trace clew_trace;

/** Instead of the index of a span. */
#define CLEW_NO_SPAN UINT32_MAX

/** Room for an id as text with its terminator: 16 or 32 digits, or the text that stood in a file, and what
 * tells spans of one id apart (`#srv`, `#1`, `#2`…). What is longer is cut. */
#define CLEW_ID_TEXT_SIZE 128

/** What normalising repaired, and its name in reports. */
#define CLEW_REPAIRS(X)                                                                                      \
    X(CLEW_REPAIR_DUPLICATE, "duplicate")          /* the same span once more: left out */                   \
    X(CLEW_REPAIR_SHARED_ID, "sharedId")           /* client and server with one id (Zipkin): told apart */  \
    X(CLEW_REPAIR_SAME_ID, "sameId")               /* other spans of one id: told apart */                   \
    X(CLEW_REPAIR_NEGATIVE, "negativeDuration")    /* end before start: end is start */                      \
    X(CLEW_REPAIR_NO_START, "missingStart")        /* start 0 below a parent that has one: the parent's */   \
    X(CLEW_REPAIR_SELF_PARENT, "selfParent")       /* its own parent: a root */                              \
    X(CLEW_REPAIR_CYCLE, "cycle")                  /* a ring of parents: cut at the earliest */              \
    X(CLEW_REPAIR_MISSING_PARENT, "missingParent") /* names a parent that is not there */                    \
    X(CLEW_REPAIR_OPEN, "openSpan")                /* not ended: ends provisionally where the trace does */

typedef enum clew_repair {
#define CLEW_REPAIR_VALUE(name, text) name,
    CLEW_REPAIRS(CLEW_REPAIR_VALUE)
#undef CLEW_REPAIR_VALUE
        CLEW_REPAIR_COUNT
} clew_repair;

/** "duplicate" and so on; static. */
CLEW_API const char *clew_repair_name(clew_repair repair);

/** What a parent has to do with its child. */
typedef enum clew_relation {
    CLEW_RELATION_ROOT = 0, /**< there is no parent */
    CLEW_RELATION_BLOCKING, /**< the parent waits for it */
    CLEW_RELATION_ASYNC,    /**< the parent does not: consumers of a producer, FOLLOWS_FROM */
} clew_relation;

/** A span. Texts belong to the trace and are not terminated. Times are Unix nanoseconds. */
typedef struct clew_trace_span {
    uint64_t start_unix_nano; /**< repaired, and by the host's clock offset corrected */
    uint64_t end_unix_nano;
    int64_t skew_nano;     /**< what was added to the recorded times by the correction */
    uint32_t parent;       /**< index, or CLEW_NO_SPAN for a root */
    uint32_t first_child;  /**< index, or CLEW_NO_SPAN; children in order of start, then longest, then id */
    uint32_t next_sibling; /**< index, or CLEW_NO_SPAN; of roots: the next root */
    clew_span_kind kind;
    clew_status status;
    uint32_t repairs;        /**< bits: 1 << CLEW_REPAIR_… */
    bool is_phantom;         /**< stands for a parent that is not there; service and operation are empty */
    bool is_open;            /**< not ended; its end is provisional */
    bool has_remote_parent;  /**< as the flags of OTLP say; or its parent belongs to another service */
    uint32_t http_status;    /**< 0: none */
    clew_text service;       /**< `service.name`; empty when absent */
    clew_text operation;     /**< the name of the span */
    clew_text host;          /**< `host.id`, or the first `host.ip`, or `host.name`; empty when absent */
    clew_text error_type;    /**< `error.type`, else `exception.type` of an event; empty when absent */
    clew_text error_message; /**< the status's description, else `exception.message`; empty when absent */
    clew_text detail;        /**< what tells most beside the name: route, query, tool, model; may be empty */
    double weight;           /**< for how many spans it stands, by the sampling threshold in tracestate; 1 */
    uint32_t link_count, wait_count;
} clew_trace_span;

/** Of a span to another one, which may be of another trace, or be missing. Ids that were no hexadecimal
 * numbers are hashes of their texts. */
typedef struct clew_trace_link {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    bool is_own; /**< to a span of the same trace id */
} clew_trace_link;

/** The id as text; returns its size. */
CLEW_API size_t clew_trace_id_text(const clew_trace *trace, char text[CLEW_ID_TEXT_SIZE]);
CLEW_API size_t clew_trace_span_id_text(const clew_trace *trace, uint32_t span, char text[CLEW_ID_TEXT_SIZE]);

/** The id as links name it: as recorded, the same for spans that were told apart; a hash of one that was no
 * hexadecimal number; all zero beyond the count. */
CLEW_API void clew_trace_span_id_bytes(const clew_trace *trace, uint32_t span, uint8_t out[8]);

/** Spans and phantoms: the indices below it are valid. In order of start, then longest, then id, phantoms
 * last. */
CLEW_API uint32_t clew_trace_span_count(const clew_trace *trace);
/** One span. False, and all zero, beyond the count. */
CLEW_API bool clew_trace_span_at(const clew_trace *trace, uint32_t index, clew_trace_span *out);
/** A link of a span, in the order in which they were recorded. False, and all zero, beyond `link_count`. */
CLEW_API bool clew_trace_link_at(const clew_trace *trace, uint32_t span, uint32_t index,
                                 clew_trace_link *out);
/** The first root, in order of start, then id; the others follow as siblings. CLEW_NO_SPAN for an empty
 * trace. */
CLEW_API uint32_t clew_trace_first_root(const clew_trace *trace);
/** How often a repair was made. */
CLEW_API uint64_t clew_trace_repairs(const clew_trace *trace, clew_repair repair);
/** How many spans had their times corrected by a clock offset. */
CLEW_API uint32_t clew_trace_skew_corrected(const clew_trace *trace);
/** From the earliest start to the latest end. */
CLEW_API void clew_trace_bounds(const clew_trace *trace, uint64_t *start_unix_nano, uint64_t *end_unix_nano);

CLEW_END_DECLS

#endif
