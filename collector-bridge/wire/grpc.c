/* gRPC's own layer. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/grpc.h"

#include "collector-bridge/wire/retry.h"
#include "proto/wire.h"

#include <stdio.h>
#include <strings.h>

#define NANO_PER_SECOND UINT64_C(1000000000)

/* ---- status codes ---- */

const char *clew__grpc_code_name(int32_t code) {
    static const char *const names[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    return code >= 0 && code <= CLEW__GRPC_UNAUTHENTICATED ? names[code] : "an unknown code";
}

int32_t clew__grpc_code_of_http(int32_t http_status) {
    switch (http_status) {
    case 400:
    case 431:
        return CLEW__GRPC_INTERNAL;
    case 401:
        return CLEW__GRPC_UNAUTHENTICATED;
    case 403:
        return CLEW__GRPC_PERMISSION_DENIED;
    case 404:
        return CLEW__GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return CLEW__GRPC_UNAVAILABLE;
    default:
        return CLEW__GRPC_UNKNOWN;
    }
}

int32_t clew__grpc_code_of_reset(uint32_t http2_error) {
    switch (http2_error) { /* RFC 9113, 7 */
    case 0x7:              /* REFUSED_STREAM */
        return CLEW__GRPC_UNAVAILABLE;
    case 0x8: /* CANCEL */
        return CLEW__GRPC_CANCELLED;
    case 0xb: /* ENHANCE_YOUR_CALM */
        return CLEW__GRPC_RESOURCE_EXHAUSTED;
    case 0xc: /* INADEQUATE_SECURITY */
        return CLEW__GRPC_PERMISSION_DENIED;
    default:
        return CLEW__GRPC_INTERNAL;
    }
}

/* Decimal digits and nothing else, up to `most`. */
static bool read_number(struct clew__slice text, uint64_t most, uint64_t *out) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
        if (number > most)
            return false;
    }
    *out = number;
    return text.size > 0;
}

int32_t clew__grpc_read_status(struct clew__slice value) {
    uint64_t number;
    return read_number(value, INT32_MAX, &number) ? (int32_t)number : CLEW__GRPC_UNKNOWN;
}

static bool contains(struct clew__slice text, const char *words) {
    size_t size = strlen(words);
    for (; text.size >= size; clew__slice_take(&text, 1)) {
        if (strncasecmp(text.data, words, size) == 0)
            return true;
    }
    return false;
}

bool clew__grpc_says_too_large(int32_t code, struct clew__slice message) {
    static const char *const words[] = {
        "larger than max",      /* grpc-go, grpc-core */
        "exceeds maximum size", /* grpc-java */
        "exceeds the maximum",  /* grpc-dotnet */
        "length too large",     /* tonic, with OUT_OF_RANGE */
    };
    if (code != CLEW__GRPC_RESOURCE_EXHAUSTED && code != CLEW__GRPC_OUT_OF_RANGE)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (contains(message, words[i]))
            return true;
    }
    return false;
}

/* ---- messages ---- */

void clew__grpc_write_prefix(uint8_t out[CLEW__GRPC_PREFIX], bool compressed, uint32_t size) {
    out[0] = compressed;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(size >> (24 - 8 * i));
}

/* The prefix has become complete. */
static enum clew__grpc_fault read_prefix(struct clew__grpc_reader *reader) {
    if (reader->prefix[0] > 1)
        return CLEW__GRPC_BAD_FLAG;
    reader->compressed = reader->prefix[0] == 1;
    reader->size = 0;
    for (int i = 0; i < 4; i++)
        reader->size = reader->size << 8 | reader->prefix[1 + i];
    return reader->size > reader->limit ? CLEW__GRPC_TOO_LARGE : CLEW__GRPC_FRAMED;
}

enum clew__grpc_fault clew__grpc_read(struct clew__grpc_reader *reader, const void *data, size_t size,
                                      struct clew__slice *message) {
    struct clew__slice rest = clew__slice_of(data, size);
    *message = clew__slice_of(NULL, 0);
    if (reader->prefix_size < CLEW__GRPC_PREFIX) {
        struct clew__slice part = clew__slice_take(&rest, CLEW__GRPC_PREFIX - reader->prefix_size);
        if (part.size)
            memcpy(reader->prefix + reader->prefix_size, part.data, part.size);
        reader->prefix_size += part.size;
        if (reader->prefix_size < CLEW__GRPC_PREFIX)
            return CLEW__GRPC_FRAMED;
        enum clew__grpc_fault fault = read_prefix(reader);
        if (fault)
            return fault;
    }
    *message = clew__slice_take(&rest, reader->size - reader->received);
    reader->received += (uint32_t)message->size;
    return rest.size ? CLEW__GRPC_TOO_MANY : CLEW__GRPC_FRAMED;
}

bool clew__grpc_complete(const struct clew__grpc_reader *reader) {
    return reader->prefix_size == CLEW__GRPC_PREFIX && reader->received == reader->size;
}

/* ---- grpc-timeout ---- */

#define TIMEOUT_MOST UINT64_C(99999999)
#define TIMEOUT_DIGITS 8

static const struct {
    char name;
    uint64_t nano;
} units[] = {
    {'n', 1},
    {'u', 1000},
    {'m', 1000000},
    {'S', NANO_PER_SECOND},
    {'M', 60 * NANO_PER_SECOND},
    {'H', 3600 * NANO_PER_SECOND},
};
#define UNITS (sizeof units / sizeof units[0])

void clew__grpc_write_timeout(uint64_t nano, char out[CLEW__GRPC_TIMEOUT_SIZE]) {
    size_t unit = 0;
    /* Hours hold all of 64 bits. */
    while (nano / units[unit].nano >= TIMEOUT_MOST)
        unit++;
    uint64_t number = nano / units[unit].nano + (nano % units[unit].nano != 0);
    snprintf(out, CLEW__GRPC_TIMEOUT_SIZE, "%u%c", number ? (unsigned)number : 1, units[unit].name);
}

bool clew__grpc_read_timeout(struct clew__slice value, uint64_t *nano) {
    uint64_t number;
    if (value.size < 2 || value.size > TIMEOUT_DIGITS + 1)
        return false;
    char name = value.data[value.size - 1];
    value.size--;
    if (!read_number(value, TIMEOUT_MOST, &number))
        return false;
    for (size_t i = 0; i < UNITS; i++) {
        if (units[i].name != name)
            continue;
        *nano = number > UINT64_MAX / units[i].nano ? UINT64_MAX : number * units[i].nano;
        return true;
    }
    return false;
}

/* ---- grpc-message ---- */

size_t clew__grpc_write_message(struct clew__slice text, char *out, size_t capacity) {
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = (uint8_t)text.data[i];
        bool plain = byte >= 0x20 && byte <= 0x7e && byte != '%';
        if (capacity - size < (plain ? 1 : 3))
            break;
        if (plain) {
            out[size++] = (char)byte;
            continue;
        }
        out[size++] = '%';
        out[size++] = digits[byte >> 4];
        out[size++] = digits[byte & 15];
    }
    return size;
}

/* ---- binary headers ---- */

static int base64_value(char byte) {
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

bool clew__grpc_read_base64(struct clew__slice text, uint8_t *out, size_t capacity, size_t *size) {
    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0, padding = 0;
    text = clew__slice_trim(clew__slice_split(&text, ','));
    while (padding < 2 && text.size && text.data[text.size - 1] == '=')
        text.size--, padding++;
    if (text.size % 4 == 1 || (padding && (text.size + padding) % 4 != 0))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (written == capacity)
            return false;
        out[written++] = (uint8_t)(bits >> held);
    }
    *size = written;
    return true;
}

/* google.rpc.Status, google.protobuf.Any, google.rpc.RetryInfo, google.protobuf.Duration */
enum {
    STATUS_DETAILS = 3,
    ANY_TYPE_URL = 1,
    ANY_VALUE = 2,
    RETRY_INFO_DELAY = 1,
    DURATION_SECONDS = 1,
    DURATION_NANOS = 2,
};

static uint64_t read_duration(struct clew__wire wire) {
    struct clew__field field;
    enum clew__wire_error error;
    int64_t seconds = 0, nanos = 0;
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.type == CLEW__WIRE_VARINT && field.field == DURATION_SECONDS)
            seconds = (int64_t)field.number;
        else if (field.type == CLEW__WIRE_VARINT && field.field == DURATION_NANOS)
            nanos = (int64_t)field.number;
    }
    if (error || seconds < 0)
        return 0;
    if (nanos < 0 || nanos >= (int64_t)NANO_PER_SECOND) /* against the message's own rules */
        nanos = 0;
    if ((uint64_t)seconds >= CLEW__RETRY_AFTER_MAX_NANO / NANO_PER_SECOND)
        return CLEW__RETRY_AFTER_MAX_NANO;
    return (uint64_t)seconds * NANO_PER_SECOND + (uint64_t)nanos;
}

static uint64_t read_delay(struct clew__wire wire) {
    struct clew__field field;
    enum clew__wire_error error;
    uint64_t delay = 0;
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.type == CLEW__WIRE_BYTES && field.field == RETRY_INFO_DELAY)
            delay = read_duration(field.bytes);
    }
    return delay;
}

/* The name of the type stands behind the last slash; the rest is anybody's. */
static bool names_retry_info(struct clew__slice type_url) {
    struct clew__slice name = clew__slice_of(NULL, 0);
    while (type_url.size)
        name = clew__slice_split(&type_url, '/');
    return clew__slice_equals(name, "google.rpc.RetryInfo");
}

static bool read_detail(struct clew__wire wire, uint64_t *delay_nano) {
    struct clew__wire value = clew__wire_of(NULL, 0);
    struct clew__slice type_url = clew__slice_of(NULL, 0);
    struct clew__field field;
    enum clew__wire_error error;
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.type != CLEW__WIRE_BYTES)
            continue;
        if (field.field == ANY_TYPE_URL)
            type_url =
                clew__slice_of((const char *)field.bytes.at, (size_t)(field.bytes.end - field.bytes.at));
        else if (field.field == ANY_VALUE)
            value = field.bytes;
    }
    if (error || !names_retry_info(type_url))
        return false;
    *delay_nano = read_delay(value);
    return true;
}

bool clew__grpc_read_retry_info(const void *status, size_t size, uint64_t *delay_nano) {
    struct clew__wire wire = clew__wire_of(status, size);
    struct clew__field field;
    enum clew__wire_error error;
    while (clew__wire_next(&wire, &field, &error)) {
        if (field.type == CLEW__WIRE_BYTES && field.field == STATUS_DETAILS &&
            read_detail(field.bytes, delay_nano))
            return true;
    }
    return false;
}
