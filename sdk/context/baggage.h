/* Baggage and its header (W3C Baggage; specification: Baggage API). */
#ifndef CLEW_CONTEXT_BAGGAGE_H
#define CLEW_CONTEXT_BAGGAGE_H

#include <clew/baggage.h>

#include "sdk/base/slice.h"

/* What W3C Baggage, section 3.3.2, asks to be propagated: of all headers together. */
#define CLEW__BAGGAGE_SIZE_MAX 8192u
#define CLEW__BAGGAGE_MEMBERS_MAX 64u

/* The entries without those called `without` (NULL: all of them), and one more, `added` (NULL: none). Copies
 * all texts. NULL when nothing is left or memory runs out. */
clew_baggage *clew__baggage_new(const clew_baggage_entry *entries, size_t count, const char *without,
                                const clew_baggage_entry *added);

/* Whether a header can carry it as metadata; white space at its ends does not count. */
bool clew__baggage_metadata_is_valid(struct clew__slice metadata);

/* Puts the values of several `baggage` headers together. Starts as all zero; a value is needed during the
 * call only. Malformed members are left out, and so is what lies beyond the limits. */
struct clew__baggage_reader {
    char *text; /* what the entries point to */
    char *text_end;
    size_t read_size; /* of all values, with a comma between them */
    size_t count;
    clew_baggage_entry entries[CLEW__BAGGAGE_MEMBERS_MAX];
};
void clew__baggage_read(struct clew__baggage_reader *reader, const char *value, size_t size);

/* The baggage; NULL when there is none. Ends the reader. */
clew_baggage *clew__baggage_finish(struct clew__baggage_reader *reader);

/* The header value, terminated, to be given back with clew_memory_release(); whole members beyond the limits
 * are left out. `*text` is NULL when nothing can be sent. Returns 0 or CLEW_ENOMEM. */
int clew__baggage_format(const clew_baggage *baggage, char **text);

#endif
