/* OTLP over HTTP: one POST at a time on libcurl. One thread at a time: Clew's worker, or whoever drives or
 * shuts it down; `forget` in a forked child.
 *
 * SIGPIPE: libcurl sends on plain sockets with MSG_NOSIGNAL, but OpenSSL writes without. CURLOPT_NOSIGNAL
 * keeps libcurl from changing the program's disposition instead. On the worker all signals are blocked, so
 * that a SIGPIPE stays pending there, without effect; stop and destroy, which other threads may call, block
 * it themselves and take it away. */
#include "collector-bridge/export/http.h"

#include "collector-bridge/wire/endpoint.h"

#include <clew/extend.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

#define NANO_PER_MILLI UINT64_C(1000000)
/* How soon to look again when the caller has no room for all descriptors. */
#define BLIND_NANO (10 * NANO_PER_MILLI)

/* ---- SIGPIPE ---- */

struct pipe_guard {
    sigset_t mask;
    bool pending;
};

static void guard_enter(struct pipe_guard *guard) {
    sigset_t set;
    sigpending(&set);
    guard->pending = sigismember(&set, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &guard->mask);
}

static void guard_leave(const struct pipe_guard *guard) {
    static const struct timespec now = {0, 0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!guard->pending)
        sigtimedwait(&set, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
}

/* ---- one attempt ---- */

#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static struct clew__http *http_of(struct clew__transport *transport) {
    return (struct clew__http *)transport;
}

static bool set_attempt(struct clew__http *http, const struct clew__body *body, uint64_t now,
                        uint64_t deadline) {
    long timeout_ms = 0; /* none; then libcurl bounds connecting by itself */
    if (deadline != UINT64_MAX) {
        uint64_t left = (deadline - now + NANO_PER_MILLI - 1) / NANO_PER_MILLI;
        timeout_ms = left < INT32_MAX ? (long)left : INT32_MAX;
    }
    return SET(http->easy, CURLOPT_HTTPHEADER, http->headers[body->compressed]) &&
           SET(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size) &&
           SET(http->easy, CURLOPT_POSTFIELDS, (const char *)body->data) &&
           SET(http->easy, CURLOPT_TIMEOUT_MS, timeout_ms) &&
           SET(http->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
}

static int on_begin(struct clew__transport *transport, const struct clew__body *body, uint64_t now,
                    uint64_t deadline) {
    struct clew__http *http = http_of(transport);
    int running;
    if (http->multi && !clew__http_is_ours(http))
        clew__http_forget(http);
    int error = clew__http_open(http);
    if (error)
        return error;
    clew__http_answer_begin(http);
    http->request_size = body->size;
    http->started_nano = now;
    http->deadline_nano = deadline;
    if (!set_attempt(http, body, now, deadline) || curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
        return CLEW_ENOMEM;
    http->running = true;
    /* At once, so that whatever is asked about the transfer from here on is not about the one before. */
    curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    return CLEW_OK;
}

static size_t on_wait(const struct clew__transport *transport, clew_poll *descriptors, size_t capacity,
                      uint64_t *wake_nano) {
    const struct clew__http *http = (const struct clew__http *)transport;
    size_t count = 0;
    *wake_nano = http->wake_nano;
    for (; count < http->watched_count && count < capacity; count++)
        descriptors[count] = (clew_poll){http->watched[count].file.fd, http->watched[count].events, 0};
    if (count < http->watched_count) {
        uint64_t soon = clew_monotonic_nano() + BLIND_NANO;
        *wake_nano = soon < *wake_nano ? soon : *wake_nano;
    }
    return count;
}

/* Where descriptors were left out of the caller's list, the system is asked about them here. */
static size_t look_at_all(const struct clew__http *http, clew_poll *out) {
    struct pollfd polled[CLEW__HTTP_SOCKETS];
    size_t count = http->watched_count;
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){http->watched[i].file.fd, http->watched[i].events, 0};
    if (poll(polled, count, 0) < 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (clew_poll){polled[i].fd, polled[i].events, polled[i].revents};
    return count;
}

static void act(struct clew__http *http, const clew_poll *descriptors, size_t count, uint64_t now) {
    clew_poll all[CLEW__HTTP_SOCKETS];
    int running;
    if (count < http->watched_count) {
        count = look_at_all(http, all);
        descriptors = all;
    }
    for (size_t i = 0; i < count; i++) {
        short ready = descriptors[i].revents;
        /* Gone by now, when one of those before has ended it. */
        if (!ready || !clew__http_find(http->watched, http->watched_count, descriptors[i].fd))
            continue;
        int mask = (ready & POLLIN ? CURL_CSELECT_IN : 0) | (ready & POLLOUT ? CURL_CSELECT_OUT : 0) |
                   (ready & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(http->multi, descriptors[i].fd, mask, &running);
    }
    if (http->wake_nano <= now) {
        http->wake_nano = UINT64_MAX;
        curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

static bool on_step(struct clew__transport *transport, const clew_poll *descriptors, size_t count,
                    uint64_t now, struct clew__transport_result *result) {
    struct clew__http *http = http_of(transport);
    int left;
    if (!http->running)
        return false;
    act(http, descriptors, count, now);
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        clew__http_result(http, message->data.result, result);
        curl_multi_remove_handle(http->multi, http->easy);
        http->running = false;
        return true;
    }
    return false;
}

static void on_stop(struct clew__transport *transport, struct clew__transport_result *result) {
    struct clew__http *http = http_of(transport);
    struct pipe_guard guard;
    memset(result, 0, sizeof *result);
    result->end = CLEW__TRANSPORT_LATE;
    result->status = -1;
    if (!http->running)
        return;
    clew__http_result(http, CURLE_OPERATION_TIMEDOUT, result);
    if (result->end == CLEW__TRANSPORT_BROKEN)
        result->end = CLEW__TRANSPORT_LATE;
    guard_enter(&guard);
    curl_multi_remove_handle(http->multi, http->easy);
    guard_leave(&guard);
    http->running = false;
}

static void on_free_answer(struct clew__transport *transport) {
    clew__http_answer_free(http_of(transport));
}

static void on_forget(struct clew__transport *transport) {
    clew__http_forget(http_of(transport));
}

static void on_destroy(struct clew__transport *transport) {
    struct clew__http *http = http_of(transport);
    struct pipe_guard guard;
    guard_enter(&guard);
    clew__http_close(http);
    guard_leave(&guard);
    clew__http_answer_free(http);
    clew_memory_release(http);
}

/* ---- making one ---- */

static CURLcode global_result;

static void init_curl(void) {
    /* Never undone: others in the program may use libcurl, too. */
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool speaks(const char *protocol) {
    const char *const *known = curl_version_info(CURLVERSION_NOW)->protocols;
    while (*known && strcmp(*known, protocol) != 0)
        known++;
    return *known != NULL;
}

struct clew__transport *clew__http_new(const struct clew__otlp_settings *settings) {
    static const struct clew__transport_kind kind = {on_begin,       on_wait,   on_step,   on_stop,
                                                     on_free_answer, on_forget, on_destroy};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    if (global_result != CURLE_OK) {
        clew_log(CLEW_LOG_ERROR, "otlp_libcurl", "libcurl cannot be used: %s",
                 curl_easy_strerror(global_result));
        return NULL;
    }
    if (clew__endpoint_is_https(clew__slice_text(settings->url)) && !speaks("https")) {
        clew_log(CLEW_LOG_ERROR, "otlp_libcurl", "this libcurl knows no TLS: nothing can go to %s",
                 settings->shown);
        return NULL;
    }
    struct clew__http *http = clew_memory_allocate(sizeof *http);
    if (!http)
        return NULL;
    memset(http, 0, sizeof *http);
    http->base = (struct clew__transport){&kind, settings};
    http->wake_nano = UINT64_MAX;
    return &http->base;
}
