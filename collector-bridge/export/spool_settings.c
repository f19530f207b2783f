/* Where an exporter's spool is and how large: options over CLEW_SPOOL and CLEW_SPOOL_LIMIT. The environment
 * is read while an exporter is made, at no other time; programs that run with more rights than their caller
 * take nothing from it. */
#include "collector-bridge/export/otlp.h"
#include "collector-bridge/export/spooling.h"
#include "collector-bridge/wire/answer.h"
#include "sdk/base/slice.h"
#include "sdk/base/struct_size.h"

#include <clew/extend.h>
#include <stdlib.h>
#include <string.h>

#define QUOTA_DEFAULT (UINT64_C(256) << 20)
/* A few batches, and what SQLite needs beside them. */
#define QUOTA_LEAST (UINT64_C(1) << 20)
#define SHOWN_MAX 96

static bool read_bytes(struct clew__slice text, uint64_t *out) {
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)(unsigned char)text.data[i] - '0';
        if (digit > 9 || number > (INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return text.size > 0 && number >= QUOTA_LEAST;
}

static uint64_t choose_quota(uint64_t option) {
    struct clew__slice text = clew__slice_trim(clew__slice_text(secure_getenv("CLEW_SPOOL_LIMIT")));
    uint64_t quota = QUOTA_DEFAULT;
    char shown[SHOWN_MAX];
    if (option >= QUOTA_LEAST)
        return option;
    if (option) {
        clew_log(CLEW_LOG_WARN, "clew_otlp_options.spool_quota",
                 "clew_otlp_options.spool_quota=%llu is less than 1048576 bytes; using 1048576",
                 (unsigned long long)option);
        return QUOTA_LEAST;
    }
    if (text.size && !read_bytes(text, &quota)) {
        clew__answer_show(text, NULL, 0, shown, sizeof shown);
        clew_log(CLEW_LOG_WARN, "CLEW_SPOOL_LIMIT",
                 "CLEW_SPOOL_LIMIT=\"%s\" is no number of bytes from 1048576 on; using 268435456", shown);
        quota = QUOTA_DEFAULT;
    }
    return quota;
}

static char *choose_directory(const char *option) {
    struct clew__slice text = clew__slice_trim(clew__slice_text(option));
    if (text.size == 0)
        text = clew__slice_trim(clew__slice_text(secure_getenv("CLEW_SPOOL")));
    return text.size ? clew_memory_copy_text(text.data, text.size) : NULL;
}

static bool wants_spool(const clew_otlp_options *given, clew_otlp_options *options) {
    *options = clew_otlp_options_default();
    if (given)
        clew__options_copy(options, sizeof *options, given, sizeof *options);
    return options->signal == CLEW_SIGNAL_TRACES;
}

static int wrap(const clew_otlp_options *options, clew__spooling_make make, const char *directory,
                clew_exporter *out) {
    struct clew__spooling_parts parts = {.directory = directory, .peace_nano = clew__otlp_peace_nano};
    int error = make(options, true, &parts.live);
    if (error)
        return error;
    error = make(options, true, &parts.replay);
    if (error) {
        parts.live.destroy(parts.live.self);
        return error;
    }
    parts.quota = choose_quota(options->spool_quota);
    error = clew__spooling_new(&parts, out);
    if (error) {
        parts.live.destroy(parts.live.self);
        parts.replay.destroy(parts.replay.self);
    }
    return error;
}

int clew__spooling_otlp(const clew_otlp_options *given, clew__spooling_make make, clew_exporter *out) {
    clew_otlp_options options;
    char *directory = wants_spool(given, &options) ? choose_directory(options.spool) : NULL;
    int error = directory ? wrap(&options, make, directory, out) : make(given, false, out);
    clew_memory_release(directory);
    return error;
}
