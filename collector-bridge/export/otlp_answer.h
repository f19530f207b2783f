/* What receivers answer, in the words that people read. */
#ifndef CLEW_EXPORT_OTLP_ANSWER_H
#define CLEW_EXPORT_OTLP_ANSWER_H

#include "collector-bridge/export/fates.h"
#include "collector-bridge/export/transport.h"

/* The receiver took so many spans: gives them their fate, and says what else is in the answer. */
void clew__otlp_accepted(const struct clew__otlp_settings *settings,
                         const struct clew__transport_result *result, uint64_t spans,
                         struct clew__fates *fates);

/* Why it took none: no secrets, terminated, cut to `size`. */
void clew__otlp_describe_refusal(const struct clew__otlp_settings *settings,
                                 const struct clew__transport_result *result, char *out, size_t size);

#endif
