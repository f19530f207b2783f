/* Owns tracestates: their grammar (W3C Trace Context Level 2, section 3.3) and their mutations. A state is
 * one immutable, counted block with its header text; its members are found by reading that. Any thread; no
 * locks. */
#include "sdk/context/tracestate.h"

#include <clew/extend.h>

#include "sdk/base/slice.h"

#include <stdatomic.h>

#define MEMBERS_MAX 32u
#define KEY_SIZE_MAX 256u
#define VALUE_SIZE_MAX 256u
#define LONG_MEMBER_SIZE 128u /* when there is too much, longer members go first (section 3.3.1.5) */

struct clew_tracestate {
    atomic_size_t references;
    size_t size;
    char text[]; /* members separated by commas, without white space around them; terminated */
};

struct member {
    struct clew__slice key;
    struct clew__slice value;
    struct clew__slice whole;
};

/* Takes the next member of a valid text off; false at the end. */
static bool next_member(struct clew__slice *rest, struct member *member) {
    if (rest->size == 0)
        return false;
    member->whole = clew__slice_split(rest, ',');
    member->value = member->whole;
    member->key = clew__slice_split(&member->value, '=');
    return true;
}

static struct clew__slice text_of(const clew_tracestate *state) {
    return state ? clew__slice_of(state->text, state->size) : clew__slice_of(NULL, 0);
}

static bool same(struct clew__slice a, struct clew__slice b) {
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static bool find(const clew_tracestate *state, struct clew__slice key, struct member *found) {
    struct clew__slice rest = text_of(state);
    while (next_member(&rest, found))
        if (same(found->key, key))
            return true;
    return false;
}

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key(struct clew__slice key) {
    if (key.size == 0 || key.size > KEY_SIZE_MAX || !is_lower_or_digit(key.data[0]))
        return false;
    for (size_t i = 1; i < key.size; i++)
        if (!is_lower_or_digit(key.data[i]) && (key.data[i] == '\0' || !strchr("_-*/@", key.data[i])))
            return false;
    return true;
}

static bool is_value(struct clew__slice value) {
    if (value.size == 0 || value.size > VALUE_SIZE_MAX || value.data[value.size - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e || value.data[i] == ',' || value.data[i] == '=')
            return false;
    return true;
}

/* An empty state with room for `size` bytes of text. */
static clew_tracestate *state_new(size_t size) {
    clew_tracestate *state = clew_memory_allocate(sizeof *state + size + 1);
    if (!state)
        return NULL;
    atomic_init(&state->references, 1);
    state->size = 0;
    state->text[0] = '\0';
    return state;
}

/* There must be room. */
static void append(clew_tracestate *state, struct clew__slice part) {
    memcpy(state->text + state->size, part.data, part.size);
    state->size += part.size;
    state->text[state->size] = '\0';
}

static void append_member(clew_tracestate *state, struct clew__slice member) {
    if (state->size)
        append(state, clew__slice_of(",", 1));
    append(state, member);
}

static bool reserve(clew_tracestate **state, size_t more) {
    clew_tracestate *grown;
    if (!*state)
        return (*state = state_new(more)) != NULL;
    grown = clew_memory_reallocate(*state, sizeof *grown + (*state)->size + more + 1);
    if (!grown)
        return false;
    *state = grown;
    return true;
}

static bool read_members(struct clew__tracestate_reader *reader, struct clew__slice text) {
    struct member twin;
    if (!reserve(&reader->state, text.size + 1))
        return false;
    while (text.size) {
        /* A space after `=` is part of the value, so the member is trimmed and its value is not. */
        struct clew__slice whole = clew__slice_trim(clew__slice_split(&text, ','));
        struct clew__slice value = whole;
        struct clew__slice key = clew__slice_split(&value, '=');
        if (whole.size == 0)
            continue;
        if (!is_key(key) || !is_value(value) || ++reader->members > MEMBERS_MAX)
            return false;
        if (!find(reader->state, key, &twin))
            append_member(reader->state, whole);
    }
    return true;
}

void clew__tracestate_read(struct clew__tracestate_reader *reader, const char *value, size_t size) {
    size_t comma = reader->read_size != 0;
    size_t room = CLEW__TRACESTATE_SIZE_MAX - reader->read_size;
    if (reader->broken || !value || size == 0)
        return;
    if (room < comma || size > room - comma) {
        reader->broken = true;
        return;
    }
    reader->read_size += size + comma;
    reader->broken = !read_members(reader, clew__slice_of(value, size));
}

clew_tracestate *clew__tracestate_finish(struct clew__tracestate_reader *reader) {
    clew_tracestate *state = reader->state;
    reader->state = NULL;
    if (state && (reader->broken || state->size == 0)) {
        clew_memory_release(state);
        state = NULL;
    }
    return state;
}

clew_tracestate *clew_tracestate_parse(const char *text, size_t size) {
    struct clew__tracestate_reader reader = {0};
    clew__tracestate_read(&reader, text, size);
    return clew__tracestate_finish(&reader);
}

clew_tracestate *clew_tracestate_ref(const clew_tracestate *state) {
    clew_tracestate *own = (clew_tracestate *)state;
    if (own)
        atomic_fetch_add_explicit(&own->references, 1, memory_order_relaxed);
    return own;
}

void clew_tracestate_unref(const clew_tracestate *state) {
    clew_tracestate *own = (clew_tracestate *)state;
    if (own && atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) == 1)
        clew_memory_release(own);
}

clew_text clew_tracestate_text(const clew_tracestate *state) {
    clew_text text = {state ? state->text : "", state ? state->size : 0};
    return text;
}

clew_text clew_tracestate_get(const clew_tracestate *state, const char *key) {
    clew_text value = {NULL, 0};
    struct member found;
    if (key && find(state, clew__slice_text(key), &found)) {
        value.data = found.value.data;
        value.size = found.value.size;
    }
    return value;
}

/* Which of the old members stay when one is put in front of them: bit n for the nth. */
static uint32_t members_to_keep(struct clew__slice text, struct clew__slice key, size_t new_size) {
    size_t sizes[MEMBERS_MAX];
    uint32_t keep = 0;
    unsigned count = 0, kept = 0;
    size_t total = new_size;
    struct member member;

    for (; count < MEMBERS_MAX && next_member(&text, &member); count++) {
        sizes[count] = member.whole.size;
        if (same(member.key, key) || kept == MEMBERS_MAX - 1)
            continue;
        keep |= UINT32_C(1) << count;
        total += member.whole.size + 1;
        kept++;
    }
    /* 32 members that are too much together cannot all be short, so this suffices. */
    for (unsigned i = count; i-- > 0 && total > CLEW__TRACESTATE_SIZE_MAX;) {
        if ((keep >> i & 1) == 0 || sizes[i] <= LONG_MEMBER_SIZE)
            continue;
        keep &= ~(UINT32_C(1) << i);
        total -= sizes[i] + 1;
    }
    return keep;
}

clew_tracestate *clew_tracestate_set(const clew_tracestate *state, const char *key, const char *value,
                                     int *error) {
    struct clew__slice key_text = clew__slice_text(key), value_text = clew__slice_text(value);
    struct clew__slice rest = text_of(state);
    struct member member;
    clew_tracestate *made = NULL;
    int result = CLEW_EINVAL;

    if (is_key(key_text) && is_value(value_text)) {
        size_t new_size = key_text.size + 1 + value_text.size;
        made = state_new(new_size + 1 + rest.size);
        result = made ? CLEW_OK : CLEW_ENOMEM;
    }
    if (error)
        *error = result;
    if (!made)
        return clew_tracestate_ref(state);

    append(made, key_text);
    append(made, clew__slice_of("=", 1));
    append(made, value_text);
    for (uint32_t keep = members_to_keep(rest, key_text, made->size); next_member(&rest, &member); keep >>= 1)
        if (keep & 1)
            append_member(made, member.whole);
    return made;
}

clew_tracestate *clew_tracestate_remove(const clew_tracestate *state, const char *key) {
    struct clew__slice rest = text_of(state), key_text = clew__slice_text(key);
    struct member member;
    clew_tracestate *made;
    if (!find(state, key_text, &member))
        return clew_tracestate_ref(state);
    if (member.whole.size == rest.size)
        return NULL;
    made = state_new(rest.size);
    if (!made)
        return clew_tracestate_ref(state);
    while (next_member(&rest, &member))
        if (!same(member.key, key_text))
            append_member(made, member.whole);
    return made;
}
