/* Reading OTLP from streams. One buffer holds the line, object or message at hand; nothing is kept beyond it.
 * One thread. */
#include "collector-bridge/cli/input.h"

#include "proto/json.h"
#include "proto/otlp.h"
#include "proto/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)64 * 1024)
#define PEEK ((size_t)4096)            /* how much of a stream decides what it is */
#define COMPLAINTS_MAX 20              /* a file of another kind would fill the screen */
#define MESSAGE_HEAD_MAX 11            /* the tag of a message in a TracesData, and its length */
#define WIRE_MAX (4 * CLEW__INPUT_MAX) /* of one JSON object as protobuf, which is smaller as a rule */

struct source {
    FILE *stream;
    const char *name;
    FILE *errors;
    const struct clew__input_sink *sink;

    char *data; /* what is read and not yet consumed: [begin, end) */
    size_t begin, end, capacity;
    uint64_t offset; /* in the stream, of data[begin] */
    uint64_t line;   /* number of the line at `begin`, from 1 */
    bool at_end;

    struct clew__writer wire; /* JSON as protobuf */
    unsigned complaints;
    bool stopped; /* by the sink */
    bool sound;
};

/* ---- complaints ---- */

static bool may_complain(struct source *source) {
    source->sound = false;
    if (source->complaints++ < COMPLAINTS_MAX)
        return true;
    if (source->complaints == COMPLAINTS_MAX + 1)
        fprintf(source->errors, "clew: %s: and more\n", source->name);
    return false;
}

static void complain(struct source *source, const char *reason) {
    if (may_complain(source))
        fprintf(source->errors, "clew: %s: %s\n", source->name, reason);
}

/* About the byte at data[begin + at], of a protobuf stream. */
static void complain_at_byte(struct source *source, size_t at, const char *reason) {
    if (may_complain(source))
        fprintf(source->errors, "clew: %s: byte %" PRIu64 ": %s\n", source->name, source->offset + at,
                reason);
}

/* The same with the line, of a text. */
static void complain_at_line(struct source *source, size_t at, const char *reason) {
    uint64_t line = source->line;
    for (size_t i = 0; i < at; i++)
        line += source->data[source->begin + i] == '\n';
    if (may_complain(source))
        fprintf(source->errors, "clew: %s: line %" PRIu64 ", byte %" PRIu64 ": %s\n", source->name, line,
                source->offset + at, reason);
}

/* ---- the buffer ---- */

static size_t available(const struct source *source) {
    return source->end - source->begin;
}

static bool make_room(struct source *source) {
    if (source->begin) {
        memmove(source->data, source->data + source->begin, available(source));
        source->end -= source->begin;
        source->begin = 0;
    }
    if (source->capacity - source->end >= CHUNK)
        return true;
    size_t capacity = source->capacity ? 2 * source->capacity : 4 * CHUNK;
    char *data = realloc(source->data, capacity);
    if (!data)
        return false;
    source->data = data;
    source->capacity = capacity;
    return true;
}

/* Reads one more chunk. False at the end of the stream, which a failure is too. */
static bool read_more(struct source *source) {
    if (source->at_end)
        return false;
    if (source->capacity - source->end < CHUNK && !make_room(source)) {
        complain(source, strerror(ENOMEM));
        source->at_end = true;
        return false;
    }
    size_t got = fread(source->data + source->end, 1, CHUNK, source->stream);
    source->end += got;
    if (got == CHUNK)
        return true;
    source->at_end = true;
    if (ferror(source->stream))
        complain(source, strerror(errno));
    return got > 0;
}

/* Whether that many bytes are there, after reading as many as it takes. */
static bool ensure(struct source *source, size_t size) {
    while (available(source) < size)
        if (!read_more(source))
            return false;
    return true;
}

static void consume(struct source *source, size_t size) {
    const char *at = source->data + source->begin, *end = at + size;
    source->begin += size;
    source->offset += size;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        source->line++;
        at++;
    }
}

/* The size of the line that starts `skip` bytes behind `begin`, its line end included; 0 at the end of the
 * stream. When no line end comes within CLEW__INPUT_MAX bytes, what is there. */
static size_t next_line(struct source *source, size_t skip) {
    size_t searched = skip;
    for (;;) {
        size_t more = available(source) - searched;
        const char *found = more ? memchr(source->data + source->begin + searched, '\n', more) : NULL;
        if (found)
            return (size_t)(found - (source->data + source->begin)) + 1 - skip;
        searched += more;
        if (searched - skip > CLEW__INPUT_MAX || !read_more(source))
            return searched - skip;
    }
}

/* ---- JSON ---- */

static bool grow(struct clew__writer *writer, size_t more) {
    if (more > WIRE_MAX - writer->size)
        return false;
    size_t capacity = writer->size + more;
    capacity += capacity / 2;
    uint8_t *data = realloc(writer->data, capacity);
    if (!data)
        return false;
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Reads the objects in the first `size` bytes and consumes these. */
static void take_json(struct source *source, size_t size) {
    const char *text = source->data + source->begin;
    size_t at = 0;
    for (;;) {
        while (at < size && is_space(text[at]))
            at++;
        if (at == size || source->stopped)
            break;
        struct clew__json_fault fault = {0};
        source->wire.size = 0;
        source->wire.failed = false;
        size_t taken = clew__json_read_traces(&source->wire, text + at, size - at, &fault);
        if (!taken) {
            complain_at_line(source, at + fault.offset, fault.reason ? fault.reason : "malformed");
            break;
        }
        source->stopped = !source->sink->take(source->sink->user, source->wire.data, source->wire.size);
        at += taken;
    }
    consume(source, size);
}

/* Where brackets and strings stand at the end of a line. */
struct balance {
    uint64_t depth;
    bool in_string;
};

static void balance_line(struct balance *balance, const char *line, size_t size) {
    for (size_t i = 0; i < size; i++) {
        char c = line[i];
        if (balance->in_string && c == '\\')
            i++;
        else if (c == '"')
            balance->in_string = !balance->in_string;
        else if (balance->in_string)
            continue;
        else if (c == '{' || c == '[')
            balance->depth++;
        else if ((c == '}' || c == ']') && balance->depth)
            balance->depth--;
    }
}

/* `{"resource…` in the first column: a record of its own, also when the one before it was cut off. */
static bool starts_record(const char *line, size_t size) {
    static const char start[] = "{\"resource";
    return size >= sizeof start - 1 && memcmp(line, start, sizeof start - 1) == 0;
}

/* Consumes that many bytes and what is left of the line that they end in. */
static void skip_line(struct source *source, size_t size) {
    while (size) {
        bool ended = source->data[source->begin + size - 1] == '\n';
        consume(source, size);
        size = ended ? 0 : next_line(source, 0);
    }
}

/* A line whose brackets do not close goes on in the next ones; no string goes on behind a line end. */
static void read_json(struct source *source) {
    struct balance balance = {0};
    size_t object = 0, line;
    while (!source->stopped && (line = next_line(source, object)) > 0) {
        if (object + line > CLEW__INPUT_MAX) {
            complain_at_line(source, 0, "a line or object longer than 64 MiB");
            skip_line(source, object + line);
            object = 0;
            balance = (struct balance){0};
            continue;
        }
        if (object && starts_record(source->data + source->begin + object, line)) {
            take_json(source, object);
            object = 0;
            balance = (struct balance){0};
        }
        balance_line(&balance, source->data + source->begin + object, line);
        object += line;
        if (balance.depth && !balance.in_string)
            continue;
        take_json(source, object);
        object = 0;
        balance = (struct balance){0};
    }
    if (object && !source->stopped)
        take_json(source, object);
}

/* ---- protobuf ---- */

/* The size of the message at the front, with tag and length; 0 when no ResourceSpans starts there. */
static size_t message_size(const struct source *source) {
    const uint8_t *start = (const uint8_t *)source->data + source->begin, *at = start,
                  *end = start + available(source);
    uint64_t length = 0;
    if (*at++ != (CLEW__TRACES_RESOURCE_SPANS << 3 | CLEW__WIRE_BYTES))
        return 0;
    for (unsigned shift = 0; at < end && shift < 35; shift += 7) {
        length |= (uint64_t)(*at & 0x7Fu) << shift;
        if (*at++ < 0x80)
            return (size_t)(at - start) + (size_t)length;
    }
    return 0;
}

/* One message after the other, so that the size of the file does not matter. What is no message is left to
 * the checker, which says what is wrong. */
static void read_protobuf(struct source *source) {
    struct clew__wire_limits limits = clew__wire_limits_default();
    limits.bytes = CLEW__INPUT_MAX;
    while (!source->stopped && ensure(source, 1)) {
        ensure(source, MESSAGE_HEAD_MAX);
        size_t size = message_size(source);
        if (size > CLEW__INPUT_MAX) {
            complain_at_byte(source, 0, clew__wire_error_text(CLEW__WIRE_TOO_LARGE));
            return;
        }
        if (!ensure(source, size ? size : CLEW__INPUT_MAX) || !size)
            size = available(source);

        const char *message = source->data + source->begin;
        struct clew__wire_fault fault;
        if (clew__wire_check_traces(message, size, &limits, &fault) == CLEW__WIRE_OK)
            source->stopped = !source->sink->take(source->sink->user, message, size);
        else
            complain_at_byte(source, fault.offset, clew__wire_error_text(fault.error));
        consume(source, size);
    }
}

/* ---- streams ---- */

/* Text has no control characters but white space; protobuf of a span is full of them. */
static bool is_binary(const struct source *source) {
    size_t size = available(source) < PEEK ? available(source) : PEEK;
    for (size_t i = 0; i < size; i++) {
        char c = source->data[source->begin + i];
        if ((unsigned char)c < 0x20 && !is_space(c))
            return true;
    }
    return false;
}

static bool starts_with(const struct source *source, const char *bytes, size_t size) {
    return available(source) >= size && memcmp(source->data + source->begin, bytes, size) == 0;
}

bool clew__input_read(FILE *stream, const char *name, const struct clew__input_sink *sink, FILE *errors) {
    struct source source = {
        .stream = stream, .name = name, .errors = errors, .sink = sink, .line = 1, .sound = true};
    source.wire.grow = grow;

    ensure(&source, PEEK);
    if (starts_with(&source, "\x1f\x8b", 2)) {
        complain(&source, "compressed with gzip: zcat it first");
    } else if (is_binary(&source)) {
        read_protobuf(&source);
    } else {
        if (starts_with(&source, "\xef\xbb\xbf", 3)) /* a byte order mark */
            consume(&source, 3);
        read_json(&source);
    }
    free(source.data);
    free(source.wire.data);
    return source.sound && !source.stopped;
}

bool clew__input_read_path(const char *path, const struct clew__input_sink *sink, FILE *errors) {
    if (!path || strcmp(path, "-") == 0)
        return clew__input_read(stdin, "standard input", sink, errors);
    FILE *stream = fopen(path, "rbe");
    if (!stream) {
        fprintf(errors, "clew: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool sound = clew__input_read(stream, path, sink, errors);
    fclose(stream);
    return sound;
}
