/* Where the value of a setting comes from, and what the files that make settings share. One thread at a
 * time. */
#ifndef CLEW_EXPORT_SETTINGS_SOURCE_H
#define CLEW_EXPORT_SETTINGS_SOURCE_H

#include "collector-bridge/export/settings.h"

#define CLEW__SHOWN_MAX 96

/* One place that a value can come from. */
struct clew__source {
    const char *name; /* of the variable or option, for messages; static: it is the message's reason, too */
    struct clew__slice text;
};

/* The places in the order of their rank: option, variable of the signal, general variable. */
struct clew__sources {
    struct clew__source at[3];
    size_t count;
};

/* The places where something is set. */
struct clew__sources clew__sources_of(const char *option_name, const char *option, const char *special,
                                      const char *general);

#define CLEW__SOURCES(of_signal, member, option, NAME)                                                       \
    clew__sources_of("clew_otlp_options." member, option,                                                    \
                     (of_signal) == CLEW_SIGNAL_METRICS ? "OTEL_EXPORTER_OTLP_METRICS_" NAME                 \
                                                        : "OTEL_EXPORTER_OTLP_TRACES_" NAME,                 \
                     "OTEL_EXPORTER_OTLP_" NAME)

/* For messages; returns `buffer`, of CLEW__SHOWN_MAX bytes. */
const char *clew__source_show(struct clew__slice text, char *buffer);
bool clew__source_is(struct clew__slice text, const char *word);
int clew__settings_copy(char **out, struct clew__slice text);

/* settings_headers.c; the protocol is known by then. */
int clew__settings_headers(struct clew__otlp_settings *settings, const char *option);
/* What a URL says before its @ travels as a header, unless there is one of its name already. */
int clew__settings_add_user(struct clew__otlp_settings *settings, struct clew__slice user);

/* settings_endpoint.c; the headers are known by then. */
int clew__settings_endpoint(struct clew__otlp_settings *settings, const clew_otlp_options *options);
enum clew__endpoint_fault clew__settings_judge_endpoint(const struct clew__otlp_settings *settings,
                                                        const char *text);

#endif
