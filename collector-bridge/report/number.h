/* Numbers as people read them: three significant digits. Pure; any thread; whatever the locale. */
#ifndef CLEW_REPORT_NUMBER_H
#define CLEW_REPORT_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* Room for any of these texts, with its terminator. */
#define CLEW__NUMBER_SIZE 32

/* `999ns`, `1.23µs`, `12.3ms`, `123s`, `16.7min`, `2.78h`. Returns the columns, at most 8. */
size_t clew__duration_text(uint64_t nanoseconds, char text[CLEW__NUMBER_SIZE]);
/* The same with a sign: `+12.3ms`, `-1.23µs`, `0ns`. */
void clew__change_text(int64_t nanoseconds, char text[CLEW__NUMBER_SIZE]);
/* `100%`, `61.2%`, `5.31%`, `0.12%`, `0%`; of nothing: empty. */
void clew__share_text(uint64_t part, uint64_t whole, char text[CLEW__NUMBER_SIZE]);
/* `99999`, `123k`, `1.23M`. */
void clew__count_text(uint64_t count, char text[CLEW__NUMBER_SIZE]);
/* `3`, `1.50`, `0.02`: so many a piece; of no pieces: empty. */
void clew__ratio_text(uint64_t count, uint64_t pieces, char text[CLEW__NUMBER_SIZE]);
/* `12.3/s`, `1230/s`, `4.56/h`; of 0: empty. */
void clew__rate_text(double per_second, char text[CLEW__NUMBER_SIZE]);

#endif
