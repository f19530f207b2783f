/* The tokens of JSON text. Owns nothing; any thread. */
#include "proto/json_token.h"

bool clew__json_fail(struct clew__json_text *text, size_t at, const char *reason) {
    text->at = at;
    text->reason = reason;
    return false;
}

char clew__json_peek_beyond_space(struct clew__json_text *text) {
    while (text->at < text->size) {
        char c = text->text[text->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return c;
        text->at++;
        if (c == '\n')
            text->at += clew__json_spaces(text->text + text->at, text->size - text->at);
    }
    return 0;
}

bool clew__json_accept(struct clew__json_text *text, char c) {
    if (clew__json_peek(text) != c || text->at == text->size)
        return false;
    text->at++;
    return true;
}

bool clew__json_unexpected(struct clew__json_text *text, const char *wanted) {
    return clew__json_fail(text, text->at, text->at == text->size ? "the text ends early" : wanted);
}

bool clew__json_take_literal(struct clew__json_text *text, const char *literal) {
    size_t size = strlen(literal);
    if (text->size - text->at < size || memcmp(text->text + text->at, literal, size) != 0)
        return false;
    text->at += size;
    return true;
}

int clew__json_hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of \uXXXX from `at`, or -1. */
static int32_t unicode_escape(const struct clew__json_text *text, size_t at) {
    int32_t code = 0;
    if (text->size - at < 6 || text->text[at] != '\\' || text->text[at + 1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        int digit = clew__json_hex_value(text->text[at + i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static size_t encode_utf8(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The escape that is next into `escaped`: its size, or 0 and a fault. */
static size_t take_escape(struct clew__json_text *text) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t at = text->at;
    const char *letter;
    int32_t code, low;
    if (text->size - at < 2) {
        clew__json_fail(text, text->size, "the text ends early");
        return 0;
    }
    letter = memchr(letters, text->text[at + 1], sizeof letters - 1);
    if (letter) {
        text->at += 2;
        text->escaped[0] = meanings[letter - letters];
        return 1;
    }
    code = unicode_escape(text, at);
    if (code < 0) {
        clew__json_fail(text, at, "a bad escape");
        return 0;
    }
    text->at += 6;
    if (code < 0xD800 || code > 0xDFFF)
        return encode_utf8((uint32_t)code, text->escaped);
    low = code < 0xDC00 ? unicode_escape(text, text->at) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
        return encode_utf8(0xFFFD, text->escaped); /* half a pair */
    text->at += 6;
    return encode_utf8(0x10000u + ((uint32_t)(code - 0xD800) << 10) + (uint32_t)(low - 0xDC00),
                       text->escaped);
}

bool clew__json_next_part(struct clew__json_text *text, const char **part, size_t *size) {
    size_t at = text->at + clew__json_plain_size(text->text + text->at, text->size - text->at);
    *part = text->text + text->at;
    *size = at - text->at;
    text->at = at;
    if (*size > 0)
        return true;
    if (at == text->size)
        return clew__json_fail(text, at, "the text ends early");
    if (text->text[at] == '"') {
        text->at++;
        return false;
    }
    if (text->text[at] != '\\')
        return clew__json_fail(text, at, "a control character in a string");
    *part = text->escaped;
    *size = take_escape(text);
    return *size > 0;
}

bool clew__json_take_string(struct clew__json_text *text, struct clew__json_string *string) {
    const char *part;
    size_t size;
    if (!clew__json_accept(text, '"'))
        return clew__json_unexpected(text, "a string is wanted");
    string->text = text->text + text->at;
    string->escaped = false;
    string->size = clew__json_plain_size(string->text, text->size - text->at);
    text->at += string->size;
    if (text->at < text->size && text->text[text->at] == '"') {
        text->at++;
        return true;
    }
    while (clew__json_next_part(text, &part, &size))
        string->escaped |= part == text->escaped;
    string->size = (size_t)(text->text + text->at - string->text) - 1;
    return !text->reason;
}

static bool skip_string(struct clew__json_text *text) {
    struct clew__json_string string;
    return clew__json_take_string(text, &string);
}

bool clew__json_take_word(struct clew__json_text *text, char *out, size_t room, size_t *size) {
    const char *part;
    size_t part_size;
    *size = 0;
    if (!clew__json_accept(text, '"'))
        return clew__json_unexpected(text, "a string is wanted");
    while (clew__json_next_part(text, &part, &part_size)) {
        if (*size > room || part_size > room - *size) {
            *size = room + 1;
            continue;
        }
        memcpy(out + *size, part, part_size);
        *size += part_size;
    }
    return !text->reason;
}

static size_t count_digits(const char *text, size_t size) {
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    return digits;
}

size_t clew__json_number_size(const char *text, size_t size) {
    size_t at = 0, digits;
    if (at < size && text[at] == '-')
        at++;
    digits = count_digits(text + at, size - at);
    if (digits == 0 || (digits > 1 && text[at] == '0'))
        return 0;
    at += digits;
    if (at < size && text[at] == '.') {
        digits = count_digits(text + at + 1, size - at - 1);
        if (digits == 0)
            return 0;
        at += 1 + digits;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        digits = count_digits(text + at, size - at);
        if (digits == 0)
            return 0;
        at += digits;
    }
    return at;
}

bool clew__json_skip_number(struct clew__json_text *text) {
    size_t size = clew__json_number_size(text->text + text->at, text->size - text->at);
    if (size == 0)
        return clew__json_unexpected(text, "a value is wanted");
    text->at += size;
    return true;
}

/* ---- what is passed over ---- */

static bool skip_scalar(struct clew__json_text *text) {
    if (clew__json_peek(text) == '"')
        return skip_string(text);
    if (clew__json_take_literal(text, "null") || clew__json_take_literal(text, "true") ||
        clew__json_take_literal(text, "false"))
        return true;
    return clew__json_skip_number(text);
}

bool clew__json_take_colon(struct clew__json_text *text) {
    return clew__json_accept(text, ':') || clew__json_unexpected(text, "a colon is wanted");
}

static char closer(const struct clew__json_nesting *nesting) {
    return clew__json_nesting_in_object(nesting) ? '}' : ']';
}

/* Any value, however it is made up. */
bool clew__json_skip_value(struct clew__json_text *text) {
    struct clew__json_nesting nesting;
    nesting.open = 0;
    for (;;) {
        char c = clew__json_peek(text);
        bool opened = false; /* something that is not empty */
        if (c == '{' || c == '[') {
            if (!clew__json_nesting_push(&nesting, c == '{'))
                return clew__json_fail(text, text->at, "nested too deep");
            text->at++;
            opened = clew__json_peek(text) != closer(&nesting);
        } else if (!skip_scalar(text)) {
            return false;
        }
        if (!opened) {
            while (nesting.open > 0 && clew__json_accept(text, closer(&nesting)))
                nesting.open--;
            if (nesting.open == 0)
                return true;
            if (!clew__json_accept(text, ','))
                return clew__json_unexpected(text, "a comma or a closing bracket is wanted");
        }
        if (closer(&nesting) == '}' && !(skip_string(text) && clew__json_take_colon(text)))
            return false;
    }
}

bool clew__json_take_null(struct clew__json_text *text) {
    return clew__json_peek(text) == 'n' && clew__json_take_literal(text, "null");
}

bool clew__json_next_element(struct clew__json_text *text, bool *first) {
    if (clew__json_accept(text, ']'))
        return false;
    if (!*first && !clew__json_accept(text, ','))
        return clew__json_unexpected(text, "a comma or a closing bracket is wanted");
    *first = false;
    clew__json_peek(text);
    return true;
}

bool clew__json_next_member(struct clew__json_text *text, bool *first, struct clew__json_string *name) {
    if (clew__json_accept(text, '}'))
        return false;
    if (!*first && !clew__json_accept(text, ','))
        return clew__json_unexpected(text, "a comma or a closing bracket is wanted");
    *first = false;
    if (!clew__json_take_string(text, name) || !clew__json_take_colon(text))
        return false;
    clew__json_peek(text);
    return true;
}
