/* Why a connection did not come to be, in words that an address follows. */
#ifndef CLEW_EXPORT_CONNECT_ERROR_H
#define CLEW_EXPORT_CONNECT_ERROR_H

#include <errno.h>

static inline const char *clew__connect_error_text(int error) {
    switch (error) {
    case ECONNREFUSED:
        return "connection refused by";
    case ENOENT:
        return "there is no socket";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "no route to";
    case EADDRNOTAVAIL:
        return "no local address left to connect to";
    case EACCES:
    case EPERM:
        return "not allowed to connect to";
    case EMFILE:
    case ENFILE:
        return "no file descriptor left to connect to";
    case ETIMEDOUT:
        return "no answer from";
    default:
        return "cannot connect to";
    }
}

#endif
