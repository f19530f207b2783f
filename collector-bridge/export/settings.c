/* The settings of the OTLP/HTTP exporter. Owns the texts of a struct clew__otlp_settings; the environment is
 * read while one is made, at no other time. One thread at a time. */
#include "collector-bridge/export/settings.h"

#include "collector-bridge/wire/answer.h"
#include "collector-bridge/wire/endpoint.h"
#include "sdk/base/struct_size.h"

#include <clew/extend.h>
#include <clew/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_BASE "http://localhost:4318"
#define SHOWN_MAX 96
/* The specification's limit on requests (OTLP, Request size). */
#define REQUEST_MAX (UINT64_C(64) << 20)

/* One place that a value can come from. */
struct source {
    const char *name; /* of the variable or option, for messages; static: it is the message's reason, too */
    struct clew__slice text;
};

/* The places in the order of their rank: option, variable of the signal, general variable. */
struct sources {
    struct source at[3];
    size_t count;
};

static void add_source(struct sources *sources, const char *name, const char *text) {
    struct clew__slice trimmed = clew__slice_trim(clew__slice_text(text));
    if (trimmed.size) /* empty is unset */
        sources->at[sources->count++] = (struct source){name, trimmed};
}

static struct sources sources_of(const char *option_name, const char *option, const char *signal,
                                 const char *general) {
    struct sources sources = {.count = 0};
    add_source(&sources, option_name, option);
    add_source(&sources, signal, secure_getenv(signal));
    add_source(&sources, general, secure_getenv(general));
    return sources;
}

#define SOURCES(member, option, NAME)                                                                        \
    sources_of("clew_otlp_options." member, option, "OTEL_EXPORTER_OTLP_TRACES_" NAME,                       \
               "OTEL_EXPORTER_OTLP_" NAME)

static const char *show(struct clew__slice text, char *buffer) {
    clew__answer_show(text, NULL, 0, buffer, SHOWN_MAX);
    return buffer;
}

static int set_text(char **out, struct clew__slice text) {
    *out = clew_memory_copy_text(text.data, text.size);
    return *out ? CLEW_OK : CLEW_ENOMEM;
}

/* ---- endpoint ---- */

static enum clew__endpoint_fault read_endpoint(const struct source *source, char *url) {
    if (strcmp(source->name, "OTEL_EXPORTER_OTLP_ENDPOINT") == 0)
        return clew__endpoint_from_base(source->text, url, CLEW__ENDPOINT_MAX);
    return clew__endpoint_from_url(source->text, url, CLEW__ENDPOINT_MAX);
}

static int add_user_header(struct clew__otlp_settings *settings, struct clew__slice user);

/* `url` and `user` have room for CLEW__ENDPOINT_MAX bytes each. */
static int choose_endpoint(struct clew__otlp_settings *settings, const char *option, char *url, char *user) {
    struct sources sources = SOURCES("endpoint", option, "ENDPOINT");
    enum clew__endpoint_fault faults[3];
    size_t chosen = 0;
    while (chosen < sources.count && (faults[chosen] = read_endpoint(&sources.at[chosen], url)))
        chosen++;
    if (chosen == sources.count)
        clew__endpoint_from_base(clew__slice_text(DEFAULT_BASE), url, CLEW__ENDPOINT_MAX);
    clew__endpoint_show(clew__slice_text(url), settings->shown, sizeof settings->shown);
    for (size_t i = 0; i < chosen; i++) {
        char shown[SHOWN_MAX];
        clew__endpoint_show(sources.at[i].text, shown, sizeof shown);
        clew_log(CLEW_LOG_WARN, sources.at[i].name, "%s=\"%s\" is no endpoint: %s; traces go to %s%s%s",
                 sources.at[i].name, shown, clew__endpoint_fault_text(faults[i]), settings->shown,
                 chosen < sources.count ? " of " : ", the default",
                 chosen < sources.count ? sources.at[chosen].name : "");
    }
    int error = CLEW_OK;
    if (clew__endpoint_take_user(url, user))
        error = add_user_header(settings, clew__slice_text(user));
    return error ? error : set_text(&settings->url, clew__slice_text(url));
}

/* ---- headers ---- */

static size_t name_size(const char *line) {
    return strcspn(line, ":;");
}

struct clew__slice clew__otlp_settings_header_value(const char *line) {
    struct clew__slice value = clew__slice_text(line);
    clew__slice_take(&value, name_size(line));
    return clew__slice_consume(&value, ':') ? clew__slice_trim(value) : clew__slice_of(NULL, 0);
}

/* The index of the header of that name, or header_count. */
static size_t find_header(const struct clew__otlp_settings *settings, struct clew__slice name) {
    size_t i = 0;
    while (i < settings->header_count && !(name_size(settings->headers[i]) == name.size &&
                                           strncasecmp(settings->headers[i], name.data, name.size) == 0))
        i++;
    return i;
}

/* Of headers with the same name the last one counts. */
static int add_header(struct clew__otlp_settings *settings, struct clew__slice name,
                      struct clew__slice encoded) {
    size_t index = find_header(settings, name);
    if (index == CLEW__OTLP_HEADERS_MAX)
        return CLEW_ELIMIT;
    char *line = clew_memory_allocate(name.size + encoded.size + sizeof ": ");
    if (!line)
        return CLEW_ENOMEM;
    size_t size = name.size;
    memcpy(line, name.data, name.size);
    line[size++] = encoded.size ? ':' : ';';
    if (encoded.size) {
        line[size++] = ' ';
        size += clew__percent_decode(encoded, line + size);
    }
    line[size] = '\0';
    if (index == settings->header_count)
        settings->header_count++;
    else
        clew_memory_release(settings->headers[index]);
    settings->headers[index] = line;
    return CLEW_OK;
}

/* What a URL says before its @ travels as a header (RFC 7617), unless there is one already: so no message of
 * libcurl can show it. */
static int add_user_header(struct clew__otlp_settings *settings, struct clew__slice user) {
    static const char prefix[] = "Authorization: Basic ";
    struct clew__slice name = clew__slice_of(prefix, name_size(prefix));
    if (user.size == 0 || find_header(settings, name) < settings->header_count ||
        settings->header_count == CLEW__OTLP_HEADERS_MAX)
        return CLEW_OK;
    char *decoded = clew_memory_allocate(user.size + 1);
    char *line = clew_memory_allocate(sizeof prefix + CLEW__BASE64_SIZE(user.size + 1));
    if (decoded && line) {
        size_t size = clew__percent_decode(user, decoded);
        if (!memchr(decoded, ':', size))
            decoded[size++] = ':';
        memcpy(line, prefix, sizeof prefix - 1);
        clew__base64_encode(decoded, size, line + sizeof prefix - 1);
        settings->headers[settings->header_count++] = line;
        clew_memory_release(decoded);
        return CLEW_OK;
    }
    clew_memory_release(decoded);
    clew_memory_release(line);
    return CLEW_ENOMEM;
}

static int read_headers(struct clew__otlp_settings *settings, const char *option) {
    struct sources sources = SOURCES("headers", option, "HEADERS");
    if (sources.count == 0)
        return CLEW_OK;
    struct clew__slice list = sources.at[0].text; /* the highest rank replaces the others as a whole */
    struct clew__header header = {0}, first_bad = {0};
    const char *why = NULL;
    unsigned bad = 0;
    while (clew__header_next(&list, &header)) {
        int error = header.fault ? CLEW_EFORMAT : add_header(settings, header.name, header.value);
        if (error == CLEW_ENOMEM)
            return error;
        if (error && bad++ == 0) {
            first_bad = header;
            why =
                header.fault ? clew__header_fault_text(header.fault) : "there are more than the limit of 128";
        }
    }
    if (bad) {
        char name[SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources.at[0].name, "%s: header %u%s%s is left out: %s; %u left out in all",
                 sources.at[0].name, first_bad.position, first_bad.name.size ? ", " : "",
                 show(first_bad.name, name), why, bad);
    }
    return CLEW_OK;
}

/* ---- the rest ---- */

/* Decimal digits, up to 2^31-1. */
static bool read_timeout(struct clew__slice text, uint32_t *out) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
        if (number > INT32_MAX)
            return false;
    }
    *out = (uint32_t)number;
    return text.size > 0;
}

static uint32_t choose_timeout(uint32_t option) {
    struct sources sources = SOURCES("timeout_ms", NULL, "TIMEOUT");
    uint32_t timeout = option == CLEW_TIMEOUT_DEFAULT ? CLEW__OTLP_TIMEOUT_MS : option;
    size_t chosen = 0;
    if (option != CLEW_TIMEOUT_DEFAULT)
        return timeout;
    while (chosen < sources.count && !read_timeout(sources.at[chosen].text, &timeout))
        chosen++;
    for (size_t i = 0; i < chosen; i++) {
        char shown[SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources.at[i].name,
                 "%s=\"%s\" is no time in milliseconds from 0 to 2147483647; %u ms is used%s%s",
                 sources.at[i].name, show(sources.at[i].text, shown), (unsigned)timeout,
                 chosen < sources.count ? ", of " : ", the default",
                 chosen < sources.count ? sources.at[chosen].name : "");
    }
    return timeout;
}

static bool equals_ignoring_case(struct clew__slice text, const char *word) {
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* There is one protocol: a variable can only be right or wrong. */
static void check_protocol(clew_otlp_protocol option) {
    struct sources sources = SOURCES("protocol", NULL, "PROTOCOL");
    char shown[SHOWN_MAX];
    if (option == CLEW_OTLP_HTTP_PROTOBUF)
        return;
    if (option != CLEW_OTLP_PROTOCOL_DEFAULT) {
        clew_log(CLEW_LOG_WARN, "clew_otlp_options.protocol",
                 "clew_otlp_options.protocol=%d is unknown; http/protobuf is used", (int)option);
    }
    for (size_t i = 0; i < sources.count; i++) {
        struct clew__slice text = sources.at[i].text;
        if (equals_ignoring_case(text, "http/protobuf"))
            return;
        bool known = equals_ignoring_case(text, "grpc") || equals_ignoring_case(text, "http/json");
        clew_log(
            CLEW_LOG_WARN, sources.at[i].name, "%s=\"%s\" is %s; http/protobuf is used%s", sources.at[i].name,
            show(text, shown), known ? "a protocol that this exporter does not speak" : "no protocol of OTLP",
            equals_ignoring_case(text, "grpc") ? ": the endpoint must be one for OTLP/HTTP, usually port 4318"
                                               : "");
    }
}

static void check_compression(void) {
    struct sources sources = SOURCES("compression", NULL, "COMPRESSION");
    char shown[SHOWN_MAX];
    for (size_t i = 0; i < sources.count; i++) {
        struct clew__slice text = sources.at[i].text;
        if (equals_ignoring_case(text, "none"))
            return;
        bool gzip = equals_ignoring_case(text, "gzip");
        clew_log(CLEW_LOG_WARN, sources.at[i].name, "%s=\"%s\" is %s; bodies are sent uncompressed",
                 sources.at[i].name, show(text, shown),
                 gzip ? "not supported yet" : "no compression of OTLP");
        if (gzip) /* a right value, though of no use here: the general one is not asked */
            return;
    }
}

/* The file is read anew with each connection, and may be there by then: a missing one is worth a word, no
 * more. */
static int choose_file(char **out, const struct sources *sources) {
    if (sources->count == 0)
        return CLEW_OK;
    int error = set_text(out, sources->at[0].text);
    if (error == CLEW_OK && access(*out, R_OK) != 0) {
        char shown[SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources->at[0].name,
                 "%s=\"%s\" cannot be read; connections over TLS fail until it can", sources->at[0].name,
                 show(sources->at[0].text, shown));
    }
    return error;
}

static int choose_files(struct clew__otlp_settings *settings, const clew_otlp_options *options) {
    struct sources authority = SOURCES("certificate", options->certificate, "CERTIFICATE");
    struct sources certificate =
        SOURCES("client_certificate", options->client_certificate, "CLIENT_CERTIFICATE");
    struct sources key = SOURCES("client_key", options->client_key, "CLIENT_KEY");
    int error = choose_file(&settings->certificate, &authority);
    if (error)
        return error;
    if ((certificate.count == 0) != (key.count == 0)) {
        const char *name = certificate.count ? certificate.at[0].name : key.at[0].name;
        clew_log(CLEW_LOG_WARN, name, "%s is set, but no client %s: neither is used", name,
                 certificate.count ? "key" : "certificate");
        return CLEW_OK;
    }
    error = choose_file(&settings->client_certificate, &certificate);
    return error ? error : choose_file(&settings->client_key, &key);
}

static int set_agent(struct clew__otlp_settings *settings) {
    char agent[64];
    snprintf(agent, sizeof agent, "OTel-OTLP-Exporter-C/%s", clew_version());
    return set_text(&settings->user_agent, clew__slice_text(agent));
}

int clew__otlp_settings_init(struct clew__otlp_settings *settings, const clew_otlp_options *given) {
    clew_otlp_options options = clew_otlp_options_default();
    if (given && given->struct_size != 0 &&
        given->struct_size < sizeof given->struct_size + sizeof given->protocol)
        return CLEW_EINVAL;
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    memset(settings, 0, sizeof *settings);
    settings->protocol = CLEW_OTLP_HTTP_PROTOBUF;
    settings->compression = CLEW_COMPRESSION_NONE;
    settings->max_request_bytes = options.max_request_bytes ? options.max_request_bytes : REQUEST_MAX;
    check_protocol(options.protocol);
    check_compression();
    settings->timeout_ms = choose_timeout(options.timeout_ms);
    char *room = clew_memory_allocate(2 * CLEW__ENDPOINT_MAX);
    int error = room ? CLEW_OK : CLEW_ENOMEM;
    if (error == CLEW_OK)
        error = read_headers(settings, options.headers);
    if (error == CLEW_OK)
        error = choose_endpoint(settings, options.endpoint, room, room + CLEW__ENDPOINT_MAX);
    if (error == CLEW_OK)
        error = choose_files(settings, &options);
    if (error == CLEW_OK)
        error = set_agent(settings);
    clew_memory_release(room);
    if (error)
        clew__otlp_settings_fini(settings);
    return error;
}

void clew__otlp_settings_fini(struct clew__otlp_settings *settings) {
    for (size_t i = 0; i < settings->header_count; i++)
        clew_memory_release(settings->headers[i]);
    clew_memory_release(settings->url);
    clew_memory_release(settings->certificate);
    clew_memory_release(settings->client_certificate);
    clew_memory_release(settings->client_key);
    clew_memory_release(settings->user_agent);
    clew_memory_release(settings->socket);
    clew_memory_release(settings->host);
    clew_memory_release(settings->authority);
    memset(settings, 0, sizeof *settings);
}
