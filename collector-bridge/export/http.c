/* Owns libcurl's handles of one exporter, its sockets, and the answer to the request under way. One thread at
 * a time: Clew's worker, or whoever shuts it down; `forget` in a forked child.
 *
 * SIGPIPE: libcurl sends on plain sockets with MSG_NOSIGNAL, but OpenSSL writes without. CURLOPT_NOSIGNAL
 * keeps libcurl from changing the program's disposition instead. On the worker all signals are blocked, so
 * that a SIGPIPE stays pending there, without effect; stop and fini, which other threads may call, block it
 * themselves and take it away. */
#include "collector-bridge/export/http.h"

#include "collector-bridge/export/explain.h"
#include "collector-bridge/wire/endpoint.h"
#include "collector-bridge/wire/retry.h"

#include <clew/extend.h>
#include <clew/version.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)
#define BODY_FIRST 4096u
/* How soon to look again when the caller has no room for all descriptors. */
#define BLIND_NANO (10 * NANO_PER_MILLI)

/* ---- descriptors ---- */

static bool identify(struct clew__http_socket *socket) {
    struct stat info;
    if (fstat(socket->fd, &info) != 0)
        return false;
    socket->device = info.st_dev;
    socket->inode = info.st_ino;
    return true;
}

static bool is_ours(const struct clew__http_socket *socket) {
    struct clew__http_socket now = *socket;
    return identify(&now) && now.device == socket->device && now.inode == socket->inode;
}

static struct clew__http_socket *find(struct clew__http_socket *sockets, size_t count, int fd) {
    for (size_t i = 0; i < count; i++) {
        if (sockets[i].fd == fd)
            return &sockets[i];
    }
    return NULL;
}

static void take_away(struct clew__http_socket *sockets, size_t *count, struct clew__http_socket *gone) {
    *gone = sockets[--*count];
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    struct clew__http *transport = user;
    struct clew__http_socket opened = {.fd = -1};
    (void)purpose;
    if (transport->open_count == CLEW__HTTP_SOCKETS)
        return CURL_SOCKET_BAD;
    opened.fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (opened.fd < 0)
        return CURL_SOCKET_BAD;
    identify(&opened);
    transport->open[transport->open_count++] = opened;
    return opened.fd;
}

static int on_close(void *user, curl_socket_t fd) {
    struct clew__http *transport = user;
    struct clew__http_socket *open = find(transport->open, transport->open_count, fd);
    if (!open)
        return 0;
    if (is_ours(open))
        close(fd);
    take_away(transport->open, &transport->open_count, open);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) {
    struct clew__http *transport = user;
    struct clew__http_socket *watched = find(transport->watched, transport->watched_count, fd);
    (void)easy;
    (void)socket_user;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            take_away(transport->watched, &transport->watched_count, watched);
        return 0;
    }
    if (!watched) {
        if (transport->watched_count == CLEW__HTTP_SOCKETS)
            return -1;
        watched = &transport->watched[transport->watched_count++];
        watched->fd = fd;
        identify(watched);
    }
    watched->events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user) {
    struct clew__http *transport = user;
    (void)multi;
    transport->wake_nano =
        timeout_ms < 0 ? UINT64_MAX : clew_monotonic_nano() + (uint64_t)timeout_ms * NANO_PER_MILLI;
    return 0;
}

/* ---- the answer ---- */

/* libcurl has connected and is about to send the request: more than once when it finds that a kept connection
 * was closed by the peer meanwhile. */
static int on_request(void *user, char *primary_ip, char *local_ip, int primary_port, int local_port) {
    struct clew__http *transport = user;
    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    transport->requests++;
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *data, size_t size, size_t count, void *user) {
    static const char retry_after[] = "retry-after:";
    struct clew__http *transport = user;
    struct clew__slice line = {data, size * count};
    transport->header_size += line.size;
    if (transport->header_size > CLEW__ANSWER_HEADERS_MAX) {
        transport->too_large = true;
        return 0;
    }
    while (line.size && (line.data[line.size - 1] == '\r' || line.data[line.size - 1] == '\n'))
        line.size--;
    if (line.size == 0) {
        long status = 0;
        curl_easy_getinfo(transport->easy, CURLINFO_RESPONSE_CODE, &status);
        transport->headers_complete = status >= 200; /* below: an interim answer */
    } else if (line.size > sizeof retry_after - 1 && !transport->headers_complete &&
               strncasecmp(line.data, retry_after, sizeof retry_after - 1) == 0) {
        clew__slice_take(&line, sizeof retry_after - 1);
        if (clew__retry_after(line, (int64_t)time(NULL), &transport->retry_after_nano))
            transport->retry_after = true;
    }
    return size * count;
}

void clew__http_free_body(struct clew__http *transport) {
    clew_memory_release(transport->body);
    clew_budget_give(transport->body_capacity);
    transport->body = NULL;
    transport->body_size = transport->body_capacity = 0;
}

static bool grow_body(struct clew__http *transport, size_t needed) {
    size_t capacity = transport->body_capacity ? transport->body_capacity : BODY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    size_t more = capacity - transport->body_capacity;
    if (more == 0)
        return true;
    if (!clew_budget_take(more))
        return false;
    uint8_t *body = clew_memory_reallocate(transport->body, capacity);
    if (!body) {
        clew_budget_give(more);
        return false;
    }
    transport->body = body;
    transport->body_capacity = capacity;
    return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *user) {
    struct clew__http *transport = user;
    size *= count;
    if (size > CLEW__ANSWER_MAX - transport->body_size) {
        transport->too_large = true;
        return 0;
    }
    /* Without memory the status still counts: the rest is read and forgotten. The size goes on, for the
     * limit. */
    if (!transport->body_lost && !grow_body(transport, transport->body_size + size))
        transport->body_lost = true;
    if (!transport->body_lost)
        memcpy(transport->body + transport->body_size, data, size);
    transport->body_size += size;
    return size;
}

/* ---- handles ---- */

#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool add_header(struct curl_slist **headers, const char *line) {
    struct curl_slist *grown = curl_slist_append(*headers, line);
    if (grown)
        *headers = grown;
    return grown != NULL;
}

static bool make_headers(struct clew__http *transport) {
    struct curl_slist *headers = NULL;
    /* Without "Expect: 100-continue": it would cost a round trip, or a second against servers that ignore it.
     */
    bool made =
        add_header(&headers, "Content-Type: application/x-protobuf") && add_header(&headers, "Expect:");
    for (size_t i = 0; i < transport->settings->header_count; i++)
        made = made && add_header(&headers, transport->settings->headers[i]);
    if (!made) {
        curl_slist_free_all(headers);
        return false;
    }
    transport->headers = headers;
    return true;
}

static bool set_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    return SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return SET(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static bool set_tls(CURL *easy, const struct clew__otlp_settings *settings) {
    return SET(easy, CURLOPT_SSL_VERIFYPEER, 1L) && SET(easy, CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (!settings->certificate || SET(easy, CURLOPT_CAINFO, settings->certificate)) &&
           (!settings->client_key || (SET(easy, CURLOPT_SSLCERT, settings->client_certificate) &&
                                      SET(easy, CURLOPT_SSLKEY, settings->client_key)));
}

static bool set_callbacks(CURL *easy, struct clew__http *transport) {
    return SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) && SET(easy, CURLOPT_OPENSOCKETDATA, transport) &&
           SET(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) &&
           SET(easy, CURLOPT_CLOSESOCKETDATA, transport) && SET(easy, CURLOPT_PREREQFUNCTION, on_request) &&
           SET(easy, CURLOPT_PREREQDATA, transport) && SET(easy, CURLOPT_HEADERFUNCTION, on_header) &&
           SET(easy, CURLOPT_HEADERDATA, transport) && SET(easy, CURLOPT_WRITEFUNCTION, on_body) &&
           SET(easy, CURLOPT_WRITEDATA, transport) && SET(easy, CURLOPT_ERRORBUFFER, transport->error);
}

static bool set_options(CURL *easy, struct clew__http *transport) {
    const struct clew__otlp_settings *settings = transport->settings;
    char agent[64];
    snprintf(agent, sizeof agent, "OTel-OTLP-Exporter-C/%s", clew_version());
    /* A proxy of the environment is neither asked for this machine itself, nor believed by a program that
     * runs with more rights than its caller. */
    bool direct = clew__endpoint_is_loopback(clew__slice_text(settings->url)) || getauxval(AT_SECURE);
    bool set = SET(easy, CURLOPT_URL, settings->url) && SET(easy, CURLOPT_PATH_AS_IS, 1L) &&
               SET(easy, CURLOPT_POST, 1L) && SET(easy, CURLOPT_HTTPHEADER, transport->headers) &&
               SET(easy, CURLOPT_USERAGENT, agent) && set_protocols(easy) && set_tls(easy, settings) &&
               set_callbacks(easy, transport) && (!direct || SET(easy, CURLOPT_PROXY, "")) &&
               SET(easy, CURLOPT_FOLLOWLOCATION, 0L) && SET(easy, CURLOPT_NOSIGNAL, 1L) &&
               /* One request at a time gains nothing from HTTP/2. */
               SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
               /* The status of a proxy's CONNECT is no answer. */
               SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
               SET(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)CLEW__ANSWER_MAX);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Otherwise giving up waits until a silent name server is given up, too. */
    set = set && SET(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return set;
}

static bool set_multi(CURLM *multi, struct clew__http *transport) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, transport) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, transport) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK;
}

static void free_handles(struct clew__http *transport) {
    if (transport->multi && transport->easy)
        curl_multi_remove_handle(transport->multi, transport->easy);
    curl_easy_cleanup(transport->easy);
    if (transport->multi)
        curl_multi_cleanup(transport->multi);
    transport->easy = NULL;
    transport->multi = NULL;
    transport->watched_count = 0;
    transport->wake_nano = UINT64_MAX;
}

static int make_handles(struct clew__http *transport) {
    if (transport->multi)
        return CLEW_OK;
    transport->wake_nano = UINT64_MAX;
    transport->owner = getpid();
    if (!transport->headers && !make_headers(transport))
        return CLEW_ENOMEM;
    transport->multi = curl_multi_init();
    transport->easy = transport->multi ? curl_easy_init() : NULL;
    if (transport->easy && set_multi(transport->multi, transport) && set_options(transport->easy, transport))
        return CLEW_OK;
    free_handles(transport);
    return CLEW_ENOMEM;
}

void clew__http_init(struct clew__http *transport, const struct clew__otlp_settings *settings) {
    memset(transport, 0, sizeof *transport);
    transport->settings = settings;
    transport->wake_nano = UINT64_MAX;
}

void clew__http_forget(struct clew__http *transport) {
    /* Keeps what is left behind reachable: leak checkers need not report it. Beyond these they may. */
    static void *_Atomic left_behind[64];
    static atomic_size_t next;
    size_t at = transport->multi ? atomic_fetch_add(&next, 2) : SIZE_MAX;
    if (at < sizeof left_behind / sizeof left_behind[0]) {
        atomic_store(&left_behind[at], (void *)transport->multi);
        atomic_store(&left_behind[at + 1], (void *)transport->easy);
    }
    for (size_t i = 0; i < transport->open_count; i++) {
        if (is_ours(&transport->open[i]))
            close(transport->open[i].fd);
    }
    /* Those that are closed by now are nobody's, so not ours; what is left is the resolver's. */
    for (size_t i = 0; i < transport->watched_count; i++) {
        if (is_ours(&transport->watched[i]))
            close(transport->watched[i].fd);
    }
    transport->multi = NULL;
    transport->easy = NULL;
    transport->open_count = transport->watched_count = 0;
    transport->wake_nano = UINT64_MAX;
    transport->running = false;
}

/* Whether all connections are still the files that they were. */
static bool sockets_ours(const struct clew__http *transport) {
    for (size_t i = 0; i < transport->open_count; i++) {
        if (!is_ours(&transport->open[i]))
            return false;
    }
    return true;
}

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

void clew__http_fini(struct clew__http *transport) {
    struct pipe_guard guard;
    if (transport->multi && (transport->owner != getpid() || !sockets_ours(transport)))
        clew__http_forget(transport);
    guard_enter(&guard);
    free_handles(transport);
    guard_leave(&guard);
    curl_slist_free_all(transport->headers);
    transport->headers = NULL;
    clew__http_free_body(transport);
}

/* ---- one attempt ---- */

static bool set_attempt(struct clew__http *transport, clew_bytes body, uint64_t now, uint64_t deadline) {
    long timeout_ms = 0; /* none; then libcurl bounds connecting by itself */
    if (deadline != UINT64_MAX) {
        uint64_t left = (deadline - now + NANO_PER_MILLI - 1) / NANO_PER_MILLI;
        timeout_ms = left < INT32_MAX ? (long)left : INT32_MAX;
    }
    return SET(transport->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size) &&
           SET(transport->easy, CURLOPT_POSTFIELDS, (const char *)body.data) &&
           SET(transport->easy, CURLOPT_TIMEOUT_MS, timeout_ms) &&
           SET(transport->easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
}

int clew__http_begin(struct clew__http *transport, clew_bytes body, uint64_t now, uint64_t deadline) {
    int running;
    if (transport->multi && (transport->owner != getpid() || !sockets_ours(transport)))
        clew__http_forget(transport);
    int error = make_handles(transport);
    if (error)
        return error;
    clew__http_free_body(transport);
    transport->request_size = body.size;
    transport->started_nano = now;
    transport->deadline_nano = deadline;
    transport->requests = 0;
    transport->header_size = 0;
    transport->headers_complete = transport->body_lost = transport->too_large = transport->retry_after =
        false;
    transport->error[0] = '\0';
    if (!set_attempt(transport, body, now, deadline) ||
        curl_multi_add_handle(transport->multi, transport->easy) != CURLM_OK)
        return CLEW_ENOMEM;
    transport->running = true;
    /* At once, so that whatever is asked about the transfer from here on is not about the one before. */
    curl_multi_socket_action(transport->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    return CLEW_OK;
}

size_t clew__http_wait(const struct clew__http *transport, clew_poll *descriptors, size_t capacity,
                       uint64_t *wake_nano) {
    size_t count = 0;
    *wake_nano = transport->wake_nano;
    for (; count < transport->watched_count && count < capacity; count++)
        descriptors[count] = (clew_poll){transport->watched[count].fd, transport->watched[count].events, 0};
    if (count < transport->watched_count) {
        uint64_t soon = clew_monotonic_nano() + BLIND_NANO;
        *wake_nano = soon < *wake_nano ? soon : *wake_nano;
    }
    return count;
}

/* ---- how it ended ---- */

static void fill_result(struct clew__http *transport, CURLcode code, struct clew__http_result *result) {
    curl_off_t uploaded = 0;
    memset(result, 0, sizeof *result);
    curl_easy_getinfo(transport->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    /* A second beginning: a kept connection died with the request on it, and libcurl took a new one by
     * itself. */
    result->sent =
        transport->requests > 1 || (transport->requests == 1 && (size_t)uploaded >= transport->request_size);
    result->retry_after = transport->retry_after;
    result->retry_after_nano = transport->retry_after_nano;
    if (transport->headers_complete)
        curl_easy_getinfo(transport->easy, CURLINFO_RESPONSE_CODE, &result->status);
    if (transport->too_large || code == CURLE_FILESIZE_EXCEEDED) {
        result->end = CLEW__HTTP_TOO_LARGE;
        snprintf(result->reason, sizeof result->reason, "the answer of %s is larger than the limit",
                 transport->settings->shown);
    } else if (transport->headers_complete) {
        result->end = CLEW__HTTP_ANSWERED;
        result->body_cut = code != CURLE_OK || transport->body_lost;
        result->body = transport->body;
        result->body_size = transport->body_lost ? 0 : transport->body_size;
    } else {
        result->end = clew__http_explain(transport, code == CURLE_OK ? CURLE_GOT_NOTHING : code,
                                         result->reason, sizeof result->reason);
    }
}

/* Where descriptors were left out of the caller's list, the system is asked about them here. */
static size_t look_at_all(const struct clew__http *transport, clew_poll *out) {
    struct pollfd polled[CLEW__HTTP_SOCKETS];
    size_t count = transport->watched_count;
    for (size_t i = 0; i < count; i++)
        polled[i] = (struct pollfd){transport->watched[i].fd, transport->watched[i].events, 0};
    if (poll(polled, count, 0) < 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        out[i] = (clew_poll){polled[i].fd, polled[i].events, polled[i].revents};
    return count;
}

static void act(struct clew__http *transport, const clew_poll *descriptors, size_t count, uint64_t now) {
    clew_poll all[CLEW__HTTP_SOCKETS];
    int running;
    if (count < transport->watched_count) {
        count = look_at_all(transport, all);
        descriptors = all;
    }
    for (size_t i = 0; i < count; i++) {
        short ready = descriptors[i].revents;
        /* Gone by now, when one of those before has ended it. */
        if (!ready || !find(transport->watched, transport->watched_count, descriptors[i].fd))
            continue;
        int mask = (ready & POLLIN ? CURL_CSELECT_IN : 0) | (ready & POLLOUT ? CURL_CSELECT_OUT : 0) |
                   (ready & (POLLERR | POLLHUP | POLLNVAL) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(transport->multi, descriptors[i].fd, mask, &running);
    }
    if (transport->wake_nano <= now) {
        transport->wake_nano = UINT64_MAX;
        curl_multi_socket_action(transport->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

bool clew__http_step(struct clew__http *transport, const clew_poll *descriptors, size_t count, uint64_t now,
                     struct clew__http_result *result) {
    int left;
    if (!transport->running)
        return false;
    act(transport, descriptors, count, now);
    for (CURLMsg *message; (message = curl_multi_info_read(transport->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        fill_result(transport, message->data.result, result);
        curl_multi_remove_handle(transport->multi, transport->easy);
        transport->running = false;
        return true;
    }
    return false;
}

void clew__http_stop(struct clew__http *transport, struct clew__http_result *result) {
    struct pipe_guard guard;
    memset(result, 0, sizeof *result);
    result->end = CLEW__HTTP_LATE;
    if (!transport->running)
        return;
    fill_result(transport, CURLE_OPERATION_TIMEDOUT, result);
    if (result->end == CLEW__HTTP_BROKEN)
        result->end = CLEW__HTTP_LATE;
    guard_enter(&guard);
    curl_multi_remove_handle(transport->multi, transport->easy);
    guard_leave(&guard);
    transport->running = false;
}
