/* Taking numbers and ids out of messages. Pure; any thread. */
#include "sdk/analysis/fingerprint.h"

#include <string.h>

/* Hexadecimal digits and dashes, so many with a digit among them, are an id. */
#define HEX_ID_MIN 8u
/* A word that changes so often between letters and digits is an id. */
#define CHANGES_MIN 3u

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(char c) {
    return is_digit(c) || is_letter(c) || c == '_';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* The size of an id of hexadecimal digits, maybe with dashes, at the beginning of the text; 0: there is none.
 */
static size_t hex_id(clew_text text) {
    bool has_digit = false;
    size_t size = 0, dashes = 0;
    while (size < text.size && (is_hex(text.data[size]) || text.data[size] == '-')) {
        has_digit |= is_digit(text.data[size]);
        dashes += text.data[size] == '-';
        size++;
    }
    while (size > 0 && text.data[size - 1] == '-')
        size--;
    if (!has_digit || size < HEX_ID_MIN || 2 * dashes > size ||
        (size < text.size && is_word(text.data[size])))
        return 0;
    return size;
}

struct word {
    size_t size;
    size_t changes; /* between letters and digits */
    bool has_digit;
};

static struct word word_at(clew_text text) {
    struct word word = {0, 0, false};
    while (word.size < text.size && is_word(text.data[word.size])) {
        char c = text.data[word.size];
        bool was_digit = word.size > 0 && is_digit(text.data[word.size - 1]);
        word.has_digit |= is_digit(c);
        word.changes +=
            word.size > 0 && c != '_' && text.data[word.size - 1] != '_' && is_digit(c) != was_digit;
        word.size++;
    }
    return word;
}

struct output {
    char *data;
    size_t size;
};

static void put(struct output *out, char c) {
    if (out->size < CLEW__FINGERPRINT_SIZE)
        out->data[out->size++] = c;
}

static void put_number(struct output *out) {
    if (out->size == 0 || out->data[out->size - 1] != '#')
        put(out, '#');
}

static void put_word(struct output *out, clew_text text, const struct word *word) {
    bool is_hex_number =
        word->size > 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'X');
    if (word->has_digit && (is_hex_number || word->changes >= CHANGES_MIN)) {
        put_number(out);
        return;
    }
    for (size_t i = 0; i < word->size; i++) {
        if (is_digit(text.data[i]))
            put_number(out);
        else
            put(out, text.data[i]);
    }
}

static clew_text rest_of(clew_text text, size_t size) {
    return (clew_text){text.data + size, text.size - size};
}

/* Without the half letter at the end that cutting may have left. */
static size_t whole_letters(const struct output *out) {
    size_t size = out->size, back = 0;
    uint8_t lead;
    if (size < CLEW__FINGERPRINT_SIZE)
        return size;
    while (back < 4 && back < size && ((uint8_t)out->data[size - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back >= 4 || back >= size)
        return size;
    lead = (uint8_t)out->data[size - 1 - back];
    if (lead < 0xC0)
        return size;
    return back + 1 < (lead >= 0xF0 ? 4u : lead >= 0xE0 ? 3u : 2u) ? size - 1 - back : size;
}

size_t clew__fingerprint(clew_text message, char out[CLEW__FINGERPRINT_SIZE]) {
    struct output output = {out, 0};
    while (message.size > 0 && output.size < CLEW__FINGERPRINT_SIZE) {
        char c = message.data[0];
        struct word word = word_at(message);
        size_t id = is_hex(c) ? hex_id(message) : 0;
        if (c == '\n' || c == '\r')
            break;
        if (id > 0) {
            put_number(&output);
            message = rest_of(message, id);
        } else if (word.size > 0) {
            put_word(&output, message, &word);
            message = rest_of(message, word.size);
        } else {
            if (!is_space(c))
                put(&output, c);
            else if (output.size > 0 && output.data[output.size - 1] != ' ')
                put(&output, ' ');
            message = rest_of(message, 1);
        }
    }
    if (message.size == 0 || output.size < CLEW__FINGERPRINT_SIZE) {
        while (output.size > 0 && out[output.size - 1] == ' ')
            output.size--;
        return output.size;
    }
    return whole_letters(&output);
}
