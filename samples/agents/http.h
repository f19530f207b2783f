/* HTTP with traces, as the agents use it: a server on libevent whose requests are server spans, and a client
 * on libcurl whose requests are client spans. Bodies are lines of text. */
#ifndef AGENTS_HTTP_H
#define AGENTS_HTTP_H

#include <clew/clew.h>

#define HTTP_TEXT_SIZE 4096 /* the longest body, with its terminator */

struct http_answer {
    int status;
    char text[HTTP_TEXT_SIZE];
    char traceparent[CLEW_TRACEPARENT_SIZE]; /* of the server's span; "" when the server did not say */
};

/* Answers a request: fills the text and returns the status. Runs inside the request's server span. */
typedef int (*http_handler)(const char *question, char text[HTTP_TEXT_SIZE]);

/* Serves POST requests to `route` on a free port of the loopback interface, one at a time, until SIGTERM or
 * SIGINT. When it is ready it prints its URL as a line on stdout. Returns 0, or -1 when it could not start.
 */
int http_serve(const char *route, http_handler handler);

/* Posts the question inside a client span, with the headers of the trace. Returns the status, also in
 * `answer`; 0 when there was no answer, with the reason as its text. Any thread. */
int http_post(const char *url, const char *question, struct http_answer *answer);

#endif
