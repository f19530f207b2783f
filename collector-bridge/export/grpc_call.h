/* What the files of the gRPC transport share: grpc.c, which makes the call, and grpc_result.c, which says how
 * it ended. One thread at a time. */
#ifndef CLEW_EXPORT_GRPC_CALL_H
#define CLEW_EXPORT_GRPC_CALL_H

#include "collector-bridge/export/connection.h"
#include "collector-bridge/export/grpc_answer.h"
#include "collector-bridge/export/h2.h"

struct clew__grpc {
    struct clew__transport base;
    struct clew__connection connection;
    struct clew__h2 *h2; /* of the connection, while it is open */
    pid_t owner;         /* the process that made them */
    nghttp2_nv *header;  /* room for a request's */

    /* The attempt; valid while `running`. */
    bool running;
    struct clew__body sending;
    uint8_t prefix[CLEW__GRPC_PREFIX];
    size_t taken; /* bytes of prefix and body that the session has taken */
    uint64_t started_nano, deadline_nano;
    bool kept;        /* the connection has served a call before */
    bool heard;       /* something came since the call began */
    bool more;        /* a step is due at once */
    bool sent_before; /* all of it went out on a connection that was lost, and is sent again */

    struct clew__grpc_answer answer;
};

/* What is known by now into `result`; true: that ends the attempt. */
bool clew__grpc_conclude(struct clew__grpc *grpc, uint64_t now, struct clew__transport_result *result);
/* Ends for other reasons; `result->sent` is known. */
void clew__grpc_late(const struct clew__grpc *grpc, uint64_t now, struct clew__transport_result *result);
void clew__grpc_out_of_memory(const struct clew__grpc *grpc, struct clew__transport_result *result);

#endif
