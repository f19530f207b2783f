/* Cuts a stream of JSON into the pieces that hold traces, as it comes: knows brackets and strings, and of the
 * outermost members the names. Owns nothing but its state, neither allocates nor recurses; one thread.
 *
 * What is cut: the elements of every list `resourceSpans`; traces of Jaeger, alone, in the list `data` or in
 * any list; spans of Zipkin, likewise; and what is in the object `data` or `result`. Values follow one
 * another with line ends between them or without. */
#ifndef CLEW_FILES_CUTTER_H
#define CLEW_FILES_CUTTER_H

#include "proto/json_token.h"

/* Lists and objects within one another whose members are looked at: the answer, its list, a list in that, the
 * trace, its list. */
#define CLEW__CUTTER_FRAMES_MAX 6

/* What is said of a piece over the limit, which clew__input_limits_default() in input.h sets. */
#define CLEW__CUT_TOO_LONG "longer than 2 GiB, or than a quarter of the memory"

enum clew__piece {
    CLEW__PIECE_NONE,
    CLEW__PIECE_RESOURCE_SPANS,
    CLEW__PIECE_JAEGER, /* a trace, or a span that stands alone */
    CLEW__PIECE_ZIPKIN, /* a span */
};

struct clew__cut {
    enum clew__piece kind; /* of a fault: of the piece that it cuts off, if one was at hand */
    size_t begin, size; /* of the piece, in the bytes that were given; the rest of what is cut off is lost */
    uint64_t piece_offset, piece_line;
    uint64_t offset, line; /* of the piece or the fault, from the start of the stream; lines from 1 */
    const char *reason;    /* of a fault; static text */
};

enum clew__cut_result {
    CLEW__CUT_MORE,  /* more bytes are wanted */
    CLEW__CUT_PIECE, /* a piece is cut; it stays valid until bytes are dropped */
    CLEW__CUT_FAULT, /* something is wrong and is passed over, but for what `cut` has of a piece: call again
                      */
    CLEW__CUT_END,
};

struct clew__cutter {
    size_t piece_max; /* what is longer is a fault */
    uint64_t base;    /* offset in the stream of the first byte that is kept */
    size_t at;        /* the next byte to be looked at */
    size_t held;      /* where the piece at hand begins, or SIZE_MAX */
    size_t name;      /* where the name at hand begins, or SIZE_MAX */
    uint64_t line, line_start;
    uint64_t held_offset, held_line;
    struct clew__json_nesting nesting;
    uint8_t frames[CLEW__CUTTER_FRAMES_MAX]; /* what the outermost open brackets are */
    uint32_t watched;                        /* how many of them */
    uint8_t state;
    uint8_t member;          /* what the name of the member at hand says */
    enum clew__piece kind;   /* of the object at hand */
    enum clew__piece format; /* of the last object whose kind was known */
    bool too_long;           /* the piece at hand is longer than piece_max */
    bool recovered;          /* the outermost brackets are not known any more */
    bool recognised;         /* something was what traces come in, be it empty */
};

/* `offset` bytes of the stream are behind it already. */
void clew__cutter_init(struct clew__cutter *cutter, size_t piece_max, uint64_t offset);

/* Looks at `data`, which begins with the first byte that was not dropped yet; `last`: nothing follows. */
enum clew__cut_result clew__cutter_next(struct clew__cutter *cutter, const char *data, size_t size, bool last,
                                        struct clew__cut *cut);

/* How many bytes at the front are not needed any more. The caller that drops them says how many. */
size_t clew__cutter_done(const struct clew__cutter *cutter);
void clew__cutter_drop(struct clew__cutter *cutter, size_t size);

#endif
