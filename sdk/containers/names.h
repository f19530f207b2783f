/* Names that an aggregate keeps while traces and their texts come and go: as numbers of its own, bounded. One
 * thread at a time. */
#ifndef CLEW_CONTAINERS_NAMES_H
#define CLEW_CONTAINERS_NAMES_H

#include "sdk/containers/texts.h"

#include <stdbool.h>

/* What clew__names_find() and _add() answer when a name is not kept. */
#define CLEW__NAME_NONE UINT32_MAX        /* not there; and memory ran out */
#define CLEW__NAME_LIMIT (UINT32_MAX - 1) /* there are as many as may be */

/* What a text of a trace is called here. Only a hint: the bytes are compared, as numbers of texts are given
 * to others once their trace has gone. */
#define CLEW__NAMES_CACHE 256u
struct clew__names_hint {
    clew__text text, name;
};

struct clew__names {
    struct clew__texts *texts;
    uint32_t count; /* without the empty one */
    struct clew__names_hint cache[CLEW__NAMES_CACHE];
};

/* False when memory runs out; nothing is held then. */
bool clew__names_init(struct clew__names *names);
void clew__names_fini(struct clew__names *names);

/* The name of a text that belongs to others; 0 for the empty one. A new one is only added while there are
 * less than `limit`. */
clew__text clew__names_of(struct clew__names *names, const struct clew__texts *texts, clew__text text,
                          uint32_t limit);
clew__text clew__names_add(struct clew__names *names, clew_text text, uint32_t limit);
clew_text clew__names_get(const struct clew__names *names, clew__text name);

/* Bytewise; below, at or above zero. */
int clew__text_compare(clew_text a, clew_text b);
static inline bool clew__text_equals(clew_text a, clew_text b) {
    return a.size == b.size && clew__text_compare(a, b) == 0;
}
static inline int clew__names_compare(const struct clew__names *names, clew__text a, clew__text b) {
    return clew__texts_compare(names->texts, a, b);
}

#endif
