/* Spans that were converted one by one, gathered by what they belong to. All lies in a writer: the spans as
 * they come, each chained to the others of its group, the groups and the table that finds them by their key.
 * The writer moves while it grows, so that what lies in it is named by its offset there, 0 for nothing. Owns
 * nothing; pure; any thread. */
#ifndef CLEW_PROTO_SPAN_GROUPS_H
#define CLEW_PROTO_SPAN_GROUPS_H

#include "proto/wire.h"

struct clew__span_group {
    const char *key; /* the caller's, who keeps it */
    size_t key_size;
    uint64_t hash;
    const char *about;  /* whatever the caller knows of it; NULL at first */
    size_t first, last; /* of its spans, by their heads */
    size_t bytes;       /* that the spans take in a ScopeSpans */
    size_t next;        /* group, in the order of their first mention */
};

struct clew__span_groups {
    struct clew__writer *writer;
    size_t table, table_size; /* open addressing: offsets of groups */
    size_t first, last, count;
    uint64_t
        hash_key; /* from addresses, so that nobody can make keys collide; what is written never shows it */
};

/* Begins with an empty writer. This and the next two fail only for want of room: false, or 0. */
bool clew__span_groups_init(struct clew__span_groups *groups, struct clew__writer *writer);
/* Begins a span, whose content is to be written next: returns its head. */
size_t clew__span_groups_begin(struct clew__span_groups *groups);
/* The group with that key, made if there is none. */
size_t clew__span_groups_find(struct clew__span_groups *groups, const char *key, size_t key_size);
/* Ends the span, whose content is all that was written since its beginning. */
void clew__span_groups_end(struct clew__span_groups *groups, size_t head);
/* Adds a span that has ended to a group. */
void clew__span_groups_add(struct clew__span_groups *groups, size_t head, size_t group);

void clew__span_groups_get(const struct clew__span_groups *groups, size_t group,
                           struct clew__span_group *out);
void clew__span_groups_set_about(struct clew__span_groups *groups, size_t group, const char *about);

/* Writes the spans of the group as members of a ScopeSpans, `bytes` in all. */
void clew__span_groups_write(const struct clew__span_groups *groups, const struct clew__span_group *group,
                             struct clew__writer *out);

#endif
