/* The transport over HTTP, as its files see it: http.c runs attempts, http_handle.c owns what belongs to
 * libcurl, http_answer.c takes the answer in and interprets it, explain.c has the words. One thread at a
 * time. */
#ifndef CLEW_EXPORT_HTTP_H
#define CLEW_EXPORT_HTTP_H

#include "collector-bridge/export/compress.h"
#include "collector-bridge/export/transport.h"
#include "proto/wire.h"
#include "sdk/base/descriptor.h"

#include <curl/curl.h>
#include <signal.h>

/* One transfer has at most two connection attempts (IPv6 and IPv4) and the resolver; one idle connection is
 * kept. */
#define CLEW__HTTP_SOCKETS 8

struct clew__http_socket {
    struct clew__descriptor file;
    short events; /* of those that are watched */
};

struct clew__http {
    struct clew__transport base;
    CURLM *multi; /* NULL until the first request, and after forget */
    CURL *easy;
    struct curl_slist *headers[2]; /* of plain and of compressed bodies */
    pid_t owner;                   /* the process that made them */

    struct clew__http_socket watched[CLEW__HTTP_SOCKETS]; /* what libcurl wants polled */
    size_t watched_count;
    struct clew__http_socket open[CLEW__HTTP_SOCKETS]; /* all connections, idle ones too */
    size_t open_count;
    struct clew__descriptor wakers[2]; /* with these libcurl could wake itself up; fd is -1 when unknown */
    uint64_t wake_nano;                /* libcurl's timer */

    /* The attempt; valid while `running`, the answer until the next one begins. */
    bool running;
    size_t request_size;
    uint64_t started_nano, deadline_nano;
    unsigned requests;        /* how often libcurl has begun to send it */
    struct clew__writer body; /* failed: not all of it was kept; the status still counts */
    size_t body_size;         /* as it came, kept or not */
    size_t header_size;
    bool headers_complete, too_large;
    bool body_json;               /* by its Content-Type, else by that of the request */
    bool body_gzip, body_strange; /* by its Content-Encoding: gzip; one that nobody asked for */
    struct clew__expanded expanded;
    bool retry_after;
    uint64_t retry_after_nano;
    char error[CURL_ERROR_SIZE];
};

/* ---- http_handle.c ---- */

/* Makes what is not there yet. Returns 0 or CLEW_ENOMEM. */
int clew__http_open(struct clew__http *http);
/* Whether all connections are still the files that they were, and this process's. */
bool clew__http_is_ours(const struct clew__http *http);
void clew__http_close(struct clew__http *http);
/* As `forget` of a transport. */
void clew__http_forget(struct clew__http *http);
struct clew__http_socket *clew__http_find(struct clew__http_socket *sockets, size_t count, int fd);

/* ---- http_answer.c ---- */

void clew__http_answer_begin(struct clew__http *http);
bool clew__http_answer_hooks(CURL *easy, struct clew__http *http);
void clew__http_answer_free(struct clew__http *http);
/* Fills in what came of the transfer, which libcurl ended with this code. Before it is taken away from
 * libcurl. */
void clew__http_result(struct clew__http *http, CURLcode code, struct clew__transport_result *result);

#endif
