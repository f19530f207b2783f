/* Resources inside the library: the wire form, what has to be new in a forked process, and the parts of the
 * default resource. */
#ifndef CLEW_RESOURCE_RESOURCE_H
#define CLEW_RESOURCE_RESOURCE_H

#include "proto/wire.h"
#include "sdk/base/slice.h"

#include <clew/resource.h>

/* Attributes that Clew found out by itself and that another process has others of. */
#define CLEW__FRESH_PID 0x1u         /* process.pid */
#define CLEW__FRESH_CREATION 0x2u    /* process.creation.time */
#define CLEW__FRESH_INSTANCE_ID 0x4u /* service.instance.id */

/* As clew_resource_new(), with what of it is to be made anew after a fork: CLEW__FRESH_*. */
clew_resource *clew__resource_make(const clew_attribute *attributes, size_t count, const char *schema_url,
                                   uint32_t fresh);
uint32_t clew__resource_fresh(const clew_resource *resource);

/* Appends the members of the OTLP Resource message (not the field around it). False when the writer has no
 * room; then what was written is taken back. NULL writes nothing. Any thread. */
bool clew__resource_encode(const clew_resource *resource, struct clew__writer *writer);

/* The resource for a forked child: a new one, in which process.pid, process.creation.time and
 * service.instance.id are those of this process where Clew had made them. NULL when memory runs out. */
clew_resource *clew__resource_after_fork(const clew_resource *inherited);

/* The resource of a list "k=v,k2=v2", percent-decoded. Of equal keys the last counts; empty members do not.
 * NULL when a member breaks the rules (`*broken`) or memory runs out. */
clew_resource *clew__resource_parse(struct clew__slice text, bool *broken);

#endif
