/* The headers of requests, out of lists that people wrote. One thread at a time. */
#include "collector-bridge/export/settings_source.h"

#include "collector-bridge/wire/endpoint.h"

#include <clew/extend.h>
#include <string.h>
#include <strings.h>

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

static bool is_grpc(const struct clew__otlp_settings *settings) {
    return settings->protocol == CLEW_OTLP_GRPC;
}

static bool ends_with(struct clew__slice text, const char *end) {
    size_t size = strlen(end);
    return text.size >= size && strncasecmp(text.data + text.size - size, end, size) == 0;
}

/* `name: value`, or `name;` for an empty value. gRPC wants names in lower case, and the values of those that
 * end in -bin as base64. */
static char *make_line(const struct clew__otlp_settings *settings, struct clew__slice name,
                       struct clew__slice encoded) {
    bool binary = is_grpc(settings) && ends_with(name, "-bin");
    char *line = clew_memory_allocate(name.size + sizeof ": " + CLEW__BASE64_SIZE(encoded.size));
    char *decoded = clew_memory_allocate(encoded.size + 1);
    if (!line || !decoded) {
        clew_memory_release(line);
        clew_memory_release(decoded);
        return NULL;
    }
    size_t value_size = clew__percent_decode(encoded, decoded);
    size_t size = name.size;
    for (size_t i = 0; i < name.size; i++) {
        bool upper = name.data[i] >= 'A' && name.data[i] <= 'Z';
        line[i] = is_grpc(settings) && upper ? (char)(name.data[i] | 0x20) : name.data[i];
    }
    line[size++] = value_size ? ':' : ';';
    if (value_size)
        line[size++] = ' ';
    if (binary) {
        clew__base64_encode(decoded, value_size, line + size);
    } else {
        memcpy(line + size, decoded, value_size);
        line[size + value_size] = '\0';
    }
    clew_memory_release(decoded);
    return line;
}

/* Of headers with the same name the last one counts. */
static int add_header(struct clew__otlp_settings *settings, struct clew__slice name,
                      struct clew__slice encoded) {
    size_t index = find_header(settings, name);
    if (index == CLEW__OTLP_HEADERS_MAX)
        return CLEW_ELIMIT;
    char *line = make_line(settings, name, encoded);
    if (!line)
        return CLEW_ENOMEM;
    if (index == settings->header_count)
        settings->header_count++;
    else
        clew_memory_release(settings->headers[index]);
    settings->headers[index] = line;
    return CLEW_OK;
}

/* By RFC 7617. So no message of libcurl can show it. */
int clew__settings_add_user(struct clew__otlp_settings *settings, struct clew__slice user) {
    static const char http_prefix[] = "Authorization: Basic ", grpc_prefix[] = "authorization: Basic ";
    const char *prefix = is_grpc(settings) ? grpc_prefix : http_prefix;
    struct clew__slice name = clew__slice_of(prefix, name_size(prefix));
    if (user.size == 0 || find_header(settings, name) < settings->header_count ||
        settings->header_count == CLEW__OTLP_HEADERS_MAX)
        return CLEW_OK;
    char *decoded = clew_memory_allocate(user.size + 1);
    char *line = clew_memory_allocate(sizeof http_prefix + CLEW__BASE64_SIZE(user.size + 1));
    if (decoded && line) {
        size_t size = clew__percent_decode(user, decoded);
        if (!memchr(decoded, ':', size))
            decoded[size++] = ':';
        memcpy(line, prefix, sizeof http_prefix - 1);
        clew__base64_encode(decoded, size, line + sizeof http_prefix - 1);
        settings->headers[settings->header_count++] = line;
        clew_memory_release(decoded);
        return CLEW_OK;
    }
    clew_memory_release(decoded);
    clew_memory_release(line);
    return CLEW_ENOMEM;
}

/* What belongs to gRPC itself. */
static bool is_reserved(const struct clew__otlp_settings *settings, struct clew__slice name) {
    static const char *const names[] = {"host", "user-agent"};
    if (!is_grpc(settings))
        return false;
    if (name.size >= 5 && strncasecmp(name.data, "grpc-", 5) == 0)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (clew__source_is(name, names[i]))
            return true;
    }
    return false;
}

/* gRPC's values are printable ASCII; anything else needs a name that ends in -bin. */
static bool is_printable(struct clew__slice encoded) {
    for (size_t i = 0; i < encoded.size; i++) {
        bool high = encoded.data[i] == '%' && i + 1 < encoded.size && encoded.data[i + 1] >= '8';
        if (high || (unsigned char)encoded.data[i] >= 0x7f)
            return false;
    }
    return true;
}

/* NULL, or why the header is left out. */
static const char *fault_of(const struct clew__otlp_settings *settings, const struct clew__header *header) {
    if (header->fault)
        return clew__header_fault_text(header->fault);
    if (is_reserved(settings, header->name))
        return clew__header_fault_text(CLEW__HEADER_RESERVED);
    if (is_grpc(settings) && !ends_with(header->name, "-bin") && !is_printable(header->value))
        return "gRPC takes only ASCII in its value";
    return NULL;
}

int clew__settings_headers(struct clew__otlp_settings *settings, const char *option) {
    struct clew__sources sources = CLEW__SOURCES(settings->signal, "headers", option, "HEADERS");
    if (sources.count == 0)
        return CLEW_OK;
    struct clew__slice list = sources.at[0].text; /* the highest rank replaces the others as a whole */
    struct clew__header header = {0}, first_bad = {0};
    const char *why = NULL;
    unsigned bad = 0;
    while (clew__header_next(&list, &header)) {
        const char *fault = fault_of(settings, &header);
        int error = fault ? CLEW_OK : add_header(settings, header.name, header.value);
        if (error == CLEW_ENOMEM)
            return error;
        if (error == CLEW_ELIMIT)
            fault = "there are more than the limit of 128";
        if (fault && bad++ == 0) {
            first_bad = header;
            why = fault;
        }
    }
    if (bad) {
        char name[CLEW__SHOWN_MAX];
        clew_log(CLEW_LOG_WARN, sources.at[0].name, "%s: header %u%s%s is left out: %s; %u left out in all",
                 sources.at[0].name, first_bad.position, first_bad.name.size ? ", " : "",
                 clew__source_show(first_bad.name, name), why, bad);
    }
    return CLEW_OK;
}
