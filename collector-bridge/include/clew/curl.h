/* A carrier for libcurl header lists: gives the request that a program makes with libcurl its trace headers.
 * Header-only, so that libclew itself needs no libcurl. */
#ifndef CLEW_CURL_H
#define CLEW_CURL_H

#include <clew/propagation.h>

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

CLEW_BEGIN_DECLS

/** The setter of the carrier: `self` is a `struct curl_slist **`. The list is rebuilt, with libcurl's calls
 * alone. */
static inline int clew_curl_set(void *self, const char *name, const char *value) {
    struct curl_slist **list = (struct curl_slist **)self;
    struct curl_slist *item, *rebuilt = NULL, *grown = NULL;
    size_t name_size = strlen(name), size = name_size + strlen(value) + 3;
    char *line = (char *)malloc(size);
    if (!line)
        return CLEW_ENOMEM;
    snprintf(line, size, "%s: %s", name, value);
    for (item = *list; item; item = item->next) {
        if (strncasecmp(item->data, name, name_size) == 0 && item->data[name_size] == ':')
            continue;
        grown = curl_slist_append(rebuilt, item->data);
        if (!grown)
            break;
        rebuilt = grown;
    }
    grown = item ? NULL : curl_slist_append(rebuilt, line);
    free(line);
    if (!grown) {
        curl_slist_free_all(rebuilt);
        return CLEW_ENOMEM;
    }
    curl_slist_free_all(*list);
    *list = grown;
    return CLEW_OK;
}

/** A carrier that writes into `*list`, to be given to CURLOPT_HTTPHEADER afterwards; `*list` may start as
 * NULL and remains the caller's. */
static inline clew_carrier clew_curl_carrier(struct curl_slist **list) {
    clew_carrier carrier = {sizeof(clew_carrier), list, NULL, clew_curl_set, NULL};
    return carrier;
}

/** clew_inject() into a header list: the context's (NULL: the current one's) trace headers. */
static inline int clew_curl_inject(const clew_context *context, struct curl_slist **list) {
    clew_carrier carrier = clew_curl_carrier(list);
    return clew_inject(context, &carrier);
}

CLEW_END_DECLS

#endif
