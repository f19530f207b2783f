/* Text from strangers, made fit for a terminal: nothing in it can move the cursor, change colours or the
 * direction of writing, or start a new line. */
#ifndef CLEW_REPORT_PRINTABLE_H
#define CLEW_REPORT_PRINTABLE_H

#include <stddef.h>
#include <stdint.h>

/* Longest text that is shown, in columns; what is longer ends in an ellipsis. */
#define CLEW__PRINTABLE_COLUMNS 240

/* Room for any printable text, with its terminator: of at most four bytes a column, and combining marks. */
#define CLEW__PRINTABLE_SIZE (CLEW__PRINTABLE_COLUMNS * 8)

/* Writes the text into `out`, terminated: invalid UTF-8 as U+FFFD, control characters as `\n`, `\x1b`,
 * `\u{202e}`. At most `columns` wide; what is longer ends in an ellipsis. Returns how many columns it takes
 * on a terminal. */
size_t clew__printable(const char *text, size_t size, size_t columns, char out[CLEW__PRINTABLE_SIZE]);

#endif
