/* The JSON of other systems as OTLP/JSON, for tests of their readers. */
#ifndef CLEW_TEST_UNIT_PROTO_FOREIGN_H
#define CLEW_TEST_UNIT_PROTO_FOREIGN_H

#include "proto/json.h"
#include "test/support.h"
#include "test/unit/proto/growing.h"

#include <stdio.h>

typedef size_t (*foreign_reader)(struct clew__writer *writer, struct clew__writer *scratch, const char *text,
                                 size_t size, struct clew__json_fault *fault);

/* What one element becomes, as OTLP/JSON, terminated; to be freed. */
static inline char *foreign_to_json(foreign_reader read, const char *text) {
    struct clew__writer wire = growing_writer(), scratch = tight_writer(), json = growing_writer();
    struct clew__json_fault fault = {0, NULL};
    size_t size = strlen(text);
    char *copy = (char *)exact_copy(text, size);
    size_t taken = read(&wire, &scratch, copy, size, &fault);
    cr_assert_eq(taken, size, "%s at %zu of %s", fault.reason, fault.offset, text);
    cr_assert_eq(clew__wire_check_traces(wire.data, wire.size, NULL, NULL), CLEW__WIRE_OK);
    free(copy);
    clew__json_write_traces(&json, wire.data, wire.size);
    clew__write_raw(&json, "", 1);
    growing_free(&wire);
    growing_free(&scratch);
    return (char *)json.data;
}

/* Whether what it becomes contains all of the texts, of which the last is NULL; those that begin with '!' it
 * must not contain. */
static inline void foreign_has(foreign_reader read, const char *text, const char *const *wanted) {
    char *json = foreign_to_json(read, text);
    for (; *wanted; wanted++) {
        bool absent = **wanted == '!';
        cr_assert_eq(strstr(json, *wanted + absent) == NULL, absent, "%s in %s", *wanted, json);
    }
    free(json);
}

/* Its fault, at that place; nothing is appended. */
static inline void foreign_fails(foreign_reader read, const char *text, size_t offset, const char *reason) {
    struct clew__writer wire = growing_writer(), scratch = growing_writer();
    struct clew__json_fault fault = {0, NULL};
    size_t size = strlen(text);
    char *copy = (char *)exact_copy(text, size);
    clew__write_raw(&wire, "x", 1);
    cr_assert_eq(read(&wire, &scratch, copy, size, &fault), 0, "%s is read", text);
    cr_assert_eq(wire.size, 1);
    cr_assert_str_eq(fault.reason, reason);
    cr_assert_eq(fault.offset, offset, "at %zu of %s", fault.offset, text);
    free(copy);
    growing_free(&wire);
    growing_free(&scratch);
}

/* What a listener heard, one after the other: "1: reason; 2: reason; ". */
struct foreign_heard {
    char text[256];
    size_t size;
};

static inline void foreign_hear(void *user, const struct clew__json_fault *fault) {
    struct foreign_heard *heard = (struct foreign_heard *)user;
    heard->size += (size_t)snprintf(heard->text + heard->size, sizeof heard->text - heard->size, "%zu: %s; ",
                                    fault->offset, fault->reason);
}

typedef size_t (*foreign_listening_reader)(struct clew__writer *writer, struct clew__writer *scratch,
                                           const char *text, size_t size, struct clew__json_fault *fault,
                                           const struct clew__json_listener *listener);

/* What is read of a text with faults, and which they are. */
static inline void foreign_gets_over(foreign_listening_reader read, const char *text, const char *wanted,
                                     const char *heard_wanted) {
    struct clew__writer wire = growing_writer(), scratch = growing_writer(), json = growing_writer();
    struct clew__json_fault fault = {0, NULL};
    struct foreign_heard heard = {.size = 0};
    const struct clew__json_listener listener = {foreign_hear, &heard};
    size_t size = strlen(text);
    char *copy = (char *)exact_copy(text, size);
    cr_assert_eq(read(&wire, &scratch, copy, size, &fault, &listener), size, "%s", text);
    cr_assert_str_eq(heard.text, heard_wanted);
    cr_assert_eq(clew__wire_check_traces(wire.data, wire.size, NULL, NULL), CLEW__WIRE_OK);
    clew__json_write_traces(&json, wire.data, wire.size);
    clew__write_raw(&json, "", 1);
    cr_assert_str_eq((const char *)json.data, wanted);
    free(copy);
    growing_free(&wire);
    growing_free(&scratch);
    growing_free(&json);
}

/* Every beginning of it is a fault within what is there. */
static inline void foreign_is_cut(foreign_reader read, const char *text) {
    struct clew__writer wire = growing_writer(), scratch = growing_writer();
    for (size_t size = 0; size < strlen(text); size++) {
        struct clew__json_fault fault = {SIZE_MAX, NULL};
        char *copy = (char *)exact_copy(text, size);
        cr_assert_eq(read(&wire, &scratch, copy, size, &fault), 0, "%zu bytes are enough", size);
        cr_assert(fault.reason && fault.offset <= size);
        cr_assert_eq(wire.size, 0);
        free(copy);
    }
    growing_free(&wire);
    growing_free(&scratch);
}

/* A writer that never grows beyond `user` bytes. */
static inline bool foreign_grow_to(struct clew__writer *writer, size_t more) {
    size_t capacity = *(const size_t *)writer->user;
    if (writer->size + more > capacity)
        return false;
    writer->data = realloc(writer->data, capacity);
    writer->capacity = capacity;
    return true;
}

/* Either writer may run out at any byte: then nothing is appended. */
static inline void foreign_survives_no_room(foreign_reader read, const char *text) {
    for (int which = 0; which < 2; which++) {
        size_t room = 0, taken = 0;
        for (; taken == 0; room++) {
            struct clew__writer wire = {.grow = foreign_grow_to, .user = &room}, scratch = wire;
            struct clew__json_fault fault = {0, NULL};
            if (which == 0)
                wire = growing_writer();
            else
                scratch = growing_writer();
            taken = read(&wire, &scratch, text, strlen(text), &fault);
            if (taken == 0) {
                cr_assert_str_eq(fault.reason, "there is no room for the message");
                cr_assert_eq(wire.size, 0);
            }
            growing_free(&wire);
            growing_free(&scratch);
        }
        cr_assert_gt(room, 10);
    }
}

#define HAS(text, ...)                                                                                       \
    do {                                                                                                     \
        const char *const wanted[] = {__VA_ARGS__, NULL};                                                    \
        foreign_has(READ, text, wanted);                                                                     \
    } while (0)

#endif
