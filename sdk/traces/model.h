/* Spans as the analysis keeps them, and the trace that normalising makes of them. What is behind clew_trace.
 */
#ifndef CLEW_TRACES_MODEL_H
#define CLEW_TRACES_MODEL_H

#include "sdk/containers/texts.h"

#include <clew/analysis/buffer.h>

/* Weights and weighted counts: how many spans a sampled one stands for, with 16 binary digits behind the
 * point, so that sums are exact in any order. */
#define CLEW__WEIGHT_ONE UINT64_C(65536)

enum {
    /* Bits of clew__record.flags. */
    CLEW__RECORD_OPEN = 1,         /* end is 0 */
    CLEW__RECORD_REMOTE_KNOWN = 2, /* the OTLP flags say whether the parent is remote… */
    CLEW__RECORD_REMOTE = 4,       /* …and it is */
    CLEW__RECORD_ASYNC = 8,        /* an attribute or the kind of its reference says that nobody waits */
    CLEW__RECORD_DATABASE = 16,    /* has an attribute of a database */
    CLEW__RECORD_GENAI = 32,       /* has an attribute of a model call */
    CLEW__RECORD_MESSAGING = 64,   /* has an attribute of messaging */
    CLEW__RECORD_EXCEPTION = 128,  /* has an exception event */
};

/* A span as it came. Never changed after it was added. */
struct clew__record {
    uint64_t start, end;    /* Unix nanoseconds; end 0: not ended */
    uint64_t id, parent_id; /* of big-endian bytes; parent 0: none */
    clew__text id_text;     /* of an id that is no hexadecimal number; else 0 */
    clew__text service, operation, host;
    clew__text peer;     /* the first that is there of peer.service, server.address[:port],
                            network.peer.address[:port], net.peer.name, messaging.destination(.name),
                            rpc.service; for a database without these also db.namespace, db.name, db.system,
                            db.system.name */
    clew__text provider; /* gen_ai.provider.name, gen_ai.system */
    clew__text error_type, error_message, detail;
    uint32_t first_link, first_wait; /* in the trace's */
    uint16_t link_count, wait_count;
    uint16_t http_status, flags;
    uint8_t kind, status; /* numbers of OTLP; kind 0: not said */
    uint64_t weight;      /* in units of 1 / CLEW__WEIGHT_ONE */
};

/* Semantic conventions for HTTP spans, Status: 500 and above has failed, for clients 400 and above. What has
 * no kind may be a client. */
#define CLEW__HTTP_CLIENT_ERROR 400u
#define CLEW__HTTP_SERVER_ERROR 500u

/* Whether an operation counts as failed: everywhere in reports. */
static inline bool clew__has_failed(unsigned kind, unsigned status, uint32_t http_status) {
    bool may_be_client = kind == CLEW_CLIENT || kind == 0;
    uint32_t bound = may_be_client ? CLEW__HTTP_CLIENT_ERROR : CLEW__HTTP_SERVER_ERROR;
    return status == CLEW_STATUS_ERROR || (status == CLEW_STATUS_UNSET && http_status >= bound);
}

static inline bool clew__record_has_failed(const struct clew__record *record) {
    return clew__has_failed(record->kind, record->status, record->http_status);
}

/* To another span, maybe of another trace. */
struct clew__span_link {
    uint8_t trace_id[16];
    uint64_t span_id;
    bool is_follows_from, is_child_of; /* a reference of OpenTracing */
};

/* A recorded wait of a span for another. */
struct clew__span_wait {
    uint64_t start, duration; /* duration 0: until the span's end */
    uint64_t target_id;
};

/* What came of one trace, in order of arrival. */
struct clew__records {
    uint8_t trace_id[16];
    clew__text trace_id_text; /* of an id that is no hexadecimal number; else 0 */
    struct clew__record *records;
    struct clew__span_link *links;
    struct clew__span_wait *waits;
    uint32_t count, link_count, wait_count;
    uint32_t capacity, link_capacity, wait_capacity;
};

/* Instead of a number behind an id. */
#define CLEW__SUFFIX_SERVER UINT32_MAX /* `#srv` */

/* A span in its place. */
struct clew__node {
    const struct clew__record *record; /* NULL: a phantom */
    uint64_t start, end;               /* repaired; corrected once clew__skew_… ran */
    int64_t skew;                      /* what was added */
    uint32_t parent;                   /* node, or CLEW_NO_SPAN */
    uint32_t first_child, child_count; /* in the trace's `children` */
    uint32_t next_sibling;             /* in order of start, longest, id; as corrected */
    uint32_t suffix;                   /* 0: none; a number; CLEW__SUFFIX_SERVER */
    uint32_t repairs;                  /* bits */
    uint64_t phantom_id;               /* of a phantom: what its children name */
};

struct clew_trace {
    uint8_t id[16];
    clew__text id_text;
    const struct clew__texts *texts;
    const struct clew__records *source;
    struct clew__node
        *nodes; /* in order of start, longest, id (as repaired, before correction); phantoms last */
    uint32_t node_count, phantom_count;
    uint32_t *children; /* runs of nodes, each in order of start, longest, id, as corrected */
    uint32_t *roots;    /* in order of start, id, as corrected */
    uint32_t root_count;
    uint64_t repairs[CLEW_REPAIR_COUNT];
    uint32_t skew_corrected;
    bool has_open;
};

/* A total order over the printed ids of one trace: numbers as numbers, texts after them as bytes, then the
 * suffix. Below, at or above zero. */
int clew__node_compare_ids(const struct clew_trace *trace, uint32_t a, uint32_t b);

/* Reads all spans of checked OTLP bytes, each into the records of its trace. In decode.c. */
struct clew__decode_sink {
    /* Where a span belongs that has `size` bytes with its resource; NULL leaves it out, counted by whoever
     * says so. May sweep the texts, but not those of what was added. */
    struct clew__records *(*records_of)(void *user, const uint8_t trace_id[16], size_t size);
    /* The records are about to grow by so many bytes; false leaves the span out. May sweep too. NULL: they
     * may. */
    bool (*room)(void *user, size_t bytes);
    void (*added)(void *user, struct clew__records *records); /* after each span: the last record; or NULL */
    void (*dropped)(void *user, bool is_malformed);           /* no ids; or no memory; or NULL */
    void *user;
};
void clew__decode_traces(struct clew__texts *texts, clew_bytes traces, const struct clew__decode_sink *sink);
void clew__decode_span(struct clew__texts *texts, const clew_span_view *span,
                       const struct clew__decode_sink *sink);
void clew__records_fini(struct clew__records *records);
/* Memory behind the records. */
size_t clew__records_bytes(const struct clew__records *records);

/* Stage 0: makes the trace of what came: duplicates out, ids told apart, times repaired, parents found. The
 * same for any order of records. A span that has not ended is a duplicate of itself when it has. One orphan
 * is a root; several that name the same parent get a phantom above them. Borrows `texts` and `source`. NULL
 * when memory runs out. In normalize.c. */
struct clew_trace *clew__normalize(const struct clew__texts *texts, const struct clew__records *source);
void clew__trace_free(struct clew_trace *trace);
/* Memory that the trace of so many records holds at most. */
size_t clew__trace_bytes_max(uint32_t records);
/* Orders children and roots anew, after times were corrected. Works with 2 * node_count + 1 keys. */
struct clew__sort_key;
void clew__trace_reorder(struct clew_trace *trace, struct clew__sort_key *keys);

#endif
