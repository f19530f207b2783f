/* No state but the slot's, which the caller has locked.
 *
 * The bytes of a wait's duration are padded to the length of the largest one, so that it is filled in without
 * moving anything. To be found, the open waits of a span are the nodes of a digital search tree: from a node
 * the way leads left or right by the next bit of a hash of the span that is waited for. A node is the latest
 * wait for its span; the older ones hang on it as a list. The links lie in the event itself, in the place of
 * the duration's key, which is written when the wait is no longer open. */
#include "sdk/trace/wait.h"

#include "proto/otlp.h"
#include "sdk/context/hex.h"
#include "sdk/trace/provider.h"
#include "sdk/trace/record.h"

/* Of 63 bits: a duration has no sign. */
#define DURATION_SIZE 9u
#define SPAN_ID_DIGITS 16u

/* The bytes of the event, each tag and length apart. All members are bytes, so there is no padding. */
struct span_id_attribute {
    uint8_t tag, size;
    uint8_t key_tag, key_size;
    char key[sizeof CLEW__ATTRIBUTE_WAIT_SPAN_ID - 1];
    uint8_t value_tag, value_size;
    uint8_t text_tag, text_size;
    char text[SPAN_ID_DIGITS];
};

struct duration_attribute {
    uint8_t tag, size;
    uint8_t key_tag, key_size;
    char key[sizeof CLEW__ATTRIBUTE_WAIT_DURATION - 1];
    uint8_t value_tag, value_size;
    uint8_t number_tag, number[DURATION_SIZE];
};

struct wait_event {
    uint8_t tag, size;
    uint8_t time_tag, time[8];
    uint8_t name_tag, name_size;
    char name[sizeof CLEW__EVENT_WAIT - 1];
    struct span_id_attribute span_id;
    struct duration_attribute duration;
};
_Static_assert(sizeof(struct wait_event) < 2 + 0x80, "its size takes one byte");

#define TAG(field, type) ((field) << 3 | (type))
/* What follows a length of one byte, up to the end. */
#define BEHIND(type, member) (sizeof(type) - offsetof(type, member) - 1)

static const struct wait_event blank = {
    .tag = TAG(CLEW__SPAN_EVENTS, CLEW__WIRE_BYTES),
    .size = BEHIND(struct wait_event, size),
    .time_tag = TAG(CLEW__EVENT_TIME, CLEW__WIRE_I64),
    .name_tag = TAG(CLEW__EVENT_NAME, CLEW__WIRE_BYTES),
    .name_size = sizeof blank.name,
    .name = CLEW__EVENT_WAIT,
    .span_id = {.tag = TAG(CLEW__EVENT_ATTRIBUTES, CLEW__WIRE_BYTES),
                .size = BEHIND(struct span_id_attribute, size),
                .key_tag = TAG(CLEW__KEYVALUE_KEY, CLEW__WIRE_BYTES),
                .key_size = sizeof blank.span_id.key,
                .key = CLEW__ATTRIBUTE_WAIT_SPAN_ID,
                .value_tag = TAG(CLEW__KEYVALUE_VALUE, CLEW__WIRE_BYTES),
                .value_size = BEHIND(struct span_id_attribute, value_size),
                .text_tag = TAG(CLEW__ANY_STRING, CLEW__WIRE_BYTES),
                .text_size = SPAN_ID_DIGITS},
    .duration = {.tag = TAG(CLEW__EVENT_ATTRIBUTES, CLEW__WIRE_BYTES),
                 .size = BEHIND(struct duration_attribute, size),
                 .key_tag = TAG(CLEW__KEYVALUE_KEY, CLEW__WIRE_BYTES),
                 .key_size = sizeof blank.duration.key,
                 .key = CLEW__ATTRIBUTE_WAIT_DURATION,
                 .value_tag = TAG(CLEW__KEYVALUE_VALUE, CLEW__WIRE_BYTES),
                 .value_size = BEHIND(struct duration_attribute, value_size),
                 .number_tag = TAG(CLEW__ANY_INT, CLEW__WIRE_VARINT)},
};

static struct wait_event *event_at(struct clew__slot *slot, uint32_t at) {
    return (struct wait_event *)(void *)(slot->body + at);
}

/* A varint of all its bytes, also where fewer would do; and the key, in whose place the links were. */
static void close_event(struct wait_event *event, uint64_t duration) {
    memcpy(event->duration.key, blank.duration.key, sizeof blank.duration.key);
    for (unsigned i = 0; i < DURATION_SIZE; i++)
        event->duration.number[i] = (uint8_t)(duration >> (7 * i) | 0x80);
    event->duration.number[DURATION_SIZE - 1] &= 0x7f;
}

/* ---- the tree ---- */

/* Offsets of events in the body; 0: none. */
enum { LEFT, RIGHT, OLDER, LINKS };
_Static_assert(LINKS * sizeof(uint32_t) <= sizeof blank.duration.key, "the links fit");

/* Where a link is stored; not aligned. */
static uint8_t *place_of(struct clew__slot *slot, uint32_t at, unsigned which) {
    return (uint8_t *)event_at(slot, at)->duration.key + which * sizeof(uint32_t);
}

static uint8_t *root_of(struct clew__slot *slot) {
    return (uint8_t *)&slot->open_waits;
}

static uint32_t get_link(const uint8_t *place) {
    uint32_t at;
    memcpy(&at, place, sizeof at);
    return at;
}

static void set_link(uint8_t *place, uint32_t at) {
    memcpy(place, &at, sizeof at);
}

/* The bits that lead to a span, from the highest down. They differ for any two spans, and early so. */
static uint64_t way_to(const uint8_t target[8]) {
    uint64_t word;
    memcpy(&word, target, sizeof word);
    return word * UINT64_C(0x9e3779b97f4a7c15); /* 2^64 over the golden ratio */
}

/* The place of the link to the latest open wait for a span; without one, where it would be linked. */
static uint8_t *find(struct clew__slot *slot, const uint8_t target[8]) {
    char text[SPAN_ID_DIGITS];
    uint64_t way = way_to(target);
    uint8_t *place = root_of(slot);
    clew__hex_write(target, 8, text);
    for (uint32_t at = get_link(place); at != 0; at = get_link(place), way <<= 1) {
        if (memcmp(event_at(slot, at)->span_id.text, text, sizeof text) == 0)
            break;
        place = place_of(slot, at, way >> 63 ? RIGHT : LEFT);
    }
    return place;
}

static void hand_children_on(struct clew__slot *slot, uint32_t from, uint32_t to) {
    for (unsigned which = LEFT; which <= RIGHT; which++) {
        set_link(place_of(slot, to, which), get_link(place_of(slot, from, which)));
        set_link(place_of(slot, from, which), 0);
    }
}

static void insert(struct clew__slot *slot, uint8_t *place, uint32_t at) {
    uint32_t older = get_link(place);
    for (unsigned which = 0; which < LINKS; which++)
        set_link(place_of(slot, at, which), 0);
    if (older)
        hand_children_on(slot, older, at);
    set_link(place_of(slot, at, OLDER), older);
    set_link(place, at);
}

/* Takes any leaf below the node, or the node itself, out of the tree. */
static uint32_t take_leaf(struct clew__slot *slot, uint8_t *place) {
    for (;;) {
        uint32_t at = get_link(place);
        uint8_t *left = place_of(slot, at, LEFT), *right = place_of(slot, at, RIGHT);
        if (get_link(left) == 0 && get_link(right) == 0) {
            set_link(place, 0);
            return at;
        }
        place = get_link(left) ? left : right;
    }
}

/* Its place goes to the next older wait for the same span, or to a leaf: all below a node begin with the same
 * bits as the node, so that any of them may take its place. */
static void take_out(struct clew__slot *slot, uint8_t *place) {
    uint32_t at = get_link(place), heir = get_link(place_of(slot, at, OLDER));
    if (!heir)
        heir = take_leaf(slot, place);
    if (heir == at)
        return;
    hand_children_on(slot, at, heir);
    set_link(place, heir);
}

/* ---- all open waits ---- */

/* The way has 64 bits: so many nodes may wait on the left, and those that the last one links. */
#define PENDING_MAX (64 + LINKS)

struct walk {
    struct clew__slot *slot;
    uint32_t moved_at, moved_size; /* links beyond are corrected */
    unsigned count;
    uint32_t pending[PENDING_MAX];
};

static void walk_to(struct walk *walk, uint8_t *place) {
    uint32_t at = get_link(place);
    if (at == 0)
        return;
    if (at > walk->moved_at)
        at -= walk->moved_size;
    set_link(place, at);
    walk->pending[walk->count++] = at;
}

static bool walk_next(struct walk *walk, uint32_t *at) {
    if (walk->count == 0)
        return false;
    *at = walk->pending[--walk->count];
    for (unsigned which = 0; which < LINKS; which++)
        walk_to(walk, place_of(walk->slot, *at, which));
    return true;
}

/* ---- the operations ---- */

/* Without its attributes a wait says nothing: it is recorded whole or not at all. */
static bool limits_allow(const struct clew__slot *slot) {
    const struct clew_provider *provider = atomic_load_explicit(&slot->provider, memory_order_relaxed);
    return provider->limits.event_attribute_count >= 2 &&
           provider->limits.attribute_value_length >= SPAN_ID_DIGITS;
}

void clew__wait_begin(struct clew__slot *slot, const uint8_t target[8], uint64_t unix_nano) {
    struct wait_event *event;
    uint32_t at;
    if (!limits_allow(slot)) {
        clew__record_drop_event(slot);
        return;
    }
    at = clew__record_blank_event(slot, sizeof *event);
    if (at == 0)
        return;
    event = event_at(slot, at);
    *event = blank;
    clew__put_fixed64(event->time, unix_nano);
    clew__hex_write(target, 8, event->span_id.text);
    insert(slot, find(slot, target), at);
}

bool clew__wait_end(struct clew__slot *slot, const uint8_t target[8], uint64_t unix_nano) {
    uint8_t *place = find(slot, target);
    uint32_t at = get_link(place);
    struct wait_event *event;
    uint64_t duration;
    if (at == 0)
        return false;
    take_out(slot, place);
    event = event_at(slot, at);
    duration = unix_nano - clew__get_fixed64(event->time);
    close_event(event, duration ? duration : 1);
    return true;
}

void clew__waits_moved(struct clew__slot *slot, uint32_t at, uint32_t size) {
    struct walk walk = {.slot = slot, .moved_at = at, .moved_size = size};
    uint32_t wait;
    walk_to(&walk, root_of(slot));
    while (walk_next(&walk, &wait))
        ;
}

void clew__waits_seal(struct clew__slot *slot) {
    struct walk walk = {.slot = slot};
    uint32_t wait;
    walk_to(&walk, root_of(slot));
    while (walk_next(&walk, &wait))
        close_event(event_at(slot, wait), 0);
    slot->open_waits = 0;
}
