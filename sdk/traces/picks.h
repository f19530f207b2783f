/* What the attributes of one span mean. Of each meaning the first key that there is wins, in the order of the
 * semantic conventions. Pure; any thread. */
#ifndef CLEW_TRACES_PICKS_H
#define CLEW_TRACES_PICKS_H

#include "sdk/containers/texts.h"
#include "sdk/traces/raw.h"

#define CLEW__PICKS_MAX 32
/* Of a peer: address, colon, port. Longer ones are cut, as texts are. */
#define CLEW__PEER_SIZE (CLEW__TEXT_MAX + 8)

/* Values point into the wire. */
struct clew__picks {
    struct clew__raw_value values[CLEW__PICKS_MAX];
    uint32_t filled; /* bits; 0: nothing was picked, and values are not read */
};

enum clew__meaning {
    CLEW__MEANING_PROVIDER, /* of models */
    CLEW__MEANING_DETAIL,   /* what tells most beside the name */
    CLEW__MEANING_ERROR_TYPE,
    CLEW__MEANING_SPAN_ID, /* the text of an id that is no number */
    CLEW__MEANING_TRACE_ID,
};

/* Takes an attribute; returns the bits of clew__record.flags that its key says. */
uint16_t clew__picks_take(struct clew__picks *picks, struct clew__wire pair);
/* Empty where nothing says it. */
struct clew__raw clew__picks_text(const struct clew__picks *picks, enum clew__meaning meaning);
/* 0: none. */
uint16_t clew__picks_http_status(const struct clew__picks *picks);
/* Whom the span speaks to; see clew__record.peer. May lie in `joined`. */
struct clew__raw clew__picks_peer(const struct clew__picks *picks, unsigned kind, bool is_database,
                                  char joined[CLEW__PEER_SIZE]);

#endif
