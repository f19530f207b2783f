/* Owns the grammar of the `baggage` header (W3C Baggage, section 3.3): reading, writing, percent-encoding,
 * limits. Works on the caller's data only; any thread. */
#include "sdk/context/baggage.h"

#include <clew/extend.h>

#include "proto/utf8.h"
#include "sdk/context/hex.h"

/* A decoded member with its terminators is longer by one at most than the member; and so are all of them
 * together, for each comma makes room for one. */
#define TEXT_SIZE (CLEW__BAGGAGE_SIZE_MAX + 1)

/* RFC 9110, section 5.6.2. */
static bool is_token(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", text[i]))
            return false;
    return size != 0;
}

/* A character that stands for itself in a value; `%` does so only as the start of an escape. */
static bool is_plain(char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\' && c != '%';
}

bool clew__baggage_metadata_is_valid(struct clew__slice metadata) {
    for (size_t i = 0; i < metadata.size; i++) {
        char c = metadata.data[i];
        if ((c < 0x20 && c != '\t') || c >= 0x7f || c == ',')
            return false;
    }
    return true;
}

/* ---- reading ---- */

/* Makes the text valid where it stands; it needs no more room than its escapes had. */
static bool repair(char *text, size_t *size) {
    char *copy;
    if (clew__utf8_valid(text, *size))
        return true;
    copy = clew_memory_copy_text(text, *size);
    if (!copy)
        return false;
    *size = clew__utf8_repair(copy, *size, text);
    clew_memory_release(copy);
    return true;
}

/* Decodes into `out`, which has room for as much as the value has. False for a character that may not be
 * there, an escape that is none, and a zero byte, which a value of C cannot hold. */
static bool decode(struct clew__slice value, char *out, size_t *size) {
    *size = 0;
    while (value.size) {
        struct clew__slice escape;
        uint8_t byte;
        if (is_plain(value.data[0])) {
            out[(*size)++] = clew__slice_take(&value, 1).data[0];
            continue;
        }
        escape = clew__slice_take(&value, 3);
        if (escape.size != 3 || escape.data[0] != '%' ||
            !clew__hex_read(escape.data + 1, &byte, 1, CLEW__HEX_ANY_CASE) || byte == 0)
            return false;
        out[(*size)++] = (char)byte;
    }
    return repair(out, size);
}

static char *copy_terminated(char *place, struct clew__slice text) {
    memcpy(place, text.data, text.size);
    place[text.size] = '\0';
    return place + text.size + 1;
}

/* One member into `place`. Returns where the next one may go; NULL when this one is malformed. */
static char *read_member(struct clew__slice member, char *place, clew_baggage_entry *entry) {
    struct clew__slice metadata = member;
    struct clew__slice value = clew__slice_split(&metadata, ';');
    bool has_value = value.size != 0 && memchr(value.data, '=', value.size) != NULL;
    struct clew__slice name = clew__slice_trim(clew__slice_split(&value, '='));
    size_t size;

    metadata = clew__slice_trim(metadata);
    if (!has_value || !is_token(name.data, name.size) || !clew__baggage_metadata_is_valid(metadata))
        return NULL;
    entry->name = place;
    place = copy_terminated(place, name);
    entry->value = place;
    if (!decode(clew__slice_trim(value), place, &size))
        return NULL;
    place[size] = '\0';
    place += size + 1;
    entry->metadata = metadata.size ? place : NULL;
    return metadata.size ? copy_terminated(place, metadata) : place;
}

/* Of members with the same name the last counts. False when there is no room for another name. */
static bool keep_entry(struct clew__baggage_reader *reader, const clew_baggage_entry *entry) {
    size_t i = 0;
    while (i < reader->count && strcmp(reader->entries[i].name, entry->name) != 0)
        i++;
    if (i == CLEW__BAGGAGE_MEMBERS_MAX)
        return false;
    reader->entries[i] = *entry;
    reader->count += i == reader->count;
    return true;
}

void clew__baggage_read(struct clew__baggage_reader *reader, const char *value, size_t size) {
    struct clew__slice rest = clew__slice_of(value, size);
    size_t comma = reader->read_size != 0;
    size_t room = CLEW__BAGGAGE_SIZE_MAX - reader->read_size;
    if (rest.size == 0 || room <= comma)
        return;
    room -= comma;
    if (!reader->text)
        reader->text = reader->text_end = clew_memory_allocate(TEXT_SIZE);
    if (!reader->text)
        return;
    reader->read_size += comma + (size < room ? size : room);
    while (rest.size) {
        clew_baggage_entry entry;
        struct clew__slice member = clew__slice_split(&rest, ',');
        char *end;
        if ((size_t)(member.data + member.size - value) > room)
            return;
        end = read_member(member, reader->text_end, &entry);
        if (end && keep_entry(reader, &entry))
            reader->text_end = end;
    }
}

clew_baggage *clew__baggage_finish(struct clew__baggage_reader *reader) {
    clew_baggage *baggage = clew__baggage_new(reader->entries, reader->count, NULL, NULL);
    clew_memory_release(reader->text);
    reader->text = reader->text_end = NULL;
    reader->count = 0;
    return baggage;
}

/* ---- writing ---- */

static size_t encoded_size(const clew_baggage_entry *entry) {
    size_t size = strlen(entry->name) + 1;
    for (const char *c = entry->value; *c; c++)
        size += is_plain(*c) ? 1 : 3;
    return entry->metadata ? size + 1 + strlen(entry->metadata) : size;
}

static char *append(char *place, const char *text) {
    size_t size = strlen(text);
    memcpy(place, text, size);
    return place + size;
}

static char *encode(char *place, const clew_baggage_entry *entry) {
    static const char digits[] = "0123456789ABCDEF";
    place = append(place, entry->name);
    *place++ = '=';
    for (const char *c = entry->value; *c; c++) {
        uint8_t byte = (uint8_t)*c;
        if (is_plain(*c)) {
            *place++ = *c;
            continue;
        }
        *place++ = '%';
        *place++ = digits[byte >> 4];
        *place++ = digits[byte & 0x0f];
    }
    if (entry->metadata) {
        *place++ = ';';
        place = append(place, entry->metadata);
    }
    return place;
}

int clew__baggage_format(const clew_baggage *baggage, char **text) {
    size_t sent[CLEW__BAGGAGE_MEMBERS_MAX];
    size_t sent_count = 0, total = 0;
    char *place;

    *text = NULL;
    for (size_t i = 0; i < clew_baggage_count(baggage) && sent_count < CLEW__BAGGAGE_MEMBERS_MAX; i++) {
        clew_baggage_entry entry = clew_baggage_at(baggage, i);
        size_t size = encoded_size(&entry) + (sent_count != 0);
        if (!is_token(entry.name, strlen(entry.name)) || size > CLEW__BAGGAGE_SIZE_MAX - total)
            continue;
        total += size;
        sent[sent_count++] = i;
    }
    if (sent_count == 0)
        return CLEW_OK;
    *text = place = clew_memory_allocate(total + 1);
    if (!place)
        return CLEW_ENOMEM;
    for (size_t i = 0; i < sent_count; i++) {
        clew_baggage_entry entry = clew_baggage_at(baggage, sent[i]);
        if (i)
            *place++ = ',';
        place = encode(place, &entry);
    }
    *place = '\0';
    return CLEW_OK;
}
