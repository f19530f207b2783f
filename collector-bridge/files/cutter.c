/* Cutting JSON. The grammar of brackets, commas and colons is checked here, so that damage is found where it
 * is and not at the end of the file; scalars and escapes are left to who reads the pieces.
 *
 * After damage the cutter is lost: it goes on with the next line that begins with a bracket, or with what
 * looks like the beginning of another piece of the format that it has seen so far. */
#include "collector-bridge/files/cutter.h"

#define NOWHERE SIZE_MAX
/* The longest name that means something, with room. */
#define NAME_MAX_SIZE 32
/* How much is looked at to tell whether a piece begins; more than the indentation and the ids in it take. */
#define LOOKAHEAD 512

enum state {
    TOP,         /* between the outermost values */
    VALUE,       /* a value must come */
    FIRST_VALUE, /* or the end of a list */
    NAME,        /* a name must come */
    FIRST_NAME,  /* or the end of an object */
    COLON,
    AFTER, /* a comma or a closing bracket */
    IN_NAME,
    IN_STRING,
    IN_SCALAR,
    LOST,
};

/* What is watched. */
enum frame {
    OBJECT,         /* may be a trace, a span, or an envelope of some */
    OBJECTS,        /* a list of such */
    RESOURCE_SPANS, /* a list of pieces */
};

/* What a name in a watched object says. */
enum member { OTHER, ENVELOPE, RESOURCE_SPANS_LIST };

void clew__cutter_init(struct clew__cutter *cutter, size_t piece_max, uint64_t offset) {
    memset(cutter, 0, sizeof *cutter);
    cutter->piece_max = piece_max;
    cutter->held = cutter->name = NOWHERE;
    cutter->base = cutter->line_start = offset;
    cutter->line = 1;
    cutter->state = TOP;
}

size_t clew__cutter_done(const struct clew__cutter *cutter) {
    size_t done = cutter->at < cutter->held ? cutter->at : cutter->held;
    return done < cutter->name ? done : cutter->name;
}

void clew__cutter_drop(struct clew__cutter *cutter, size_t size) {
    cutter->base += size;
    cutter->at -= size;
    if (cutter->held != NOWHERE)
        cutter->held -= size;
    if (cutter->name != NOWHERE)
        cutter->name -= size;
}

/* ---- faults ---- */

static enum clew__cut_result fault(const struct clew__cutter *cutter, struct clew__cut *cut,
                                   const char *reason) {
    *cut = (struct clew__cut){.offset = cutter->base + cutter->at, .line = cutter->line, .reason = reason};
    return CLEW__CUT_FAULT;
}

static void let_go(struct clew__cutter *cutter) {
    cutter->held = cutter->name = NOWHERE;
    cutter->kind = CLEW__PIECE_NONE;
    cutter->too_long = false;
}

/* ---- the outermost members ---- */

static bool is_watched(const struct clew__cutter *cutter) {
    return cutter->nesting.open == cutter->watched;
}

static enum frame innermost(const struct clew__cutter *cutter) {
    return cutter->watched > 0 ? (enum frame)cutter->frames[cutter->watched - 1] : OBJECTS;
}

/* What there is of the piece at hand, unless that is too long already. */
static void cut_off(const struct clew__cutter *cutter, struct clew__cut *cut) {
    if (cutter->held == NOWHERE || cutter->at - cutter->held > cutter->piece_max)
        return;
    cut->kind = innermost(cutter) == RESOURCE_SPANS ? CLEW__PIECE_RESOURCE_SPANS : cutter->kind;
    cut->begin = cutter->held;
    cut->size = cutter->at - cutter->held;
    cut->piece_offset = cutter->held_offset;
    cut->piece_line = cutter->held_line;
}

/* Damage: nothing that is open can be trusted. */
static enum clew__cut_result lose(struct clew__cutter *cutter, struct clew__cut *cut, const char *reason) {
    fault(cutter, cut, reason);
    cut_off(cutter, cut);
    let_go(cutter);
    cutter->state = LOST;
    cutter->recovered = true;
    return CLEW__CUT_FAULT;
}

static bool is_name(const char *name, size_t size, const char *wanted) {
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

static enum clew__piece kind_by(const char *name, size_t size) {
    if (is_name(name, size, "traceID") || is_name(name, size, "spanID") || is_name(name, size, "spans") ||
        is_name(name, size, "processes"))
        return CLEW__PIECE_JAEGER;
    if (is_name(name, size, "traceId") || is_name(name, size, "id"))
        return CLEW__PIECE_ZIPKIN;
    return CLEW__PIECE_NONE;
}

static bool is_other_signal(const char *name, size_t size) {
    return is_name(name, size, "resourceMetrics") || is_name(name, size, "resourceLogs") ||
           is_name(name, size, "resourceProfiles");
}

/* A name in a watched object is read. */
static void judge_name(struct clew__cutter *cutter, const char *name, size_t size) {
    cutter->member = OTHER;
    if (is_name(name, size, "resourceSpans"))
        cutter->member = RESOURCE_SPANS_LIST;
    else if (cutter->kind == CLEW__PIECE_NONE &&
             (is_name(name, size, "data") || is_name(name, size, "result")))
        cutter->member = ENVELOPE;
    else if (cutter->kind == CLEW__PIECE_NONE)
        cutter->kind = kind_by(name, size);
    cutter->recognised |= cutter->member == RESOURCE_SPANS_LIST || cutter->kind != CLEW__PIECE_NONE ||
                          is_other_signal(name, size);
    if (cutter->kind != CLEW__PIECE_NONE)
        cutter->format = cutter->kind;
}

/* ---- brackets ---- */

static void hold(struct clew__cutter *cutter) {
    cutter->held = cutter->at;
    cutter->held_offset = cutter->base + cutter->at;
    cutter->held_line = cutter->line;
    cutter->kind = CLEW__PIECE_NONE;
    cutter->too_long = false;
}

static void watch(struct clew__cutter *cutter, enum frame frame) {
    cutter->frames[cutter->watched++] = (uint8_t)frame;
}

/* A value that begins with a bracket directly in a watched one: it may be a piece, or be watched, too. */
static void watch_value(struct clew__cutter *cutter, bool object) {
    enum frame parent = innermost(cutter);
    bool list_of_pieces = parent == OBJECT && cutter->member == RESOURCE_SPANS_LIST;
    if (parent == RESOURCE_SPANS && object)
        hold(cutter);
    if (parent == RESOURCE_SPANS || (parent == OBJECT && cutter->member == OTHER) ||
        cutter->watched == CLEW__CUTTER_FRAMES_MAX || (list_of_pieces && object))
        return;
    cutter->recognised |= parent == OBJECT;
    if (parent == OBJECT)
        let_go(cutter); /* it is only around others */
    if (list_of_pieces) {
        cutter->format = CLEW__PIECE_RESOURCE_SPANS;
        watch(cutter, RESOURCE_SPANS);
        return;
    }
    if (object)
        hold(cutter);
    watch(cutter, object ? OBJECT : OBJECTS);
}

/* A value directly in a watched bracket must be of another type; null stands for none. */
static const char *wrong_type(const struct clew__cutter *cutter, char c) {
    enum frame parent = innermost(cutter);
    if (parent == OBJECTS)
        return c == '{' || c == '[' || c == 'n' ? NULL : "an object is wanted";
    if (parent == RESOURCE_SPANS)
        return c == '{' || c == 'n' ? NULL : "an object is wanted";
    return cutter->member != RESOURCE_SPANS_LIST || c == '[' || c == 'n' ? NULL : "a list is wanted";
}

static bool open_bracket(struct clew__cutter *cutter, bool object) {
    bool watched = is_watched(cutter);
    if (!clew__json_nesting_push(&cutter->nesting, object))
        return false;
    if (watched)
        watch_value(cutter, object);
    cutter->state = object ? FIRST_NAME : FIRST_VALUE;
    cutter->at++;
    return true;
}

/* The piece at hand ends before `at`. */
static enum clew__cut_result end_piece(struct clew__cutter *cutter, enum clew__piece kind,
                                       struct clew__cut *cut) {
    bool wanted = kind != CLEW__PIECE_NONE, held = cutter->held != NOWHERE;
    bool too_long = cutter->too_long || (held && cutter->at - cutter->held > cutter->piece_max);
    *cut = (struct clew__cut){.kind = kind,
                              .piece_offset = cutter->held_offset,
                              .piece_line = cutter->held_line,
                              .offset = cutter->held_offset,
                              .line = cutter->held_line};
    if (held) {
        cut->begin = cutter->held;
        cut->size = cutter->at - cutter->held;
    }
    let_go(cutter);
    if (wanted && held && !too_long)
        return CLEW__CUT_PIECE;
    if (!wanted || !too_long)
        return CLEW__CUT_MORE;
    cut->kind = CLEW__PIECE_NONE;
    cut->reason = CLEW__CUT_TOO_LONG;
    return CLEW__CUT_FAULT;
}

/* CLEW__CUT_MORE when no piece ends with it. */
static enum clew__cut_result close_bracket(struct clew__cutter *cutter, struct clew__cut *cut) {
    bool watched = is_watched(cutter);
    enum frame frame = innermost(cutter);
    cutter->recognised |= watched && (cutter->state == FIRST_NAME || cutter->state == FIRST_VALUE);
    cutter->at++;
    cutter->nesting.open--;
    cutter->watched -= watched;
    cutter->state = cutter->nesting.open > 0 ? AFTER : TOP;
    if (watched && frame == OBJECT)
        return end_piece(cutter, cutter->kind, cut);
    if (is_watched(cutter) && !watched && frame == RESOURCE_SPANS)
        return end_piece(cutter, CLEW__PIECE_RESOURCE_SPANS, cut);
    return CLEW__CUT_MORE;
}

/* ---- what goes on when the cutter is lost ---- */

static void skip_space(const char *data, size_t size, size_t *at) {
    while (*at < size && (data[*at] == ' ' || data[*at] == '\n' || data[*at] == '\r' || data[*at] == '\t'))
        ++*at;
}

static bool take(const char *data, size_t size, size_t *at, const char *text) {
    size_t length = strlen(text);
    skip_space(data, size, at);
    if (size - *at < length || memcmp(data + *at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

static bool takes_one(const char *data, size_t size, size_t at, const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t behind = at;
        if (take(data, size, &behind, texts[i]) && take(data, size, &behind, ":"))
            return true;
    }
    return false;
}

/* Whether a piece of the format begins with the bracket at `data`. Jaeger's traces and spans begin alike. */
static bool begins_piece(enum clew__piece format, const char *data, size_t size) {
    static const char *const resource_spans[] = {"\"resource\"", "\"scopeSpans\"", "\"resourceSpans\""};
    static const char *const jaeger[] = {"\"spans\"", "\"processes\""};
    static const char *const zipkin[] = {"\"traceId\"", "\"id\"", "\"parentId\""};
    size_t at = 1;
    if (format == CLEW__PIECE_RESOURCE_SPANS)
        return takes_one(data, size, at, resource_spans, 3);
    if (format == CLEW__PIECE_ZIPKIN)
        return takes_one(data, size, at, zipkin, 3);
    if (format != CLEW__PIECE_JAEGER)
        return false;
    if (takes_one(data, size, at, jaeger, 2))
        return true;
    if (!take(data, size, &at, "\"traceID\"") || !take(data, size, &at, ":") || !take(data, size, &at, "\""))
        return false;
    at += clew__json_plain_size(data + at, size - at);
    return take(data, size, &at, "\"") && take(data, size, &at, ",") && takes_one(data, size, at, jaeger, 2);
}

static bool is_line_start(const struct clew__cutter *cutter) {
    return cutter->base + cutter->at == cutter->line_start;
}

static void count_line(struct clew__cutter *cutter) {
    cutter->line++;
    cutter->line_start = cutter->base + cutter->at + 1;
}

/* Goes on at `at`, within a list of pieces or outside of everything. */
static void find_again(struct clew__cutter *cutter, bool in_list) {
    cutter->nesting.open = cutter->watched = 0;
    cutter->state = TOP;
    if (!in_list)
        return;
    clew__json_nesting_push(&cutter->nesting, false);
    watch(cutter, cutter->format == CLEW__PIECE_RESOURCE_SPANS ? RESOURCE_SPANS : OBJECTS);
    cutter->state = VALUE;
}

static const char record[] = "{\"resourceSpans\"";

/* True when the cutter knows again where it is. */
static bool search(struct clew__cutter *cutter, const char *data, size_t size, bool last) {
    for (; cutter->at < size; cutter->at++) {
        char c = data[cutter->at];
        size_t rest = size - cutter->at;
        if (c == '\n')
            count_line(cutter);
        if (c != '{' && c != '[')
            continue;
        if (is_line_start(cutter)) {
            find_again(cutter, false);
            return true;
        }
        if (c == '[' || cutter->format == CLEW__PIECE_NONE)
            continue;
        if (rest < LOOKAHEAD && !last)
            return false;
        if (rest > LOOKAHEAD)
            rest = LOOKAHEAD;
        if (!begins_piece(cutter->format, data + cutter->at, rest))
            continue;
        find_again(cutter, rest < sizeof record || memcmp(data + cutter->at, record, sizeof record - 1) != 0);
        return true;
    }
    return false;
}

/* ---- the states ---- */

static bool is_scalar(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.';
}

/* A record of JSON lines at the beginning of a line, within what should have ended before. */
static bool begins_record(const struct clew__cutter *cutter, const char *data, size_t size) {
    return cutter->nesting.open > 0 && is_line_start(cutter) && size - cutter->at >= sizeof record - 1 &&
           memcmp(data + cutter->at, record, sizeof record - 1) == 0;
}

static enum clew__cut_result begin_value(struct clew__cutter *cutter, char c, struct clew__cut *cut) {
    const char *wrong = is_watched(cutter) ? wrong_type(cutter, c) : NULL;
    enum clew__cut_result result = wrong ? fault(cutter, cut, wrong) : CLEW__CUT_MORE;
    if (c == '{' || c == '[')
        return open_bracket(cutter, c == '{') ? result : lose(cutter, cut, "nested too deep");
    if (c == '"')
        cutter->state = IN_STRING;
    else if (is_scalar(c))
        cutter->state = IN_SCALAR;
    else
        return lose(cutter, cut, "a value is wanted");
    cutter->at++;
    return result;
}

static enum clew__cut_result begin_name(struct clew__cutter *cutter, char c, struct clew__cut *cut) {
    if (c != '"')
        return lose(cutter, cut, "a string is wanted");
    if (is_watched(cutter))
        cutter->name = cutter->at;
    cutter->state = IN_NAME;
    cutter->at++;
    return CLEW__CUT_MORE;
}

static enum clew__cut_result after_value(struct clew__cutter *cutter, char c, struct clew__cut *cut) {
    bool in_object = clew__json_nesting_in_object(&cutter->nesting);
    if (c == (in_object ? '}' : ']'))
        return close_bracket(cutter, cut);
    if (c != ',')
        return lose(cutter, cut, "a comma or a closing bracket is wanted");
    cutter->state = in_object ? NAME : VALUE;
    cutter->at++;
    return CLEW__CUT_MORE;
}

static enum clew__cut_result at_top(struct clew__cutter *cutter, char c, struct clew__cut *cut) {
    if (c == '{' || c == '[')
        return begin_value(cutter, c, cut);
    if (!cutter->recovered || (c != ',' && c != ']' && c != '}'))
        return lose(cutter, cut, "an object or a list is wanted");
    cutter->state = LOST; /* the end of what was around: it is not known any more */
    return CLEW__CUT_MORE;
}

/* One byte that is no white space, outside of strings and scalars. CLEW__CUT_MORE: go on. */
static enum clew__cut_result step(struct clew__cutter *cutter, char c, struct clew__cut *cut) {
    switch ((enum state)cutter->state) {
    case TOP:
        return at_top(cutter, c, cut);
    case FIRST_VALUE:
        return c == ']' ? close_bracket(cutter, cut) : begin_value(cutter, c, cut);
    case VALUE:
        return begin_value(cutter, c, cut);
    case FIRST_NAME:
        return c == '}' ? close_bracket(cutter, cut) : begin_name(cutter, c, cut);
    case NAME:
        return begin_name(cutter, c, cut);
    case COLON:
        if (c != ':')
            return lose(cutter, cut, "a colon is wanted");
        cutter->state = VALUE;
        cutter->at++;
        return CLEW__CUT_MORE;
    default:
        return after_value(cutter, c, cut);
    }
}

static void end_string(struct clew__cutter *cutter, const char *data) {
    if (cutter->state == IN_NAME && cutter->name != NOWHERE)
        judge_name(cutter, data + cutter->name + 1, cutter->at - cutter->name - 1);
    cutter->name = NOWHERE;
    cutter->state = cutter->state == IN_NAME ? COLON : AFTER;
    cutter->at++;
}

/* To the end of the string. False when the bytes are not enough, or with a fault. */
static bool pass_string(struct clew__cutter *cutter, const char *data, size_t size,
                        enum clew__cut_result *result, struct clew__cut *cut) {
    while (cutter->at < size) {
        cutter->at += clew__json_plain_size(data + cutter->at, size - cutter->at);
        if (cutter->name != NOWHERE && cutter->at - cutter->name > NAME_MAX_SIZE) {
            cutter->name = NOWHERE;
            cutter->member = OTHER;
        }
        if (cutter->at == size)
            return false;
        if (data[cutter->at] == '"') {
            end_string(cutter, data);
            return true;
        }
        if (data[cutter->at] != '\\') {
            *result = lose(cutter, cut, "a control character in a string");
            return false;
        }
        if (size - cutter->at < 2)
            return false;
        cutter->at += 2;
    }
    return false;
}

static void pass_space(struct clew__cutter *cutter, const char *data, size_t size) {
    for (; cutter->at < size; cutter->at++) {
        char c = data[cutter->at];
        if (c == '\n') {
            count_line(cutter);
            cutter->at += clew__json_spaces(data + cutter->at + 1, size - cutter->at - 1);
        } else if (c != ' ' && c != '\r' && c != '\t') {
            return;
        }
    }
}

static bool pass_scalar(struct clew__cutter *cutter, const char *data, size_t size) {
    while (cutter->at < size && is_scalar(data[cutter->at]))
        cutter->at++;
    if (cutter->at == size)
        return false;
    cutter->state = AFTER;
    return true;
}

/* Up to the next piece or fault, or to where the bytes are not enough. */
static enum clew__cut_result go_on(struct clew__cutter *cutter, const char *data, size_t size, bool last,
                                   struct clew__cut *cut) {
    enum clew__cut_result result = CLEW__CUT_MORE;
    while (result == CLEW__CUT_MORE) {
        if (cutter->state == LOST) {
            if (!search(cutter, data, size, last))
                return result;
        } else if (cutter->state == IN_STRING || cutter->state == IN_NAME) {
            if (!pass_string(cutter, data, size, &result, cut))
                return result;
        } else if (cutter->state == IN_SCALAR) {
            if (!pass_scalar(cutter, data, size))
                return result;
        } else {
            pass_space(cutter, data, size);
            if (cutter->at == size)
                return result;
            if (data[cutter->at] == '{' && cutter->nesting.open > 0 && is_line_start(cutter)) {
                if (size - cutter->at < sizeof record && !last)
                    return result;
                if (begins_record(cutter, data, size))
                    return lose(cutter, cut, "a record within another, which is cut off");
            }
            result = step(cutter, data[cutter->at], cut);
        }
    }
    return result;
}

/* What is held is too long to be held. */
static void limit(struct clew__cutter *cutter) {
    if (cutter->held == NOWHERE || cutter->at - cutter->held <= cutter->piece_max)
        return;
    cutter->held = NOWHERE;
    cutter->too_long = true;
}

enum clew__cut_result clew__cutter_next(struct clew__cutter *cutter, const char *data, size_t size, bool last,
                                        struct clew__cut *cut) {
    enum clew__cut_result result = go_on(cutter, data, size, last, cut);
    limit(cutter);
    if (result != CLEW__CUT_MORE || !last)
        return result;
    if (cutter->state == LOST || cutter->state == TOP)
        return CLEW__CUT_END;
    cutter->at = size;
    return lose(cutter, cut, "the text ends early");
}
