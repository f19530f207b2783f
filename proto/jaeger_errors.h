/* What tells of an error in a trace of Jaeger besides the tag `error`: logs, as OpenTracing's conventions
 * have them, and the status of gRPC. Pure; any thread. */
#ifndef CLEW_PROTO_JAEGER_ERRORS_H
#define CLEW_PROTO_JAEGER_ERRORS_H

#include "proto/json_span.h"

/* What a span's logs and tags have said so far. All zero: nothing. */
struct clew__jaeger_errors {
    bool logged;
    bool grpc;           /* a status of gRPC that is not OK */
    bool grpc_of_server; /* one that a server is to blame for */
};

/* What the fields of one log have said so far. All zero: nothing. */
struct clew__jaeger_log {
    struct clew__json_string event; /* of a text; without its quotes */
    bool is_error;
    const char *message; /* the name of the field that tells best what went wrong, or NULL */
};

/* Look at one field or tag, whose value is next in `in` and stays there. */
void clew__jaeger_look_at_field(const struct clew__json_text *in, const struct clew__json_string *name,
                                struct clew__jaeger_log *log);
void clew__jaeger_look_at_tag(const struct clew__json_text *in, const struct clew__json_string *name,
                              struct clew__jaeger_errors *errors);

/* Whether a log becomes an event `exception`: it tells of an error and is not named otherwise. */
bool clew__jaeger_is_exception(const struct clew__jaeger_log *log);
/* The name of a field of such a log as semantic conventions have it. */
void clew__jaeger_rename_field(const struct clew__jaeger_log *log, struct clew__json_string *name);

/* Whether the span has failed by what its logs and tags say, unless its tag `error` denies it. What has no
 * kind may be a client. */
bool clew__jaeger_has_failed(const struct clew__jaeger_errors *errors,
                             const struct clew__json_traits *traits);

#endif
