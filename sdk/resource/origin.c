/* Owns the lock over the bytes of all origins. Any thread. */
#include "sdk/resource/origin.h"

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/base/lock.h"
#include "sdk/resource/resource.h"

#include <clew/extend.h>

#include <string.h>

static struct clew__lock lock = CLEW__LOCK_INIT;

static void encode(struct clew__origin *origin) {
    struct clew__writer writer = clew__buffer_plain();
    const char *schema_url;
    size_t begun;
    if (origin->forked) {
        clew_resource *fresh = clew__resource_after_fork(origin->resource);
        if (fresh) {
            clew_resource_unref((clew_resource *)origin->resource);
            origin->resource = fresh;
            origin->forked = false;
        }
    }
    begun = clew__write_begin(&writer, CLEW__RESOURCE_SPANS_RESOURCE);
    clew__resource_encode(origin->resource, &writer);
    clew__write_end(&writer, begun);
    schema_url = clew_resource_schema_url(origin->resource);
    if (schema_url && *schema_url)
        clew__write_bytes(&writer, CLEW__RESOURCE_SPANS_SCHEMA_URL, schema_url, strlen(schema_url));
    if (writer.failed) {
        clew__buffer_fini(&writer);
        return;
    }
    clew_memory_release(origin->bytes);
    origin->size = writer.size;
    origin->bytes = clew__buffer_take(&writer);
    origin->encoded = true;
}

clew_bytes clew__origin_bytes(struct clew__origin *origin) {
    clew_bytes bytes = {NULL, 0};
    clew__lock_acquire(&lock);
    if (!origin->encoded)
        encode(origin);
    if (origin->encoded) {
        bytes.data = origin->bytes;
        bytes.size = origin->size;
    }
    clew__lock_release(&lock);
    return bytes;
}

void clew__origin_forked(struct clew__origin *origin) {
    clew__lock_release(&lock);
    origin->encoded = false;
    origin->forked = true;
}

void clew__origin_fini(struct clew__origin *origin) {
    clew_resource_unref((clew_resource *)origin->resource);
    clew_memory_release(origin->bytes);
    memset(origin, 0, sizeof *origin);
}
