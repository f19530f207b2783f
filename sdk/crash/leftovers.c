/* Owns the descriptors and locks of the files it has found. One thread at a time. */
#include "sdk/crash/leftovers.h"

#include "sdk/base/clock.h"
#include "sdk/crash/crash_file.h"
#include "sdk/crash/recover.h"

#include <clew/extend.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Small requests: live spans wait for one at most. */
#define REQUEST_BYTES ((size_t)1 << 20)
#define REQUEST_SPANS 512u
#define PAUSE_NANO (60 * CLEW__NANO_PER_SECOND)

struct leftover {
    char name[CLEW__CRASH_NAME_SIZE];
    struct clew__descriptor file;
    struct timespec modified;
};

struct clew__leftovers {
    struct clew__descriptor directory;
    struct leftover files[CLEW__LEFTOVERS_MAX];
    size_t count, at;
    struct clew__recovery *recovery; /* of files[at]; NULL: not opened */
    uint64_t pause_until;
    uint64_t sent; /* spans of that file */
};

static void drop_file(struct clew__leftovers *leftovers, struct leftover *file, bool remove) {
    if (remove && clew__descriptor_is_ours(&leftovers->directory))
        clew__crash_remove(leftovers->directory.fd, file->name, &file->file);
    clew__descriptor_close(&file->file);
}

static bool is_older(const struct leftover *a, const struct leftover *b) {
    if (a->modified.tv_sec != b->modified.tv_sec)
        return a->modified.tv_sec < b->modified.tv_sec;
    return a->modified.tv_nsec < b->modified.tv_nsec;
}

/* In the place of the oldest when there are too many. */
static void keep(struct clew__leftovers *leftovers, const struct leftover *found) {
    struct leftover surplus = *found, *oldest = &leftovers->files[0];
    if (leftovers->count < CLEW__LEFTOVERS_MAX) {
        leftovers->files[leftovers->count++] = *found;
        return;
    }
    for (size_t i = 1; i < leftovers->count; i++)
        if (is_older(&leftovers->files[i], oldest))
            oldest = &leftovers->files[i];
    if (is_older(oldest, found)) {
        surplus = *oldest;
        *oldest = *found;
    }
    clew_log(CLEW_LOG_WARN, "crash.many", "more than %d crash files: the spans in %s are lost",
             CLEW__LEFTOVERS_MAX, surplus.name);
    drop_file(leftovers, &surplus, true);
}

static void say_useless(const char *name, enum clew__recovery_status status) {
    if (status == CLEW__RECOVERY_BAD)
        clew_log(CLEW_LOG_WARN, "crash.bad", "%s is no crash file; it is left alone", name);
    if (status == CLEW__RECOVERY_FOREIGN)
        clew_log(CLEW_LOG_WARN, "crash.foreign",
                 "%s was written by another version; `clew recover` of that one reads it", name);
    if (status == CLEW__RECOVERY_FAILED)
        clew_log(CLEW_LOG_WARN, "crash.read", "%s cannot be read: %s", name, strerror(errno));
}

static void look_at(struct clew__leftovers *leftovers, const char *name) {
    enum clew__recovery_status recovery;
    struct leftover found;
    struct stat status;
    uint32_t pid;
    if (!clew__crash_is_name(name) ||
        clew__crash_open(leftovers->directory.fd, name, &found.file, &pid) != CLEW__CRASH_DEAD)
        return;
    strcpy(found.name, name);
    if (fstat(found.file.fd, &status) != 0 || status.st_uid != geteuid()) {
        clew__descriptor_close(&found.file);
        return;
    }
    found.modified = status.st_mtim;
    recovery = clew__recovery_look(found.file.fd);
    if (recovery == CLEW__RECOVERY_OK) {
        keep(leftovers, &found);
        return;
    }
    say_useless(name, recovery);
    drop_file(leftovers, &found, recovery == CLEW__RECOVERY_EMPTY);
}

struct clew__leftovers *clew__leftovers_find(const char *path) {
    struct clew__leftovers *leftovers = clew_memory_allocate(sizeof *leftovers);
    struct dirent *entry;
    DIR *listing;
    int copy;
    if (!leftovers)
        return NULL;
    memset(leftovers, 0, sizeof *leftovers);
    leftovers->directory = clew__descriptor_of(clew__crash_directory_make(path));
    copy = leftovers->directory.fd < 0 ? -1 : fcntl(leftovers->directory.fd, F_DUPFD_CLOEXEC, 0);
    listing = copy < 0 ? NULL : fdopendir(copy);
    while (listing && (entry = readdir(listing)) != NULL)
        look_at(leftovers, entry->d_name);
    if (listing)
        closedir(listing);
    else if (copy >= 0)
        close(copy);
    if (leftovers->count > 0)
        return leftovers;
    clew__leftovers_free(leftovers);
    return NULL;
}

static void say_sent(const struct clew__leftovers *leftovers, const char *name) {
    uint64_t damaged = clew__recovery_damaged(leftovers->recovery);
    if (leftovers->sent)
        clew_log(CLEW_LOG_INFO, "crash.recovered", "%llu span%s recovered from %s, of process %u",
                 (unsigned long long)leftovers->sent, leftovers->sent == 1 ? "" : "s", name,
                 (unsigned)clew__recovery_pid(leftovers->recovery));
    if (damaged)
        clew_log(CLEW_LOG_WARN, "crash.damaged", "%llu damaged record%s in %s lost",
                 (unsigned long long)damaged, damaged == 1 ? "" : "s", name);
}

/* Done with the file at hand. */
static void next_file(struct clew__leftovers *leftovers, bool remove) {
    struct leftover *file = &leftovers->files[leftovers->at];
    if (leftovers->recovery)
        say_sent(leftovers, file->name);
    clew__recovery_free(leftovers->recovery);
    leftovers->recovery = NULL;
    leftovers->sent = 0;
    drop_file(leftovers, file, remove);
    leftovers->at++;
}

static void pause_now(struct clew__leftovers *leftovers, uint64_t now) {
    leftovers->pause_until = now + PAUSE_NANO;
    /* What has its fate is marked in the file: opened anew, the rest comes again. */
    clew__recovery_free(leftovers->recovery);
    leftovers->recovery = NULL;
}

/* Opens the file at hand; false when it is of no use. */
static bool open_file(struct clew__leftovers *leftovers) {
    const struct leftover *file = &leftovers->files[leftovers->at];
    enum clew__recovery_status status = clew__recovery_open(file->file.fd, &leftovers->recovery);
    if (status == CLEW__RECOVERY_OK)
        return true;
    say_useless(file->name, status);
    next_file(leftovers, false);
    return false;
}

/* Hosts close descriptors that are not theirs. What is left of the file is for the next start. */
static bool has_file(struct clew__leftovers *leftovers) {
    const struct leftover *file = &leftovers->files[leftovers->at];
    if (clew__descriptor_is_ours(&file->file))
        return true;
    clew_log(CLEW_LOG_WARN, "crash.closed", "%s was closed by the program; the next start goes on with it",
             file->name);
    next_file(leftovers, false);
    return false;
}

bool clew__leftovers_next(struct clew__leftovers *leftovers, uint64_t now, clew_bytes *request, size_t *spans,
                          uint64_t *wake) {
    while (leftovers->at < leftovers->count) {
        bool failed;
        if (now < leftovers->pause_until) {
            if (leftovers->pause_until < *wake)
                *wake = leftovers->pause_until;
            return false;
        }
        if (!has_file(leftovers) || (!leftovers->recovery && !open_file(leftovers)))
            continue;
        if (clew__recovery_next(leftovers->recovery, REQUEST_BYTES, REQUEST_SPANS, request, spans, &failed))
            return true;
        if (failed)
            pause_now(leftovers, now);
        else if (has_file(leftovers))
            next_file(leftovers, true);
    }
    return false;
}

void clew__leftovers_concluded(struct clew__leftovers *leftovers, size_t spans, bool has_fate) {
    if (!has_fate) {
        pause_now(leftovers, clew__monotonic_nano());
        return;
    }
    leftovers->sent += spans;
    if (!clew__recovery_confirm(leftovers->recovery))
        clew_log(CLEW_LOG_WARN, "crash.confirm", "cannot write to %s: its spans may be sent twice",
                 leftovers->files[leftovers->at].name);
}

void clew__leftovers_free(struct clew__leftovers *leftovers) {
    if (!leftovers)
        return;
    clew__recovery_free(leftovers->recovery);
    leftovers->recovery = NULL;
    clew__leftovers_forget(leftovers);
    clew_memory_release(leftovers);
}

void clew__leftovers_forget(struct clew__leftovers *leftovers) {
    for (size_t i = leftovers->at; i < leftovers->count; i++)
        clew__descriptor_close(&leftovers->files[i].file);
    leftovers->count = leftovers->at = 0;
    clew__descriptor_close(&leftovers->directory);
}
