/* The settings of the OTLP exporter. Owns the texts of a struct clew__otlp_settings; the environment is
 * read while one is made, at no other time. One thread at a time. */
#include "collector-bridge/export/settings_source.h"

#include "collector-bridge/wire/answer.h"
#include "sdk/base/struct_size.h"

#include <clew/extend.h>
#include <clew/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The specification's limit on requests (OTLP, Request size). */
#define REQUEST_MAX (UINT64_C(64) << 20)

static void add_source(struct clew__sources *sources, const char *name, const char *text) {
    struct clew__slice trimmed = clew__slice_trim(clew__slice_text(text));
    if (trimmed.size) /* empty is unset */
        sources->at[sources->count++] = (struct clew__source){name, trimmed};
}

struct clew__sources clew__sources_of(const char *option_name, const char *option, const char *special,
                                      const char *general) {
    struct clew__sources sources = {.count = 0};
    add_source(&sources, option_name, option);
    add_source(&sources, special, secure_getenv(special));
    add_source(&sources, general, secure_getenv(general));
    return sources;
}

const char *clew__source_show(struct clew__slice text, char *buffer) {
    clew__answer_show(text, NULL, 0, buffer, CLEW__SHOWN_MAX);
    return buffer;
}

bool clew__source_is(struct clew__slice text, const char *word) {
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

int clew__settings_copy(char **out, struct clew__slice text) {
    *out = clew_memory_copy_text(text.data, text.size);
    return *out ? CLEW_OK : CLEW_ENOMEM;
}

/* ---- words ---- */

struct word {
    const char *text;
    int value;
};

/* The value of the first source that is one of the words; what is wrong before it is named. */
static int choose_word(const struct clew__sources *sources, const struct word *words, size_t count,
                       int standard, const char *what) {
    const char *used = NULL;
    size_t chosen = 0;
    int value = standard;
    for (; chosen < sources->count && !used; chosen++) {
        for (size_t i = 0; i < count && !used; i++) {
            if (clew__source_is(sources->at[chosen].text, words[i].text)) {
                used = words[i].text;
                value = words[i].value;
            }
        }
    }
    size_t wrong = used ? chosen - 1 : chosen;
    for (size_t i = 0; i < count && !used; i++)
        used = words[i].value == standard ? words[i].text : NULL;
    for (size_t i = 0; i < wrong; i++) {
        char shown[CLEW__SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources->at[i].name, "%s=\"%s\" is no %s; using %s%s%s", sources->at[i].name,
                 clew__source_show(sources->at[i].text, shown), what, used,
                 wrong < sources->count ? ", of " : ", the default",
                 wrong < sources->count ? sources->at[wrong].name : "");
    }
    return value;
}

/* What is set in code, or 0 for the variables. */
static int check_option(const char *name, int option, int last) {
    if (option >= 0 && option <= last)
        return option;
    clew_log(CLEW_LOG_WARN, name, "%s=%d is unknown; using the variable or the default", name, option);
    return 0;
}

static clew_otlp_protocol choose_protocol(clew_otlp_signal signal, clew_otlp_protocol option) {
    static const struct word words[] = {{"http/protobuf", CLEW_OTLP_HTTP_PROTOBUF},
                                        {"http/json", CLEW_OTLP_HTTP_JSON},
                                        {"grpc", CLEW_OTLP_GRPC}};
    struct clew__sources sources = CLEW__SOURCES(signal, "protocol", NULL, "PROTOCOL");
    int chosen = check_option("clew_otlp_options.protocol", (int)option, CLEW_OTLP_GRPC);
    return (clew_otlp_protocol)(chosen ? chosen
                                       : choose_word(&sources, words, sizeof words / sizeof words[0],
                                                     CLEW_OTLP_HTTP_PROTOBUF, "protocol of OTLP"));
}

static clew_compression choose_compression(clew_otlp_signal signal, clew_compression option) {
    static const struct word words[] = {
        {"none", CLEW_COMPRESSION_NONE}, {"gzip", CLEW_COMPRESSION_GZIP}, {"zstd", CLEW_COMPRESSION_ZSTD}};
    struct clew__sources sources = CLEW__SOURCES(signal, "compression", NULL, "COMPRESSION");
    int chosen = check_option("clew_otlp_options.compression", (int)option, CLEW_COMPRESSION_ZSTD);
    return (clew_compression)(chosen ? chosen
                                     : choose_word(&sources, words, sizeof words / sizeof words[0],
                                                   CLEW_COMPRESSION_NONE, "compression that Clew knows"));
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

static uint32_t choose_timeout(clew_otlp_signal signal, uint32_t option) {
    struct clew__sources sources = CLEW__SOURCES(signal, "timeout_ms", NULL, "TIMEOUT");
    uint32_t timeout = option == CLEW_TIMEOUT_DEFAULT ? CLEW__OTLP_TIMEOUT_MS : option;
    size_t chosen = 0;
    if (option != CLEW_TIMEOUT_DEFAULT)
        return timeout;
    while (chosen < sources.count && !read_timeout(sources.at[chosen].text, &timeout))
        chosen++;
    for (size_t i = 0; i < chosen; i++) {
        char shown[CLEW__SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources.at[i].name,
                 "%s=\"%s\" is no time in milliseconds from 0 to 2147483647; using %u%s%s",
                 sources.at[i].name, clew__source_show(sources.at[i].text, shown), (unsigned)timeout,
                 chosen < sources.count ? ", of " : ", the default",
                 chosen < sources.count ? sources.at[chosen].name : "");
    }
    return timeout;
}

/* The file is read anew when a connection is made or has failed, and may be there by then: a missing one is
 * worth a word, no more. */
static int choose_file(char **out, const struct clew__sources *sources) {
    if (sources->count == 0)
        return CLEW_OK;
    int error = clew__settings_copy(out, sources->at[0].text);
    if (error == CLEW_OK && access(*out, R_OK) != 0) {
        char shown[CLEW__SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources->at[0].name,
                 "%s=\"%s\" cannot be read; connections over TLS fail until it can", sources->at[0].name,
                 clew__source_show(sources->at[0].text, shown));
    }
    return error;
}

static int choose_files(struct clew__otlp_settings *settings, const clew_otlp_options *options) {
    struct clew__sources authority =
        CLEW__SOURCES(settings->signal, "certificate", options->certificate, "CERTIFICATE");
    struct clew__sources certificate = CLEW__SOURCES(settings->signal, "client_certificate",
                                                     options->client_certificate, "CLIENT_CERTIFICATE");
    struct clew__sources key =
        CLEW__SOURCES(settings->signal, "client_key", options->client_key, "CLIENT_KEY");
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

/* The name of a product, where there is one, stands before ours. */
static int choose_agent(struct clew__otlp_settings *settings, const char *option) {
    static const char own[] = "OTel-OTLP-Exporter-C/";
    struct clew__slice product = clew__slice_trim(clew__slice_text(option));
    for (size_t i = 0; i < product.size; i++) {
        if (product.data[i] >= ' ' && product.data[i] < 0x7f)
            continue;
        clew_log(CLEW_LOG_WARN, "clew_otlp_options.user_agent",
                 "clew_otlp_options.user_agent is not used: only printable ASCII can be sent");
        product.size = 0;
    }
    size_t size = product.size + 1 + sizeof own + strlen(clew_version());
    settings->user_agent = clew_memory_allocate(size);
    if (!settings->user_agent)
        return CLEW_ENOMEM;
    size_t used = product.size;
    if (used) {
        memcpy(settings->user_agent, product.data, used);
        settings->user_agent[used++] = ' ';
    }
    snprintf(settings->user_agent + used, size - used, "%s%s", own, clew_version());
    return CLEW_OK;
}

static bool is_options(const clew_otlp_options *given) {
    return !given || given->struct_size == 0 ||
           given->struct_size >= sizeof given->struct_size + sizeof given->protocol;
}

int clew__otlp_settings_init(struct clew__otlp_settings *settings, const clew_otlp_options *given) {
    clew_otlp_options options = clew_otlp_options_default();
    if (!is_options(given))
        return CLEW_EINVAL;
    if (given)
        clew__options_copy(&options, sizeof options, given, sizeof options);
    memset(settings, 0, sizeof *settings);
    settings->signal = options.signal == CLEW_SIGNAL_METRICS ? CLEW_SIGNAL_METRICS : CLEW_SIGNAL_TRACES;
    settings->protocol = choose_protocol(settings->signal, options.protocol);
    settings->compression = choose_compression(settings->signal, options.compression);
    settings->timeout_ms = choose_timeout(settings->signal, options.timeout_ms);
    settings->max_request_bytes = options.max_request_bytes ? options.max_request_bytes : REQUEST_MAX;
    int error = clew__settings_headers(settings, options.headers);
    if (error == CLEW_OK)
        error = clew__settings_endpoint(settings, &options);
    if (error == CLEW_OK)
        error = choose_files(settings, &options);
    if (error == CLEW_OK)
        error = choose_agent(settings, options.user_agent);
    for (size_t i = 0; i < settings->header_count; i++)
        settings->secrets[i] = clew__otlp_settings_header_value(settings->headers[i]);
    if (error)
        clew__otlp_settings_fini(settings);
    return error;
}

enum clew__endpoint_fault clew__otlp_settings_judge_endpoint(const char *text) {
    const struct clew__otlp_settings settings = {
        .protocol = choose_protocol(CLEW_SIGNAL_TRACES, CLEW_OTLP_PROTOCOL_DEFAULT)};
    return clew__settings_judge_endpoint(&settings, text);
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
