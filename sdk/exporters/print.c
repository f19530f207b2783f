/* Text for people. Pure: no locale, no time zone, no state; any thread. */
#include "sdk/exporters/print.h"

#include "proto/utf8.h"
#include "sdk/base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_MAX 128

void clew__print(struct clew__writer *writer, const char *text) {
    clew__write_raw(writer, text, strlen(text));
}

void clew__print_spaces(struct clew__writer *writer, size_t count) {
    if (count == 0 || !clew__writer_reserve(writer, count))
        return;
    memset(writer->data + writer->size, ' ', count);
    writer->size += count;
}

void clew__print_format(struct clew__writer *writer, const char *format, ...) {
    char text[FORMAT_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clew__print(writer, text);
}

static void print_escape(struct clew__writer *writer, const char *character, size_t size) {
    if (size == 2)
        clew__print_format(writer, "\\u%04x", (unsigned)(uint8_t)character[1]); /* U+0080 to U+009F */
    else if (*character == '\n')
        clew__print(writer, "\\n");
    else if (*character == '\t')
        clew__print(writer, "\\t");
    else if (*character == '\r')
        clew__print(writer, "\\r");
    else
        clew__print_format(writer, "\\x%02x", (unsigned)(uint8_t)*character);
}

/* How many bytes at `at` must not go out as they are: 0, 1, or 2 for the control characters U+0080 to U+009F.
 */
static size_t harmful(const char *at, const char *end, bool is_utf8) {
    uint8_t byte = (uint8_t)*at;
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !is_utf8))
        return 1;
    return byte == 0xC2 && end - at > 1 && (uint8_t)at[1] <= 0x9F ? 2 : 0;
}

void clew__print_text(struct clew__writer *writer, clew_text text) {
    const char *plain = text.size ? text.data : "";
    const char *end = plain + text.size;
    bool is_utf8 = text.size == 0 || clew__utf8_valid(text.data, text.size);

    for (const char *at = plain; at < end;) {
        size_t size = harmful(at, end, is_utf8);
        if (size == 0) {
            at++;
            continue;
        }
        clew__write_raw(writer, plain, (size_t)(at - plain));
        print_escape(writer, at, size);
        at += size;
        plain = at;
    }
    clew__write_raw(writer, plain, (size_t)(end - plain));
}

void clew__print_value(struct clew__writer *writer, const clew_value_view *value) {
    size_t size;

    if (value->type == CLEW_TYPE_STRING) {
        clew_text text = {(const char *)value->data.data, value->data.size};
        clew__print_text(writer, text);
        return;
    }
    size = clew_value_view_text(value, NULL, 0);
    if (!clew__writer_reserve(writer, size + 1)) /* the terminator is overwritten by what follows */
        return;
    clew_value_view_text(value, (char *)writer->data + writer->size, size + 1);
    writer->size += size;
}

void clew__print_hex(struct clew__writer *writer, const uint8_t *id, size_t size) {
    for (size_t i = 0; i < size; i++)
        clew__print_format(writer, "%02x", id[i]);
}

void clew__print_duration(struct clew__writer *writer, uint64_t from_nano, uint64_t to_nano) {
    static const char *const units[] = {"ns", "us", "ms", "s"};
    uint64_t nano = to_nano >= from_nano ? to_nano - from_nano : from_nano - to_nano;
    uint64_t seconds = nano / CLEW__NANO_PER_SECOND;
    uint64_t quantum = 1; /* ns that the last digit stands for */
    unsigned power = 0;   /* of ten, in the quantum */
    uint64_t digits;

    if (to_nano < from_nano)
        clew__print(writer, "-");
    if (seconds >= 3600) {
        clew__print_format(writer, "%" PRIu64 "h%02um", seconds / 3600, (unsigned)(seconds / 60 % 60));
        return;
    }
    if (seconds >= 60) {
        clew__print_format(writer, "%" PRIu64 "m%02us", seconds / 60, (unsigned)(seconds % 60));
        return;
    }
    while ((digits = (nano + quantum / 2) / quantum) >= 1000) {
        quantum *= 10;
        power++;
    }
    if (power % 3 == 0)
        clew__print_format(writer, "%u%s", (unsigned)digits, units[power / 3]);
    else if (power % 3 == 1)
        clew__print_format(writer, "%u.%02u%s", (unsigned)digits / 100, (unsigned)digits % 100,
                           units[power / 3 + 1]);
    else
        clew__print_format(writer, "%u.%u%s", (unsigned)digits / 10, (unsigned)digits % 10,
                           units[power / 3 + 1]);
}

/* The day of the Gregorian calendar, counted from 1970-01-01. Years start in March here, so that the leap day
 * is their last; 400 years are 146097 days. */
static void date_of_day(uint64_t day, unsigned *year, unsigned *month, unsigned *of_month) {
    uint64_t since = day + 719468; /* from 0000-03-01 to 1970-01-01 */
    unsigned in_era = (unsigned)(since % 146097);
    unsigned year_of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    unsigned of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned from_march = (5 * of_year + 2) / 153; /* five months of 31 and 30 days in turn are 153 */

    *of_month = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
    *year = (unsigned)(since / 146097 * 400) + year_of_era + (*month <= 2);
}

void clew__print_time(struct clew__writer *writer, uint64_t unix_nano) {
    uint64_t seconds = unix_nano / CLEW__NANO_PER_SECOND;
    unsigned of_day = (unsigned)(seconds % 86400);
    unsigned year, month, day;

    date_of_day(seconds / 86400, &year, &month, &day);
    clew__print_format(writer, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year, month, day, of_day / 3600,
                       of_day / 60 % 60, of_day % 60, (unsigned)(unix_nano % CLEW__NANO_PER_SECOND));
}

void clew__print_kind(struct clew__writer *writer, clew_span_kind kind) {
    static const char *const names[] = {"", "", " [server]", " [client]", " [producer]", " [consumer]"};
    if ((unsigned)kind < sizeof names / sizeof *names)
        clew__print(writer, names[kind]);
}

void clew__print_error(struct clew__writer *writer, const clew_span_view *view, const clew_span_data *span) {
    clew_value_view type;

    if (span->status != CLEW_STATUS_ERROR)
        return;
    clew__print(writer, " error");
    if (clew_span_view_attribute(view, "error.type", &type)) {
        clew__print(writer, ": ");
        clew__print_value(writer, &type);
    } else if (span->status_description.size) {
        clew__print(writer, ": ");
        clew__print_text(writer, span->status_description);
    }
}
