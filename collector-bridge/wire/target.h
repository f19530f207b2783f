/* Where gRPC goes to, out of the texts that its users write: URLs, and the names of gRPC (gRPC Name
 * Resolution). Pure; allocates nothing; any thread. */
#ifndef CLEW_WIRE_TARGET_H
#define CLEW_WIRE_TARGET_H

#include "collector-bridge/wire/endpoint.h"

/* The texts are parts of what was read. */
struct clew__target {
    bool url;                   /* http:// or https://, which says whether there is TLS */
    bool tls;                   /* of a URL */
    struct clew__slice user;    /* percent-encoded, without the @; data is NULL without one */
    struct clew__slice host;    /* with the brackets of an IPv6 address */
    uint16_t port;              /* 0: none is named */
    struct clew__slice socket;  /* the path of a Unix socket; then there is no host */
    struct clew__slice ignored; /* path and query, which gRPC has no use for */
};

/* http://host:port, https://host:port, host:port, dns:///host:port, dns:host:port, unix:path, unix:///path.
 */
enum clew__endpoint_fault clew__target_read(struct clew__slice text, struct clew__target *out);

#endif
