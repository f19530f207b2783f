/* Handing on in pieces. Owns nothing; any thread. */
#include "collector-bridge/files/pieces.h"

#include "collector-bridge/wire/split.h"

#include <errno.h>

struct handing {
    const struct clew__input_sink *sink;
    struct clew__split split;
    size_t piece_max;
    struct clew__writer *scratch;
    bool *stopped;
    const char *fault; /* the first */
};

static void note(struct handing *handing, const char *fault) {
    handing->fault = handing->fault ? handing->fault : fault;
}

static size_t size_around(const struct clew__split_level *level) {
    return (size_t)(level->head.end - level->head.at) + (size_t)(level->tail.end - level->tail.at);
}

/* The next piece. A span that fits into none is one of its own. */
static int next_piece(struct handing *handing, struct clew__split_piece *piece) {
    struct clew__split before = handing->split;
    int status = clew__split_next(&handing->split, handing->piece_max, SIZE_MAX, piece);
    if (status != CLEW_ELIMIT)
        return status;
    handing->split = before;
    return clew__split_next(&handing->split, clew__wire_limits_default().bytes, 1, piece);
}

/* False when nothing can follow. */
static bool hand_on(struct handing *handing, const struct clew__split_piece *piece) {
    struct clew__writer *scratch = handing->scratch;
    struct clew__wire_fault fault;
    /* It is written once a piece: were it as long as that, time would grow with the square. */
    if (size_around(&piece->from.resource) + size_around(&piece->from.scope) > handing->piece_max / 2) {
        note(handing, "what is said of a resource or scope is too long");
        return false;
    }
    scratch->size = 0;
    scratch->failed = false;
    clew__split_write(piece, scratch);
    if (scratch->failed) {
        note(handing, strerror(ENOMEM));
        return false;
    }
    /* A piece of the usual size is too small for too many members. */
    if (piece->size > handing->piece_max &&
        clew__wire_check_traces(scratch->data, scratch->size, NULL, &fault) != CLEW__WIRE_OK) {
        note(handing, clew__wire_error_text(fault.error));
        return true;
    }
    *handing->stopped = !handing->sink->take(handing->sink->user, scratch->data, scratch->size);
    return !*handing->stopped;
}

static const char *hand_on_pieces(struct handing *handing) {
    struct clew__split_piece piece;
    bool goes_on = true;
    while (goes_on) {
        switch (next_piece(handing, &piece)) {
        case CLEW_OK:
            goes_on = hand_on(handing, &piece);
            break;
        case CLEW_ELIMIT:
            note(handing, "a span is longer than 64 MiB");
            break;
        case CLEW_ESHUTDOWN:
            goes_on = false;
            break;
        default:
            note(handing, "too long, and something lies between its spans");
            goes_on = false;
        }
    }
    return handing->fault;
}

const char *clew__pieces_hand_on(const struct clew__input_sink *sink, struct clew__wire traces,
                                 size_t piece_max, struct clew__writer *scratch, bool *stopped) {
    struct handing handing = {.sink = sink, .piece_max = piece_max, .scratch = scratch, .stopped = stopped};
    size_t size = (size_t)(traces.end - traces.at);
    if (size <= piece_max) {
        *stopped = !sink->take(sink->user, traces.at, size);
        return NULL;
    }
    if (clew__split_begin(&handing.split, traces.at, size) != CLEW_OK)
        return "too long, and something lies between its resources";
    return hand_on_pieces(&handing);
}
