/* What belongs to libcurl: its handles with their options, and the descriptors behind them, each with what
 * identifies it. The transport's thread; `forget` in a forked child. */
#include "collector-bridge/export/http.h"

#include "collector-bridge/export/close_on_exec.h"
#include "collector-bridge/export/left_behind.h"
#include "collector-bridge/wire/endpoint.h"
#include "sdk/base/buffer.h"

#include <poll.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#define NANO_PER_MILLI UINT64_C(1000000)

/* ---- descriptors ---- */

struct clew__http_socket *clew__http_find(struct clew__http_socket *sockets, size_t count, int fd) {
    for (size_t i = 0; i < count; i++) {
        if (sockets[i].file.fd == fd)
            return &sockets[i];
    }
    return NULL;
}

static void take_away(struct clew__http_socket *sockets, size_t *count, struct clew__http_socket *gone) {
    *gone = sockets[--*count];
}

static curl_socket_t on_open(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    struct clew__http *http = user;
    (void)purpose;
    if (http->open_count == CLEW__HTTP_SOCKETS)
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    http->open[http->open_count++].file = clew__descriptor_of(fd);
    return fd;
}

static int on_close(void *user, curl_socket_t fd) {
    struct clew__http *http = user;
    struct clew__http_socket *open = clew__http_find(http->open, http->open_count, fd);
    if (!open)
        return 0;
    clew__descriptor_close(&open->file);
    take_away(http->open, &http->open_count, open);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user) {
    struct clew__http *http = user;
    struct clew__http_socket *watched = clew__http_find(http->watched, http->watched_count, fd);
    (void)easy;
    (void)socket_user;
    if (what == CURL_POLL_REMOVE) {
        if (watched)
            take_away(http->watched, &http->watched_count, watched);
        return 0;
    }
    if (!watched) {
        if (http->watched_count == CLEW__HTTP_SOCKETS)
            return -1;
        watched = &http->watched[http->watched_count++];
        watched->file = clew__descriptor_of(fd);
    }
    watched->events = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user) {
    struct clew__http *http = user;
    (void)multi;
    http->wake_nano =
        timeout_ms < 0 ? UINT64_MAX : clew_monotonic_nano() + (uint64_t)timeout_ms * NANO_PER_MILLI;
    return 0;
}

/* ---- handles ---- */

#define SET(easy, option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool add_header(struct curl_slist **headers, const char *line) {
    struct curl_slist *grown = curl_slist_append(*headers, line);
    if (grown)
        *headers = grown;
    return grown != NULL;
}

static const char *content_encoding(const struct clew__otlp_settings *settings) {
    return settings->compression == CLEW_COMPRESSION_ZSTD ? "Content-Encoding: zstd"
                                                          : "Content-Encoding: gzip";
}

static struct curl_slist *make_headers(const struct clew__otlp_settings *settings, bool compressed) {
    struct curl_slist *headers = NULL;
    bool json = settings->protocol == CLEW_OTLP_HTTP_JSON;
    /* Without "Expect: 100-continue": it would cost a round trip, or a second against servers that ignore it.
     */
    bool made = add_header(&headers, json ? "Content-Type: application/json"
                                          : "Content-Type: application/x-protobuf") &&
                (!compressed || add_header(&headers, content_encoding(settings))) &&
                add_header(&headers, "Accept-Encoding: gzip") && add_header(&headers, "Expect:");
    for (size_t i = 0; i < settings->header_count; i++)
        made = made && add_header(&headers, settings->headers[i]);
    if (made)
        return headers;
    curl_slist_free_all(headers);
    return NULL;
}

/* One list for plain bodies, one for compressed ones. */
static bool make_header_lists(struct clew__http *http) {
    for (int compressed = 0; compressed < 2; compressed++) {
        if (!http->headers[compressed])
            http->headers[compressed] = make_headers(http->base.settings, compressed);
        if (!http->headers[compressed])
            return false;
    }
    return true;
}

static bool set_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
    return SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    return SET(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* Without a password OpenSSL would ask for one on the terminal, and wait. */
static bool set_tls(CURL *easy, const struct clew__otlp_settings *settings) {
    return SET(easy, CURLOPT_KEYPASSWD, "") && SET(easy, CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(easy, CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (!settings->certificate || SET(easy, CURLOPT_CAINFO, settings->certificate)) &&
           (!settings->client_key || (SET(easy, CURLOPT_SSLCERT, settings->client_certificate) &&
                                      SET(easy, CURLOPT_SSLKEY, settings->client_key)));
}

static bool set_callbacks(CURL *easy, struct clew__http *http) {
    return SET(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) && SET(easy, CURLOPT_OPENSOCKETDATA, http) &&
           SET(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) && SET(easy, CURLOPT_CLOSESOCKETDATA, http) &&
           clew__http_answer_hooks(easy, http) && SET(easy, CURLOPT_ERRORBUFFER, http->error);
}

static bool set_options(CURL *easy, struct clew__http *http) {
    const struct clew__otlp_settings *settings = http->base.settings;
    /* A proxy of the environment is neither asked for this machine itself, nor believed by a program that
     * runs with more rights than its caller. */
    bool direct = clew__endpoint_is_loopback(clew__slice_text(settings->url)) || getauxval(AT_SECURE);
    bool set = SET(easy, CURLOPT_URL, settings->url) && SET(easy, CURLOPT_PATH_AS_IS, 1L) &&
               SET(easy, CURLOPT_POST, 1L) && SET(easy, CURLOPT_USERAGENT, settings->user_agent) &&
               (!settings->socket || SET(easy, CURLOPT_UNIX_SOCKET_PATH, settings->socket)) &&
               set_protocols(easy) && set_tls(easy, settings) && set_callbacks(easy, http) &&
               (!direct || SET(easy, CURLOPT_PROXY, "")) && SET(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
               SET(easy, CURLOPT_NOSIGNAL, 1L) &&
               /* One request at a time gains nothing from HTTP/2. */
               SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
               /* The status of a proxy's CONNECT is no answer. */
               SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
               SET(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)CLEW__ANSWER_MAX);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Otherwise giving up waits until a silent name server is given up, too. */
    set = set && SET(easy, CURLOPT_QUICK_EXIT, 1L);
    /* Otherwise a file of authorities that is replaced would be noticed a day later. */
    set = set && (!settings->certificate || SET(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L));
#endif
    return set;
}

static bool set_multi(CURLM *multi, struct clew__http *http) {
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK;
}

/* libcurl's own pair of sockets comes without close-on-exec up to some release. */
static CURLM *make_multi(struct clew__http *http) {
    struct clew__descriptors before;
    int pair[2];
    bool listed = clew__descriptors_list(&before);
    CURLM *multi = curl_multi_init();
    bool found = multi && listed && clew__close_pair_on_exec(&before, pair);
    for (int i = 0; i < 2; i++)
        http->wakers[i] = clew__descriptor_of(found ? pair[i] : -1);
    return multi;
}

static void free_handles(struct clew__http *http) {
    if (http->multi && http->easy)
        curl_multi_remove_handle(http->multi, http->easy);
    curl_easy_cleanup(http->easy);
    if (http->multi)
        curl_multi_cleanup(http->multi);
    http->easy = NULL;
    http->multi = NULL;
    http->watched_count = 0;
    http->wake_nano = UINT64_MAX;
}

int clew__http_open(struct clew__http *http) {
    if (http->multi)
        return CLEW_OK;
    http->wake_nano = UINT64_MAX;
    http->owner = getpid();
    if (!make_header_lists(http))
        return CLEW_ENOMEM;
    http->multi = make_multi(http);
    http->easy = http->multi ? curl_easy_init() : NULL;
    if (http->easy && set_multi(http->multi, http) && set_options(http->easy, http))
        return CLEW_OK;
    free_handles(http);
    return CLEW_ENOMEM;
}

void clew__http_forget(struct clew__http *http) {
    clew__leave_behind(http->multi);
    clew__leave_behind(http->easy);
    for (size_t i = 0; i < http->open_count; i++)
        clew__descriptor_close(&http->open[i].file);
    /* Those that are closed by now are nobody's, so not ours; what is left is the resolver's. */
    for (size_t i = 0; i < http->watched_count; i++)
        clew__descriptor_close(&http->watched[i].file);
    for (int i = 0; http->multi && i < 2; i++)
        clew__descriptor_close(&http->wakers[i]);
    /* The fork may have come in the midst of its growing. */
    if (http->running && http->owner != getpid())
        clew__buffer_forget(&http->body);
    http->multi = NULL;
    http->easy = NULL;
    http->open_count = http->watched_count = 0;
    http->wake_nano = UINT64_MAX;
    http->running = false;
}

bool clew__http_is_ours(const struct clew__http *http) {
    if (http->owner != getpid())
        return false;
    for (size_t i = 0; i < http->open_count; i++) {
        if (!clew__descriptor_is_ours(&http->open[i].file))
            return false;
    }
    for (int i = 0; i < 2; i++) {
        if (http->wakers[i].fd >= 0 && !clew__descriptor_is_ours(&http->wakers[i]))
            return false;
    }
    return true;
}

void clew__http_close(struct clew__http *http) {
    if (http->multi && !clew__http_is_ours(http))
        clew__http_forget(http);
    free_handles(http);
    for (int compressed = 0; compressed < 2; compressed++) {
        curl_slist_free_all(http->headers[compressed]);
        http->headers[compressed] = NULL;
    }
}
