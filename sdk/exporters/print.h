/* Text for people, into a writer. Nothing here uses the locale or the time zone. Pure; any thread. */
#ifndef CLEW_EXPORTERS_PRINT_H
#define CLEW_EXPORTERS_PRINT_H

#include <clew/view.h>

#include "proto/wire.h"

void clew__print(struct clew__writer *writer, const char *text);
void clew__print_spaces(struct clew__writer *writer, size_t count);

/* Numbers and literals, up to 128 bytes. */
void clew__print_format(struct clew__writer *writer, const char *format, ...) CLEW_PRINTF(2, 3);

/* Text that came from anywhere: control characters become escapes, so that it stays on its line and cannot
 * steer the terminal; of text that is not UTF-8 all bytes beyond ASCII do. */
void clew__print_text(struct clew__writer *writer, clew_text text);

void clew__print_value(struct clew__writer *writer, const clew_value_view *value);
void clew__print_hex(struct clew__writer *writer, const uint8_t *id, size_t size);

/* 950ns, 1.23us, 45.6ms, 789ms, 12.3s, 2m05s, 3h07m: three digits, or two units; "-" before it when `to`
 * comes first. */
void clew__print_duration(struct clew__writer *writer, uint64_t from_nano, uint64_t to_nano);

/* 2026-11-21T09:11:05.123456789Z */
void clew__print_time(struct clew__writer *writer, uint64_t unix_nano);

/* " [client]"; nothing for the plain kind. */
void clew__print_kind(struct clew__writer *writer, clew_span_kind kind);

/* " error: " with error.type or else the description, where there is one; nothing for a span that did not
 * fail. */
void clew__print_error(struct clew__writer *writer, const clew_span_view *view, const clew_span_data *span);

#endif
