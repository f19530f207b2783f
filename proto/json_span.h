/* What the JSON of other tracing systems has in common: ids and times in their forms, values without a wire
 * type, and the tags by which OpenTelemetry's exporters carry what those systems have no member for. Pure;
 * any thread.
 *
 * Every function that takes a text and returns a bool returns false when that has a fault, which then stands
 * in it. */
#ifndef CLEW_PROTO_JSON_SPAN_H
#define CLEW_PROTO_JSON_SPAN_H

#include "proto/json_scalar.h"

/* ---- ids ---- */

/* An id as it was found. Hexadecimal ones of at most as many digits as fit keep their value, padded with
 * zeros on the left. Any other text becomes a hash of it, which is never zero, and is kept. */
struct clew__json_id {
    uint8_t bytes[16]; /* the first 8 of a span id */
    bool present;      /* it is there, and not empty */
    bool hashed;
    struct clew__json_string text; /* when it is hashed */
};

/* `size` is 8 or 16. Null stands for an absent one. */
bool clew__json_take_id(struct clew__json_text *in, size_t size, struct clew__json_id *id);
bool clew__json_id_is_zero(const struct clew__json_id *id, size_t size);

/* ---- times ---- */

/* A number of microseconds, or a string that stands for one, as nanoseconds; parts of a microsecond are kept
 * as far as they are nanoseconds. */
bool clew__json_take_micros(struct clew__json_text *in, int64_t *nano);
/* When a span of a duration that was given has ended. Never 0, which means that it has not: where it would be
 * that or less, a nanosecond takes its place. `start` is not negative. */
uint64_t clew__json_end_time(int64_t start, int64_t duration);

/* ---- values ---- */

/* What a tag says of its value; UNKNOWN when it says nothing: then the value itself decides. */
enum clew__json_type {
    CLEW__JSON_UNKNOWN,
    CLEW__JSON_STRING,
    CLEW__JSON_BOOL,
    CLEW__JSON_INT64,
    CLEW__JSON_FLOAT64,
    CLEW__JSON_BINARY,
};

/* An attribute as member `field`: the name and, from `in`, the value. What does not fit its type keeps the
 * type that it has; objects and lists become their text. */
bool clew__json_write_attribute(struct clew__json_text *in, struct clew__writer *writer, uint32_t field,
                                const struct clew__json_string *name, enum clew__json_type type);
/* An attribute whose value is a text that does not come from JSON, or does. */
void clew__json_write_text_attribute(struct clew__writer *writer, uint32_t field, const char *name,
                                     const char *text, size_t size);
void clew__json_write_string_attribute(struct clew__writer *writer, uint32_t field, const char *name,
                                       const struct clew__json_string *string);

/* The attribute host.ip of a resource, which is a list; nothing for an empty address. */
void clew__json_write_host_ip(struct clew__writer *writer, const struct clew__json_string *address);

/* ---- what some tags mean ---- */

/* What the tags of one span have said so far. */
struct clew__json_traits {
    uint32_t kind;                        /* of OTLP; 0: none */
    uint32_t status_code;                 /* of otel.status_code; 0: unset */
    bool error;                           /* there is an `error` that does not deny it */
    bool no_error;                        /* there is one that denies it */
    struct clew__json_string error_text;  /* when it says more than true */
    struct clew__json_string description; /* otel.status_description */
    struct clew__json_string trace_state; /* w3c.tracestate */
};

/* Looks at one tag, whose value is next in `in`. True when all that it says is in the traits now and it need
 * not become an attribute; then the value is taken. False, and nothing taken: it is one like any other, or
 * the text has a fault. */
bool clew__json_take_trait(struct clew__json_text *in, const struct clew__json_string *name,
                           struct clew__json_traits *traits);

/* Writes the members that the traits decide into a span: state, kind, status. */
void clew__json_write_traits(struct clew__writer *writer, const struct clew__json_traits *traits);

/* The kind with that name, in any case, or 0. */
uint32_t clew__json_span_kind(const struct clew__json_string *name);

/* The ids that are no hexadecimal ones, as attributes of the span. */
void clew__json_write_id_texts(struct clew__writer *writer, const struct clew__json_id *trace_id,
                               const struct clew__json_id *span_id);

/* Tag and length of a member whose content is written next. */
void clew__json_write_head(struct clew__writer *writer, uint32_t field, size_t size);
/* How much a member takes with its head, of a field below 16. */
static inline size_t clew__json_member_size(size_t size) {
    return 1 + clew__varint_size(size) + size;
}

#endif
