/* Texts of receivers. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/answer.h"

#include "proto/utf8.h"
#include "proto/wire.h"

#include <strings.h>

/* google.rpc.Status */
#define STATUS_CODE 1
#define STATUS_MESSAGE 2
#define STATUS_DETAILS 3

/* Shorter ones are no secrets, and would mask digits and syllables. */
#define SECRET_MIN 4

struct clew__slice clew__answer_status_message(const void *body, size_t size) {
    struct clew__wire wire = clew__wire_of(body, size);
    struct clew__slice message = {NULL, 0};
    struct clew__field field;
    enum clew__wire_error error;
    while (clew__wire_next(&wire, &field, &error)) {
        /* Other text than protobuf often parses by accident, but hardly with these numbers and types alone.
         */
        if (field.field > STATUS_DETAILS ||
            field.type != (field.field == STATUS_CODE ? CLEW__WIRE_VARINT : CLEW__WIRE_BYTES))
            return clew__slice_of(NULL, 0);
        if (field.field == STATUS_MESSAGE)
            message =
                clew__slice_of((const char *)field.bytes.at, (size_t)(field.bytes.end - field.bytes.at));
    }
    return error == CLEW__WIRE_OK ? message : clew__slice_of(NULL, 0);
}

static bool starts_with(struct clew__slice text, struct clew__slice prefix) {
    return text.size >= prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0;
}

/* The names of schemes stand before secrets and are none. */
static bool is_scheme(struct clew__slice word) {
    return (word.size == 6 && strncasecmp(word.data, "Bearer", 6) == 0) ||
           (word.size == 5 && strncasecmp(word.data, "Basic", 5) == 0);
}

/* The length of the longest secret that the text starts with; 0: none. */
static size_t secret_at(struct clew__slice text, const struct clew__slice *secrets, size_t count) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        struct clew__slice rest = secrets[i];
        if (rest.size >= SECRET_MIN && rest.size > longest && starts_with(text, rest))
            longest = rest.size;
        while (rest.size) {
            struct clew__slice word = clew__slice_split(&rest, ' ');
            if (word.size >= SECRET_MIN && word.size > longest && !is_scheme(word) && starts_with(text, word))
                longest = word.size;
        }
    }
    return longest;
}

/* The size of the character at the front, or 0: malformed, or a control character (C0, DEL, C1). */
static size_t character_size(struct clew__slice text) {
    unsigned char first = (unsigned char)text.data[0];
    if (first < 0x80)
        return first >= ' ' && first != 0x7f ? 1 : 0;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (size > text.size || !clew__utf8_valid(text.data, size))
        return 0;
    return first == 0xc2 && (unsigned char)text.data[1] < 0xa0 ? 0 : size;
}

size_t clew__answer_show(struct clew__slice text, const struct clew__slice *secrets, size_t secret_count,
                         char *out, size_t capacity) {
    size_t used = 0;
    if (capacity == 0)
        return 0;
    while (text.size) {
        size_t masked = secret_at(text, secrets, secret_count);
        size_t size = masked ? 0 : character_size(text);
        struct clew__slice shown = masked ? clew__slice_text("***")
                                   : size ? clew__slice_of(text.data, size)
                                          : clew__slice_text(" ");
        if (shown.size >= capacity - used)
            break;
        memcpy(out + used, shown.data, shown.size);
        used += shown.size;
        clew__slice_take(&text, masked ? masked : size ? size : 1);
    }
    while (used && out[used - 1] == ' ')
        used--;
    out[used] = '\0';
    return used;
}
