/* Where an OTLP exporter sends to, and with which headers, out of texts that people wrote (specification:
 * OpenTelemetry Protocol Exporter, Endpoint URLs for OTLP/HTTP, and Specifying headers). Pure; allocates
 * nothing; any thread. */
#ifndef CLEW_WIRE_ENDPOINT_H
#define CLEW_WIRE_ENDPOINT_H

#include "sdk/base/slice.h"

#include <stdint.h>

/* The longest URL, terminator included; the longest that all common servers take. */
#define CLEW__ENDPOINT_MAX 8000
/* The longest path of a Unix socket, terminator included (unix(7)). */
#define CLEW__ENDPOINT_SOCKET_MAX 108

enum clew__endpoint_fault {
    CLEW__ENDPOINT_OK = 0,
    CLEW__ENDPOINT_NO_SCHEME,  /* neither http:// nor https:// */
    CLEW__ENDPOINT_BAD_SCHEME, /* of gRPC: one that is not known */
    CLEW__ENDPOINT_NO_HOST,
    CLEW__ENDPOINT_NO_PATH,       /* of a Unix socket */
    CLEW__ENDPOINT_BAD_HOST,      /* an IPv6 address without brackets, or with only one */
    CLEW__ENDPOINT_BAD_PORT,      /* not 1 to 65535 */
    CLEW__ENDPOINT_BAD_CHARACTER, /* a space or a control character */
    CLEW__ENDPOINT_TOO_LONG,
};
const char *clew__endpoint_fault_text(enum clew__endpoint_fault fault);

/* The parts of a URL, as they stand in it. */
struct clew__url {
    struct clew__slice scheme; /* with :// */
    struct clew__slice user;   /* without the @; data is NULL when there is none */
    struct clew__slice host;   /* with the brackets of an IPv6 address */
    struct clew__slice port;   /* with its colon */
    uint16_t port_number;      /* 0: none is named */
    struct clew__slice path;
    struct clew__slice query; /* with its ? */
};

/* An http:// or https:// URL; and user, host and port alone, whose other parts are not touched. */
enum clew__endpoint_fault clew__endpoint_read(struct clew__slice text, struct clew__url *url);
enum clew__endpoint_fault clew__endpoint_read_authority(struct clew__slice authority, struct clew__url *url);

/* unix:path or unix:///path: what starts with unix:, and its path. */
bool clew__endpoint_is_socket(struct clew__slice text);
enum clew__endpoint_fault clew__endpoint_read_socket(struct clew__slice text, struct clew__slice *path);

/* Each writes the URL to send to, terminated, or returns what is wrong with the text. A fragment is left out;
 * nothing else is changed: no port is filled in. */

/* A base, as in OTEL_EXPORTER_OTLP_ENDPOINT: `path` (v1/traces) is appended to its own, with one slash
 * between. */
enum clew__endpoint_fault clew__endpoint_from_base(struct clew__slice text, const char *path, char *out,
                                                   size_t capacity);
/* The whole URL, as in OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: only an empty path becomes "/". */
enum clew__endpoint_fault clew__endpoint_from_url(struct clew__slice text, char *out, size_t capacity);

/* Takes `user:password@` out of a URL in place; what it took (still percent-encoded, without the @) goes to
 * `out`, which has room for the whole URL. False: there was none. */
bool clew__endpoint_take_user(char *url, char *out);

/* A URL, or what was meant as one, for messages: without everything that could be a user's name, a password
 * or a key (all up to the last @, and from the first ? on), without control characters, cut to `capacity`. */
void clew__endpoint_show(struct clew__slice text, char *out, size_t capacity);

/* A URL whose host is this machine itself: localhost, 127.0.0.0/8, [::1]. */
bool clew__endpoint_is_loopback(struct clew__slice url);
bool clew__endpoint_is_https(struct clew__slice url);

/* ---- header lists: k1=v1,k2=v2, the syntax of W3C Baggage without properties; a `;` is part of the value
 * ---- */

enum clew__header_fault {
    CLEW__HEADER_OK = 0,
    CLEW__HEADER_NO_EQUALS,
    CLEW__HEADER_BAD_NAME,  /* not a token of HTTP */
    CLEW__HEADER_BAD_VALUE, /* a % without two hex digits, or a control character, encoded or not */
    CLEW__HEADER_RESERVED,  /* a header that belongs to the transport, as Content-Length */
};
const char *clew__header_fault_text(enum clew__header_fault fault);

struct clew__header {
    unsigned position; /* in the list, from 1 */
    enum clew__header_fault fault;
    /* Empty unless it is a token that stands before an `=`: anything else could be a secret. */
    struct clew__slice name;
    struct clew__slice value; /* trimmed, still percent-encoded; never to be shown */
};

/* Takes the next entry off the list; empty entries are passed over. `header->position` counts on: zero it
 * before the first call. False at the end. */
bool clew__header_next(struct clew__slice *list, struct clew__header *header);

/* Percent-decodes into `out`, which has room for `text.size` bytes; returns the size. Malformed escapes stay
 * as they are. */
size_t clew__percent_decode(struct clew__slice text, char *out);

/* Base64 with padding, terminated: `out` has room for CLEW__BASE64_SIZE(size) bytes. */
#define CLEW__BASE64_SIZE(size) (((size) + 2) / 3 * 4 + 1)
void clew__base64_encode(const char *data, size_t size, char *out);

#endif
