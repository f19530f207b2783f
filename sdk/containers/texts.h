/* Texts kept once each, as small numbers: names of services, operations, hosts. One thread at a time. */
#ifndef CLEW_CONTAINERS_TEXTS_H
#define CLEW_CONTAINERS_TEXTS_H

#include "sdk/containers/hash.h"

#include <clew/common.h>

/* 0 is the empty text. */
typedef uint32_t clew__text;

#define CLEW__TEXT_FAILED UINT32_MAX /* memory ran out */
/* Longer texts are cut, at a border of UTF-8. */
#define CLEW__TEXT_MAX 1024

struct clew__texts;

/* NULL when memory runs out. */
struct clew__texts *clew__texts_new(void);
void clew__texts_free(struct clew__texts *texts);

/* The number of a text; the same for equal ones. Hashes with a key of the table's own, so that nobody can
 * make texts collide. */
clew__text clew__texts_add(struct clew__texts *texts, const void *data, size_t size);
/* Without adding: CLEW__TEXT_FAILED when it is not there. */
clew__text clew__texts_find(const struct clew__texts *texts, const void *data, size_t size);
/* Stays where it is until the text is swept. */
clew_text clew__texts_get(const struct clew__texts *texts, clew__text text);
/* Below, at or above zero, as bytes. */
int clew__texts_compare(const struct clew__texts *texts, clew__text a, clew__text b);
/* Numbers are below it. */
uint32_t clew__texts_count(const struct clew__texts *texts);
/* Memory that it holds. */
size_t clew__texts_bytes(const struct clew__texts *texts);
/* Memory that `count` more texts need at most, beside their own bytes. */
size_t clew__texts_growth(const struct clew__texts *texts, uint32_t count);
/* The key that it hashes with, for tables beside it. */
struct clew__hash_key clew__texts_key(const struct clew__texts *texts);
/* Changes with every sweep. */
uint32_t clew__texts_generation(const struct clew__texts *texts);
/* Forgets every text whose number `is_used` has no true for; their numbers will be given out again.
 * `is_used` has clew__texts_count() members. */
void clew__texts_sweep(struct clew__texts *texts, const bool *is_used);

#endif
