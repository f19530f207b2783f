/* No state: reads the process's environment, which is the host's. Any thread, as far as getenv(3) allows. */
#include "sdk/base/environment.h"

#include <clew/extend.h>

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 64u   /* bytes of a value in a message */
#define RATIO_DIGITS 63 /* longer fractions are no ratios that anybody wrote */
#define NAMES_SHOWN 160 /* room for the wrong names of a list */

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

struct clew__slice clew__env_trim(struct clew__slice text) {
    while (text.size && is_space(text.data[0]))
        text.data++, text.size--;
    while (text.size && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* Equal without regard to the case of ASCII letters. */
static bool same(struct clew__slice slice, const char *text) {
    if (strlen(text) != slice.size)
        return false;
    for (size_t i = 0; i < slice.size; i++)
        if (lower(slice.data[i]) != lower(text[i]))
            return false;
    return true;
}

const char *clew__env_show(struct clew__slice value, char shown[CLEW__ENV_SHOWN_SIZE]) {
    size_t size = 0;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c < 0x20 || c == 0x7f)
            continue;
        if (size == SHOWN_MAX) {
            /* Not in the middle of a UTF-8 character: its continuation bytes, then its first one, go. */
            if ((c & 0xc0) == 0x80) {
                while (size && ((unsigned char)shown[size - 1] & 0xc0) == 0x80)
                    size--;
                size -= size ? 1 : 0;
            }
            memcpy(shown + size, "...", 3);
            size += 3;
            break;
        }
        shown[size++] = (char)c;
    }
    shown[size] = '\0';
    return shown;
}

struct clew__slice clew__env_text(const char *name) {
    return clew__env_trim(clew__slice_text(getenv(name)));
}

bool clew__env_bool(const char *name) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    struct clew__slice value = clew__env_text(name);
    if (same(value, "true"))
        return true;
    if (value.size && !same(value, "false"))
        clew_log(CLEW_LOG_WARN, name, "%s=\"%s\" is neither true nor false; using false", name,
                 clew__env_show(value, shown));
    return false;
}

enum number_fault { NUMBER_OK, NUMBER_MALFORMED, NUMBER_OUT_OF_RANGE };

static enum number_fault parse_uint(struct clew__slice text, const struct clew__env_number *number,
                                    uint64_t *out) {
    bool negative = clew__slice_consume(&text, '-');
    bool overflow = false;
    uint64_t value = 0;
    if (text.size == 0)
        return NUMBER_MALFORMED;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit = (uint64_t)((unsigned char)text.data[i] - '0');
        if (text.data[i] < '0' || text.data[i] > '9')
            return NUMBER_MALFORMED;
        overflow = overflow || value > (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    if (overflow || (negative && value) || value < number->minimum || value > number->maximum)
        return NUMBER_OUT_OF_RANGE;
    *out = value;
    return NUMBER_OK;
}

static void say_bad_number(const char *name, struct clew__slice text, enum number_fault fault,
                           const struct clew__env_number *number, const char *instead) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    clew__env_show(text, shown);
    if (fault == NUMBER_MALFORMED)
        clew_log(CLEW_LOG_WARN, name, "%s=\"%s\" is not a whole number; using %s", name, shown, instead);
    else
        clew_log(CLEW_LOG_WARN, name, "%s=\"%s\" is not between %" PRIu64 " and %" PRIu64 "; using %s", name,
                 shown, number->minimum, number->maximum, instead);
}

uint64_t clew__env_uint(const char *name, const char *general, const struct clew__env_number *number) {
    const char *const names[] = {name, general};
    struct clew__slice texts[2] = {{NULL, 0}, {NULL, 0}};
    enum number_fault faults[2] = {NUMBER_OK, NUMBER_OK};
    uint64_t value = number->standard;
    char instead[CLEW__ENV_SHOWN_SIZE];
    const char *from = NULL;

    for (size_t i = 0; i < 2 && !from; i++) {
        texts[i] = names[i] ? clew__env_text(names[i]) : clew__slice_of(NULL, 0);
        if (texts[i].size == 0)
            continue;
        faults[i] = parse_uint(texts[i], number, &value);
        from = faults[i] == NUMBER_OK ? names[i] : NULL;
    }
    if (from)
        snprintf(instead, sizeof instead, "%s=%" PRIu64, from, value);
    else if (number->standard_text)
        snprintf(instead, sizeof instead, "%s", number->standard_text);
    else
        snprintf(instead, sizeof instead, "%" PRIu64, value);
    for (size_t i = 0; i < 2; i++)
        if (faults[i] != NUMBER_OK)
            say_bad_number(names[i], texts[i], faults[i], number, instead);
    return value;
}

/* strtod of the C locale, of text that is all digits, point and exponent: no "nan", no "0x1p-3", no decimal
 * comma. */
static bool parse_decimal(struct clew__slice text, double *out) {
    char digits[RATIO_DIGITS + 1];
    int saved = errno;
    char *end;
    locale_t c_locale;
    if (text.size == 0 || text.size > RATIO_DIGITS)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!memchr("0123456789.eE+-", text.data[i], sizeof "0123456789.eE+-" - 1))
            return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        return false;
    *out = strtod_l(digits, &end, c_locale);
    freelocale(c_locale);
    errno = saved;
    return *end == '\0';
}

bool clew__env_ratio(const char *name, const char *standard, double *out) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    struct clew__slice text = clew__env_text(name);
    double ratio;
    if (text.size == 0)
        return false;
    if (parse_decimal(text, &ratio) && ratio >= 0.0 && ratio <= 1.0) {
        *out = ratio;
        return true;
    }
    clew_log(CLEW_LOG_WARN, name, "%s=\"%s\" is not a number between 0 and 1; using %s", name,
             clew__env_show(text, shown), standard);
    return false;
}

static const struct clew__env_choice *find_choice(struct clew__slice text,
                                                  const struct clew__env_choice *choices, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (same(text, choices[i].name))
            return &choices[i];
    return NULL;
}

int clew__env_enum(const char *name, const struct clew__env_choice *choices, size_t count, int standard,
                   const char *standard_text) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    struct clew__slice text = clew__env_text(name);
    const struct clew__env_choice *choice = find_choice(text, choices, count);
    if (text.size == 0)
        return standard;
    if (choice && choice->value >= 0)
        return choice->value;
    clew_log(CLEW_LOG_WARN, name, "%s=\"%s\" is %s; using %s", name, clew__env_show(text, shown),
             choice ? "not supported" : "unknown", standard_text);
    return standard;
}

/* Adds `"name" (why)` to a text that stays terminated; what does not fit is left out. */
static void add_name(char names[NAMES_SHOWN], struct clew__slice name, const char *why) {
    char shown[CLEW__ENV_SHOWN_SIZE];
    size_t size = strlen(names);
    int added = snprintf(names + size, NAMES_SHOWN - size, "%s\"%s\" %s", size ? ", " : "",
                         clew__env_show(name, shown), why);
    if (added < 0 || (size_t)added >= NAMES_SHOWN - size)
        names[size] = '\0';
}

size_t clew__env_list(const char *source, struct clew__slice text, const struct clew__env_choice *choices,
                      size_t count, int *out, const char *standard_text) {
    char wrong[NAMES_SHOWN] = "";
    size_t kept = 0;
    while (text.size) {
        struct clew__slice part = clew__env_trim(clew__slice_split(&text, ','));
        const struct clew__env_choice *choice = find_choice(part, choices, count);
        bool twice = false;
        if (part.size == 0)
            continue;
        if (!choice || choice->value < 0) {
            add_name(wrong, part, choice ? "is not supported" : "is unknown");
            continue;
        }
        for (size_t i = 0; i < kept; i++)
            twice = twice || out[i] == choice->value;
        if (!twice)
            out[kept++] = choice->value;
    }
    if (wrong[0])
        clew_log(CLEW_LOG_WARN, source, "%s: %s; %s%s", source, wrong, kept ? "ignored" : "using ",
                 kept ? "" : standard_text);
    return kept;
}
