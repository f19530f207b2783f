/* Handing on a message that is too large to be one: as several, within the limits of who takes them. Owns
 * nothing; any thread. */
#ifndef CLEW_FILES_PIECES_H
#define CLEW_FILES_PIECES_H

#include "collector-bridge/files/input.h"
#include "proto/wire.h"

/* Hands a well-formed TracesData on, in pieces of at most `piece_max` bytes if it is longer: each has the
 * next spans, in their resources and scopes. A span that is longer is a piece alone, up to what
 * clew__wire_limits_default() allows. The pieces are made in `scratch`. Returns NULL, also when the sink
 * stopped it, which sets `*stopped`; or what was left out, as static text. */
const char *clew__pieces_hand_on(const struct clew__input_sink *sink, struct clew__wire traces,
                                 size_t piece_max, struct clew__writer *scratch, bool *stopped);

#endif
