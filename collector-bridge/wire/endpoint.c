/* Endpoint URLs and header lists. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/endpoint.h"

#include <stdint.h>
#include <strings.h>

const char *clew__endpoint_fault_text(enum clew__endpoint_fault fault) {
    switch (fault) {
    case CLEW__ENDPOINT_OK:
        return "valid";
    case CLEW__ENDPOINT_NO_SCHEME:
        return "it starts with neither http:// nor https://";
    case CLEW__ENDPOINT_BAD_SCHEME:
        return "its scheme is none of http, https, dns and unix";
    case CLEW__ENDPOINT_NO_HOST:
        return "it names no host";
    case CLEW__ENDPOINT_NO_PATH:
        return "it names no path of a socket";
    case CLEW__ENDPOINT_BAD_HOST:
        return "its host is malformed";
    case CLEW__ENDPOINT_BAD_PORT:
        return "its port is not a number from 1 to 65535";
    case CLEW__ENDPOINT_BAD_CHARACTER:
        return "it has a space or a control character in it";
    case CLEW__ENDPOINT_TOO_LONG:
        return "it is too long";
    }
    return "it is malformed";
}

static bool starts_with(struct clew__slice text, const char *prefix) {
    size_t size = strlen(prefix);
    return text.size >= size && strncasecmp(text.data, prefix, size) == 0;
}

/* How many bytes there are before the first of these. */
static size_t span_before(struct clew__slice text, const char *stops) {
    size_t size = 0;
    while (size < text.size && !strchr(stops, text.data[size]))
        size++;
    return size;
}

/* With its colon; 0 when there is none. */
static bool read_port(struct clew__slice port, uint16_t *out) {
    unsigned number = 0;
    *out = 0;
    if (!clew__slice_consume(&port, ':'))
        return true;
    if (port.size == 0 || port.size > 5)
        return false;
    for (size_t i = 0; i < port.size; i++) {
        if (port.data[i] < '0' || port.data[i] > '9')
            return false;
        number = number * 10 + (unsigned)(port.data[i] - '0');
    }
    *out = (uint16_t)number;
    return number >= 1 && number <= 65535;
}

enum clew__endpoint_fault clew__endpoint_read_authority(struct clew__slice authority, struct clew__url *url) {
    const char *at = authority.size ? (const char *)memrchr(authority.data, '@', authority.size) : NULL;
    url->user = clew__slice_of(NULL, 0);
    if (at) {
        url->user = clew__slice_take(&authority, (size_t)(at - authority.data));
        clew__slice_consume(&authority, '@');
    }
    if (authority.size && authority.data[0] == '[') {
        size_t size = span_before(authority, "]");
        if (size == authority.size)
            return CLEW__ENDPOINT_BAD_HOST;
        url->host = clew__slice_take(&authority, size + 1);
        if (url->host.size == 2)
            return CLEW__ENDPOINT_NO_HOST;
        if (authority.size && authority.data[0] != ':')
            return CLEW__ENDPOINT_BAD_HOST;
    } else {
        url->host = clew__slice_take(&authority, span_before(authority, ":"));
        if (url->host.size == 0)
            return CLEW__ENDPOINT_NO_HOST;
        if (span_before(url->host, "[]\"<>\\^`{|}") != url->host.size)
            return CLEW__ENDPOINT_BAD_HOST;
        if (authority.size && memchr(authority.data + 1, ':', authority.size - 1))
            return CLEW__ENDPOINT_BAD_HOST;
    }
    url->port = authority;
    return read_port(url->port, &url->port_number) ? CLEW__ENDPOINT_OK : CLEW__ENDPOINT_BAD_PORT;
}

enum clew__endpoint_fault clew__endpoint_read(struct clew__slice text, struct clew__url *url) {
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return CLEW__ENDPOINT_BAD_CHARACTER;
    }
    if (!starts_with(text, "http://") && !starts_with(text, "https://"))
        return CLEW__ENDPOINT_NO_SCHEME;
    text.size = span_before(text, "#");
    url->scheme = clew__slice_take(&text, span_before(text, "/") + 2);
    enum clew__endpoint_fault fault =
        clew__endpoint_read_authority(clew__slice_take(&text, span_before(text, "/?")), url);
    url->path = clew__slice_take(&text, span_before(text, "?"));
    url->query = text;
    return fault;
}

/* Appends and keeps room for the terminator; `*used` beyond the capacity says that it did not fit. */
static void append(char *out, size_t capacity, size_t *used, struct clew__slice text) {
    if (*used < capacity && text.size < capacity - *used) {
        if (text.size)
            memcpy(out + *used, text.data, text.size);
        *used += text.size;
        out[*used] = '\0';
    } else {
        *used = capacity;
    }
}

static enum clew__endpoint_fault write_url(struct clew__slice text, const char *suffix, char *out,
                                           size_t capacity) {
    struct clew__url url;
    size_t used = 0;
    enum clew__endpoint_fault fault = clew__endpoint_read(text, &url);
    if (fault != CLEW__ENDPOINT_OK)
        return fault;
    append(out, capacity, &used, url.scheme);
    if (url.user.data) {
        append(out, capacity, &used, url.user);
        append(out, capacity, &used, clew__slice_text("@"));
    }
    append(out, capacity, &used, url.host);
    append(out, capacity, &used, url.port);
    append(out, capacity, &used, url.path);
    if (url.path.size == 0 || (*suffix && url.path.data[url.path.size - 1] != '/'))
        append(out, capacity, &used, clew__slice_text("/"));
    append(out, capacity, &used, clew__slice_text(suffix));
    append(out, capacity, &used, url.query);
    return used < capacity ? CLEW__ENDPOINT_OK : CLEW__ENDPOINT_TOO_LONG;
}

enum clew__endpoint_fault clew__endpoint_from_base(struct clew__slice text, const char *path, char *out,
                                                   size_t capacity) {
    return write_url(text, path, out, capacity);
}

enum clew__endpoint_fault clew__endpoint_from_url(struct clew__slice text, char *out, size_t capacity) {
    return write_url(text, "", out, capacity);
}

bool clew__endpoint_take_user(char *url, char *out) {
    struct clew__url parts;
    if (clew__endpoint_read(clew__slice_text(url), &parts) != CLEW__ENDPOINT_OK || !parts.user.data)
        return false;
    memcpy(out, parts.user.data, parts.user.size);
    out[parts.user.size] = '\0';
    char *user = url + parts.scheme.size;
    memmove(user, parts.host.data, strlen(parts.host.data) + 1);
    return true;
}

void clew__endpoint_show(struct clew__slice text, char *out, size_t capacity) {
    struct clew__slice scheme = {text.data, 0};
    size_t used = 0;
    if (capacity == 0)
        return;
    if (starts_with(text, "http://") || starts_with(text, "https://"))
        scheme = clew__slice_take(&text, span_before(text, "/") + 2);
    const char *at = text.size ? (const char *)memrchr(text.data, '@', text.size) : NULL;
    if (at)
        clew__slice_take(&text, (size_t)(at - text.data) + 1);
    text.size = span_before(text, "?#");
    const struct clew__slice parts[] = {scheme, text};
    for (size_t part = 0; part < 2; part++) {
        for (size_t i = 0; i < parts[part].size && used + 1 < capacity; i++) {
            unsigned char byte = (unsigned char)parts[part].data[i];
            out[used++] = byte < ' ' || byte >= 0x7f ? '?' : (char)byte;
        }
    }
    out[used] = '\0';
}

bool clew__endpoint_is_loopback(struct clew__slice text) {
    struct clew__url url;
    if (clew__endpoint_read(text, &url) != CLEW__ENDPOINT_OK)
        return false;
    /* Of names that start with "127." only addresses are this machine: no letters, no further text. */
    bool numeric = true;
    for (size_t i = 0; i < url.host.size; i++)
        numeric =
            numeric && ((url.host.data[i] >= '0' && url.host.data[i] <= '9') || url.host.data[i] == '.');
    return (url.host.size == 9 && starts_with(url.host, "localhost")) ||
           clew__slice_equals(url.host, "[::1]") || (numeric && starts_with(url.host, "127."));
}

bool clew__endpoint_is_socket(struct clew__slice text) {
    return starts_with(text, "unix:");
}

enum clew__endpoint_fault clew__endpoint_read_socket(struct clew__slice text, struct clew__slice *path) {
    clew__slice_take(&text, sizeof "unix:" - 1);
    if (starts_with(text, "//")) {
        clew__slice_take(&text, 2);
        if (text.size && text.data[0] != '/')
            return CLEW__ENDPOINT_BAD_HOST;
    }
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return CLEW__ENDPOINT_BAD_CHARACTER;
    }
    if (text.size == 0)
        return CLEW__ENDPOINT_NO_PATH;
    *path = text;
    return text.size < CLEW__ENDPOINT_SOCKET_MAX ? CLEW__ENDPOINT_OK : CLEW__ENDPOINT_TOO_LONG;
}

bool clew__endpoint_is_https(struct clew__slice url) {
    return starts_with(url, "https://");
}

const char *clew__header_fault_text(enum clew__header_fault fault) {
    switch (fault) {
    case CLEW__HEADER_OK:
        return "valid";
    case CLEW__HEADER_NO_EQUALS:
        return "there is no = in it";
    case CLEW__HEADER_BAD_NAME:
        return "its name is not one that HTTP allows";
    case CLEW__HEADER_BAD_VALUE:
        return "its value has a control character or a malformed percent-encoding in it";
    case CLEW__HEADER_RESERVED:
        return "the exporter sets it itself";
    }
    return "it is malformed";
}

static bool is_token(struct clew__slice text) {
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool alphanumeric = (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
        if (!alphanumeric && (byte == '\0' || !strchr("!#$%&'*+-.^_`|~", byte)))
            return false;
    }
    return text.size > 0;
}

static int hex_digit(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Takes one byte off, decoded. False: a malformed escape; then the byte is the % itself. */
static bool take_decoded(struct clew__slice *text, unsigned char *out) {
    *out = (unsigned char)clew__slice_take(text, 1).data[0];
    if (*out != '%')
        return true;
    int high = text->size >= 2 ? hex_digit(text->data[0]) : -1;
    int low = text->size >= 2 ? hex_digit(text->data[1]) : -1;
    if (high < 0 || low < 0)
        return false;
    *out = (unsigned char)(high * 16 + low);
    clew__slice_take(text, 2);
    return true;
}

static bool is_value(struct clew__slice text) {
    unsigned char byte;
    while (text.size) {
        if (!take_decoded(&text, &byte) || byte < ' ' || byte == 0x7f)
            return false;
    }
    return true;
}

size_t clew__percent_decode(struct clew__slice text, char *out) {
    size_t size = 0;
    unsigned char byte;
    while (text.size) {
        take_decoded(&text, &byte);
        out[size++] = (char)byte;
    }
    return size;
}

/* What frames the request or says what its body is. */
static bool is_reserved(struct clew__slice name) {
    static const char *const names[] = {
        "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding",
        "Connection",   "Expect",         "Upgrade",          "TE",
        "Trailer",      "Keep-Alive",     "Accept-Encoding"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == name.size && strncasecmp(names[i], name.data, name.size) == 0)
            return true;
    }
    return false;
}

static enum clew__header_fault read_header(struct clew__slice entry, struct clew__header *header) {
    if (!memchr(entry.data, '=', entry.size))
        return CLEW__HEADER_NO_EQUALS;
    struct clew__slice name = clew__slice_trim(clew__slice_split(&entry, '='));
    if (!is_token(name))
        return CLEW__HEADER_BAD_NAME;
    header->name = name;
    header->value = clew__slice_trim(entry);
    if (is_reserved(name))
        return CLEW__HEADER_RESERVED;
    return is_value(header->value) ? CLEW__HEADER_OK : CLEW__HEADER_BAD_VALUE;
}

bool clew__header_next(struct clew__slice *list, struct clew__header *header) {
    while (list->size) {
        struct clew__slice entry = clew__slice_trim(clew__slice_split(list, ','));
        header->position++;
        if (entry.size == 0)
            continue;
        header->name = header->value = clew__slice_of(NULL, 0);
        header->fault = read_header(entry, header);
        return true;
    }
    return false;
}

void clew__base64_encode(const char *data, size_t size, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    while (size > 0) {
        uint32_t group = (uint32_t)(unsigned char)data[0] << 16;
        group |= size > 1 ? (uint32_t)(unsigned char)data[1] << 8 : 0;
        group |= size > 2 ? (uint32_t)(unsigned char)data[2] : 0;
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = size > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = size > 2 ? digits[group & 63] : '=';
        data += size < 3 ? size : 3;
        size -= size < 3 ? size : 3;
    }
    *out = '\0';
}
