/* Answers in JSON. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/answer_json.h"

#include "proto/json_token.h"

/* The longest name that is looked for is shorter. */
#define NAME_MAX_SIZE 32
/* Digits of a 64-bit integer with its sign. */
#define NUMBER_MAX_SIZE 20

struct answer {
    struct clew__json_text text;
    char *bytes; /* the same, to be written to */
};

static struct answer answer_of(void *data, size_t size) {
    struct answer answer = {.text = {.text = data, .size = size}, .bytes = data};
    return answer;
}

/* Takes the name of the next member of an object and its colon; `*count` members were before. False at the
 * object's end, which it takes, or with a fault. */
static bool next_member(struct clew__json_text *text, size_t *count, char name[NAME_MAX_SIZE],
                        struct clew__slice *out) {
    size_t size;
    if (clew__json_accept(text, '}'))
        return false;
    if ((*count)++ && !clew__json_accept(text, ','))
        return clew__json_unexpected(text, "a comma is wanted");
    if (!clew__json_take_word(text, name, NAME_MAX_SIZE, &size) || !clew__json_take_colon(text))
        return false;
    *out = clew__slice_of(name, size <= NAME_MAX_SIZE ? size : 0);
    return true;
}

static bool take_null(struct clew__json_text *text) {
    return clew__json_peek(text) == 'n' && clew__json_take_literal(text, "null");
}

/* What is unescaped is never longer than its escape. */
static bool take_string(struct answer *answer, struct clew__slice *out) {
    struct clew__json_text *text = &answer->text;
    const char *part;
    size_t size;
    *out = clew__slice_of(NULL, 0);
    if (take_null(text))
        return true;
    if (!clew__json_accept(text, '"'))
        return clew__json_unexpected(text, "a string is wanted");
    size_t begin = text->at, end = begin;
    while (clew__json_next_part(text, &part, &size)) {
        memmove(answer->bytes + end, part, size);
        end += size;
    }
    *out = clew__slice_of(answer->bytes + begin, end - begin);
    return !text->reason;
}

/* A whole number; what is beyond 64 bits stays at their end. */
static bool read_number(const char *digits, size_t size, int64_t *out) {
    bool negative = size && digits[0] == '-';
    int64_t number = 0;
    for (size_t i = negative; i < size; i++) {
        int digit = digits[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        number = number > (INT64_MAX - digit) / 10 ? INT64_MAX : number * 10 + digit;
    }
    *out = negative ? -number : number;
    return size > (size_t)negative;
}

/* 64-bit integers are strings; numbers are understood, too. */
static bool take_number(struct clew__json_text *text, int64_t *out) {
    char word[NUMBER_MAX_SIZE];
    size_t begin, size;
    if (take_null(text))
        return true;
    if (clew__json_peek(text) == '"') {
        if (!clew__json_take_word(text, word, sizeof word, &size))
            return false;
        if (size <= sizeof word && read_number(word, size, out))
            return true;
        return clew__json_fail(text, text->at, "a number is wanted");
    }
    begin = text->at;
    if (!clew__json_skip_number(text))
        return false;
    return read_number(text->text + begin, text->at - begin, out) ||
           clew__json_fail(text, begin, "a whole number is wanted");
}

static bool take_partial_success(struct answer *answer, int64_t *rejected, struct clew__slice *message) {
    struct clew__json_text *text = &answer->text;
    struct clew__slice name;
    char room[NAME_MAX_SIZE];
    size_t count = 0;
    bool taken = true;
    if (take_null(text))
        return true;
    if (!clew__json_accept(text, '{'))
        return clew__json_unexpected(text, "an object is wanted");
    while (taken && next_member(text, &count, room, &name)) {
        if (clew__slice_equals(name, "rejectedSpans") || clew__slice_equals(name, "rejectedDataPoints"))
            taken = take_number(text, rejected);
        else if (clew__slice_equals(name, "errorMessage"))
            taken = take_string(answer, message);
        else
            taken = clew__json_skip_value(text);
    }
    return !text->reason;
}

const char *clew__answer_json_response(void *data, size_t size, int64_t *rejected,
                                       struct clew__slice *message) {
    struct answer answer = answer_of(data, size);
    struct clew__slice name;
    char room[NAME_MAX_SIZE];
    size_t count = 0;
    bool taken = true;
    *rejected = 0;
    *message = clew__slice_of(NULL, 0);
    if (size == 0) /* as an empty message of protobuf */
        return NULL;
    if (!clew__json_accept(&answer.text, '{'))
        return "an object is wanted";
    while (taken && next_member(&answer.text, &count, room, &name)) {
        taken = clew__slice_equals(name, "partialSuccess") ? take_partial_success(&answer, rejected, message)
                                                           : clew__json_skip_value(&answer.text);
    }
    return answer.text.reason;
}

struct clew__slice clew__answer_json_status_message(void *data, size_t size) {
    struct answer answer = answer_of(data, size);
    struct clew__slice name, message = {NULL, 0};
    char room[NAME_MAX_SIZE];
    size_t count = 0;
    bool taken = clew__json_accept(&answer.text, '{');
    while (taken && next_member(&answer.text, &count, room, &name)) {
        taken = clew__slice_equals(name, "message") ? take_string(&answer, &message)
                                                    : clew__json_skip_value(&answer.text);
    }
    return taken && !answer.text.reason ? message : clew__slice_of(NULL, 0);
}
