/* Several traces at once, and service maps as text, for tests. */
#ifndef CLEW_TEST_ANALYSIS_MAPS_H
#define CLEW_TEST_ANALYSIS_MAPS_H

#include "test/unit/analysis/build.h"

#include <clew/analysis/map.h>

/* The traces of a table of spans, by trace id. */
struct traces {
    struct built *traces;
    size_t count;
};
/* `order` of the spans: NULL is that of the table. */
struct traces traces_of(const struct build_span *spans, size_t count, const uint32_t *order);
void traces_free(struct traces *traces);

/* Everything that a report says, byte by byte, sketches included; to be freed with free(). */
char *map_print(const clew_map_report *report);

#endif
