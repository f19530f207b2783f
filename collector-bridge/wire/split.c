/* Cuts trace requests. Owns nothing; any thread. */
#include "collector-bridge/wire/split.h"

#include "proto/otlp.h"

static size_t length(struct clew__wire wire) {
    return (size_t)(wire.end - wire.at);
}

/* All three levels have field numbers below 16: a tag is one byte. */
static size_t member_size(size_t content) {
    return 1 + clew__varint_size(content) + content;
}

/* What stands beside the run. */
static size_t beside(const struct clew__split_level *level) {
    return length(level->head) + length(level->tail);
}

/* Finds the run of members `field` in a message. */
static int open_level(struct clew__wire message, uint32_t field, struct clew__split_level *level) {
    struct clew__wire rest = message;
    struct clew__field member;
    enum clew__wire_error error;
    const uint8_t *first = NULL, *past = message.end, *begin = rest.at;

    while (clew__wire_next(&rest, &member, &error)) {
        if (member.field == field && (member.type != CLEW__WIRE_BYTES || (first && past != begin)))
            return CLEW_EFORMAT;
        if (member.field == field) {
            first = first ? first : begin;
            past = rest.at;
        }
        begin = rest.at;
    }
    if (error != CLEW__WIRE_OK)
        return CLEW_EFORMAT;
    first = first ? first : past;
    level->head = (struct clew__wire){message.at, first};
    level->rest = (struct clew__wire){first, past};
    level->tail = (struct clew__wire){past, message.end};
    return CLEW_OK;
}

/* Takes the next member off the run; the level was opened, so that it is well-formed. False at the end. */
static bool take(struct clew__split_level *level, struct clew__wire *content) {
    struct clew__field member;
    enum clew__wire_error error;
    if (!clew__wire_next(&level->rest, &member, &error))
        return false;
    *content = member.bytes;
    return true;
}

enum entered { SAME_SCOPE, NEW_SCOPE, NEW_RESOURCE };

/* Moves to the place right before a span, over scopes and resources that have none. CLEW_ESHUTDOWN at the
 * end.
 */
static int find_span(struct clew__split *place, enum entered *entered) {
    struct clew__wire message;
    *entered = SAME_SCOPE;
    while (place->scope.rest.at == place->scope.rest.end) {
        struct clew__split before = *place;
        int status;
        if (take(&place->resource, &message)) {
            *entered = *entered == SAME_SCOPE ? NEW_SCOPE : *entered;
            status = open_level(message, CLEW__SCOPE_SPANS_SPANS, &place->scope);
        } else if (take(&place->traces, &message)) {
            *entered = NEW_RESOURCE;
            status = open_level(message, CLEW__RESOURCE_SPANS_SCOPE_SPANS, &place->resource);
        } else {
            return CLEW_ESHUTDOWN;
        }
        if (status != CLEW_OK) {
            *place = before;
            return status;
        }
    }
    return CLEW_OK;
}

int clew__split_begin(struct clew__split *split, const void *request, size_t size) {
    memset(split, 0, sizeof *split);
    return open_level(clew__wire_of(request, size), CLEW__TRACES_RESOURCE_SPANS, &split->traces);
}

/* The size of a request as spans are added to it. */
struct measure {
    size_t resources; /* of those that are complete, as members */
    size_t scopes;    /* likewise, of the resource at hand */
    size_t spans;     /* likewise, of the scope at hand; 0: none yet */
    size_t resource_beside, scope_beside;
};

static size_t resource_size(const struct measure *measure) {
    size_t scopes = measure->scopes;
    if (measure->spans)
        scopes += member_size(measure->scope_beside + measure->spans);
    return scopes ? member_size(measure->resource_beside + scopes) : 0;
}

static void enter(struct measure *measure, const struct clew__split *place, enum entered entered) {
    if (entered == NEW_RESOURCE) {
        measure->resources += resource_size(measure);
        measure->scopes = 0;
    } else if (entered == NEW_SCOPE && measure->spans) {
        measure->scopes += member_size(measure->scope_beside + measure->spans);
    }
    if (entered != SAME_SCOPE)
        measure->spans = 0;
    measure->resource_beside = beside(&place->resource);
    measure->scope_beside = beside(&place->scope);
}

int clew__split_next(struct clew__split *split, size_t limit, size_t spans_max,
                     struct clew__split_piece *piece) {
    size_t beside_all = beside(&split->traces), passed = 0, size;
    struct measure measure = {0};
    struct clew__split after;
    struct clew__wire span;
    enum entered entered;
    int status;

    piece->spans = 0;
    piece->size = 0;
    while ((status = find_span(split, &entered)) == CLEW_OK) {
        if (piece->spans == 0)
            piece->from = *split;
        enter(&measure, split, entered);
        after = *split;
        take(&after.scope, &span);
        measure.spans += (size_t)(after.scope.rest.at - split->scope.rest.at);
        size = beside_all + measure.resources + resource_size(&measure);
        if (piece->spans > 0 && (size > limit || piece->spans >= spans_max))
            return CLEW_OK;
        if (size <= limit && passed > 0)
            break;
        if (size <= limit) {
            piece->spans++;
            piece->size = size;
        } else {
            passed++;
            memset(&measure, 0, sizeof measure);
        }
        *split = after;
    }
    if (piece->spans > 0)
        return CLEW_OK; /* what is malformed behind it shows the next time */
    piece->spans = passed;
    return passed > 0 ? CLEW_ELIMIT : status;
}

/* ---- writing ---- */

static void write_wire(struct clew__writer *writer, struct clew__wire wire) {
    clew__write_raw(writer, wire.at, length(wire));
}

/* As many of the scope's spans as are left to write. */
static void write_scope(struct clew__writer *writer, struct clew__split_level *scope, size_t *left) {
    size_t begun = clew__write_begin(writer, CLEW__RESOURCE_SPANS_SCOPE_SPANS);
    const uint8_t *from = scope->rest.at;
    struct clew__wire span;

    write_wire(writer, scope->head);
    while (*left > 0 && take(scope, &span))
        --*left;
    write_wire(writer, (struct clew__wire){from, scope->rest.at});
    write_wire(writer, scope->tail);
    clew__write_end(writer, begun);
}

void clew__split_write(const struct clew__split_piece *piece, struct clew__writer *writer) {
    struct clew__split place = piece->from;
    size_t left = piece->spans;
    enum entered entered = NEW_RESOURCE;

    write_wire(writer, place.traces.head);
    while (left > 0) {
        size_t begun = clew__write_begin(writer, CLEW__TRACES_RESOURCE_SPANS);
        struct clew__split_level resource = place.resource;
        write_wire(writer, resource.head);
        do
            write_scope(writer, &place.scope, &left);
        while (left > 0 && find_span(&place, &entered) == CLEW_OK && entered != NEW_RESOURCE);
        write_wire(writer, resource.tail);
        clew__write_end(writer, begun);
    }
    write_wire(writer, place.traces.tail);
}
