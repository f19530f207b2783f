#include "collector-bridge/wire/grpc.h"

#include "collector-bridge/wire/endpoint.h"
#include "collector-bridge/wire/retry.h"
#include "test/support.h"

#define SECOND UINT64_C(1000000000)

static struct clew__slice text(const char *text) {
    return clew__slice_text(text);
}

/* ---- status codes ---- */

Test(grpc, codes_are_retried_as_the_specification_says) {
    static const struct {
        const char *name;
        bool retried, retried_with_retry_info;
    } table[] = {
        {"OK", false, false},
        {"CANCELLED", true, true},
        {"UNKNOWN", false, false},
        {"INVALID_ARGUMENT", false, false},
        {"DEADLINE_EXCEEDED", true, true},
        {"NOT_FOUND", false, false},
        {"ALREADY_EXISTS", false, false},
        {"PERMISSION_DENIED", false, false},
        {"RESOURCE_EXHAUSTED", false, true},
        {"FAILED_PRECONDITION", false, false},
        {"ABORTED", true, true},
        {"OUT_OF_RANGE", true, true},
        {"UNIMPLEMENTED", false, false},
        {"INTERNAL", false, false},
        {"UNAVAILABLE", true, true},
        {"DATA_LOSS", true, true},
        {"UNAUTHENTICATED", false, false},
    };
    for (int32_t code = 0; code < 17; code++) {
        cr_assert_str_eq(clew__grpc_code_name(code), table[code].name);
        cr_assert_eq(clew__retry_code(code, false), table[code].retried, "%s", table[code].name);
        cr_assert_eq(clew__retry_code(code, true), table[code].retried_with_retry_info, "%s",
                     table[code].name);
    }
}

Test(grpc, codes_beyond_the_known_are_not_retried) {
    const int32_t codes[] = {-1, 17, 18, 99, 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        cr_assert(!clew__retry_code(codes[i], false) && !clew__retry_code(codes[i], true));
        cr_assert_str_eq(clew__grpc_code_name(codes[i]), "an unknown code");
    }
}

Test(grpc, http_statuses_stand_for_codes) {
    for (int32_t status = -1; status < 1000; status++) {
        int32_t expected = CLEW__GRPC_UNKNOWN;
        if (status == 400 || status == 431)
            expected = CLEW__GRPC_INTERNAL;
        else if (status == 401)
            expected = CLEW__GRPC_UNAUTHENTICATED;
        else if (status == 403)
            expected = CLEW__GRPC_PERMISSION_DENIED;
        else if (status == 404)
            expected = CLEW__GRPC_UNIMPLEMENTED;
        else if (status == 429 || status == 502 || status == 503 || status == 504)
            expected = CLEW__GRPC_UNAVAILABLE;
        cr_assert_eq(clew__grpc_code_of_http(status), expected, "%d", status);
    }
}

Test(grpc, resets_stand_for_codes) {
    static const int32_t expected[] = {
        CLEW__GRPC_INTERNAL,          CLEW__GRPC_INTERNAL, CLEW__GRPC_INTERNAL, CLEW__GRPC_INTERNAL,
        CLEW__GRPC_INTERNAL,          CLEW__GRPC_INTERNAL, CLEW__GRPC_INTERNAL, CLEW__GRPC_UNAVAILABLE,
        CLEW__GRPC_CANCELLED,         CLEW__GRPC_INTERNAL, CLEW__GRPC_INTERNAL, CLEW__GRPC_RESOURCE_EXHAUSTED,
        CLEW__GRPC_PERMISSION_DENIED, CLEW__GRPC_INTERNAL, CLEW__GRPC_INTERNAL,
    };
    for (uint32_t code = 0; code < sizeof expected / sizeof expected[0]; code++)
        cr_assert_eq(clew__grpc_code_of_reset(code), expected[code], "%u", code);
    cr_assert_eq(clew__grpc_code_of_reset(UINT32_MAX), CLEW__GRPC_INTERNAL);
}

Test(grpc, status_is_a_decimal_number) {
    static const struct {
        const char *text;
        int32_t code;
    } table[] = {{"0", 0},
                 {"14", 14},
                 {"007", 7},
                 {"99", 99},
                 {"2147483647", INT32_MAX},
                 {"", 2},
                 {"2147483648", 2},
                 {"-1", 2},
                 {"+1", 2},
                 {" 0", 2},
                 {"0x0", 2},
                 {"1.0", 2},
                 {"OK", 2},
                 {"99999999999999999999999999", 2}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        cr_assert_eq(clew__grpc_read_status(text(table[i].text)), table[i].code, "%s", table[i].text);
}

Test(grpc, servers_say_in_words_that_a_request_is_too_large) {
    static const char *const said[] = {
        "grpc: received message larger than max (5000000 vs. 4194304)",
        "grpc: received message after decompression larger than max 4194304",
        "Received message larger than max (5000000 vs. 4194304)",
        "gRPC message exceeds maximum size 4194304: 5000000",
        "Received message exceeds the maximum configured message size.",
        "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
    };
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        for (int32_t code = -1; code < 20; code++) {
            bool may = code == CLEW__GRPC_RESOURCE_EXHAUSTED || code == CLEW__GRPC_OUT_OF_RANGE;
            cr_assert_eq(clew__grpc_says_too_large(code, text(said[i])), may, "%d: %s", code, said[i]);
        }
    }
    cr_assert(!clew__grpc_says_too_large(CLEW__GRPC_RESOURCE_EXHAUSTED, text("")));
    cr_assert(!clew__grpc_says_too_large(CLEW__GRPC_RESOURCE_EXHAUSTED, text("quota exceeded")));
    cr_assert(!clew__grpc_says_too_large(CLEW__GRPC_RESOURCE_EXHAUSTED, text("larger than ma")));
}

/* ---- messages ---- */

Test(grpc, prefix_is_flag_and_length_in_network_order) {
    uint8_t prefix[CLEW__GRPC_PREFIX];
    clew__grpc_write_prefix(prefix, true, 0x01020304);
    cr_assert_arr_eq(prefix, "\x01\x01\x02\x03\x04", 5);
    clew__grpc_write_prefix(prefix, false, UINT32_MAX);
    cr_assert_arr_eq(prefix, "\x00\xff\xff\xff\xff", 5);
}

/* Reads in pieces of `step` bytes; the message into `out`. */
static enum clew__grpc_fault read_all(struct clew__grpc_reader *reader, const char *bytes, size_t size,
                                      size_t step, char *out) {
    for (size_t at = 0; at < size; at += step) {
        struct clew__slice part;
        size_t piece = size - at < step ? size - at : step;
        enum clew__grpc_fault fault = clew__grpc_read(reader, bytes + at, piece, &part);
        if (part.size)
            memcpy(out, part.data, part.size);
        out += part.size;
        if (fault)
            return fault;
    }
    return CLEW__GRPC_FRAMED;
}

Test(grpc, message_is_read_whatever_the_pieces) {
    static const char bytes[] = "\x01\x00\x00\x00\x06hello!";
    for (size_t step = 1; step <= sizeof bytes; step++) {
        struct clew__grpc_reader reader = {.limit = 6};
        char out[16] = "";
        cr_assert_eq(read_all(&reader, bytes, sizeof bytes - 1, step, out), CLEW__GRPC_FRAMED);
        cr_assert(clew__grpc_complete(&reader) && reader.compressed);
        cr_assert_str_eq(out, "hello!");
    }
}

Test(grpc, message_that_breaks_off_is_not_complete) {
    static const char bytes[] = "\x00\x00\x00\x00\x06hello!";
    for (size_t size = 0; size < sizeof bytes - 1; size++) {
        struct clew__grpc_reader reader = {.limit = 6};
        char out[16];
        cr_assert_eq(read_all(&reader, bytes, size, size + 1, out), CLEW__GRPC_FRAMED);
        cr_assert(!clew__grpc_complete(&reader), "%zu", size);
    }
}

Test(grpc, empty_message_is_complete) {
    struct clew__grpc_reader reader = {.limit = 0};
    char out[1];
    cr_assert_eq(read_all(&reader, "\0\0\0\0", 5, 2, out), CLEW__GRPC_FRAMED);
    cr_assert(clew__grpc_complete(&reader) && !reader.compressed);
}

Test(grpc, bad_framing_is_told_apart) {
    static const struct {
        const char *bytes;
        size_t size;
        enum clew__grpc_fault fault;
    } table[] = {
        {"\x02\x00\x00\x00\x00", 5, CLEW__GRPC_BAD_FLAG},
        {"<html>", 6, CLEW__GRPC_BAD_FLAG},
        {"\x00\x00\x00\x00\x07", 5, CLEW__GRPC_TOO_LARGE},
        {"\x00\xff\xff\xff\xff", 5, CLEW__GRPC_TOO_LARGE},
        {"\x00\x00\x00\x00\x01xy", 7, CLEW__GRPC_TOO_MANY},
        {"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 10, CLEW__GRPC_TOO_MANY},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (size_t step = 1; step <= table[i].size; step++) {
            struct clew__grpc_reader reader = {.limit = 6};
            char out[16];
            cr_assert_eq(read_all(&reader, table[i].bytes, table[i].size, step, out), table[i].fault, "%zu",
                         i);
        }
    }
}

/* ---- grpc-timeout ---- */

Test(grpc, timeout_has_at_most_eight_digits_and_is_rounded_up) {
    static const struct {
        uint64_t nano;
        const char *text;
    } table[] = {
        {0, "1n"},
        {1, "1n"},
        {99999998, "99999998n"},
        {99999999, "100000u"},
        {10 * SECOND, "10000000u"},
        {10 * SECOND + 1, "10000001u"},
        {100 * SECOND, "100000m"},
        {UINT64_C(86400000) * SECOND, "86400000S"},
        {UINT64_MAX, "5124096H"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char out[CLEW__GRPC_TIMEOUT_SIZE];
        clew__grpc_write_timeout(table[i].nano, out);
        cr_assert_str_eq(out, table[i].text);
    }
}

Test(grpc, timeout_that_was_written_is_read_back_and_not_shorter) {
    for (uint64_t nano = 1; nano < UINT64_MAX / 3; nano = nano * 3 + 1) {
        char out[CLEW__GRPC_TIMEOUT_SIZE];
        uint64_t read = 0;
        clew__grpc_write_timeout(nano, out);
        cr_assert(clew__grpc_read_timeout(text(out), &read), "%s", out);
        cr_assert(read >= nano && (read - nano) / 1000 <= nano / 1000, "%s", out);
    }
}

Test(grpc, timeouts_are_read_by_the_rules) {
    static const char *const bad[] = {"",    "n",   "1",          "1s",   "-1S", "1.0S",
                                      " 1S", "1S ", "123456789n", "0x1S", "1SS"};
    uint64_t nano = 17;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!clew__grpc_read_timeout(text(bad[i]), &nano) && nano == 17, "%s", bad[i]);
    cr_assert(clew__grpc_read_timeout(text("0S"), &nano) && nano == 0);
    cr_assert(clew__grpc_read_timeout(text("2M"), &nano) && nano == 120 * SECOND);
    cr_assert(clew__grpc_read_timeout(text("99999999H"), &nano) && nano == UINT64_MAX);
}

/* ---- grpc-message ---- */

Test(grpc, message_text_survives_encoding_and_decoding) {
    static const char original[] = "50% of \xc3\xbc\n are ~ok\x7f";
    char encoded[128], decoded[128];
    size_t size =
        clew__grpc_write_message(clew__slice_of(original, sizeof original - 1), encoded, sizeof encoded);
    cr_assert(clew__slice_equals(clew__slice_of(encoded, size), "50%25 of %C3%BC%0A are ~ok%7F"));
    size = clew__percent_decode(clew__slice_of(encoded, size), decoded);
    cr_assert(clew__slice_equals(clew__slice_of(decoded, size), original));
}

Test(grpc, message_text_is_cut_between_escapes) {
    char out[8];
    for (size_t capacity = 0; capacity < 8; capacity++) {
        size_t size = clew__grpc_write_message(text("a%b%c"), out, capacity);
        cr_assert_leq(size, capacity);
        cr_assert(size == 0 || memcmp(out, "a%25b%25", size) == 0);
        cr_assert(size != 2 && size != 3 && size != 6 && size != 7, "%zu", size);
    }
}

Test(grpc, malformed_escapes_do_not_lose_the_message) {
    char out[32];
    size_t size = clew__percent_decode(text("10% of %zz%4"), out);
    cr_assert(clew__slice_equals(clew__slice_of(out, size), "10% of %zz%4"));
}

/* ---- binary headers ---- */

Test(grpc, base64_is_read_padded_or_not) {
    static const struct {
        const char *text, *bytes;
    } table[] = {{"", ""},          {"aA==", "h"},           {"aA", "h"},           {"aGU=", "he"},
                 {"aGU", "he"},     {"aGVs", "hel"},         {"aGVsbG8=", "hello"}, {"aGVs,aGVs", "hel"},
                 {" aGVs ", "hel"}, {"//++", "\xff\xff\xbe"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint8_t out[16];
        size_t size = 99;
        cr_assert(clew__grpc_read_base64(text(table[i].text), out, sizeof out, &size), "%s", table[i].text);
        cr_assert(clew__slice_equals(clew__slice_of((char *)out, size), table[i].bytes), "%s", table[i].text);
    }
}

Test(grpc, base64_that_is_none_is_refused) {
    static const char *const bad[] = {
        "a", "aGVsb", "aG=s", "aA=", "a===", "aGVs=", "aGVs====", "aG s", "-_-_"};
    uint8_t out[16];
    size_t size;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert(!clew__grpc_read_base64(text(bad[i]), out, sizeof out, &size), "%s", bad[i]);
    cr_assert(clew__grpc_read_base64(text("aGVs"), out, 3, &size));
    cr_assert(!clew__grpc_read_base64(text("aGVs"), out, 2, &size));
}

Test(grpc, base64_can_be_read_in_place) {
    char room[] = "aGVsbG8";
    size_t size;
    cr_assert(clew__grpc_read_base64(text(room), (uint8_t *)room, sizeof room, &size));
    cr_assert(size == 5 && memcmp(room, "hello", 5) == 0);
}

#define RETRY_INFO "type.googleapis.com/google.rpc.RetryInfo" /* 40 bytes */

/* A Status with code 8 whose one detail is of that type, with the bytes of a Duration as its delay. */
static bool retry_info_of(const char *type_url, const char *duration, size_t size, uint64_t *delay) {
    uint8_t status[256], *at = status;
    size_t type_size = strlen(type_url);
    *at++ = 0x08, *at++ = 8;
    *at++ = 0x1a, *at++ = (uint8_t)(2 + type_size + 2 + 2 + size);
    *at++ = 0x0a, *at++ = (uint8_t)type_size;
    memcpy(at, type_url, type_size);
    at += type_size;
    *at++ = 0x12, *at++ = (uint8_t)(2 + size);
    *at++ = 0x0a, *at++ = (uint8_t)size;
    memcpy(at, duration, size);
    return clew__grpc_read_retry_info(status, (size_t)(at - status) + size, delay);
}

Test(grpc, retry_info_tells_the_delay) {
    static const struct {
        const char *duration;
        size_t size;
        uint64_t delay;
    } table[] = {
        {"", 0, 0},
        {"\x08\x02", 2, 2 * SECOND},
        {"\x10\x01", 2, 1},
        {"\x08\x01\x10\x80\xca\xb5\xee\x01", 8, 1500000000},
        {"\x08\xab\x02\x10\xff\x93\xeb\xdc\x03", 9, 299 * SECOND + 999999999},
        {"\x08\xac\x02", 3, 300 * SECOND},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x10\x01", 12, 300 * SECOND}, /* the largest number */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0},                /* -1 s */
        {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0},                /* -1 ns */
        {"\x10\x80\x94\xeb\xdc\x03", 6, 0},                                     /* a whole second of nanos */
        {"\x08\x02\x10\x80\x94\xeb\xdc\x03", 8, 2 * SECOND},
        {"\x08\x02\x10", 3, 0}, /* malformed */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint64_t delay = 17;
        cr_assert(retry_info_of(RETRY_INFO, table[i].duration, table[i].size, &delay), "%zu", i);
        cr_assert_eq(delay, table[i].delay, "%zu: %llu", i, (unsigned long long)delay);
    }
}

Test(grpc, other_details_are_no_retry_info) {
    static const char *const types[] = {"", "google.rpc.RetryInf",
                                        "type.googleapis.com/google.rpc.BadRequest", "xgoogle.rpc.RetryInfo",
                                        "type.googleapis.com/google.rpc.RetryInfo/x"};
    uint64_t delay = 17;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        cr_assert(!retry_info_of(types[i], "\x08\x02", 2, &delay) && delay == 17, "%s", types[i]);
    cr_assert(retry_info_of("google.rpc.RetryInfo", "\x08\x02", 2, &delay) && delay == 2 * SECOND);
}

Test(grpc, status_that_is_cut_anywhere_is_survived) {
    static const char status[] = "\x08\x08\x1a\x30\x0a\x28" RETRY_INFO "\x12\x04\x0a\x02\x08\x02";
    for (size_t size = 0; size < sizeof status - 1; size++) {
        uint64_t delay = 17;
        cr_assert(!clew__grpc_read_retry_info(status, size, &delay) && delay == 17, "%zu", size);
    }
    uint64_t delay = 0;
    cr_assert(clew__grpc_read_retry_info(status, sizeof status - 1, &delay) && delay == 2 * SECOND);
}

Test(grpc, lengths_that_lie_are_survived) {
    static const char lies[] = "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x0a";
    uint64_t delay = 17;
    cr_assert(!clew__grpc_read_retry_info(lies, sizeof lies - 1, &delay) && delay == 17);
    cr_assert(!clew__grpc_read_retry_info(NULL, 0, &delay));
}
