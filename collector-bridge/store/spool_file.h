/* One database of a spool: batches in the order in which they came. Whoever opens it holds its lock (see
 * directory.h), so that nobody else writes to it. One thread at a time; a child of a fork must not touch it.
 */
#ifndef CLEW_STORE_SPOOL_FILE_H
#define CLEW_STORE_SPOOL_FILE_H

#include <clew/pipeline.h>
#include <sqlite3.h>

/* What a batch is the request of; there will be others. */
#define CLEW__SPOOL_TRACES 1

/* A request can be as large as one of OTLP, and a little. */
#define CLEW__SPOOL_REQUEST_MAX ((size_t)65 << 20)

/* One batch that is to be stored. */
struct clew__spool_item {
    clew_bytes request;
    uint64_t spans;
    bool tried;  /* an earlier try may have arrived */
    bool stored; /* out */
};

/* One batch that was found. */
struct clew__spool_record {
    int64_t id;
    int64_t time_nano; /* real time at which it was stored */
    uint64_t spans;
    bool tried;
    uint8_t *request; /* charged to the budget; NULL: not read, or it could not be */
    size_t size;
};

struct clew__spool_file {
    sqlite3 *db;
    sqlite3_stmt *insert, *first, *mark, *remove;
    uint64_t waiting; /* spans in it, as far as could be counted */
    uint64_t batches;
    int64_t last_id; /* the highest one known */
    int64_t read_to; /* what has a lower or this id is done with, though a damaged file may still have it */
    bool damaged;    /* is not written to any more */
    int error;       /* SQLite's extended code of the last failure */
};

/* Opens or begins a database; what is in it is counted. 0; CLEW_EFORMAT: it is none of ours; CLEW_EIO,
 * CLEW_ENOMEM: it may work later. */
int clew__spool_file_open(struct clew__spool_file *file, const char *path, bool create);
/* Never waits for the disk. */
void clew__spool_file_close(struct clew__spool_file *file);

/* Writes all items, or none, in one transaction that also removes all up to `done` (0: none). On success they
 * are on stable storage. CLEW_ENOMEM, CLEW_EIO, CLEW_EFORMAT. */
int clew__spool_file_append(struct clew__spool_file *file, const struct clew__spool_item *items, size_t count,
                            int64_t done);

/* The oldest batch beyond `read_to`, without its request. CLEW_ESHUTDOWN: there is none. */
int clew__spool_file_oldest(struct clew__spool_file *file, struct clew__spool_record *out);
/* Its request. CLEW_EFORMAT: it cannot be read or its checksum is wrong; CLEW_ENOMEM. */
int clew__spool_file_read(struct clew__spool_file *file, struct clew__spool_record *record);
void clew__spool_record_free(struct clew__spool_record *record);

/* One transaction: removes all up to `done` (0: none) and marks `next` (0: none) as tried. */
int clew__spool_file_advance(struct clew__spool_file *file, int64_t done, int64_t next);

/* Takes the oldest batches beyond `read_to` away until `bytes` can be written without the database growing,
 * or all are gone. Adds the spans to `*dropped`. */
int clew__spool_file_drop(struct clew__spool_file *file, uint64_t bytes, uint64_t *dropped);

/* Moves what is in the log to the database and cuts the log to nothing; `shrink` gives free pages back to the
 * file system first. */
int clew__spool_file_compact(struct clew__spool_file *file, bool shrink);

/* Most of the database is unused. */
bool clew__spool_file_is_airy(struct clew__spool_file *file);

/* How many bytes files can grow by when so many are written: the database, and the log. */
uint64_t clew__spool_file_growth(struct clew__spool_file *file, uint64_t bytes);
uint64_t clew__spool_log_growth(uint64_t bytes);

#endif
