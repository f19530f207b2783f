/* Rate, errors and durations of operations and services, for people and programs. Pure, into a writer. */
#ifndef CLEW_REPORT_OPERATIONS_H
#define CLEW_REPORT_OPERATIONS_H

#include "collector-bridge/report/style.h"

#include <clew/analysis/health.h>
#include <clew/analysis/operations.h>

/* Tables of services and of operations, those with the most critical time first. False when memory ran out.
 */
bool clew__report_operations(struct clew__writer *out, const struct clew__style *style,
                             struct clew__palette *palette, const clew_operations_report *operations,
                             uint32_t limit);
/* One line of JSON, with the health of services and edges. */
void clew__report_operations_json(struct clew__writer *out, const clew_operations_report *operations,
                                  const clew_health_report *health);

/* What is not well, and why, where it begins first; nothing when all is well. */
void clew__report_health(struct clew__writer *out, const struct clew__style *style,
                         const clew_health_report *health);

#endif
