/* Owns how the files of a spool are opened and given up. The spool's thread. */
#include "collector-bridge/store/spool_slots.h"

#include <clew/extend.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void clew__slot_close(struct clew__spool *spool, struct clew__slot *slot) {
    if (spool->current == slot)
        spool->current = NULL;
    clew__spool_file_close(&slot->file);
    clew__spool_lock_drop(spool->path, slot->name, &slot->lock);
    memset(slot, 0, sizeof *slot);
    slot->lock.fd = -1;
}

void clew__slot_remove(struct clew__spool *spool, struct clew__slot *slot) {
    clew__spool_file_close(&slot->file);
    clew__spool_remove(spool->path, slot->name);
    clew__slot_close(spool, slot);
}

void clew__slot_set_aside(struct clew__spool *spool, struct clew__slot *slot) {
    uint64_t lost = slot->file.waiting;
    spool->books.dropped_corrupt += lost;
    clew_log(CLEW_LOG_ERROR, "spool_corrupt", "%s/%s.db is damaged: %llu span%s lost; it is kept as .corrupt",
             spool->path, slot->name, (unsigned long long)lost, lost == 1 ? "" : "s");
    clew__spool_file_close(&slot->file);
    clew__spool_set_aside(spool->path, slot->name);
    clew__slot_close(spool, slot);
}

struct clew__slot *clew__slots_free(struct clew__spool *spool) {
    for (size_t i = 0; i < CLEW__SLOTS_DRAINED; i++)
        if (!spool->slots[i].open)
            return &spool->slots[i];
    return NULL;
}

void clew__slots_retire_own(struct clew__spool *spool) {
    struct clew__slot *own = &spool->slots[CLEW__SLOT_OWN], *place = clew__slots_free(spool);
    if (!own->open)
        return;
    if (!place) {
        clew__slot_set_aside(spool, own);
        return;
    }
    *place = *own;
    if (spool->current == own)
        spool->current = place;
    memset(own, 0, sizeof *own);
    own->lock.fd = -1;
}

void clew__slot_failed(struct clew__spool *spool, struct clew__slot *slot, int error) {
    if (error != CLEW_EFORMAT || slot->file.damaged)
        return;
    slot->file.damaged = true;
    clew_log(CLEW_LOG_ERROR, "spool_damaged", "%s/%s.db is damaged (%s); what can be read of it is sent",
             spool->path, slot->name, sqlite3_errstr(slot->file.error));
    if (slot == &spool->slots[CLEW__SLOT_OWN])
        clew__slots_retire_own(spool);
}

bool clew__slot_is_gone(struct clew__spool *spool, struct clew__slot *slot) {
    if (clew__spool_inode(spool->path, slot->name) == slot->inode)
        return false;
    spool->books.dropped_corrupt += slot->file.waiting;
    clew_log(CLEW_LOG_ERROR, "spool_gone", "%s/%s.db was removed by somebody: %llu span%s lost", spool->path,
             slot->name, (unsigned long long)slot->file.waiting, slot->file.waiting == 1 ? "" : "s");
    clew__slot_close(spool, slot);
    return true;
}

/* The host has closed what is not its own: SQLite would read, write and close whatever has the numbers now.
 * The lock's descriptor came with the others and speaks for them. What was in such a file stays on disk for
 * whoever comes next: this process could not even open it again, for SQLite believes to hold its locks. */
void clew__slots_leave_lost(struct clew__spool *spool) {
    for (size_t i = 0; i < CLEW__SLOTS; i++) {
        struct clew__slot *slot = &spool->slots[i];
        if (!slot->open || clew__descriptor_is_ours(&slot->lock))
            continue;
        spool->books.dropped_corrupt += slot->file.waiting;
        clew_log(CLEW_LOG_ERROR, "spool_lost",
                 "the descriptors of %s/%s.db were closed by the program: on disk until the next start: %llu "
                 "span%s",
                 spool->path, slot->name, (unsigned long long)slot->file.waiting,
                 slot->file.waiting == 1 ? "" : "s");
        clew__spool_names_add(&spool->unreadable, slot->name);
        if (spool->current == slot)
            spool->current = NULL;
        memset(slot, 0, sizeof *slot);
        slot->lock.fd = -1;
    }
}

bool clew__slots_find_directory(struct clew__spool *spool) {
    char reason[128];
    struct stat info;
    int error;
    if (spool->path && lstat(spool->path, &info) == 0)
        return true;
    for (size_t i = 0; i < CLEW__SLOTS && spool->path; i++)
        if (spool->slots[i].open)
            clew__slot_is_gone(spool, &spool->slots[i]);
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

int clew__slots_begin_own(struct clew__spool *spool) {
    struct clew__slot *own = &spool->slots[CLEW__SLOT_OWN];
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
        clew__slot_remove(spool, own);
    }
    clew_memory_release(path);
    return error;
}
