/* What clew_init_with() goes by: the environment and the options of the program as one set of settings. Code
 * wins over variables; a wrong variable is logged once and what stands behind it is used. Cold path; any
 * thread, as far as getenv(3) allows. */
#ifndef CLEW_CONFIG_OPTIONS_H
#define CLEW_CONFIG_OPTIONS_H

#include "sdk/base/struct_size.h"

#include <clew/init.h>

/* Bits of clew__settings.exporters. */
#define CLEW__EXPORTER_OTLP 0x1u        /* through the factory; only set when there is one */
#define CLEW__EXPORTER_CONSOLE 0x2u     /* readable lines */
#define CLEW__EXPORTER_OTLP_STDOUT 0x4u /* JSON lines on stdout */
#define CLEW__EXPORTER_OTLP_FILE 0x8u   /* JSON lines appended to `otlp_file` */

struct clew__settings {
    clew_limits limits;
    clew_batch_options batch;
    clew_sampler *sampler;       /* owned, never NULL */
    clew_resource *resource;     /* owned; the program's, to be merged over the default one; may be NULL */
    clew_propagator *propagator; /* owned, never NULL; never freed once it is installed */

    uint32_t exporters;     /* CLEW__EXPORTER_*; 0: none */
    clew_otlp_factory otlp; /* may be NULL: then CLEW__EXPORTER_OTLP is not set */
    clew_otlp_options
        otlp_options; /* its texts are the program's, borrowed for the call of clew_init_with() */
    char *otlp_file;  /* owned; NULL without CLEW__EXPORTER_OTLP_FILE */

    char *crash_directory; /* owned; NULL: none */
    uint64_t crash_bytes;

    uint32_t exit_flush_ms; /* 0: none */
    uint64_t memory_limit;  /* of CLEW_MEMORY_LIMIT; 0: not set */
    bool disabled;          /* propagators only */
    bool ignore_traceparent;

    bool metrics;           /* about Clew itself; only set when `otlp` is there */
    char *metrics_endpoint; /* owned; NULL leaves it to the variables */
    uint32_t metrics_interval_ms, metrics_timeout_ms;
};

/* Reads everything. Takes over the references in `options` (which may be NULL), also on errors. Returns 0, or
 * CLEW_ENOMEM with nothing left to free. */
int clew__settings_load(const clew_options *options, struct clew__settings *out);

/* Frees what is owned. A member that has been handed on is set to NULL before. */
void clew__settings_fini(struct clew__settings *settings);

/* The level of OTEL_LOG_LEVEL; false when the variable is unset or wrong. To be applied before anything else
 * is read, for that may have something to say. */
bool clew__settings_log_level(clew_log_level *out);

#endif
