/* The retry policy. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/retry.h"

#include "collector-bridge/wire/grpc.h"

#define NANO_PER_SECOND UINT64_C(1000000000)
#define SECONDS_PER_DAY INT64_C(86400)

bool clew__retry_status(long status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

bool clew__retry_code(int32_t code, bool has_retry_info) {
    switch (code) {
    case CLEW__GRPC_CANCELLED:
    case CLEW__GRPC_DEADLINE_EXCEEDED:
    case CLEW__GRPC_ABORTED:
    case CLEW__GRPC_OUT_OF_RANGE:
    case CLEW__GRPC_UNAVAILABLE:
    case CLEW__GRPC_DATA_LOSS:
        return true;
    case CLEW__GRPC_RESOURCE_EXHAUSTED:
        return has_retry_info;
    default:
        return false;
    }
}

/* value × (low + (high − low) × random / 2^64), with the factors in percent. */
static uint64_t scaled(uint64_t value, uint64_t low, uint64_t high, uint64_t random) {
    uint64_t spread = value / 100 * (high - low);
    /* 32 bits of randomness are enough, and keep the product inside 64 bits: the spread of 300 s is below
     * 2^36. */
    uint64_t share = (spread >> 4) * (random >> 36) >> 24;
    return value / 100 * low + share;
}

uint64_t clew__retry_backoff_nano(unsigned retry, uint64_t random) {
    uint64_t wait = CLEW__RETRY_FIRST_NANO;
    while (retry-- > 0 && wait < CLEW__RETRY_CAP_NANO)
        wait += wait / 2;
    if (wait > CLEW__RETRY_CAP_NANO)
        wait = CLEW__RETRY_CAP_NANO;
    return scaled(wait, 80, 120, random);
}

uint64_t clew__retry_told_nano(uint64_t asked_nano, uint64_t random) {
    if (asked_nano < CLEW__RETRY_AFTER_MIN_NANO)
        asked_nano = CLEW__RETRY_AFTER_MIN_NANO;
    if (asked_nano > CLEW__RETRY_AFTER_MAX_NANO)
        asked_nano = CLEW__RETRY_AFTER_MAX_NANO;
    uint64_t wait = scaled(asked_nano, 100, 120, random);
    return wait > CLEW__RETRY_AFTER_MAX_NANO ? CLEW__RETRY_AFTER_MAX_NANO : wait;
}

uint64_t clew__retry_next_nano(struct clew__retry *retry, bool told, uint64_t asked_nano, uint64_t random) {
    uint64_t backoff = clew__retry_backoff_nano(retry->retries++, random);
    if (told) {
        retry->floor_nano = asked_nano < CLEW__RETRY_AFTER_MAX_NANO ? asked_nano : CLEW__RETRY_AFTER_MAX_NANO;
        return clew__retry_told_nano(asked_nano, random);
    }
    if (retry->floor_nano < CLEW__RETRY_AFTER_MAX_NANO)
        retry->floor_nano += retry->floor_nano / 2;
    uint64_t grown = retry->floor_nano ? clew__retry_told_nano(retry->floor_nano, random) : 0;
    return grown > backoff ? grown : backoff;
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* Exactly so many digits. */
static bool take_number(struct clew__slice *text, size_t digits, int *out) {
    struct clew__slice taken = clew__slice_take(text, digits);
    int number = 0;
    if (taken.size != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(taken.data[i]))
            return false;
        number = number * 10 + (taken.data[i] - '0');
    }
    *out = number;
    return true;
}

static bool take_text(struct clew__slice *text, const char *expected) {
    return clew__slice_equals(clew__slice_take(text, strlen(expected)), expected);
}

static bool take_month(struct clew__slice *text, int *out) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct clew__slice taken = clew__slice_take(text, 3);
    if (taken.size != 3)
        return false;
    for (int month = 0; month < 12; month++) {
        if (memcmp(taken.data, names + 3 * month, 3) == 0) {
            *out = month + 1;
            return true;
        }
    }
    return false;
}

static bool take_time(struct clew__slice *text, int *hour, int *minute, int *second) {
    return take_number(text, 2, hour) && clew__slice_consume(text, ':') && take_number(text, 2, minute) &&
           clew__slice_consume(text, ':') && take_number(text, 2, second) && *hour < 24 && *minute < 60 &&
           *second <= 60;
}

/* Days since 1970-01-01 in the Gregorian calendar, for years from 0: whole 400-year eras, then years that
 * begin in March, so that the leap day comes last. */
static int64_t days_since_epoch(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int year_of(int64_t unix_seconds) {
    int year = (int)(unix_seconds / (SECONDS_PER_DAY * 365)) + 1970;
    while (days_since_epoch(year, 1, 1) * SECONDS_PER_DAY > unix_seconds)
        year--;
    return year;
}

/* RFC 9110: a year of two digits that seems to be more than fifty years ahead is the one of the century
 * before. */
static int full_year(int two_digits, int64_t unix_seconds) {
    int now = year_of(unix_seconds);
    int year = now - now % 100 + two_digits;
    return year > now + 50 ? year - 100 : year;
}

/* Sun, 06 Nov 1994 08:49:37 GMT | Sunday, 06-Nov-94 08:49:37 GMT | Sun Nov  6 08:49:37 1994. The name of the
 * day says nothing that the date does not say: only its form is looked at. */
static bool read_date(struct clew__slice text, int64_t unix_seconds, int64_t *out) {
    int year, month, day, hour, minute, second;
    size_t name = 0;
    bool read;
    while (name < text.size && ((text.data[name] | 0x20) >= 'a' && (text.data[name] | 0x20) <= 'z'))
        name++;
    clew__slice_take(&text, name);
    if (name < 3)
        return false;
    if (clew__slice_consume(&text, ',')) {
        read = clew__slice_consume(&text, ' ') && take_number(&text, 2, &day);
        if (read && clew__slice_consume(&text, '-')) {
            read =
                take_month(&text, &month) && clew__slice_consume(&text, '-') && take_number(&text, 2, &year);
            if (read)
                year = full_year(year, unix_seconds);
        } else {
            read = read && clew__slice_consume(&text, ' ') && take_month(&text, &month) &&
                   clew__slice_consume(&text, ' ') && take_number(&text, 4, &year);
        }
        read = read && clew__slice_consume(&text, ' ') && take_time(&text, &hour, &minute, &second) &&
               take_text(&text, " GMT");
    } else {
        read =
            clew__slice_consume(&text, ' ') && take_month(&text, &month) && clew__slice_consume(&text, ' ') &&
            (clew__slice_consume(&text, ' ') ? take_number(&text, 1, &day) : take_number(&text, 2, &day)) &&
            clew__slice_consume(&text, ' ') && take_time(&text, &hour, &minute, &second) &&
            clew__slice_consume(&text, ' ') && take_number(&text, 4, &year);
    }
    if (!read || text.size != 0 || day < 1 || day > 31)
        return false;
    *out = days_since_epoch(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    return true;
}

bool clew__retry_after(struct clew__slice value, int64_t unix_seconds, uint64_t *wait_nano) {
    const int64_t most = (int64_t)(CLEW__RETRY_AFTER_MAX_NANO / NANO_PER_SECOND);
    int64_t seconds = 0;
    value = clew__slice_trim(value);
    if (value.size == 0)
        return false;
    if (is_digit(value.data[0])) {
        for (size_t i = 0; i < value.size; i++) {
            if (!is_digit(value.data[i]))
                return false;
            if (seconds <= most) /* beyond it the number only gets larger */
                seconds = seconds * 10 + (value.data[i] - '0');
        }
    } else {
        int64_t then;
        if (!read_date(value, unix_seconds, &then))
            return false;
        seconds = then > unix_seconds ? then - unix_seconds : 0;
    }
    *wait_nano = (uint64_t)(seconds > most ? most : seconds) * NANO_PER_SECOND;
    return true;
}
