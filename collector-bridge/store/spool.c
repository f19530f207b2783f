/* Owns the files of one spool: the one that is written to and those that are only drained. One thread at a
 * time. The first failure of a file takes it out of use for writing; what can still be read of it is sent. */
#include "collector-bridge/store/spool.h"

#include "collector-bridge/store/directory.h"

#include <clew/extend.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NANO_PER_SECOND UINT64_C(1000000000)
/* Files that are open at once beside one's own; the rest waits its turn. */
#define DRAINED_MAX 16
#define OWN DRAINED_MAX
#define SLOTS (DRAINED_MAX + 1)
#define ADOPTED_AT_ONCE 64
#define TEND_NANO (30 * NANO_PER_SECOND)
#define BACKOFF_FIRST_NANO (NANO_PER_SECOND / 2)
#define BACKOFF_CAP_NANO (30 * NANO_PER_SECOND)
/* What an empty database and its log take. */
#define EMPTY_BYTES (12u * 4096u)
/* How often to see whether a half-drained file can be made smaller. */
#define SETTLED_BETWEEN_LOOKS 64u

struct slot {
    bool open;
    char name[CLEW__SPOOL_NAME_SIZE];
    struct clew__descriptor lock;
    struct clew__spool_file file;
    ino_t inode;
    int64_t done;  /* batches up to this one are settled and still to be removed */
    int64_t fresh; /* marked as tried on disk, and known not to have arrived */
};

struct clew__spool {
    char *given, *path; /* as it was named; resolved, or NULL when it was not usable yet */
    uint64_t quota;
    struct slot slots[SLOTS]; /* the last is the one that is written to */
    struct slot *current;     /* of the batch that was taken */
    struct clew__spool_record taken;
    uint64_t settled;
    struct clew__spool_names unreadable;
    uint64_t retry_nano, backoff_nano; /* of a disk that takes nothing */
    uint64_t tend_nano;
    clew_spool_stats books;
};

/* ---- files ---- */

static void close_slot(struct clew__spool *spool, struct slot *slot) {
    if (spool->current == slot)
        spool->current = NULL;
    clew__spool_file_close(&slot->file);
    clew__spool_lock_drop(spool->path, slot->name, &slot->lock);
    memset(slot, 0, sizeof *slot);
    slot->lock.fd = -1;
}

static void remove_slot(struct clew__spool *spool, struct slot *slot) {
    clew__spool_file_close(&slot->file);
    clew__spool_remove(spool->path, slot->name);
    close_slot(spool, slot);
}

/* It is of no more use; what was in it is lost, and its bytes are kept for a look. */
static void set_aside(struct clew__spool *spool, struct slot *slot) {
    uint64_t lost = slot->file.waiting;
    spool->books.dropped_corrupt += lost;
    clew_log(CLEW_LOG_ERROR, "spool_corrupt", "%s/%s.db is damaged: %llu span%s lost; it is kept as .corrupt",
             spool->path, slot->name, (unsigned long long)lost, lost == 1 ? "" : "s");
    clew__spool_file_close(&slot->file);
    clew__spool_set_aside(spool->path, slot->name);
    close_slot(spool, slot);
}

static struct slot *free_slot(struct clew__spool *spool) {
    for (size_t i = 0; i < DRAINED_MAX; i++)
        if (!spool->slots[i].open)
            return &spool->slots[i];
    return NULL;
}

/* One's own file is not written to any more, and is drained like others. */
static void retire_own(struct clew__spool *spool) {
    struct slot *own = &spool->slots[OWN], *place = free_slot(spool);
    if (!own->open)
        return;
    if (!place) {
        set_aside(spool, own);
        return;
    }
    *place = *own;
    if (spool->current == own)
        spool->current = place;
    memset(own, 0, sizeof *own);
    own->lock.fd = -1;
}

static void file_failed(struct clew__spool *spool, struct slot *slot, int error) {
    if (error != CLEW_EFORMAT || slot->file.damaged)
        return;
    slot->file.damaged = true;
    clew_log(CLEW_LOG_ERROR, "spool_damaged", "%s/%s.db is damaged (%s); what can be read of it is sent",
             spool->path, slot->name, sqlite3_errstr(slot->file.error));
    if (slot == &spool->slots[OWN])
        retire_own(spool);
}

/* Somebody has removed the file under our hands: what was in it is gone. */
static bool is_gone(struct clew__spool *spool, struct slot *slot) {
    if (clew__spool_inode(spool->path, slot->name) == slot->inode)
        return false;
    spool->books.dropped_corrupt += slot->file.waiting;
    clew_log(CLEW_LOG_ERROR, "spool_gone", "%s/%s.db was removed by somebody: %llu spans lost", spool->path,
             slot->name, (unsigned long long)slot->file.waiting);
    close_slot(spool, slot);
    return true;
}

/* The host has closed what is not its own: SQLite would read, write and close whatever has the numbers now.
 * The lock's descriptor came with the others and speaks for them. What was in such a file stays on disk for
 * whoever comes next: this process could not even open it again, for SQLite believes to hold its locks. */
static void leave_lost_files(struct clew__spool *spool) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &spool->slots[i];
        if (!slot->open || clew__descriptor_is_ours(&slot->lock))
            continue;
        spool->books.dropped_corrupt += slot->file.waiting;
        clew_log(CLEW_LOG_ERROR, "spool_lost",
                 "the descriptors of %s/%s.db were closed by the program: %llu spans stay on disk until the "
                 "next start",
                 spool->path, slot->name, (unsigned long long)slot->file.waiting);
        clew__spool_names_add(&spool->unreadable, slot->name);
        if (spool->current == slot)
            spool->current = NULL;
        memset(slot, 0, sizeof *slot);
        slot->lock.fd = -1;
    }
}

static bool find_directory(struct clew__spool *spool) {
    char reason[128];
    struct stat info;
    int error;
    if (spool->path && lstat(spool->path, &info) == 0)
        return true;
    for (size_t i = 0; i < SLOTS && spool->path; i++)
        if (spool->slots[i].open)
            is_gone(spool, &spool->slots[i]);
    clew_memory_release(spool->path);
    spool->path = NULL;
    error = clew__spool_directory(spool->given, &spool->path, reason, sizeof reason);
    if (error == CLEW_EIO)
        clew_log(CLEW_LOG_ERROR, "spool_directory", "the spool %s cannot be used: %s", spool->given, reason);
    return error == CLEW_OK;
}

/* SQLite would make a file that others can read. */
static bool touch(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static int begin_own(struct clew__spool *spool) {
    struct slot *own = &spool->slots[OWN];
    char *path;
    int error = clew__spool_lock_new(spool->path, own->name, &own->lock);
    if (error != CLEW_OK) {
        clew_log(CLEW_LOG_ERROR, "spool_begin", "nothing can be stored in %s: %s", spool->path,
                 strerror(errno));
        return error;
    }
    path = clew__spool_path(spool->path, own->name, ".db");
    error = !path ? CLEW_ENOMEM : touch(path) ? clew__spool_file_open(&own->file, path, true) : CLEW_EIO;
    if (error == CLEW_OK) {
        own->open = true;
        own->inode = clew__spool_inode(spool->path, own->name);
    } else {
        if (error == CLEW_EIO)
            clew_log(CLEW_LOG_ERROR, "spool_begin", "nothing can be stored in %s: %s", spool->path,
                     own->file.error ? sqlite3_errstr(own->file.error) : strerror(errno));
        remove_slot(spool, own);
    }
    clew_memory_release(path);
    return error;
}

/* ---- life ---- */

struct clew__spool *clew__spool_new(const char *directory, uint64_t quota) {
    struct clew__spool *spool = clew_memory_allocate(sizeof *spool);
    if (!spool)
        return NULL;
    memset(spool, 0, sizeof *spool);
    for (size_t i = 0; i < SLOTS; i++)
        spool->slots[i].lock.fd = -1;
    spool->quota = spool->books.quota = quota;
    spool->given = clew_memory_copy_text(directory, strlen(directory));
    if (!spool->given) {
        clew_memory_release(spool);
        return NULL;
    }
    return spool;
}

static void remove_settled(struct clew__spool *spool, struct slot *slot);

void clew__spool_close(struct clew__spool *spool) {
    leave_lost_files(spool);
    for (size_t i = 0; i < SLOTS; i++) {
        if (spool->slots[i].open)
            remove_settled(spool, &spool->slots[i]);
        if (spool->slots[i].open)
            close_slot(spool, &spool->slots[i]);
    }
}

void clew__spool_free(struct clew__spool *spool) {
    clew_memory_release(spool->path);
    clew_memory_release(spool->given);
    clew_memory_release(spool);
}

void clew__spool_forget(struct clew__spool *spool, bool quiet) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &spool->slots[i];
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
    uint64_t need = clew__spool_file_growth(&spool->slots[OWN].file, bytes) + clew__spool_log_growth(bytes);
    uint64_t used = clew__spool_usage(spool->path);
    return used <= spool->quota && need <= spool->quota - used;
}

/* Makes room in one file; the oldest go. */
static bool drop_from(struct clew__spool *spool, struct slot *slot, uint64_t bytes) {
    uint64_t dropped = 0;
    if (slot->file.damaged || clew__spool_file_drop(&slot->file, bytes, &dropped) != CLEW_OK)
        return false;
    spool->books.dropped_quota += dropped;
    if (dropped)
        clew_log(CLEW_LOG_WARN, "spool_quota", "%llu spans dropped: the oldest ones, for the spool is full",
                 (unsigned long long)dropped);
    clew__spool_file_compact(&slot->file, slot != &spool->slots[OWN]);
    if (slot == &spool->slots[OWN] && !fits(spool, bytes))
        clew__spool_file_compact(&slot->file, true);
    return fits(spool, bytes);
}

static bool make_room(struct clew__spool *spool, uint64_t bytes) {
    if (2 * bytes + EMPTY_BYTES > spool->quota)
        return false; /* there never will be */
    if (fits(spool, bytes))
        return true;
    for (size_t i = 0; i < SLOTS; i++)
        if (spool->slots[i].open && !spool->slots[i].file.damaged)
            clew__spool_file_compact(&spool->slots[i].file, i != OWN);
    if (fits(spool, bytes))
        return true;
    clew__spool_forget_corrupt(spool->path);
    for (size_t i = 0; i < SLOTS; i++)
        if (spool->slots[i].open && drop_from(spool, &spool->slots[i], bytes))
            return true;
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
    struct slot *own = &spool->slots[OWN];
    uint64_t bytes = bytes_of(items, count);
    int error;
    if (own->open && !is_gone(spool, own) && own->file.damaged)
        retire_own(spool);
    if (!own->open && (error = begin_own(spool)) != CLEW_OK)
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
        retire_own(spool);
    else
        file_failed(spool, own, error);
    return error;
}

void clew__spool_store(struct clew__spool *spool, struct clew__spool_item *items, size_t count,
                       uint64_t now) {
    uint64_t spans = 0;
    int error = CLEW_EIO;
    for (size_t i = 0; i < count; i++)
        spans += items[i].spans;
    leave_lost_files(spool);
    if (now >= spool->retry_nano && find_directory(spool)) {
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
    if (spool->path && spool->slots[OWN].open && spool->slots[OWN].file.batches == 0)
        remove_settled(spool, &spool->slots[OWN]);
}

/* ---- adopting ---- */

static bool adopt_one(struct clew__spool *spool, struct slot *slot) {
    char *path;
    int error;
    if (!clew__spool_find_orphan(spool->path, &spool->unreadable, slot->name, &slot->lock))
        return false;
    path = clew__spool_path(spool->path, slot->name, ".db");
    error = path ? clew__spool_file_open(&slot->file, path, false) : CLEW_ENOMEM;
    clew_memory_release(path);
    if (error == CLEW_EFORMAT) {
        clew__spool_names_add(&spool->unreadable, slot->name); /* should it not go away */
        set_aside(spool, slot);
        return true;
    }
    if (error != CLEW_OK) {
        if (error == CLEW_EIO) {
            clew_log(CLEW_LOG_ERROR, "spool_adopt", "%s/%s.db cannot be opened: %s", spool->path, slot->name,
                     sqlite3_errstr(slot->file.error));
            clew__spool_names_add(&spool->unreadable, slot->name);
        }
        close_slot(spool, slot);
        return error == CLEW_EIO;
    }
    slot->open = true;
    slot->inode = clew__spool_inode(spool->path, slot->name);
    spool->books.adopted += slot->file.waiting;
    if (slot->file.waiting)
        clew_log(CLEW_LOG_INFO, "spool_adopted", "%llu spans were left behind in %s and will be sent",
                 (unsigned long long)slot->file.waiting, spool->path);
    remove_settled(spool, slot);
    return true;
}

uint64_t clew__spool_tend(struct clew__spool *spool, uint64_t now) {
    struct slot *slot;
    if (now < spool->tend_nano)
        return spool->tend_nano;
    spool->tend_nano = now + TEND_NANO;
    leave_lost_files(spool);
    if (!find_directory(spool))
        return spool->tend_nano;
    for (int i = 0; i < ADOPTED_AT_ONCE && (slot = free_slot(spool)) != NULL; i++)
        if (!adopt_one(spool, slot))
            break;
    return spool->tend_nano;
}

/* ---- draining ---- */

/* Removes what is done with from the file, or the file when there is nothing else in it. */
static void remove_settled(struct clew__spool *spool, struct slot *slot) {
    int error = CLEW_OK;
    if (slot->file.batches == 0) {
        bool was_full = slot != &spool->slots[OWN] && !free_slot(spool);
        /* A damaged tree can show other rows, or numbers, when it is read in another way than when it was
         * counted. */
        spool->books.dropped_corrupt += slot->file.waiting;
        remove_slot(spool, slot);
        if (was_full)
            spool->tend_nano = 0; /* the next one can be adopted */
        return;
    }
    if (slot->done && !slot->file.damaged)
        error = clew__spool_file_advance(&slot->file, slot->done, 0);
    if (error == CLEW_OK)
        slot->done = 0;
    else
        file_failed(spool, slot, error);
}

/* The oldest batch of one file; false: none. May take the file away. */
static bool oldest_of(struct clew__spool *spool, struct slot *slot, struct clew__spool_record *out) {
    int error = clew__spool_file_oldest(&slot->file, out);
    if (error == CLEW_OK)
        return true;
    if (error == CLEW_ESHUTDOWN && slot->file.batches == 0)
        remove_settled(spool, slot);
    else if (error == CLEW_ESHUTDOWN || error == CLEW_EFORMAT)
        set_aside(spool, slot); /* there should have been more */
    return false;
}

static struct slot *find_oldest(struct clew__spool *spool, struct clew__spool_record *out) {
    struct slot *oldest = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &spool->slots[i];
        struct clew__spool_record record;
        if (!slot->open || !oldest_of(spool, slot, &record))
            continue;
        if (!oldest || record.time_nano < out->time_nano) {
            oldest = slot;
            *out = record;
        }
    }
    return oldest;
}

static void subtract(struct slot *slot, uint64_t spans) {
    slot->file.waiting -= spans < slot->file.waiting ? spans : slot->file.waiting;
    slot->file.batches -= slot->file.batches > 0;
}

/* A batch whose bytes are not those that were stored. */
static void drop_corrupt(struct clew__spool *spool, struct slot *slot,
                         const struct clew__spool_record *record) {
    uint64_t lost = record->spans < slot->file.waiting ? record->spans : slot->file.waiting;
    spool->books.dropped_corrupt += lost;
    clew_log(CLEW_LOG_ERROR, "spool_record", "a batch of %llu spans in %s/%s.db is damaged and lost",
             (unsigned long long)lost, spool->path, slot->name);
    subtract(slot, record->spans);
    slot->file.read_to = slot->done = record->id;
    remove_settled(spool, slot);
}

/* Removes what was settled and marks the batch in one transaction. A disk that is full does not keep it from
 * being sent: that is how it gets empty. */
static void mark(struct clew__spool *spool, struct slot *slot, const struct clew__spool_record *record) {
    int error;
    for (size_t i = 0; i < SLOTS; i++)
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
    struct slot *slot;
    if (!spool->path)
        return false;
    leave_lost_files(spool);
    while ((slot = find_oldest(spool, record)) != NULL) {
        int error = clew__spool_file_read(&slot->file, record);
        if (error == CLEW_EFORMAT) {
            drop_corrupt(spool, slot, record);
            continue;
        }
        if (error != CLEW_OK)
            return false;
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
    struct slot *slot;
    uint64_t spans = spool->taken.spans;
    leave_lost_files(spool);
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
    struct slot *slot = spool->current;
    if (!slot)
        return;
    spool->current = NULL;
    slot->file.read_to = spool->taken.id - 1;
    slot->fresh = may_have_arrived || spool->taken.tried ? 0 : spool->taken.id;
}

/* ---- books ---- */

uint64_t clew__spool_waiting(const struct clew__spool *spool) {
    uint64_t waiting = 0;
    for (size_t i = 0; i < SLOTS; i++)
        waiting += spool->slots[i].open ? spool->slots[i].file.waiting : 0;
    return waiting;
}

void clew__spool_books(struct clew__spool *spool, clew_spool_stats *out) {
    *out = spool->books;
    out->waiting = clew__spool_waiting(spool);
    out->bytes = spool->path ? clew__spool_usage(spool->path) : 0;
}
