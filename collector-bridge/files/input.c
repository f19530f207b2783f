/* Reading traces. One buffer holds what is read and not yet understood, one writer what is understood and not
 * yet handed on; nothing is kept beyond them. One thread. */
#include "collector-bridge/files/input.h"

#include "collector-bridge/files/cutter.h"
#include "collector-bridge/files/folder.h"
#include "collector-bridge/files/pieces.h"
#include "collector-bridge/files/progress.h"
#include "collector-bridge/files/source.h"
#include "proto/jaeger_json.h"
#include "proto/json.h"
#include "proto/otlp.h"
#include "proto/wire.h"
#include "proto/zipkin_json.h"

#include <clew/extend.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)256 * 1024)
#define PEEK ((size_t)4096)                /* how much of a stream decides what it is */
#define MESSAGE_HEAD_MAX 11                /* the tag of a message in a TracesData, and its length */
#define BATCH ((size_t)256 * 1024)         /* so much is handed on at once when the elements are small */
#define KEPT_MAX ((size_t)4 * 1024 * 1024) /* of memory that one large element took and the next may not */
#define UNKNOWN_MAX ((size_t)64 * 1024 * 1024) /* of what is no message, to say what is wrong */
#define ELEMENT_MIN UNKNOWN_MAX                /* this long an element may be on any machine… */
#define ELEMENT_MAX ((uint64_t)2 << 30)        /* …and on none longer: messages of protobuf have less */
#define PIECE_MAX ((size_t)16 * 1024 * 1024)   /* has at most half of the members that the checker allows */
#define MEMORY_DEFAULT ((uint64_t)2 << 30)
#define RESOURCE_SPANS_TAG (CLEW__TRACES_RESOURCE_SPANS << 3 | CLEW__WIRE_BYTES)

/* What is common to all that one call reads. */
struct job {
    const struct clew__input_sink *sink;
    struct clew__input_limits limits;
    FILE *errors;
    uint64_t found; /* files of folders */
    bool stopped;   /* by the sink */
    bool sound;
};

struct reader {
    struct job *job;
    const char *name;
    bool found; /* in a folder: nobody said that it holds traces */
    struct clew__source *source;
    struct clew__progress progress;

    char *data; /* what is read and not yet consumed: [begin, end) */
    size_t begin, end, capacity;
    uint64_t offset; /* in the stream, of data[begin] */
    bool at_end;

    struct clew__writer wire; /* what is to be handed on */
    struct clew__writer scratch;
    uint64_t faults;
};

/* ---- limits ---- */

uint64_t clew__input_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : MEMORY_DEFAULT;
}

struct clew__input_limits clew__input_limits_default(void) {
    uint64_t element = clew__input_memory() / 4;
    if (element > ELEMENT_MAX)
        element = ELEMENT_MAX;
    if (element < ELEMENT_MIN)
        element = ELEMENT_MIN;
    return (struct clew__input_limits){(size_t)element, PIECE_MAX};
}

/* ---- faults ---- */

static bool tells_more(const struct reader *reader) {
    return reader->faults < CLEW__INPUT_FAULTS_MAX;
}

static bool may_tell(struct reader *reader) {
    bool tells = tells_more(reader);
    reader->job->sound = false;
    reader->faults++;
    if (!tells)
        return false;
    clew__progress_clear(&reader->progress);
    return true;
}

static void tell(struct reader *reader, const char *reason) {
    if (may_tell(reader))
        fprintf(reader->job->errors, "clew: %s: %s\n", reader->name, reason);
}

static void tell_byte(struct reader *reader, uint64_t offset, const char *reason) {
    if (may_tell(reader))
        fprintf(reader->job->errors, "clew: %s: byte %" PRIu64 ": %s\n", reader->name, offset, reason);
}

static void tell_line(struct reader *reader, uint64_t line, uint64_t offset, const char *reason) {
    if (may_tell(reader))
        fprintf(reader->job->errors, "clew: %s: line %" PRIu64 ", byte %" PRIu64 ": %s\n", reader->name, line,
                offset, reason);
}

/* That there are no traces is a fault of who names the file, not of one that only lies about. */
static void tell_nothing(struct reader *reader, const char *reason) {
    if (reader->found)
        fprintf(reader->job->errors, "clew: %s: %s; passed over\n", reader->name, reason);
    else
        tell(reader, reason);
}

/* ---- the buffer ---- */

static size_t available(const struct reader *reader) {
    return reader->end - reader->begin;
}

static bool make_room(struct reader *reader) {
    size_t capacity = reader->capacity ? 2 * reader->capacity : 4 * CHUNK;
    char *data;
    if (reader->begin) {
        memmove(reader->data, reader->data + reader->begin, available(reader));
        reader->end -= reader->begin;
        reader->begin = 0;
    }
    if (reader->capacity - reader->end >= CHUNK)
        return true;
    data = clew_memory_reallocate(reader->data, capacity);
    if (!data)
        return false;
    reader->data = data;
    reader->capacity = capacity;
    return true;
}

/* Reads one more chunk. False at the end of the stream, which a failure is too. */
static bool read_more(struct reader *reader) {
    size_t got;
    if (reader->at_end)
        return false;
    if (reader->capacity - reader->end < CHUNK && !make_room(reader)) {
        tell(reader, strerror(ENOMEM));
        reader->at_end = true;
        return false;
    }
    got = clew__source_read(reader->source, reader->data + reader->end, CHUNK);
    reader->end += got;
    reader->at_end = got < CHUNK;
    clew__progress_tell(&reader->progress, clew__source_taken(reader->source), clew_monotonic_nano());
    return got > 0;
}

/* Whether that many bytes are there, after reading as many as it takes. */
static bool ensure(struct reader *reader, size_t size) {
    while (available(reader) < size)
        if (!read_more(reader))
            return false;
    return true;
}

static void consume(struct reader *reader, size_t size) {
    reader->begin += size;
    reader->offset += size;
}

/* ---- handing on ---- */

/* Returns what was left out, if anything: only what is longer than a piece can have such. */
static const char *hand_on(struct reader *reader, const void *traces, size_t size) {
    struct job *job = reader->job;
    if (job->stopped)
        return NULL;
    return clew__pieces_hand_on(job->sink, clew__wire_of(traces, size), job->limits.piece, &reader->scratch,
                                &job->stopped);
}

static const char *hand_on_batch(struct reader *reader) {
    const char *fault = reader->wire.size > 0 ? hand_on(reader, reader->wire.data, reader->wire.size) : NULL;
    reader->wire.size = 0;
    return fault;
}

/* What an element becomes is shorter, as a rule. */
static bool grow(struct clew__writer *writer, size_t more) {
    const struct reader *reader = writer->user;
    size_t capacity, max = 2 * reader->job->limits.element;
    uint8_t *data;
    if (writer->size > max || more > max - writer->size)
        return false;
    capacity = writer->size + more;
    capacity += capacity / 2;
    data = clew_memory_reallocate(writer->data, capacity);
    if (!data)
        return false;
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

static void give_back_writer(struct clew__writer *writer) {
    if (writer->capacity <= KEPT_MAX)
        return;
    clew_memory_release(writer->data);
    writer->data = NULL;
    writer->size = writer->capacity = 0;
}

/* But for what is not consumed yet. */
static void give_back_buffer(struct reader *reader) {
    size_t capacity = available(reader) + CHUNK;
    char *data;
    if (reader->capacity <= KEPT_MAX || capacity > reader->capacity / 2)
        return;
    memmove(reader->data, reader->data + reader->begin, available(reader));
    reader->end -= reader->begin;
    reader->begin = 0;
    data = clew_memory_reallocate(reader->data, capacity);
    if (!data)
        return;
    reader->data = data;
    reader->capacity = capacity;
}

/* ---- JSON ---- */

/* A piece that is being read. */
struct piece {
    struct reader *reader;
    const struct clew__cut *cut;
    const char *text;
    size_t counted; /* so much of it has been looked through for line ends… */
    uint64_t line;  /* …and this line follows */
};

/* What is cut off ends with a fault that has been told already. */
static void hear(void *user, const struct clew__json_fault *fault) {
    struct piece *piece = user;
    if (piece->cut->reason && fault->offset >= piece->cut->size)
        return;
    if (fault->offset < piece->counted) {
        piece->counted = 0;
        piece->line = piece->cut->piece_line;
    }
    for (; piece->counted < fault->offset && tells_more(piece->reader); piece->counted++)
        piece->line += piece->text[piece->counted] == '\n';
    tell_line(piece->reader, piece->line, piece->cut->piece_offset + fault->offset, fault->reason);
}

static size_t convert(struct piece *piece, struct clew__json_fault *fault) {
    const struct clew__json_listener listener = {hear, piece};
    struct clew__writer *wire = &piece->reader->wire, *scratch = &piece->reader->scratch;
    size_t size = piece->cut->size;
    switch (piece->cut->kind) {
    case CLEW__PIECE_JAEGER:
        return clew__jaeger_json_read(wire, scratch, piece->text, size, fault, &listener);
    case CLEW__PIECE_ZIPKIN:
        return clew__zipkin_json_read(wire, scratch, piece->text, size, fault);
    default:
        return clew__json_read_resource_spans(wire, piece->text, size, fault, &listener);
    }
}

/* The cutter needs no more of what it is done with. */
static void drop_done(struct reader *reader, struct clew__cutter *cutter) {
    size_t done = clew__cutter_done(cutter);
    clew__cutter_drop(cutter, done);
    consume(reader, done);
}

/* Before others take memory for what is handed on, that of its text is given back. */
static void hand_on_large(struct reader *reader, struct clew__cutter *cutter, const struct clew__cut *cut) {
    const char *fault;
    drop_done(reader, cutter);
    give_back_buffer(reader);
    give_back_writer(&reader->scratch);
    fault = hand_on_batch(reader);
    if (fault)
        tell_line(reader, cut->piece_line, cut->piece_offset, fault);
    give_back_writer(&reader->wire);
}

static void take_piece(struct reader *reader, struct clew__cutter *cutter, const struct clew__cut *cut) {
    struct piece piece = {reader, cut, reader->data + reader->begin + cut->begin, 0, cut->piece_line};
    struct clew__json_fault fault = {0, NULL};
    bool large = cut->size > KEPT_MAX || cut->size > reader->job->limits.piece;
    if (large)
        hand_on_batch(reader);
    reader->wire.failed = reader->scratch.failed = false;
    if (!convert(&piece, &fault))
        hear(&piece, &fault);
    if (large || reader->wire.size > reader->job->limits.piece)
        hand_on_large(reader, cutter, cut);
    else if (reader->wire.size >= BATCH)
        hand_on_batch(reader);
}

/* False at the end. What is understood is handed on before more is waited for. */
static bool cut_more(struct reader *reader, struct clew__cutter *cutter) {
    hand_on_batch(reader);
    drop_done(reader, cutter);
    read_more(reader);
    return !reader->job->stopped;
}

static void read_json(struct reader *reader) {
    struct clew__cutter cutter;
    struct clew__cut cut;
    enum clew__cut_result result = CLEW__CUT_MORE;
    clew__cutter_init(&cutter, reader->job->limits.element, reader->offset);
    while (result != CLEW__CUT_END && !reader->job->stopped) {
        result =
            clew__cutter_next(&cutter, reader->data + reader->begin, available(reader), reader->at_end, &cut);
        if (result == CLEW__CUT_FAULT)
            tell_line(reader, cut.line, cut.offset, cut.reason);
        if (result == CLEW__CUT_PIECE || (result == CLEW__CUT_FAULT && cut.kind != CLEW__PIECE_NONE))
            take_piece(reader, &cutter, &cut);
        else if (result == CLEW__CUT_MORE && !cut_more(reader, &cutter))
            break;
    }
    hand_on_batch(reader);
    if (!cutter.recognised && reader->faults == 0)
        tell_nothing(reader, "no traces of OTLP, Jaeger or Zipkin are in it");
}

/* ---- protobuf ---- */

/* The size of the message at the front, with tag and length; 0 when no ResourceSpans starts there. */
static uint64_t message_size(const struct reader *reader) {
    const uint8_t *start = (const uint8_t *)reader->data + reader->begin, *at = start,
                  *end = start + available(reader);
    uint64_t length = 0;
    if (*at++ != RESOURCE_SPANS_TAG)
        return 0;
    for (unsigned shift = 0; at < end && shift < 35; shift += 7) {
        length |= (uint64_t)(*at & 0x7Fu) << shift;
        if (*at++ < 0x80)
            return (uint64_t)(at - start) + length;
    }
    return 0;
}

static void pass_over(struct reader *reader, uint64_t size) {
    while (size > 0 && ensure(reader, 1)) {
        size_t part = available(reader) < size ? available(reader) : (size_t)size;
        consume(reader, part);
        size -= part;
    }
}

/* The members of a long one are counted where they are handed on. */
static void take_message(struct reader *reader, size_t size) {
    struct clew__wire_limits limits = clew__wire_limits_default();
    const char *message = reader->data + reader->begin, *reason;
    struct clew__wire_fault fault;
    limits.bytes = size;
    if (size > reader->job->limits.piece)
        limits.members = UINT64_MAX;
    if (clew__wire_check_traces(message, size, &limits, &fault) != CLEW__WIRE_OK) {
        tell_byte(reader, reader->offset + fault.offset, clew__wire_error_text(fault.error));
        return;
    }
    reason = hand_on(reader, message, size);
    if (reason)
        tell_byte(reader, reader->offset, reason);
}

/* One message after the other, so that the size of the file does not matter. What is no message is left to
 * the checker, which says what is wrong. */
static void read_protobuf(struct reader *reader) {
    while (!reader->job->stopped && ensure(reader, 1)) {
        uint64_t whole;
        size_t size;
        ensure(reader, MESSAGE_HEAD_MAX);
        whole = message_size(reader);
        if (whole > reader->job->limits.element) {
            tell_byte(reader, reader->offset, CLEW__CUT_TOO_LONG);
            pass_over(reader, whole);
            continue;
        }
        size = whole ? (size_t)whole : UNKNOWN_MAX;
        if (!ensure(reader, size))
            size = available(reader);
        take_message(reader, size);
        consume(reader, size);
        give_back_buffer(reader);
    }
}

/* ---- streams ---- */

enum content { UNKNOWN, JSON, PROTOBUF };

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Text has no control characters but white space; protobuf of a span is full of them. It begins with the tag
 * of its first member, which as text is a line end. */
static enum content recognise(const struct reader *reader) {
    const char *data = reader->data + reader->begin;
    size_t size = available(reader) < PEEK ? available(reader) : PEEK, first = 0;
    bool is_text = true;
    for (size_t i = 0; i < size; i++)
        is_text &= (unsigned char)data[i] >= 0x20 || is_space(data[i]);
    if (!is_text && data[0] == RESOURCE_SPANS_TAG)
        return PROTOBUF;
    while (first < size && is_space(data[first]))
        first++;
    if (first < size && (data[first] == '{' || data[first] == '['))
        return JSON;
    return is_text && !reader->found ? JSON : UNKNOWN;
}

static void read_content(struct reader *reader) {
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    size_t mark = sizeof byte_order_mark - 1;
    ensure(reader, PEEK);
    if (available(reader) == 0) {
        if (!clew__source_fault(reader->source))
            tell_nothing(reader, "empty");
        return;
    }
    if (available(reader) >= mark && memcmp(reader->data + reader->begin, byte_order_mark, mark) == 0)
        consume(reader, mark);
    switch (recognise(reader)) {
    case JSON:
        read_json(reader);
        break;
    case PROTOBUF:
        read_protobuf(reader);
        break;
    case UNKNOWN:
        tell_nothing(reader, "neither JSON nor OTLP as protobuf");
        break;
    }
}

static void read_stream(struct job *job, FILE *stream, const char *name, bool found) {
    struct reader reader = {.job = job, .name = name, .found = found, .source = clew__source_new(stream)};
    reader.wire.grow = reader.scratch.grow = grow;
    reader.wire.user = reader.scratch.user = &reader;
    if (!reader.source) {
        tell(&reader, strerror(ENOMEM));
        return;
    }
    clew__progress_begin(&reader.progress, job->errors, name, fileno(stream), clew_monotonic_nano());
    read_content(&reader);
    if (clew__source_fault(reader.source))
        tell_byte(&reader, reader.offset + available(&reader), clew__source_fault(reader.source));
    clew__progress_clear(&reader.progress);
    if (reader.faults > CLEW__INPUT_FAULTS_MAX)
        fprintf(job->errors, "clew: %s: and %" PRIu64 " more\n", name,
                reader.faults - CLEW__INPUT_FAULTS_MAX);
    clew__source_free(reader.source);
    clew_memory_release(reader.data);
    clew_memory_release(reader.wire.data);
    clew_memory_release(reader.scratch.data);
}

/* ---- paths ---- */

static bool fail(void *user, const char *path, const char *reason) {
    struct job *job = user;
    fprintf(job->errors, "clew: %s: %s\n", path, reason);
    job->sound = false;
    return true;
}

static void read_file(struct job *job, const char *path, bool found) {
    FILE *stream = fopen(path, "rbe");
    if (!stream) {
        fail(job, path, strerror(errno));
        return;
    }
    read_stream(job, stream, path, found);
    fclose(stream);
}

static bool take_found(void *user, const char *path) {
    struct job *job = user;
    job->found++;
    read_file(job, path, true);
    return !job->stopped;
}

/* That there is nothing is said of who was named. */
static void read_folder(struct job *job, const char *path) {
    const struct clew__folder_visitor visitor = {take_found, fail, job};
    uint64_t before = job->found;
    bool was_sound = job->sound;
    job->sound = true;
    clew__folder_walk(path, CLEW__INPUT_FOLDERS_MAX, &visitor);
    if (job->found == before && job->sound)
        fail(job, path, "a folder without files");
    job->sound &= was_sound;
}

static void read_path(struct job *job, const char *path) {
    struct stat file;
    if (!path || strcmp(path, "-") == 0)
        read_stream(job, stdin, "standard input", false);
    else if (stat(path, &file) == 0 && S_ISDIR(file.st_mode))
        read_folder(job, path);
    else
        read_file(job, path, false);
}

bool clew__input_read_within(const struct clew__input_limits *limits, FILE *stream, const char *name,
                             const struct clew__input_sink *sink, FILE *errors) {
    struct job job = {.sink = sink, .limits = *limits, .errors = errors, .sound = true};
    read_stream(&job, stream, name, false);
    return job.sound && !job.stopped;
}

bool clew__input_read(FILE *stream, const char *name, const struct clew__input_sink *sink, FILE *errors) {
    const struct clew__input_limits limits = clew__input_limits_default();
    return clew__input_read_within(&limits, stream, name, sink, errors);
}

bool clew__input_read_path(const char *path, const struct clew__input_sink *sink, FILE *errors) {
    return clew__input_read_paths(&path, 1, sink, errors);
}

bool clew__input_read_paths(const char *const *paths, size_t count, const struct clew__input_sink *sink,
                            FILE *errors) {
    struct job job = {.sink = sink, .limits = clew__input_limits_default(), .errors = errors, .sound = true};
    if (count == 0)
        read_path(&job, NULL);
    for (size_t i = 0; i < count && !job.stopped; i++)
        read_path(&job, paths[i]);
    return job.sound && !job.stopped;
}
