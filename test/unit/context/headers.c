/* The carrier of the tests in this folder. */
#include "test/unit/context/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void headers_add(struct headers *headers, const char *name, const char *value) {
    if (headers->count == HEADERS_MAX)
        abort();
    headers->list[headers->count].name = strdup(name);
    headers->list[headers->count].value = strdup(value);
    headers->count++;
}

static size_t find(const struct headers *headers, const char *name) {
    size_t i = 0;
    while (i < headers->count && strcasecmp(headers->list[i].name, name) != 0)
        i++;
    return i;
}

const char *headers_get(const struct headers *headers, const char *name) {
    size_t i = find(headers, name);
    return i < headers->count ? headers->list[i].value : NULL;
}

/* The value is a copy that ends with the call and has no terminator: who keeps it or reads on is caught. */
static void get_all(void *self, const char *name, void (*each)(void *arg, const char *value, size_t size),
                    void *arg) {
    struct headers *headers = self;
    for (size_t i = 0; i < headers->count; i++) {
        if (strcasecmp(headers->list[i].name, name) != 0)
            continue;
        size_t size = strlen(headers->list[i].value);
        char *copy = malloc(size ? size : 1);
        memcpy(copy, headers->list[i].value, size);
        each(arg, copy, size);
        free(copy);
    }
}

static int set(void *self, const char *name, const char *value) {
    struct headers *headers = self;
    size_t i = find(headers, name);
    if (headers->set_result)
        return headers->set_result;
    if (i == headers->count) {
        headers_add(headers, name, value);
        return 0;
    }
    free(headers->list[i].value);
    headers->list[i].value = strdup(value);
    return 0;
}

static void keys(void *self, void (*each)(void *arg, const char *name), void *arg) {
    struct headers *headers = self;
    for (size_t i = 0; i < headers->count; i++)
        each(arg, headers->list[i].name);
}

clew_carrier headers_carrier(struct headers *headers) {
    clew_carrier carrier = {sizeof carrier, headers, get_all, set, keys};
    return carrier;
}

void headers_fini(struct headers *headers) {
    for (size_t i = 0; i < headers->count; i++) {
        free(headers->list[i].name);
        free(headers->list[i].value);
    }
    headers->count = 0;
}

clew_span_context example_span_context(void) {
    clew_span_context context;
    clew_traceparent_parse(EXAMPLE_TRACEPARENT, sizeof EXAMPLE_TRACEPARENT - 1, &context);
    context.is_remote = false;
    return context;
}
