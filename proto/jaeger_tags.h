/* Jaeger's tags {key, type, value}, and what is made of lists of them: logs and processes. Pure; any thread.
 *
 * Every function that returns a bool, but clew__jaeger_go_to_value(), returns false when the text has a
 * fault, which then stands in it. */
#ifndef CLEW_PROTO_JAEGER_TAGS_H
#define CLEW_PROTO_JAEGER_TAGS_H

#include "proto/jaeger_errors.h"

/* Where a tag's parts stand. */
struct clew__jaeger_tag {
    struct clew__json_string key;
    enum clew__json_type type;
    size_t value, end;
};

/* Takes key, type and value in any order; the value is only passed over. */
bool clew__jaeger_take_tag(struct clew__json_text *in, struct clew__jaeger_tag *tag);
/* Goes back to the value of a tag that was taken. False when it has none. */
bool clew__jaeger_go_to_value(struct clew__json_text *in, const struct clew__jaeger_tag *tag);
/* A tag that was taken as attribute in member `field`; nothing when it has no value. */
bool clew__jaeger_write_tag(struct clew__json_text *in, struct clew__writer *writer, uint32_t field,
                            const struct clew__jaeger_tag *tag);

/* Takes the bracket with which a list begins. */
bool clew__jaeger_open_list(struct clew__json_text *in);

/* The list `logs` as events of a span, and what they say of errors. */
bool clew__jaeger_read_logs(struct clew__json_text *in, struct clew__writer *out,
                            struct clew__jaeger_errors *errors);
/* A process as the content of a Resource. */
bool clew__jaeger_read_process(struct clew__json_text *in, struct clew__writer *out);

#endif
