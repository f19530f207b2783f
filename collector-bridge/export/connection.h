/* A stream of bytes to the receiver that the settings name, over TCP or a Unix socket, with TLS or without;
 * never waits. One thread at a time. */
#ifndef CLEW_EXPORT_CONNECTION_H
#define CLEW_EXPORT_CONNECTION_H

#include "collector-bridge/export/resolve.h"
#include "collector-bridge/export/tls.h"
#include "sdk/base/descriptor.h"

#include <clew/pipeline.h>

enum clew__connection_state {
    CLEW__CONNECTION_CLOSED,
    CLEW__CONNECTION_RESOLVING,
    CLEW__CONNECTION_CONNECTING,
    CLEW__CONNECTION_SHAKING_HANDS, /* TLS */
    CLEW__CONNECTION_OPEN,
};

/* Why there is none any more, or why there was none. */
enum clew__connection_fault {
    CLEW__CONNECTION_FINE,
    CLEW__CONNECTION_LOST, /* or never made: another attempt can go better */
    CLEW__CONNECTION_HOPELESS,
    CLEW__CONNECTION_MEMORY,
};

struct clew__connection {
    const struct clew__otlp_settings *settings; /* outlive it */
    enum clew__connection_state state;
    enum clew__connection_fault fault; /* of CLOSED */
    char reason[160];                  /* of a fault; terminated; no secrets. Empty: closed in good order */

    struct clew__resolver resolver;
    struct clew__addresses addresses; /* to try, */
    size_t next;                      /* from here on */
    uint64_t deadline_nano;           /* of opening it */
    uint64_t move_on_nano; /* RESOLVING: when the addresses of before will do; CONNECTING: when the next
                              address has its turn */
    struct clew__descriptor socket;
    struct clew__tls tls;
    bool sending_waits; /* the system, or TLS, would take no more */
    bool deaf;          /* the peer takes nothing any more; what it has said can still be read */
};

void clew__connection_init(struct clew__connection *connection, const struct clew__otlp_settings *settings);

/* Begins to connect a closed one; how it goes is seen in `state`, here or after the next steps. */
void clew__connection_open(struct clew__connection *connection, uint64_t now, uint64_t deadline);
/* Goes on until it is open, closed, or has to wait. */
void clew__connection_step(struct clew__connection *connection, uint64_t now);

/* What to wait for, and until when at the latest; `fd` -1: only for the time. */
clew_poll clew__connection_wait(const struct clew__connection *connection, uint64_t *wake_nano);

/* As send(2) and recv(2): how many bytes; 0: none at the moment, or it is closed now, with `fault` and
 * `reason`. */
size_t clew__connection_send(struct clew__connection *connection, const void *data, size_t size);
size_t clew__connection_receive(struct clew__connection *connection, void *data, size_t size);

void clew__connection_close(struct clew__connection *connection);
/* For the child of a fork: closes the descriptors, leaves the rest behind, says nothing to the peer. */
void clew__connection_forget(struct clew__connection *connection);
void clew__connection_fini(struct clew__connection *connection);

#endif
