/* Traces for the benchmark of the analysis: as services make them, or of one shape; in every form that is
 * read. The same each time. */
#ifndef CLEW_TEST_BENCH_SPANS_H
#define CLEW_TEST_BENCH_SPANS_H

#include "proto/wire.h"

enum spans_shape {
    SPANS_DEEP, /* each below the one before */
    SPANS_WIDE, /* all below one */
    SPANS_COMB, /* a chain, each link with one more child */
    SPANS_TREE, /* four below each */
    SPANS_SHAPES,
};

enum spans_form { SPANS_OTLP, SPANS_OTLP_JSON, SPANS_JAEGER, SPANS_ZIPKIN };

/* Requests, one behind the other. */
struct spans {
    struct clew__writer bytes;
    struct spans_piece {
        size_t at, size;
    } * pieces;
    size_t piece_count, piece_capacity;
    size_t span_count, trace_count;
};

/* At least so many spans in traces of 8 to 33, from twelve services on hosts of their own: pairs of client
 * and server, databases, own work, 5 to 8 attributes each. A request of OTLP has what one service did for 64
 * traces; a piece of Jaeger's is a trace, of Zipkin's a span. Ends the program when memory runs out. */
struct spans spans_of_services(enum spans_form form, size_t least);
/* One trace of one service, in batches. */
struct spans spans_of_shape(enum spans_shape shape, size_t count);
void spans_free(struct spans *spans);
const char *spans_shape_name(enum spans_shape shape);

/* What was written since `from` is a piece. */
void spans_end_piece(struct spans *spans, size_t from);

/* A writer that grows; ends the program when it cannot. */
struct clew__writer spans_writer(void);

#endif
