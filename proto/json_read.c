/* JSON text of OTLP messages into wire bytes, in one pass and with a stack of its own. Owns nothing; any
 * thread.
 *
 * Every function that returns a bool returns false when the text has a fault, which then stands in the
 * reader. */
#include "proto/json.h"

#include <math.h>

#include "proto/json_span.h"
#include "proto/otlp.h"
#include "proto/schema.h"

/* Room for the longest name of a member and of an enum value, and for a trace id in hex. */
#define WORD_MAX 40
/* Every message may be within an object and a list. */
#define FRAMES_MAX (2 * CLEW__MESSAGE_DEPTH_MAX)

/* An object or a list that is open. */
struct frame {
    size_t begun;                    /* of an object that is a member; 0: of none */
    const struct clew__member *list; /* what the elements of a list are; NULL: an object */
    enum clew__message message;      /* of the object, or that the list is in */
    bool started;                    /* has an element */
    bool has_trace_id, has_span_id;
    size_t text, written; /* of an object: where it begins, and how much was written before it */
};

struct reader {
    struct clew__json_text in;
    struct clew__writer *writer;
    uint32_t open, depth;
    bool any_ids; /* ids may be any text, and a span has some */
    struct frame frames[FRAMES_MAX];
};

/* ---- scalars: each writes one member; zero is written where it means something, in a oneof ---- */

struct target {
    const struct clew__member *member;
    uint32_t field;
    bool keeps_zero;
};

static uint32_t field_of(enum clew__message message, const struct clew__member *member) {
    return (uint32_t)(member - clew__schema[message]);
}

static bool read_text(struct reader *reader, const struct target *target) {
    struct clew__json_string string;
    if (!clew__json_take_string(&reader->in, &string))
        return false;
    if (string.size > 0 || target->keeps_zero)
        clew__json_write_string(reader->writer, target->field, &string);
    return true;
}

static bool read_id(struct reader *reader, const struct target *target) {
    char word[WORD_MAX];
    uint8_t id[16];
    size_t size, start = reader->in.at;
    size_t id_size = clew__schema_id_size((enum clew__kind)target->member->kind);
    if (!clew__json_take_word(&reader->in, word, sizeof word, &size))
        return false;
    if (size == 0)
        return true;
    if (size != 2 * id_size)
        return clew__json_fail(&reader->in, start, "an id has the wrong length");
    for (size_t i = 0; i < id_size; i++) {
        int high = clew__json_hex_value(word[2 * i]), low = clew__json_hex_value(word[2 * i + 1]);
        if (high < 0 || low < 0)
            return clew__json_fail(&reader->in, start, "an id is not hexadecimal");
        id[i] = (uint8_t)(high << 4 | low);
    }
    clew__write_bytes(reader->writer, target->field, id, id_size);
    return true;
}

/* An id of a file that somebody's tool wrote. What of it is no hexadecimal number is kept in the span. */
static bool read_any_id(struct reader *reader, const struct target *target) {
    size_t id_size = clew__schema_id_size((enum clew__kind)target->member->kind);
    struct clew__json_id id, none = {.present = false};
    struct frame *frame = &reader->frames[reader->open - 1];
    if (!clew__json_take_id(&reader->in, id_size, &id))
        return false;
    if (id.present)
        clew__write_bytes(reader->writer, target->field, id.bytes, id_size);
    if (target->member->kind == CLEW__KIND_TRACE_ID) {
        frame->has_trace_id = !clew__json_id_is_zero(&id, id_size);
        clew__json_write_id_texts(reader->writer, &id, &none);
    } else if (target->member->kind == CLEW__KIND_SPAN_ID) {
        frame->has_span_id = !clew__json_id_is_zero(&id, id_size);
        clew__json_write_id_texts(reader->writer, &none, &id);
    }
    return true;
}

static bool read_bool(struct reader *reader, const struct target *target) {
    bool value = clew__json_take_literal(&reader->in, "true");
    if (!value && !clew__json_take_literal(&reader->in, "false"))
        return clew__json_unexpected(&reader->in, "true or false is wanted");
    if (value || target->keeps_zero)
        clew__write_varint(reader->writer, target->field, value);
    return true;
}

/* The largest magnitude that a kind takes. */
static uint64_t integer_limit(enum clew__kind kind, bool negative) {
    switch (kind) {
    case CLEW__KIND_INT64:
        return (uint64_t)INT64_MAX + negative;
    case CLEW__KIND_SPAN_KIND:
    case CLEW__KIND_STATUS_CODE:
        return (uint64_t)INT32_MAX + negative;
    case CLEW__KIND_FIXED64:
        return negative ? 0 : UINT64_MAX;
    default:
        return negative ? 0 : UINT32_MAX;
    }
}

/* The number of an enum value that is given by its name, or -1. */
static int enum_number(enum clew__kind kind, const char *name, size_t size) {
    static const char *const kinds[] = {
        "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
    };
    static const char *const codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
    const char *const *names = kind == CLEW__KIND_SPAN_KIND ? kinds : codes;
    int count = kind == CLEW__KIND_SPAN_KIND ? 6 : kind == CLEW__KIND_STATUS_CODE ? 3 : 0;
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0)
            return i;
    }
    return -1;
}

static bool read_integer(struct reader *reader, const struct target *target) {
    enum clew__kind kind = (enum clew__kind)target->member->kind;
    char text[CLEW__JSON_NUMBER_MAX];
    struct clew__json_integer integer;
    uint64_t value;
    size_t size, start = reader->in.at;
    int named;
    if (!clew__json_take_number(&reader->in, text, &size))
        return false;
    named = enum_number(kind, text, size);
    if (named >= 0)
        integer = (struct clew__json_integer){false, (uint64_t)named};
    else if (!clew__json_to_integer(text, size, &integer) ||
             integer.magnitude > integer_limit(kind, integer.negative))
        return clew__json_fail(&reader->in, start, "not an integer, or out of range");
    value = integer.negative ? 0 - integer.magnitude : integer.magnitude;
    if (value == 0 && !target->keeps_zero)
        return true;
    if (kind == CLEW__KIND_FIXED64)
        clew__write_fixed64(reader->writer, target->field, value);
    else if (kind == CLEW__KIND_FIXED32)
        clew__write_fixed32(reader->writer, target->field, (uint32_t)value);
    else
        clew__write_varint(reader->writer, target->field, value);
    return true;
}

static bool word_is(const char *word, size_t size, const char *text) {
    return strlen(text) == size && memcmp(word, text, size) == 0;
}

static bool read_double(struct reader *reader, const struct target *target) {
    char text[CLEW__JSON_NUMBER_MAX];
    size_t size, start = reader->in.at;
    double value;
    uint64_t bits;
    if (!clew__json_take_number(&reader->in, text, &size))
        return false;
    if (word_is(text, size, "NaN")) {
        value = (double)NAN;
    } else if (word_is(text, size, "Infinity")) {
        value = (double)INFINITY;
    } else if (word_is(text, size, "-Infinity")) {
        value = -(double)INFINITY;
    } else {
        if (size == 0 || clew__json_number_size(text, size) != size)
            return clew__json_fail(&reader->in, start, "not a number");
        value = clew__json_to_double(text, size);
        if (isinf(value))
            return clew__json_fail(&reader->in, start, "a number out of range");
    }
    memcpy(&bits, &value, sizeof bits);
    clew__write_fixed64(reader->writer, target->field, bits);
    return true;
}

static bool read_scalar(struct reader *reader, const struct target *target) {
    switch ((enum clew__kind)target->member->kind) {
    case CLEW__KIND_TEXT:
        return read_text(reader, target);
    case CLEW__KIND_BYTES:
        return clew__json_write_base64(&reader->in, reader->writer, target->field);
    case CLEW__KIND_TRACE_ID:
    case CLEW__KIND_SPAN_ID:
    case CLEW__KIND_TRACE_ID_OR_EMPTY:
    case CLEW__KIND_SPAN_ID_OR_EMPTY:
        return reader->any_ids ? read_any_id(reader, target) : read_id(reader, target);
    case CLEW__KIND_BOOL:
        return read_bool(reader, target);
    case CLEW__KIND_DOUBLE:
        return read_double(reader, target);
    default:
        return read_integer(reader, target);
    }
}

/* ---- messages ---- */

/* Takes '{' and begins the message, as member of `field` unless it is the outermost. */
static bool open_object(struct reader *reader, enum clew__message message, uint32_t field) {
    struct frame *frame;
    if (clew__json_peek(&reader->in) != '{')
        return clew__json_unexpected(&reader->in, "an object is wanted");
    if ((clew__schema_nests(message) && reader->depth == CLEW__VALUE_DEPTH_MAX) || reader->open == FRAMES_MAX)
        return clew__json_fail(&reader->in, reader->in.at, "nested too deep");
    reader->depth += clew__schema_nests(message);
    frame = &reader->frames[reader->open++];
    *frame = (struct frame){.message = message, .text = reader->in.at, .written = reader->writer->size};
    reader->in.at++;
    if (field != 0)
        frame->begun = clew__write_begin(reader->writer, field);
    return true;
}

static void close_frame(struct reader *reader) {
    const struct frame *frame = &reader->frames[--reader->open];
    if (frame->list)
        return;
    reader->depth -= clew__schema_nests(frame->message);
    if (frame->begun > 0)
        clew__write_end(reader->writer, frame->begun);
}

static bool read_value(struct reader *reader, enum clew__message message, const struct clew__member *member) {
    /* An empty text is left out where that says the same, but is an element of a list. */
    struct target target = {member, field_of(message, member), message == CLEW__ANY || member->repeated};
    size_t written = reader->writer->size;
    if (member->kind == CLEW__KIND_MESSAGE)
        return open_object(reader, (enum clew__message)member->message, target.field);
    if (read_scalar(reader, &target))
        return true;
    reader->writer->size = written;
    return false;
}

static const struct clew__member *member_named(enum clew__message message,
                                               const struct clew__json_string *name) {
    for (uint32_t field = 1; field <= CLEW__SCHEMA_FIELD_MAX; field++) {
        const struct clew__member *member = &clew__schema[message][field];
        if (member->name_size == name->size && member->kind != CLEW__KIND_NONE &&
            memcmp(name->text, member->name, name->size) == 0)
            return member;
    }
    return NULL;
}

/* A name that is written with escapes for no need. */
static const struct clew__member *member_escaped(enum clew__message message,
                                                 const struct clew__json_string *name) {
    struct clew__json_text in = {.text = name->text - 1, .size = name->size + 2}; /* with the quotes */
    struct clew__json_string plain = {.size = 0};
    char word[WORD_MAX];
    if (!clew__json_take_word(&in, word, sizeof word, &plain.size) || plain.size > sizeof word)
        return NULL;
    plain.text = word;
    return member_named(message, &plain);
}

/* A name and its value, or the beginning of that. */
static bool read_member(struct reader *reader, enum clew__message message) {
    struct clew__json_string name;
    const struct clew__member *member;
    if (!clew__json_take_string(&reader->in, &name) || !clew__json_take_colon(&reader->in))
        return false;
    member = name.escaped ? member_escaped(message, &name) : member_named(message, &name);
    if (!member)
        return clew__json_skip_value(&reader->in);
    clew__json_peek(&reader->in);
    if (clew__json_take_literal(&reader->in, "null"))
        return true;
    if (!member->repeated)
        return read_value(reader, message, member);
    if (reader->open == FRAMES_MAX)
        return clew__json_fail(&reader->in, reader->in.at, "nested too deep");
    if (!clew__json_accept(&reader->in, '['))
        return clew__json_unexpected(&reader->in, "a list is wanted");
    reader->frames[reader->open++] = (struct frame){.list = member, .message = message};
    return true;
}

static bool read_element(struct reader *reader, const struct frame *frame) {
    clew__json_peek(&reader->in);
    if (!clew__json_take_literal(&reader->in, "null"))
        return read_value(reader, frame->message, frame->list);
    /* Among values null is the empty one; elsewhere it is nothing. */
    if (frame->list->kind == CLEW__KIND_MESSAGE && frame->list->message == CLEW__ANY)
        clew__write_bytes(reader->writer, field_of(frame->message, frame->list), NULL, 0);
    return true;
}

static bool is_span(const struct frame *frame) {
    return !frame->list && frame->message == CLEW__SPAN;
}

static bool step(struct reader *reader) {
    struct frame *frame = &reader->frames[reader->open - 1];
    if (clew__json_accept(&reader->in, frame->list ? ']' : '}')) {
        if (reader->any_ids && is_span(frame) && !(frame->has_trace_id && frame->has_span_id))
            return clew__json_fail(&reader->in, frame->text, "a span without an id");
        close_frame(reader);
        return true;
    }
    if (frame->started && !clew__json_accept(&reader->in, ','))
        return clew__json_unexpected(&reader->in, "a comma or a closing bracket is wanted");
    frame->started = true;
    return frame->list ? read_element(reader, frame) : read_member(reader, frame->message);
}

/* Takes back the span that is being read, if one is, and goes to its end. */
static bool leave_span_out(struct reader *reader) {
    uint32_t open = reader->open;
    const struct frame *span;
    while (open > 0 && !is_span(&reader->frames[open - 1]))
        open--;
    if (open == 0)
        return false;
    while (reader->open > open)
        close_frame(reader);
    span = &reader->frames[open - 1];
    reader->open--;
    reader->writer->size = span->written;
    reader->in.at = span->text;
    reader->in.reason = NULL;
    return clew__json_skip_value(&reader->in);
}

/* What goes on after a fault, where somebody is told of it: what follows the span, or nothing. */
static bool get_over(struct reader *reader, const struct clew__json_listener *listener) {
    if (!listener || reader->writer->failed)
        return false;
    listener->hear(listener->user, &(struct clew__json_fault){reader->in.at, reader->in.reason});
    if (leave_span_out(reader))
        return true;
    while (reader->open > 0)
        close_frame(reader);
    reader->in.at = reader->in.size;
    return true;
}

/* A message that is the outermost, or, and then it comes from a file, a member of that. */
static size_t read_message(struct clew__writer *writer, enum clew__message message, uint32_t field,
                           const char *text, size_t size, struct clew__json_fault *fault,
                           const struct clew__json_listener *listener) {
    struct reader reader;
    size_t before = writer->size;
    bool good;
    reader.in = (struct clew__json_text){.text = text, .size = size};
    reader.writer = writer;
    reader.open = reader.depth = 0;
    reader.any_ids = field != 0;
    good = open_object(&reader, message, field) || get_over(&reader, listener);
    while (good && reader.open > 0) {
        good = step(&reader);
        if (writer->failed)
            good = clew__json_fail(&reader.in, reader.in.at, "there is no room for the message");
        good = good || get_over(&reader, listener);
    }
    if (good)
        return reader.in.at;
    writer->size = before;
    if (fault)
        *fault = (struct clew__json_fault){reader.in.at, reader.in.reason};
    return 0;
}

size_t clew__json_read_traces(struct clew__writer *writer, const char *text, size_t size,
                              struct clew__json_fault *fault) {
    return read_message(writer, CLEW__TRACES, 0, text, size, fault, NULL);
}

size_t clew__json_read_resource_spans(struct clew__writer *writer, const char *text, size_t size,
                                      struct clew__json_fault *fault,
                                      const struct clew__json_listener *listener) {
    return read_message(writer, CLEW__RESOURCE_SPANS, CLEW__TRACES_RESOURCE_SPANS, text, size, fault,
                        listener);
}
