/* Where spans come from, as records and requests carry it: encoded once. */
#ifndef CLEW_RESOURCE_ORIGIN_H
#define CLEW_RESOURCE_ORIGIN_H

#include <clew/resource.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An instrumentation scope: immutable but for the last member, alive as long as the process. */
struct clew__scope {
    const uint8_t *head; /* member `scope` of a ScopeSpans, tag and length included; may be empty */
    size_t head_size;
    const uint8_t *tail; /* member `schema_url`, likewise */
    size_t tail_size;
    _Atomic uint32_t noted; /* the crash file that has it; see crash.h */
};

/* A resource, of one provider. Encoded at first use, and again in the child of a fork, whose process is
 * another. Any thread; a lock inside. */
struct clew__origin {
    const clew_resource *resource;
    uint8_t *bytes; /* member `resource` of a ResourceSpans, then member `schema_url` */
    size_t size;
    bool encoded;
    bool forked; /* the resource still describes the parent process */
};

/* The bytes; an empty run when memory runs out. Valid until the process forks. */
clew_bytes clew__origin_bytes(struct clew__origin *origin);

/* In the child of a fork. Allocates nothing. */
void clew__origin_forked(struct clew__origin *origin);
void clew__origin_fini(struct clew__origin *origin);

#endif
