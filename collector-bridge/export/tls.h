/* TLS for a connection, on OpenSSL: verification always on, HTTP/2 by ALPN, at least TLS 1.2. Leaves the
 * calling thread's queue of OpenSSL errors as it was; raises no SIGPIPE; asks nobody for passphrases. One
 * thread at a time. */
#ifndef CLEW_EXPORT_TLS_H
#define CLEW_EXPORT_TLS_H

#include "collector-bridge/export/settings.h"

#include <stddef.h>
#include <sys/types.h>

struct ssl_ctx_st;
struct ssl_st;
struct bio_method_st;

/* Zeroed but for `settings`: a new one. */
struct clew__tls {
    const struct clew__otlp_settings *settings; /* outlive it */
    struct bio_method_st *method;
    struct ssl_ctx_st *context; /* with what the files say; NULL: to be made */
    struct ssl_st *session;     /* of the connection; NULL: none */
    int fd;                     /* of the session */
    bool established;
    char reason[160]; /* of HOPELESS and LOST; terminated; no secrets */
};

enum clew__tls_end {
    CLEW__TLS_DONE,
    CLEW__TLS_WAIT,     /* until the descriptor is ready; see clew__tls_wants_write() */
    CLEW__TLS_LOST,     /* the connection broke, or was closed */
    CLEW__TLS_HOPELESS, /* certificates, keys, versions: it would fail again */
    CLEW__TLS_MEMORY,
};

/* Makes a session over a connected socket, which stays the caller's. DONE, HOPELESS or MEMORY. */
enum clew__tls_end clew__tls_begin(struct clew__tls *tls, int fd);
/* Goes on with the handshake. DONE: the peer is who it should be, and speaks HTTP/2. */
enum clew__tls_end clew__tls_shake_hands(struct clew__tls *tls);
/* The next handshake step, or reading, waits until the socket can be written. */
bool clew__tls_wants_write(const struct clew__tls *tls);

/* As send(2) and recv(2) on a socket that does not block, `*done` being their result; an orderly end is LOST
 * with an empty reason. */
enum clew__tls_end clew__tls_send(struct clew__tls *tls, const void *data, size_t size, size_t *done);
enum clew__tls_end clew__tls_receive(struct clew__tls *tls, void *data, size_t size, size_t *done);

/* Ends the session; says so to the peer if that is possible at once. */
void clew__tls_end_session(struct clew__tls *tls);
/* For the child of a fork: leaves everything behind, says nothing. */
void clew__tls_forget(struct clew__tls *tls);
void clew__tls_fini(struct clew__tls *tls);

#endif
