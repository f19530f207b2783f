/* No state. */
#include "sdk/trace/limits.h"

#include "sdk/base/value.h"

#include <clew/extend.h>

clew_limits clew_limits_default(void) {
    clew_limits limits = {
        .struct_size = sizeof limits,
        .attribute_count = CLEW__COUNT_LIMIT,
        .attribute_value_length = CLEW_UNLIMITED,
        .attribute_value_depth = CLEW__DEPTH_MAX,
        .event_count = CLEW__COUNT_LIMIT,
        .link_count = CLEW__COUNT_LIMIT,
        .event_attribute_count = CLEW__COUNT_LIMIT,
        .link_attribute_count = CLEW__COUNT_LIMIT,
    };
    return limits;
}

void clew__limits_correct(clew_limits *limits) {
    if (limits->attribute_value_depth >= 1 && limits->attribute_value_depth <= CLEW__DEPTH_MAX)
        return;
    clew_log(CLEW_LOG_WARN, "clew_limits",
             "clew_limits.attribute_value_depth %u is not between 1 and %u; using %u",
             limits->attribute_value_depth, CLEW__DEPTH_MAX, CLEW__DEPTH_MAX);
    limits->attribute_value_depth = CLEW__DEPTH_MAX;
}
