/* What an OTLP exporter is to do: options over environment over defaults (specification: OpenTelemetry
 * Protocol Exporter, Configuration Options). Knows no transport. Not for several threads at once. */
#ifndef CLEW_EXPORT_SETTINGS_H
#define CLEW_EXPORT_SETTINGS_H

#include "collector-bridge/wire/endpoint.h"
#include "sdk/base/slice.h"

#include <clew/init.h>

#define CLEW__OTLP_TIMEOUT_MS 10000u
#define CLEW__OTLP_HEADERS_MAX 128
#define CLEW__OTLP_SERVER_MAX 256 /* a domain name has at most 253 characters (RFC 1035) */

struct clew__otlp_settings {
    char *url;      /* whole, as it is sent to; without user and password, which became a header */
    char shown[96]; /* the same for messages: see clew__endpoint_show() */
    /* Lines as libcurl takes them: `Name: value`, or `Name;` for an empty value. The values are secrets. */
    char *headers[CLEW__OTLP_HEADERS_MAX];
    size_t header_count;
    struct clew__slice secrets[CLEW__OTLP_HEADERS_MAX]; /* their values */
    char *certificate;                                  /* NULL: the system's authorities */
    char *client_certificate;                           /* both or none */
    char *client_key;
    uint32_t timeout_ms; /* 0: no limit */

    clew_otlp_protocol protocol;  /* never DEFAULT */
    clew_compression compression; /* never DEFAULT */
    clew_otlp_signal signal;
    uint64_t max_request_bytes;
    char *user_agent; /* whole */
    char *socket;     /* path of a Unix socket; NULL: host and port */

    /* Where it sends to, for metrics: a host, or the path of a socket; port 0: none. */
    char server_address[CLEW__OTLP_SERVER_MAX];
    uint16_t server_port;

    /* For gRPC alone. Its headers are lower case, and those that end in -bin base64. */
    char *host; /* name or address, without brackets */
    uint16_t port;
    char *authority; /* as :authority says it */
    bool tls;
};

/* Reads the environment, logs what is wrong in it, one line a variable, and goes on with the next best value.
 * Programs that run with more rights than their caller take nothing from it. `options` may be NULL. Returns
 * 0; CLEW_EINVAL when the options are no options; CLEW_ENOMEM. After an error there is nothing to free. */
int clew__otlp_settings_init(struct clew__otlp_settings *settings, const clew_otlp_options *options);
void clew__otlp_settings_fini(struct clew__otlp_settings *settings);

/* What is wrong with an endpoint for traces that is given in code, with the protocol that the environment
 * chooses. Without memory nothing is. */
enum clew__endpoint_fault clew__otlp_settings_judge_endpoint(const char *text);

/* The value in a line of `headers`. */
struct clew__slice clew__otlp_settings_header_value(const char *line);

#endif
