/* What a crash file holds, as requests: reads the file of a process that is gone, whatever is in it. Every
 * number out of it is checked, each block is read once, and what comes out is well-formed. One thread at a
 * time. */
#ifndef CLEW_CRASH_RECOVER_H
#define CLEW_CRASH_RECOVER_H

#include <clew/common.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The boolean attribute that each recovered span gets. */
#define CLEW__RECOVERED_KEY "clew.recovered"

enum clew__recovery_status {
    CLEW__RECOVERY_OK,
    CLEW__RECOVERY_EMPTY,   /* its owner had not begun to write */
    CLEW__RECOVERY_FOREIGN, /* another version's, or of a machine with another byte order */
    CLEW__RECOVERY_BAD,     /* no crash file */
    CLEW__RECOVERY_FAILED,  /* cannot be read; errno says why */
};

struct clew__recovery;

/* What the header alone says. */
enum clew__recovery_status clew__recovery_look(int descriptor);

/* The descriptor stays the caller's, and open; should somebody close it, the file that gets its number is
 * left alone. `*out` is set when it is OK. */
enum clew__recovery_status clew__recovery_open(int descriptor, struct clew__recovery **out);
void clew__recovery_free(struct clew__recovery *recovery);

/* The next spans as an ExportTraceServiceRequest, valid until the next call: at most so many, and at most so
 * many bytes unless a single span is larger. False at the end, or when memory runs out (`*failed`). */
bool clew__recovery_next(struct clew__recovery *recovery, size_t max_bytes, size_t max_spans,
                         clew_bytes *request, size_t *spans, bool *failed);

/* All that was given so far has its fate: who opens the file again does not see it. False when the file
 * cannot be written. */
bool clew__recovery_confirm(struct clew__recovery *recovery);

/* Records, or blocks of them, that were passed over because they are damaged; so far. */
uint64_t clew__recovery_damaged(const struct clew__recovery *recovery);
/* Who wrote the file. */
uint32_t clew__recovery_pid(const struct clew__recovery *recovery);

#endif
