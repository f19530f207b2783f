/* Numbers as people read them. Pure; any thread. */
#include "collector-bridge/report/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits without the decimal point of the locale; `value` is below 999.5, or has no larger
 * unit. Returns the columns. */
static size_t three_digits(double value, char text[CLEW__NUMBER_SIZE]) {
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    uint64_t scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
    uint64_t scaled = (uint64_t)(value * (double)scale + 0.5);
    int size = decimals ? snprintf(text, CLEW__NUMBER_SIZE, "%" PRIu64 ".%0*" PRIu64, scaled / scale,
                                   decimals, scaled % scale)
                        : snprintf(text, CLEW__NUMBER_SIZE, "%" PRIu64, scaled);
    return (size_t)size;
}

size_t clew__duration_text(uint64_t nanoseconds, char text[CLEW__NUMBER_SIZE]) {
    static const struct {
        double nanoseconds;
        const char *name;
        size_t columns;
    } units[] = {{1e3, "\xc2\xb5s", 2}, {1e6, "ms", 2}, {1e9, "s", 1}, {6e10, "min", 3}, {3.6e12, "h", 1}};
    size_t unit = 0, digits;
    if (nanoseconds < 1000)
        return (size_t)snprintf(text, CLEW__NUMBER_SIZE, "%" PRIu64 "ns", nanoseconds);
    /* 999.5 is where three digits would round to four. */
    while (unit < sizeof units / sizeof units[0] - 1 &&
           (double)nanoseconds / units[unit].nanoseconds >= 999.5)
        unit++;
    digits = three_digits((double)nanoseconds / units[unit].nanoseconds, text);
    memcpy(text + digits, units[unit].name, strlen(units[unit].name) + 1);
    return digits + units[unit].columns;
}

void clew__change_text(int64_t nanoseconds, char text[CLEW__NUMBER_SIZE]) {
    uint64_t size = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
    char duration[CLEW__NUMBER_SIZE];
    clew__duration_text(size, duration);
    text[0] = nanoseconds < 0 ? '-' : '+';
    memcpy(text + (nanoseconds != 0), duration, sizeof duration - 1);
    text[CLEW__NUMBER_SIZE - 1] = '\0';
}

void clew__share_text(uint64_t part, uint64_t whole, char text[CLEW__NUMBER_SIZE]) {
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;
    size_t digits;
    text[0] = '\0';
    if (!whole)
        return;
    if (percent < 0.005) {
        memcpy(text, part ? "<0.01%" : "0%", part ? 7 : 3);
        return;
    }
    digits = three_digits(percent, text);
    memcpy(text + digits, "%", 2);
}

void clew__count_text(uint64_t count, char text[CLEW__NUMBER_SIZE]) {
    static const char units[] = "kMGTPE";
    double value = (double)count / 1e3;
    size_t unit = 0, digits;
    if (count < 100000) {
        snprintf(text, CLEW__NUMBER_SIZE, "%" PRIu64, count);
        return;
    }
    for (; value >= 999.5 && unit < sizeof units - 2; unit++)
        value /= 1e3;
    digits = three_digits(value, text);
    text[digits] = units[unit];
    text[digits + 1] = '\0';
}

void clew__ratio_text(uint64_t count, uint64_t pieces, char text[CLEW__NUMBER_SIZE]) {
    text[0] = '\0';
    if (!pieces)
        return;
    if (count % pieces == 0 || count / pieces >= 1000)
        clew__count_text(count / pieces, text);
    else
        three_digits((double)count / (double)pieces, text);
}

void clew__rate_text(double per_second, char text[CLEW__NUMBER_SIZE]) {
    static const struct {
        double seconds;
        const char *name;
    } units[] = {{1, "/s"}, {60, "/min"}, {3600, "/h"}};
    size_t unit = 0, digits;
    text[0] = '\0';
    if (!(per_second > 0) || per_second > 1e18)
        return;
    while (unit < 2 && per_second * units[unit].seconds < 0.995)
        unit++;
    digits = three_digits(per_second * units[unit].seconds, text);
    memcpy(text + digits, units[unit].name, strlen(units[unit].name) + 1);
}
