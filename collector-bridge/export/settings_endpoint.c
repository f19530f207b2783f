/* Where to send: endpoints by the rules of the protocol. One thread at a time. */
#include "collector-bridge/export/settings_source.h"

#include "collector-bridge/wire/target.h"

#include <clew/extend.h>
#include <stdio.h>
#include <stdlib.h>

/* What the specification gives the two protocols, and what TLS and its lack have by custom. */
#define HTTP_PORT 4318
#define GRPC_PORT 4317
#define DEFAULT_HTTP "http://localhost:4318"
#define DEFAULT_GRPC "http://localhost:4317"
#define PORT_OF_HTTP 80
#define PORT_OF_HTTPS 443

/* An endpoint as read from one source. */
struct endpoint {
    char url[CLEW__ENDPOINT_MAX];  /* HTTP */
    char user[CLEW__ENDPOINT_MAX]; /* HTTP */
    struct clew__target target;    /* gRPC; of HTTP only the socket */
};

static bool is_grpc(const struct clew__otlp_settings *settings) {
    return settings->protocol == CLEW_OTLP_GRPC;
}

static const char *path_of(const struct clew__otlp_settings *settings) {
    return settings->signal == CLEW_SIGNAL_METRICS ? "v1/metrics" : "v1/traces";
}

static enum clew__endpoint_fault read_http(const struct clew__otlp_settings *settings,
                                           const struct clew__source *source, struct endpoint *out) {
    bool base = strcmp(source->name, "OTEL_EXPORTER_OTLP_ENDPOINT") == 0;
    memset(&out->target, 0, sizeof out->target);
    if (clew__endpoint_is_socket(source->text)) {
        clew__endpoint_from_base(clew__slice_text("http://localhost"), path_of(settings), out->url,
                                 sizeof out->url);
        return clew__endpoint_read_socket(source->text, &out->target.socket);
    }
    return base ? clew__endpoint_from_base(source->text, path_of(settings), out->url, sizeof out->url)
                : clew__endpoint_from_url(source->text, out->url, sizeof out->url);
}

static enum clew__endpoint_fault read_endpoint(const struct clew__otlp_settings *settings,
                                               const struct clew__source *source, struct endpoint *out) {
    return is_grpc(settings) ? clew__target_read(source->text, &out->target)
                             : read_http(settings, source, out);
}

/* ---- gRPC ---- */

/* True only for "true", as all booleans of the specification; the first that is set counts. */
static bool read_insecure(clew_otlp_signal signal) {
    const char *legacy = signal == CLEW_SIGNAL_METRICS ? "OTEL_EXPORTER_OTLP_METRIC_INSECURE"
                                                       : "OTEL_EXPORTER_OTLP_SPAN_INSECURE";
    struct clew__sources sources = CLEW__SOURCES(signal, "flags", NULL, "INSECURE");
    struct clew__sources obsolete = clew__sources_of("", NULL, legacy, "");
    const struct clew__source *source = sources.count ? &sources.at[0] : &obsolete.at[0];
    char shown[CLEW__SHOWN_MAX];
    if (sources.count + obsolete.count == 0)
        return false;
    if (clew__source_is(source->text, "true"))
        return true;
    if (!clew__source_is(source->text, "false"))
        clew_log(CLEW_LOG_WARN, source->name, "%s=\"%s\" is neither true nor false; using false",
                 source->name, clew__source_show(source->text, shown));
    return false;
}

static struct clew__slice without_brackets(struct clew__slice host) {
    if (host.size > 2 && host.data[0] == '[')
        return clew__slice_of(host.data + 1, host.size - 2);
    return host;
}

static int set_grpc(struct clew__otlp_settings *settings, const struct clew__target *target, bool insecure) {
    if (target->socket.size) {
        /* What never leaves the machine needs no TLS. */
        int error = clew__settings_copy(&settings->url, clew__slice_text("http://localhost"));
        return error ? error : clew__settings_copy(&settings->authority, clew__slice_text("localhost"));
    }
    settings->tls = target->url ? target->tls : !insecure;
    uint16_t standard = settings->tls ? PORT_OF_HTTPS : PORT_OF_HTTP;
    settings->port = target->port ? target->port : standard;
    size_t size = target->host.size + sizeof "https://:65535";
    settings->authority = clew_memory_allocate(size);
    settings->url = clew_memory_allocate(size);
    if (!settings->authority || !settings->url)
        return CLEW_ENOMEM;
    snprintf(settings->authority, size, "%.*s:%u", (int)target->host.size, target->host.data,
             (unsigned)settings->port);
    snprintf(settings->url, size, "%s://%s", settings->tls ? "https" : "http", settings->authority);
    return clew__settings_copy(&settings->host, without_brackets(target->host));
}

/* What has no secrets any more loses its path, too. */
static void cut_path(char *shown) {
    char *host = strstr(shown, "://");
    host = host ? host + strlen("://") : shown;
    host += strspn(host, "/"); /* dns:/// */
    host[strcspn(host, "/")] = '\0';
}

/* ---- both ---- */

static void name_faults(const struct clew__otlp_settings *settings, const struct clew__sources *sources,
                        const enum clew__endpoint_fault *faults, size_t chosen) {
    for (size_t i = 0; i < chosen; i++) {
        char shown[CLEW__SHOWN_MAX];
        clew__endpoint_show(sources->at[i].text, shown, sizeof shown);
        clew_log(CLEW_LOG_WARN, sources->at[i].name, "%s=\"%s\" is no endpoint: %s; %s go to %s%s%s",
                 sources->at[i].name, shown, clew__endpoint_fault_text(faults[i]),
                 settings->signal == CLEW_SIGNAL_METRICS ? "metrics" : "traces", settings->shown,
                 chosen < sources->count ? " of " : ", the default",
                 chosen < sources->count ? sources->at[chosen].name : "");
    }
}

static uint16_t port_of(const struct clew__otlp_settings *settings) {
    struct clew__url url;
    if (is_grpc(settings))
        return settings->port;
    return clew__endpoint_read(clew__slice_text(settings->url), &url) ? 0 : url.port_number;
}

/* The two ports are easily mixed up; what is at the other one only closes the connection. */
static void hint_at_port(const struct clew__otlp_settings *settings) {
    if (!settings->socket && port_of(settings) == (is_grpc(settings) ? HTTP_PORT : GRPC_PORT))
        clew_log(
            CLEW_LOG_INFO, "otlp_port",
            "%s: port %d is usually the one of OTLP/%s; OTEL_EXPORTER_OTLP_PROTOCOL chooses the protocol",
            settings->shown, is_grpc(settings) ? HTTP_PORT : GRPC_PORT, is_grpc(settings) ? "HTTP" : "gRPC");
}

static int choose(struct clew__otlp_settings *settings, const struct clew__sources *sources, bool insecure,
                  struct endpoint *endpoint) {
    const struct clew__source standard = {"OTEL_EXPORTER_OTLP_ENDPOINT",
                                          clew__slice_text(is_grpc(settings) ? DEFAULT_GRPC : DEFAULT_HTTP)};
    enum clew__endpoint_fault faults[3];
    size_t chosen = 0;
    while (chosen < sources->count &&
           (faults[chosen] = read_endpoint(settings, &sources->at[chosen], endpoint)))
        chosen++;
    const struct clew__source *source = chosen < sources->count ? &sources->at[chosen] : &standard;
    if (source == &standard)
        read_endpoint(settings, source, endpoint);
    struct clew__target *target = &endpoint->target;
    bool url = !is_grpc(settings) && !target->socket.size;
    clew__endpoint_show(url ? clew__slice_text(endpoint->url) : source->text, settings->shown,
                        sizeof settings->shown);
    if (target->ignored.size) {
        clew_log(CLEW_LOG_WARN, source->name, "%s: gRPC has no use for the path in %s", source->name,
                 settings->shown);
        cut_path(settings->shown);
    }
    name_faults(settings, sources, faults, chosen);
    if (!is_grpc(settings) && clew__endpoint_take_user(endpoint->url, endpoint->user))
        target->user = clew__slice_text(endpoint->user);
    int error = clew__settings_add_user(settings, target->user);
    if (error == CLEW_OK && target->socket.size)
        error = clew__settings_copy(&settings->socket, target->socket);
    if (error)
        return error;
    return is_grpc(settings) ? set_grpc(settings, target, insecure)
                             : clew__settings_copy(&settings->url, clew__slice_text(endpoint->url));
}

static void name_server(struct clew__otlp_settings *settings) {
    struct clew__url url;
    struct clew__slice name = {NULL, 0};
    if (settings->socket) {
        name = clew__slice_text(settings->socket);
    } else if (is_grpc(settings)) {
        name = clew__slice_text(settings->host);
        settings->server_port = settings->port;
    } else if (clew__endpoint_read(clew__slice_text(settings->url), &url) == CLEW__ENDPOINT_OK) {
        bool tls = clew__endpoint_is_https(clew__slice_text(settings->url));
        name = without_brackets(url.host);
        settings->server_port = url.port_number ? url.port_number : tls ? PORT_OF_HTTPS : PORT_OF_HTTP;
    }
    snprintf(settings->server_address, sizeof settings->server_address, "%.*s", (int)name.size, name.data);
}

int clew__settings_endpoint(struct clew__otlp_settings *settings, const clew_otlp_options *options) {
    struct clew__sources sources = CLEW__SOURCES(settings->signal, "endpoint", options->endpoint, "ENDPOINT");
    bool insecure =
        is_grpc(settings) && (options->flags & CLEW_OTLP_INSECURE || read_insecure(settings->signal));
    struct endpoint *endpoint = clew_memory_allocate(sizeof *endpoint);
    if (!endpoint)
        return CLEW_ENOMEM;
    int error = choose(settings, &sources, insecure, endpoint);
    clew_memory_release(endpoint);
    if (error == CLEW_OK) {
        hint_at_port(settings);
        name_server(settings);
    }
    return error;
}

enum clew__endpoint_fault clew__settings_judge_endpoint(const struct clew__otlp_settings *settings,
                                                        const char *text) {
    const struct clew__source source = {"", clew__slice_trim(clew__slice_text(text))};
    struct endpoint *endpoint = clew_memory_allocate(sizeof *endpoint);
    enum clew__endpoint_fault fault =
        endpoint ? read_endpoint(settings, &source, endpoint) : CLEW__ENDPOINT_OK;
    clew_memory_release(endpoint);
    return fault;
}
