/* What a failure of libcurl means, and how to say it to people. */
#ifndef CLEW_EXPORT_EXPLAIN_H
#define CLEW_EXPORT_EXPLAIN_H

#include "collector-bridge/export/http.h"

/* The end that a code of libcurl means when no status was seen, and the reason in words: no secrets,
 * terminated, cut to `size`. Before the transfer is taken away from libcurl. */
enum clew__transport_end clew__http_explain(const struct clew__http *http, CURLcode code, char *reason,
                                            size_t size);

#endif
