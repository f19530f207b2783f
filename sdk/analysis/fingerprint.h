/* Messages of errors without what differs from one to the next. Pure; any thread. */
#ifndef CLEW_ANALYSIS_FINGERPRINT_H
#define CLEW_ANALYSIS_FINGERPRINT_H

#include <clew/common.h>

#define CLEW__FINGERPRINT_SIZE 256u

/* Writes the first line of the message with numbers, ids and addresses as `#` and white space as single
 * spaces; what is longer than the room is cut, at a border of UTF-8. Returns its size. */
size_t clew__fingerprint(clew_text message, char out[CLEW__FINGERPRINT_SIZE]);

#endif
