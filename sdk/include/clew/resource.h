/* Resources: what produces the spans (specification: Resource SDK). Immutable and counted. */
#ifndef CLEW_RESOURCE_H
#define CLEW_RESOURCE_H

#include <clew/attribute.h>

CLEW_BEGIN_DECLS

/** Attributes and a schema URL. NULL is the empty resource for the functions that read one. */
typedef struct clew_resource clew_resource;

/** A resource of these attributes alone, copied, of equal keys the last. `schema_url` may be NULL. NULL when
 * memory runs out. */
CLEW_API clew_resource *clew_resource_new(const clew_attribute *attributes, size_t count,
                                          const char *schema_url);

/** What Clew finds out by itself: telemetry.sdk.*, process.*, host.*, os.*, service.instance.id (a random
 * UUID), with service.name from `service_name` (NULL: unknown_service:PROGRAM), over it
 * OTEL_RESOURCE_ATTRIBUTES, and over that OTEL_SERVICE_NAME. Reads files of /etc and /proc once. */
CLEW_API clew_resource *clew_resource_default(const char *service_name);

/** A new resource with the attributes of both; `updating` wins, also with an empty value. Schema URLs that
 * differ are logged and leave it empty. Either may be NULL. */
CLEW_API clew_resource *clew_resource_merge(const clew_resource *old, const clew_resource *updating);

/** One more reference; returns its argument. Any thread. */
CLEW_API clew_resource *clew_resource_ref(const clew_resource *resource);
/** Gives a reference back; the last one frees it. Any thread. */
CLEW_API void clew_resource_unref(const clew_resource *resource);

/** The number of attributes. */
CLEW_API size_t clew_resource_count(const clew_resource *resource);
/** The attribute at an index below the count; key NULL beyond it. Lives as long as the resource. */
CLEW_API clew_attribute clew_resource_at(const clew_resource *resource, size_t index);
/** The value of a key; an empty value when absent. */
CLEW_API clew_value clew_resource_get(const clew_resource *resource, const char *key);
/** The schema URL, terminated; "" without one. Lives as long as the resource. */
CLEW_API const char *clew_resource_schema_url(const clew_resource *resource);

CLEW_END_DECLS

#endif
