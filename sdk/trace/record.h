/* Recording: the operations on a slot that the caller has locked, straight into wire bytes. No operation here
 * blocks; none allocates but to grow a body. */
#ifndef CLEW_TRACE_RECORD_H
#define CLEW_TRACE_RECORD_H

#include "sdk/trace/provider.h"
#include "sdk/trace/slot.h"

/* Writes what every span starts with. False when there is no room (a name or tracestate of megabytes). */
bool clew__record_begin(struct clew__slot *slot, const clew_span *span, uint8_t trace_flags,
                        const uint8_t parent_span_id[8], bool parent_is_remote, clew_span_kind kind,
                        uint64_t start_unix_nano, const char *name);

void clew__record_string(struct clew__slot *slot, const char *key, size_t key_size, const char *value,
                         size_t size);
void clew__record_varint(struct clew__slot *slot, const char *key, size_t key_size, uint32_t any_field,
                         uint64_t number);
void clew__record_double(struct clew__slot *slot, const char *key, size_t key_size, double value);
void clew__record_value(struct clew__slot *slot, const char *key, size_t key_size, const clew_value *value);
void clew__record_attributes(struct clew__slot *slot, const clew_attribute *attributes, size_t count);
void clew__record_event(struct clew__slot *slot, const char *name, size_t name_size, uint64_t time_unix_nano,
                        const clew_attribute *attributes, size_t count);
/* `size` bytes for an event that the caller writes, all of them: returns where they start in the body; 0, and
 * counted as dropped, past a limit. */
uint32_t clew__record_blank_event(struct clew__slot *slot, uint32_t size);
void clew__record_drop_event(struct clew__slot *slot);
void clew__record_link(struct clew__slot *slot, const clew_span_context *context,
                       const clew_attribute *attributes, size_t count);
void clew__record_status(struct clew__slot *slot, clew_status status, const char *description, size_t size);
void clew__record_name(struct clew__slot *slot, const char *name, size_t size);

/* The ids that the bytes start with. */
void clew__record_read_ids(const struct clew__slot *slot, clew_span *out);

/* Sets the end time; the span is complete but for what on_ending callbacks still set. */
void clew__record_end_time(struct clew__slot *slot, uint64_t end_unix_nano);
/* Appends the counts of what was dropped: the bytes are final. */
void clew__record_seal(struct clew__slot *slot);

/* The tracestate, with a reference for the caller, and the clock offset of an open span; left alone when it
 * has ended. */
void clew__span_read_shared(uint64_t ref, const clew_tracestate **tracestate, int64_t *unix_offset);

#endif
