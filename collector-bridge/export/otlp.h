/* The OTLP exporter with a transport of the caller's choice. */
#ifndef CLEW_EXPORT_OTLP_H
#define CLEW_EXPORT_OTLP_H

#include "collector-bridge/export/transport.h"

typedef struct clew__transport *(*clew__transport_maker)(const struct clew__otlp_settings *settings);

/* As clew_otlp_exporter(), which chooses by the protocol. */
int clew__otlp_exporter_over(clew__transport_maker make, const clew_otlp_options *options,
                             clew_exporter *out);

/* Has such an exporter fail where it would wait and try again: for one who knows what to do with the batch
 * meanwhile. */
void clew__otlp_try_once(const clew_exporter *exporter);
/* Until when the receiver has asked to be left alone (Retry-After, RetryInfo). */
uint64_t clew__otlp_peace_nano(const clew_exporter *exporter);

#endif
