/* Names into addresses, without anybody waiting: what needs no name server is answered at once, everything
 * else is asked on a thread that can be left to itself. One thread at a time for each resolver. */
#ifndef CLEW_EXPORT_RESOLVE_H
#define CLEW_EXPORT_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* More would only be tried one after the other while the time runs out. */
#define CLEW__ADDRESSES_MAX 8

struct clew__address {
    struct sockaddr_storage name;
    socklen_t size;
};

struct clew__addresses {
    struct clew__address at[CLEW__ADDRESSES_MAX];
    size_t count;
};

struct clew__lookup;

/* Zeroed: a new one. */
struct clew__resolver {
    struct clew__lookup *lookup; /* under way, or answered and not yet looked at; NULL: none */
    struct clew__addresses last; /* of the last lookup that found some */
};

enum clew__resolve {
    CLEW__RESOLVE_FOUND,
    CLEW__RESOLVE_PENDING, /* ask again when the descriptor is readable */
    CLEW__RESOLVE_FAILED,
};

/* The address of a Unix socket; none when the path is too long for one. */
void clew__resolve_socket(const char *path, struct clew__addresses *out);
/* Of `localhost`, and of what is an address already. False: it has to be looked up. */
bool clew__resolve_at_once(const char *host, uint16_t port, struct clew__addresses *out);

/* Begins with a lookup, unless one is under way still: then its answer will do. False: no memory, descriptor
 * or thread for one. */
bool clew__resolver_begin(struct clew__resolver *resolver, const char *host, uint16_t port);
/* Its answer. FAILED: `*error` says why, in words that live for ever. */
enum clew__resolve clew__resolver_look(struct clew__resolver *resolver, struct clew__addresses *out,
                                       const char **error);
/* Readable once there is an answer; -1: there is no lookup. */
int clew__resolver_descriptor(const struct clew__resolver *resolver);

/* For the child of a fork: closes the descriptor, leaves the rest behind. */
void clew__resolver_forget(struct clew__resolver *resolver);
/* Leaves a lookup under way to itself. */
void clew__resolver_fini(struct clew__resolver *resolver);

#endif
