/* The server half of http.h. Everything runs on the thread that called http_serve(). */
#include "http.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct server {
    const char *route;
    char span_name[64];
    http_handler handler;
    uint16_t port;
};

/* How Clew reads the headers of a request: every value of the name, for `tracestate` may come in several. */
static void get_all(void *self, const char *name, void (*each)(void *arg, const char *value, size_t size),
                    void *arg) {
    const struct evkeyvalq *headers = self;
    const struct evkeyval *header;
    TAILQ_FOREACH(header, headers, next) {
        if (evutil_ascii_strcasecmp(header->key, name) == 0)
            each(arg, header->value, strlen(header->value));
    }
}

static void read_question(struct evhttp_request *request, char question[HTTP_TEXT_SIZE]) {
    ev_ssize_t size =
        evbuffer_copyout(evhttp_request_get_input_buffer(request), question, HTTP_TEXT_SIZE - 1);
    question[size > 0 ? size : 0] = '\0';
}

static void send_answer(struct evhttp_request *request, int status, const char *text, clew_span span) {
    char traceparent[CLEW_TRACEPARENT_SIZE];
    clew_span_context context = clew_span_get_context(span);
    clew_traceparent_format(&context, traceparent);

    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
    if (*traceparent) /* so that the caller can link this span */
        evhttp_add_header(headers, "traceresponse", traceparent);
    evbuffer_add(evhttp_request_get_output_buffer(request), text, strlen(text));
    evhttp_send_reply(request, status, NULL, NULL);
}

/* One request inside its span, which is a child of what is current. */
static void answer_request(struct evhttp_request *request, const struct server *server) {
    CLEW_SPAN_WITH(span, server->span_name, CLEW_SERVER, CLEW_KV("http.request.method", "POST"),
                   CLEW_KV("http.route", server->route), CLEW_KV("url.scheme", "http"),
                   CLEW_KV("url.path", server->route), CLEW_KV("server.address", "127.0.0.1"),
                   CLEW_KV("server.port", server->port));

    char question[HTTP_TEXT_SIZE], text[HTTP_TEXT_SIZE] = "";
    read_question(request, question);
    int status = server->handler(question, text);

    clew_set(span, "http.response.status_code", status);
    if (status >= 500) { /* 4xx is the caller's error, not this server's */
        char type[16];
        snprintf(type, sizeof type, "%d", status);
        clew_span_set_error(span, type, NULL);
    }
    send_answer(request, status, text, span);
}

static void on_request(struct evhttp_request *request, void *argument) {
    clew_carrier carrier = {.self = evhttp_request_get_input_headers(request), .get_all = get_all};
    clew_context *caller = clew_extract(NULL, &carrier);
    clew_token token = clew_context_attach(caller);
    answer_request(request, argument);
    clew_context_detach(token);
    clew_context_unref(caller);
}

static void on_signal(evutil_socket_t number, short events, void *base) {
    (void)number, (void)events;
    event_base_loopbreak(base);
}

/* Binds port 0, so that the kernel chooses one that is free. Returns it; 0 when that failed. */
static uint16_t bind_free_port(struct evhttp *http) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", 0);
    if (!bound || getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &size) < 0)
        return 0;
    return ntohs(address.sin_port);
}

static int serve(struct event_base *base, struct evhttp *http, struct server *server) {
    evhttp_set_allowed_methods(http, EVHTTP_REQ_POST);
    evhttp_set_max_body_size(http, HTTP_TEXT_SIZE - 1);
    server->port = bind_free_port(http);
    if (!server->port || evhttp_set_cb(http, server->route, on_request, server) < 0)
        return -1;
    printf("http://127.0.0.1:%u%s\n", (unsigned)server->port, server->route);
    if (fflush(stdout) != 0)
        return -1;
    return event_base_dispatch(base) < 0 ? -1 : 0;
}

int http_serve(const char *route, http_handler handler) {
    struct server server = {.route = route, .handler = handler};
    snprintf(server.span_name, sizeof server.span_name, "POST %s", route);
    signal(SIGPIPE, SIG_IGN); /* a caller that hangs up must not end the server */

    struct event_base *base = event_base_new();
    struct evhttp *http = base ? evhttp_new(base) : NULL;
    struct event *term = base ? evsignal_new(base, SIGTERM, on_signal, base) : NULL;
    struct event *interrupt = base ? evsignal_new(base, SIGINT, on_signal, base) : NULL;

    int result = -1;
    if (http && term && interrupt && event_add(term, NULL) == 0 && event_add(interrupt, NULL) == 0)
        result = serve(base, http, &server);
    if (result < 0)
        perror(route);

    if (interrupt)
        event_free(interrupt);
    if (term)
        event_free(term);
    if (http)
        evhttp_free(http);
    if (base)
        event_base_free(base);
    return result;
}
