/* OTLP requests for the tests of what reads spans: written member by member, so that every shape can be had.
 */
#ifndef CLEW_TEST_EXPORTERS_REQUEST_H
#define CLEW_TEST_EXPORTERS_REQUEST_H

#include <clew/pipeline.h>

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/pipeline/batch.h"

/* A span of a test tree. Ids are numbers below 2^32, 0 is none. */
struct test_span {
    const char *name;
    uint32_t id;
    uint32_t parent;
    uint64_t start;
    clew_span_kind kind; /* 0: internal */
    clew_status status;
    const char *description;
    const char *error_type;
    unsigned links;
    uint8_t trace; /* first byte of the trace id */
};

void test_write_id(struct clew__writer *writer, uint32_t field, uint8_t first, size_t size, uint32_t number);
void test_write_attribute(struct clew__writer *writer, uint32_t field, const char *key, clew_value value);
void test_write_span(struct clew__writer *writer, const struct test_span *span);

/* One resource of service "shop", one scope, these spans. */
void test_write_request(struct clew__writer *writer, const struct test_span *spans, size_t count);

/* The batch of what was written; valid as long as the writer is left alone. */
struct clew_batch test_batch(const struct clew__writer *writer, size_t count);

/* Hands these spans to an exporter as one batch. */
clew_export_outcome test_export(const clew_exporter *exporter, const struct test_span *spans, size_t count,
                                clew_export_report *report);

/* A span that has everything, and its request. Start 2026-11-21T09:11:05.123456789Z, 12.3 ms long. */
void test_write_rich_span(struct clew__writer *writer);
void test_write_rich_request(struct clew__writer *writer);

#endif
