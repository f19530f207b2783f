/* Owns the files of one spool: the one that is written to and those that are only drained. One thread at a
 * time. The first failure of a file takes it out of use for writing; what can still be read of it is sent. */
#include "collector-bridge/store/spool_slots.h"

#include <clew/extend.h>
#include <string.h>

#define NANO_PER_SECOND UINT64_C(1000000000)
#define ADOPTED_AT_ONCE 64
#define TEND_NANO (30 * NANO_PER_SECOND)
#define BACKOFF_FIRST_NANO (NANO_PER_SECOND / 2)
#define BACKOFF_CAP_NANO (30 * NANO_PER_SECOND)
/* What an empty database and its log take. */
#define EMPTY_BYTES (12u * 4096u)
/* How often a batch is tried to be read, with others in between: with a few seconds each, ten minutes of a
 * disk or a memory limit that does not let it through. */
#define UNREAD_MAX 128u
/* How often to see whether a half-drained file can be made smaller. */
#define SETTLED_BETWEEN_LOOKS 64u

/* ---- life ---- */

struct clew__spool *clew__spool_new(const char *directory, uint64_t quota) {
    struct clew__spool *spool = clew_memory_allocate(sizeof *spool);
    if (!spool)
        return NULL;
    memset(spool, 0, sizeof *spool);
    for (size_t i = 0; i < CLEW__SLOTS; i++)
        spool->slots[i].lock.fd = -1;
    spool->quota = spool->books.quota = quota;
    spool->given = clew_memory_copy_text(directory, strlen(directory));
    if (!spool->given) {
        clew_memory_release(spool);
        return NULL;
    }
    return spool;
}

static void remove_settled(struct clew__spool *spool, struct clew__slot *slot);

void clew__spool_close(struct clew__spool *spool) {
    clew__slots_leave_lost(spool);
    for (size_t i = 0; i < CLEW__SLOTS; i++) {
        if (spool->slots[i].open)
            remove_settled(spool, &spool->slots[i]);
        if (spool->slots[i].open)
            clew__slot_close(spool, &spool->slots[i]);
    }
}

void clew__spool_free(struct clew__spool *spool) {
    clew_memory_release(spool->path);
    clew_memory_release(spool->given);
    clew_memory_release(spool);
}

void clew__spool_forget(struct clew__spool *spool, bool quiet) {
    for (size_t i = 0; i < CLEW__SLOTS; i++) {
        struct clew__slot *slot = &spool->slots[i];
        clew__descriptor_close(&slot->lock);
        /* SQLite's descriptors stay open, and its memory stays: as long as they do, no other file can get the
         * inode that SQLite believes locked. */
        memset(slot, 0, sizeof *slot);
        slot->lock.fd = -1;
    }
    if (quiet)
        clew_memory_release(spool->path);
    spool->path = NULL;
    spool->current = NULL;
    spool->retry_nano = spool->backoff_nano = spool->tend_nano = 0;
    spool->books = (clew_spool_stats){.quota = spool->quota};
}

/* ---- room ---- */

static uint64_t bytes_of(const struct clew__spool_item *items, size_t count) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += items[i].request.size + 4096; /* the last page of each is hardly ever full */
    return bytes;
}

static bool fits(struct clew__spool *spool, uint64_t bytes) {
    uint64_t need =
        clew__spool_file_growth(&spool->slots[CLEW__SLOT_OWN].file, bytes) + clew__spool_log_growth(bytes);
    uint64_t used = clew__spool_usage(spool->path);
    return used <= spool->quota && need <= spool->quota - used;
}

/* Makes room in one file; the oldest go. */
static bool drop_from(struct clew__spool *spool, struct clew__slot *slot, uint64_t bytes) {
    uint64_t dropped = 0;
    if (slot->file.damaged || clew__spool_file_drop(&slot->file, bytes, &dropped) != CLEW_OK)
        return false;
    spool->books.dropped_quota += dropped;
    if (dropped)
        clew_log(CLEW_LOG_WARN, "spool_quota", "%llu span%s dropped: the oldest on disk, for %s is full",
                 (unsigned long long)dropped, dropped == 1 ? "" : "s", spool->path);
    clew__spool_file_compact(&slot->file, slot != &spool->slots[CLEW__SLOT_OWN]);
    if (slot == &spool->slots[CLEW__SLOT_OWN] && !fits(spool, bytes))
        clew__spool_file_compact(&slot->file, true);
    return fits(spool, bytes);
}

/* The file with the oldest batch that can give way, but for those in `spent`. */
static struct clew__slot *oldest_file(struct clew__spool *spool, const bool spent[CLEW__SLOTS]) {
    struct clew__slot *oldest = NULL;
    int64_t time_nano = 0;
    for (size_t i = 0; i < CLEW__SLOTS; i++) {
        struct clew__slot *slot = &spool->slots[i];
        struct clew__spool_record record;
        if (spent[i] || !slot->open || slot->file.damaged ||
            clew__spool_file_oldest(&slot->file, &record) != CLEW_OK)
            continue;
        if (!oldest || record.time_nano < time_nano) {
            oldest = slot;
            time_nano = record.time_nano;
        }
    }
    return oldest;
}

static bool make_room(struct clew__spool *spool, uint64_t bytes) {
    bool spent[CLEW__SLOTS] = {false};
    struct clew__slot *slot;
    if (2 * bytes + EMPTY_BYTES > spool->quota)
        return false; /* there never will be */
    if (fits(spool, bytes))
        return true;
    for (size_t i = 0; i < CLEW__SLOTS; i++)
        if (spool->slots[i].open && !spool->slots[i].file.damaged)
            clew__spool_file_compact(&spool->slots[i].file, i != CLEW__SLOT_OWN);
    if (fits(spool, bytes))
        return true;
    clew__spool_forget_corrupt(spool->path);
    while ((slot = oldest_file(spool, spent)) != NULL) {
        uint64_t before = spool->books.dropped_quota;
        if (drop_from(spool, slot, bytes))
            return true;
        spent[slot - spool->slots] = spool->books.dropped_quota == before;
    }
    return fits(spool, bytes);
}

/* ---- storing ---- */

static void disk_failed(struct clew__spool *spool, uint64_t now) {
    spool->backoff_nano = spool->backoff_nano == 0                      ? BACKOFF_FIRST_NANO
                          : spool->backoff_nano >= BACKOFF_CAP_NANO / 2 ? BACKOFF_CAP_NANO
                                                                        : 2 * spool->backoff_nano;
    spool->retry_nano = now + spool->backoff_nano;
}

/* The system may have lost what it was to write out, and say nothing of it the next time. */
static bool is_suspect(int sqlite_error) {
    return sqlite_error == SQLITE_IOERR_FSYNC || sqlite_error == SQLITE_IOERR_DIR_FSYNC;
}

static int append(struct clew__spool *spool, const struct clew__spool_item *items, size_t count) {
    struct clew__slot *own = &spool->slots[CLEW__SLOT_OWN];
    uint64_t bytes = bytes_of(items, count);
    int error;
    if (own->open && !clew__slot_is_gone(spool, own) && own->file.damaged)
        clew__slots_retire_own(spool);
    if (!own->open && (error = clew__slots_begin_own(spool)) != CLEW_OK)
        return error;
    if (!make_room(spool, bytes)) {
        clew_log(CLEW_LOG_WARN, "spool_full", "%s has no room for another %llu bytes within %llu",
                 spool->path, (unsigned long long)bytes, (unsigned long long)spool->quota);
        return CLEW_ELIMIT;
    }
    error = clew__spool_file_append(&own->file, items, count, own->done);
    if (error == CLEW_OK) {
        own->done = 0;
        return CLEW_OK;
    }
    clew_log(CLEW_LOG_ERROR, "spool_write", "%s/%s.db: %s", spool->path, own->name,
             sqlite3_errstr(own->file.error));
    if (error == CLEW_EIO && is_suspect(own->file.error))
        clew__slots_retire_own(spool);
    else
        clew__slot_failed(spool, own, error);
    return error;
}

void clew__spool_store(struct clew__spool *spool, struct clew__spool_item *items, size_t count,
                       uint64_t now) {
    uint64_t spans = 0;
    int error = CLEW_EIO;
    for (size_t i = 0; i < count; i++)
        spans += items[i].spans;
    clew__slots_leave_lost(spool);
    if (now >= spool->retry_nano && clew__slots_find_directory(spool)) {
        error = append(spool, items, count);
        if (error == CLEW_EFORMAT) /* damaged: into a new one */
            error = append(spool, items, count);
        if (error == CLEW_OK)
            spool->backoff_nano = 0;
    }
    if (error == CLEW_EIO && now >= spool->retry_nano)
        disk_failed(spool, now);
    for (size_t i = 0; i < count; i++)
        items[i].stored = error == CLEW_OK;
    if (error == CLEW_OK)
        spool->books.stored += spans;
    else
        spool->books.not_stored += spans;
    if (spool->path && spool->slots[CLEW__SLOT_OWN].open && spool->slots[CLEW__SLOT_OWN].file.batches == 0)
        remove_settled(spool, &spool->slots[CLEW__SLOT_OWN]);
}

/* ---- adopting ---- */

static bool adopt_one(struct clew__spool *spool, struct clew__slot *slot) {
    char *path;
    int error;
    if (!clew__spool_find_orphan(spool->path, &spool->unreadable, slot->name, &slot->lock))
        return false;
    path = clew__spool_path(spool->path, slot->name, ".db");
    error = path ? clew__spool_file_open(&slot->file, path, false) : CLEW_ENOMEM;
    clew_memory_release(path);
    if (error == CLEW_EFORMAT) {
        clew__spool_names_add(&spool->unreadable, slot->name); /* should it not go away */
        clew__slot_set_aside(spool, slot);
        return true;
    }
    if (error != CLEW_OK) {
        if (error == CLEW_EIO) {
            clew_log(CLEW_LOG_ERROR, "spool_adopt", "%s/%s.db cannot be opened: %s", spool->path, slot->name,
                     sqlite3_errstr(slot->file.error));
            clew__spool_names_add(&spool->unreadable, slot->name);
        }
        clew__slot_close(spool, slot);
        return error == CLEW_EIO;
    }
    slot->open = true;
    slot->inode = clew__spool_inode(spool->path, slot->name);
    spool->books.adopted += slot->file.waiting;
    if (slot->file.waiting)
        clew_log(CLEW_LOG_INFO, "spool_adopted", "%llu span%s left behind in %s will be sent",
                 (unsigned long long)slot->file.waiting, slot->file.waiting == 1 ? "" : "s", spool->path);
    remove_settled(spool, slot);
    return true;
}

uint64_t clew__spool_tend(struct clew__spool *spool, uint64_t now) {
    struct clew__slot *slot;
    if (now < spool->tend_nano)
        return spool->tend_nano;
    spool->tend_nano = now + TEND_NANO;
    clew__slots_leave_lost(spool);
    if (!clew__slots_find_directory(spool))
        return spool->tend_nano;
    for (int i = 0; i < ADOPTED_AT_ONCE && (slot = clew__slots_free(spool)) != NULL; i++)
        if (!adopt_one(spool, slot))
            break;
    return spool->tend_nano;
}

/* ---- draining ---- */

/* Removes what is done with from the file, or the file when there is nothing else in it. */
static void remove_settled(struct clew__spool *spool, struct clew__slot *slot) {
    int error = CLEW_OK;
    if (slot->file.batches == 0) {
        bool was_full = slot != &spool->slots[CLEW__SLOT_OWN] && !clew__slots_free(spool);
        /* A damaged tree can show other rows, or numbers, when it is read in another way than when it was
         * counted. */
        spool->books.dropped_corrupt += slot->file.waiting;
        clew__slot_remove(spool, slot);
        if (was_full)
            spool->tend_nano = 0; /* the next one can be adopted */
        return;
    }
    if (slot->done && !slot->file.damaged)
        error = clew__spool_file_advance(&slot->file, slot->done, 0);
    if (error == CLEW_OK)
        slot->done = 0;
    else
        clew__slot_failed(spool, slot, error);
}

/* The oldest batch of one file; false: none. May take the file away. */
static bool oldest_of(struct clew__spool *spool, struct clew__slot *slot, struct clew__spool_record *out) {
    int error = clew__spool_file_oldest(&slot->file, out);
    if (error == CLEW_OK)
        return true;
    if (error == CLEW_ESHUTDOWN && slot->file.batches == 0)
        remove_settled(spool, slot);
    else if (error == CLEW_ESHUTDOWN || error == CLEW_EFORMAT)
        clew__slot_set_aside(spool, slot); /* there should have been more */
    return false;
}

static struct clew__slot *find_oldest(struct clew__spool *spool, struct clew__spool_record *out) {
    struct clew__slot *oldest = NULL;
    for (size_t i = 0; i < CLEW__SLOTS; i++) {
        struct clew__slot *slot = &spool->slots[i];
        struct clew__spool_record record;
        if (!slot->open || slot->passed_over || !oldest_of(spool, slot, &record))
            continue;
        if (!oldest || record.time_nano < out->time_nano) {
            oldest = slot;
            *out = record;
        }
    }
    return oldest;
}

static void subtract(struct clew__slot *slot, uint64_t spans) {
    slot->file.waiting -= spans < slot->file.waiting ? spans : slot->file.waiting;
    slot->file.batches -= slot->file.batches > 0;
}

/* A batch whose bytes are not those that were stored, or cannot be had. */
static void drop_corrupt(struct clew__spool *spool, struct clew__slot *slot,
                         const struct clew__spool_record *record, const char *why) {
    uint64_t lost = record->spans < slot->file.waiting ? record->spans : slot->file.waiting;
    spool->books.dropped_corrupt += lost;
    clew_log(CLEW_LOG_ERROR, "spool_record", "a batch of %llu span%s in %s/%s.db %s: it is lost",
             (unsigned long long)lost, lost == 1 ? "" : "s", spool->path, slot->name, why);
    subtract(slot, record->spans);
    slot->file.read_to = slot->done = record->id;
    slot->unread = 0;
    remove_settled(spool, slot);
}

/* A batch that cannot be read now must not keep those of other files waiting, nor its own for ever. */
static void not_read(struct clew__spool *spool, struct clew__slot *slot,
                     const struct clew__spool_record *record, int error) {
    if (error == CLEW_EFORMAT)
        drop_corrupt(spool, slot, record, "is damaged");
    else if (++slot->unread >= UNREAD_MAX)
        drop_corrupt(spool, slot, record,
                     error == CLEW_ENOMEM ? "does not fit into memory" : "cannot be read");
    else
        slot->passed_over = true;
}

/* Removes what was settled and marks the batch in one transaction. A disk that is full does not keep it from
 * being sent: that is how it gets empty. */
static void mark(struct clew__spool *spool, struct clew__slot *slot,
                 const struct clew__spool_record *record) {
    int error;
    for (size_t i = 0; i < CLEW__SLOTS; i++)
        if (&spool->slots[i] != slot && spool->slots[i].open && spool->slots[i].done)
            remove_settled(spool, &spool->slots[i]);
    if (slot->file.damaged || (record->tried && !slot->done))
        return;
    error = clew__spool_file_advance(&slot->file, slot->done, record->id);
    if (error == CLEW_OK)
        slot->done = 0;
    else if (error == CLEW_EFORMAT)
        slot->file.damaged = true; /* it stays where it is while its batch is under way */
}

bool clew__spool_take(struct clew__spool *spool, struct clew__spool_record *record) {
    struct clew__slot *slot;
    if (!spool->path)
        return false;
    clew__slots_leave_lost(spool);
    for (size_t i = 0; i < CLEW__SLOTS; i++)
        spool->slots[i].passed_over = false;
    while ((slot = find_oldest(spool, record)) != NULL) {
        int error = clew__spool_file_read(&slot->file, record);
        if (error != CLEW_OK) {
            not_read(spool, slot, record, error);
            continue;
        }
        slot->unread = 0;
        mark(spool, slot, record);
        record->tried = record->tried && slot->fresh != record->id;
        if (record->tried)
            spool->books.resent += record->spans;
        slot->file.read_to = record->id;
        spool->current = slot;
        spool->taken =
            (struct clew__spool_record){.id = record->id, .spans = record->spans, .tried = record->tried};
        return true;
    }
    return false;
}

void clew__spool_settle(struct clew__spool *spool, enum clew__spool_fate fate, uint64_t rejected) {
    struct clew__slot *slot;
    uint64_t spans = spool->taken.spans;
    clew__slots_leave_lost(spool);
    slot = spool->current;
    if (!slot)
        return; /* its file is gone, and it is counted */
    spool->current = NULL;
    spans = spans < slot->file.waiting ? spans : slot->file.waiting;
    rejected = rejected < spans ? rejected : spans;
    if (fate == CLEW__SPOOL_DELIVERED) {
        spool->books.delivered += spans - rejected;
        spool->books.rejected += rejected;
    } else {
        spool->books.refused += spans;
    }
    subtract(slot, spans);
    slot->done = spool->taken.id;
    if (slot->file.batches == 0)
        remove_settled(spool, slot);
    else if (++spool->settled % SETTLED_BETWEEN_LOOKS == 0 && !slot->file.damaged &&
             clew__spool_file_is_airy(&slot->file))
        clew__spool_file_compact(&slot->file, true);
}

void clew__spool_keep(struct clew__spool *spool, bool may_have_arrived) {
    struct clew__slot *slot = spool->current;
    if (!slot)
        return;
    spool->current = NULL;
    slot->file.read_to = spool->taken.id - 1;
    slot->fresh = may_have_arrived || spool->taken.tried ? 0 : spool->taken.id;
}

/* ---- books ---- */

uint64_t clew__spool_waiting(const struct clew__spool *spool) {
    uint64_t waiting = 0;
    for (size_t i = 0; i < CLEW__SLOTS; i++)
        waiting += spool->slots[i].open ? spool->slots[i].file.waiting : 0;
    return waiting;
}

void clew__spool_books(struct clew__spool *spool, clew_spool_stats *out) {
    *out = spool->books;
    out->waiting = clew__spool_waiting(spool);
    out->bytes = spool->path ? clew__spool_usage(spool->path) : 0;
}
