/* What the code that reads spans shares: from wire bytes to the public view types and back. Pure; any thread.
 */
#ifndef CLEW_TRACE_VIEW_H
#define CLEW_TRACE_VIEW_H

#include <clew/view.h>

#include "proto/wire.h"

static inline struct clew__wire clew__wire_of_bytes(clew_bytes bytes) {
    return clew__wire_of(bytes.data, bytes.size);
}

/* What is absent becomes empty, never NULL: it may go to memcpy and friends as it is. */
static inline clew_bytes clew__bytes_of_wire(struct clew__wire wire) {
    clew_bytes bytes = {wire.at ? (const void *)wire.at : "", wire.at ? (size_t)(wire.end - wire.at) : 0};
    return bytes;
}

static inline clew_text clew__text_of_wire(struct clew__wire wire) {
    clew_bytes bytes = clew__bytes_of_wire(wire);
    clew_text text = {(const char *)bytes.data, bytes.size};
    return text;
}

/* The next member of that number out of `rest`, which moves behind it. */
bool clew__take_member(clew_bytes *rest, uint32_t field, struct clew__wire *out);

/* How much of `size` bytes of text stay when cut to `limit` bytes: no character is split. */
size_t clew__text_cut(const char *text, size_t size, size_t limit);

#endif
