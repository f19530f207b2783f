/* Name resolution. A lookup belongs to two: to its resolver and to the detached thread that asks; the one who
 * lets go last frees it. Its lock protects what both touch. The resolver's side: the thread of the transport.
 */
#include "collector-bridge/export/resolve.h"

#include "collector-bridge/export/left_behind.h"
#include "sdk/base/bell.h"

#include <clew/extend.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <unistd.h>

/* The modules of the name service switch are strangers' code; this is what musl and others find enough for
 * them, twice. */
#define STACK_SIZE ((size_t)256 << 10)

struct clew__lookup {
    atomic_uint owners;
    pthread_mutex_t mutex;
    struct clew__descriptor wake; /* a bell; under the mutex; the resolver's to close */
    bool answered;                /* under the mutex; from then on the members below stand still */
    int error;                    /* EAI_… */
    struct clew__addresses found;
    uint16_t port;
    char host[]; /* terminated */
};

/* ---- without a lookup ---- */

static void add(struct clew__addresses *addresses, const void *name, size_t size) {
    if (addresses->count == CLEW__ADDRESSES_MAX || size > sizeof addresses->at[0].name)
        return;
    struct clew__address *address = &addresses->at[addresses->count++];
    memset(address, 0, sizeof *address); /* addresses are compared as a whole */
    memcpy(&address->name, name, size);
    address->size = (socklen_t)size;
}

void clew__resolve_socket(const char *path, struct clew__addresses *out) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    out->count = 0;
    if (strlen(path) >= sizeof name.sun_path)
        return;
    memcpy(name.sun_path, path, strlen(path));
    add(out, &name, sizeof name);
}

static void add_loopback(struct clew__addresses *out, uint16_t port) {
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    add(out, &six, sizeof six);
    add(out, &four, sizeof four);
}

static int ask(const char *host, uint16_t port, int flags, struct clew__addresses *out) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *list = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    out->count = 0;
    int error = getaddrinfo(host, service, &hints, &list);
    if (error)
        return error;
    for (const struct addrinfo *info = list; info; info = info->ai_next)
        add(out, info->ai_addr, info->ai_addrlen);
    freeaddrinfo(list);
    return out->count ? 0 : EAI_NONAME;
}

bool clew__resolve_at_once(const char *host, uint16_t port, struct clew__addresses *out) {
    out->count = 0;
    /* RFC 6761, 6.3: it is the loopback address without asking anybody. */
    if (strcasecmp(host, "localhost") == 0) {
        add_loopback(out, port);
        return true;
    }
    return ask(host, port, AI_NUMERICHOST | AI_NUMERICSERV, out) == 0;
}

/* ---- the thread ---- */

static void let_go(struct clew__lookup *lookup) {
    if (atomic_fetch_sub(&lookup->owners, 1) != 1)
        return;
    pthread_mutex_destroy(&lookup->mutex);
    clew_memory_release(lookup);
}

static void *lookup_thread(void *argument) {
    struct clew__lookup *lookup = argument;
    struct clew__addresses found;
    prctl(PR_SET_NAME, "clew-resolve");
    clew_suppress_thread();
    int error = ask(lookup->host, lookup->port, AI_NUMERICSERV, &found);
    pthread_mutex_lock(&lookup->mutex);
    lookup->error = error;
    lookup->found = found;
    lookup->answered = true;
    clew__bell_ring(&lookup->wake);
    pthread_mutex_unlock(&lookup->mutex);
    let_go(lookup);
    return NULL;
}

static int start_thread(struct clew__lookup *lookup) {
    size_t stack = STACK_SIZE > (size_t)PTHREAD_STACK_MIN ? STACK_SIZE : (size_t)PTHREAD_STACK_MIN;
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack);
    error = pthread_create(&thread, &attributes, lookup_thread, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* ---- the resolver ---- */

bool clew__resolver_begin(struct clew__resolver *resolver, const char *host, uint16_t port) {
    size_t size = strlen(host) + 1;
    if (resolver->lookup)
        return true;
    struct clew__lookup *lookup = clew_memory_allocate(sizeof *lookup + size);
    if (!lookup)
        return false;
    memset(lookup, 0, sizeof *lookup);
    memcpy(lookup->host, host, size);
    lookup->port = port;
    lookup->wake = clew__bell_new();
    pthread_mutex_init(&lookup->mutex, NULL);
    atomic_init(&lookup->owners, 2);
    if (lookup->wake.fd < 0 || start_thread(lookup) != 0) {
        clew__descriptor_close(&lookup->wake);
        atomic_store(&lookup->owners, 1);
        let_go(lookup);
        return false;
    }
    resolver->lookup = lookup;
    return true;
}

void clew__resolver_fini(struct clew__resolver *resolver) {
    struct clew__lookup *lookup = resolver->lookup;
    if (!lookup)
        return;
    pthread_mutex_lock(&lookup->mutex);
    clew__descriptor_close(&lookup->wake);
    pthread_mutex_unlock(&lookup->mutex);
    let_go(lookup);
    resolver->lookup = NULL;
}

enum clew__resolve clew__resolver_look(struct clew__resolver *resolver, struct clew__addresses *out,
                                       const char **error) {
    struct clew__lookup *lookup = resolver->lookup;
    pthread_mutex_lock(&lookup->mutex);
    bool answered = lookup->answered;
    pthread_mutex_unlock(&lookup->mutex);
    if (!answered)
        return CLEW__RESOLVE_PENDING;
    *error = lookup->error ? gai_strerror(lookup->error) : NULL;
    if (!lookup->error)
        *out = resolver->last = lookup->found;
    clew__resolver_fini(resolver);
    return *error ? CLEW__RESOLVE_FAILED : CLEW__RESOLVE_FOUND;
}

int clew__resolver_descriptor(const struct clew__resolver *resolver) {
    /* Only the resolver's side changes it. */
    return resolver->lookup ? resolver->lookup->wake.fd : -1;
}

void clew__resolver_forget(struct clew__resolver *resolver) {
    if (!resolver->lookup)
        return;
    /* The thread is not in this process, and may have held the lock. */
    clew__descriptor_close(&resolver->lookup->wake);
    clew__leave_behind(resolver->lookup);
    resolver->lookup = NULL;
}
