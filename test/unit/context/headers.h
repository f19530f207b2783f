/* A list of headers as a carrier, for tests: like those of an HTTP library, names without case. */
#ifndef CLEW_TEST_CONTEXT_HEADERS_H
#define CLEW_TEST_CONTEXT_HEADERS_H

#include <clew/propagation.h>

#define HEADERS_MAX 16

struct headers {
    size_t count;
    struct {
        char *name;
        char *value;
    } list[HEADERS_MAX];
    int set_result; /* what setting answers, without setting anything, unless 0 */
};

/* One more header, even if there is one of the name. */
void headers_add(struct headers *headers, const char *name, const char *value);

/* The value of the first one of that name, or NULL. */
const char *headers_get(const struct headers *headers, const char *name);

clew_carrier headers_carrier(struct headers *headers);
void headers_fini(struct headers *headers);

/* 0af7651916cd43dd8448eb211c80319c, b7ad6b7169203331, sampled and random. */
clew_span_context example_span_context(void);
#define EXAMPLE_TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"

#endif
