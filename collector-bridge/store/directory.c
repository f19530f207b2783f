/* Names, locks and sizes in the directory of a spool. Owns nothing but what it is given. Any thread; never in
 * a signal handler. Locks are those of flock(2): a file of its own carries them, because closing any
 * descriptor of a database takes SQLite's own locks on it away. */
#include "collector-bridge/store/directory.h"

#include <clew/extend.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "spool-"
#define NAME_LENGTH (CLEW__SPOOL_NAME_SIZE - 1)
/* New names are as good as never taken; a directory in which locks do not work ends the search. */
#define NAME_TRIES 8
/* A directory full of foreign files must not keep us busy. */
#define ENTRIES_MAX 65536u

static const char *const suffixes[] = {".db", ".db-wal", ".db-shm", ".db-journal", ".lock", ".corrupt"};
#define SUFFIXES (sizeof suffixes / sizeof *suffixes)

/* ---- the directory ---- */

static bool check_directory(const struct stat *info, char *reason, size_t size) {
    const char *why = NULL;
    if (S_ISLNK(info->st_mode))
        why = "it is a symbolic link";
    else if (!S_ISDIR(info->st_mode))
        why = "it is no directory";
    else if (info->st_uid != geteuid())
        why = "it belongs to somebody else";
    else if (info->st_mode & (S_IWGRP | S_IWOTH))
        why = "others may write to it";
    snprintf(reason, size, "%s", why ? why : "");
    return !why;
}

int clew__spool_directory(const char *path, char **resolved, char *reason, size_t reason_size) {
    struct stat info;
    char *found;
    if ((mkdir(path, S_IRWXU) != 0 && errno != EEXIST) || lstat(path, &info) != 0) {
        snprintf(reason, reason_size, "%s", strerror(errno));
        return CLEW_EIO;
    }
    if (!check_directory(&info, reason, reason_size))
        return CLEW_EIO;
    found = realpath(path, NULL);
    if (!found) {
        snprintf(reason, reason_size, "%s", strerror(errno));
        return errno == ENOMEM ? CLEW_ENOMEM : CLEW_EIO;
    }
    *resolved = clew_memory_copy_text(found, strlen(found));
    free(found); /* the C library's */
    return *resolved ? CLEW_OK : CLEW_ENOMEM;
}

char *clew__spool_path(const char *directory, const char *name, const char *suffix) {
    size_t size = strlen(directory) + strlen(name) + strlen(suffix) + 2;
    char *path = clew_memory_allocate(size);
    if (path)
        snprintf(path, size, "%s/%s%s", directory, name, suffix);
    return path;
}

/* ---- entries ---- */

/* The suffix of an entry of ours, NULL for others. */
static const char *suffix_of(const char *entry) {
    size_t prefix = sizeof PREFIX - 1;
    if (strncmp(entry, PREFIX, prefix) != 0 ||
        strspn(entry + prefix, "0123456789abcdef") != NAME_LENGTH - prefix)
        return NULL;
    for (size_t i = 0; i < SUFFIXES; i++)
        if (strcmp(entry + NAME_LENGTH, suffixes[i]) == 0)
            return suffixes[i];
    return NULL;
}

/* The next entry of ours that is a regular file of ours; its name and suffix, and what fstatat says of it. */
static const char *next_entry(DIR *stream, unsigned *seen, char name[CLEW__SPOOL_NAME_SIZE],
                              struct stat *info) {
    const struct dirent *entry;
    while ((*seen)++ < ENTRIES_MAX && (entry = readdir(stream)) != NULL) {
        const char *suffix = suffix_of(entry->d_name);
        if (!suffix || fstatat(dirfd(stream), entry->d_name, info, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(info->st_mode) || info->st_uid != geteuid())
            continue;
        memcpy(name, entry->d_name, NAME_LENGTH);
        name[NAME_LENGTH] = '\0';
        return suffix;
    }
    return NULL;
}

uint64_t clew__spool_usage(const char *directory) {
    char name[CLEW__SPOOL_NAME_SIZE];
    struct stat info;
    unsigned seen = 0;
    uint64_t bytes = 0;
    DIR *stream = opendir(directory);
    if (!stream)
        return 0;
    while (next_entry(stream, &seen, name, &info))
        bytes += info.st_size > 0 ? (uint64_t)info.st_size : 0;
    closedir(stream);
    return bytes;
}

static int look(const char *directory, const char *name, const char *suffix, struct stat *info) {
    char *path = clew__spool_path(directory, name, suffix);
    int result = path ? lstat(path, info) : -1;
    clew_memory_release(path);
    return result;
}

ino_t clew__spool_inode(const char *directory, const char *name) {
    struct stat info;
    if (look(directory, name, ".db", &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid())
        return 0;
    return info.st_ino;
}

static void remove_one(const char *directory, const char *name, const char *suffix) {
    char *path = clew__spool_path(directory, name, suffix);
    if (path)
        unlink(path);
    clew_memory_release(path);
}

static void remove_beside(const char *directory, const char *name) {
    remove_one(directory, name, ".db-wal");
    remove_one(directory, name, ".db-shm");
    remove_one(directory, name, ".db-journal");
}

/* The database first: a log without one says nothing, a database without its log may lack what was stored. */
void clew__spool_remove(const char *directory, const char *name) {
    remove_one(directory, name, ".db");
    remove_beside(directory, name);
}

/* ---- what was set aside ---- */

/* Removes the oldest of them until no more than `keep` are there. */
static void thin_out(const char *directory, unsigned keep) {
    for (;;) {
        char name[CLEW__SPOOL_NAME_SIZE], oldest[CLEW__SPOOL_NAME_SIZE] = "";
        struct stat info;
        struct timespec age = {0, 0};
        unsigned seen = 0, count = 0;
        DIR *stream = opendir(directory);
        const char *suffix;
        if (!stream)
            return;
        while ((suffix = next_entry(stream, &seen, name, &info)) != NULL) {
            if (strcmp(suffix, ".corrupt") != 0)
                continue;
            if (count++ == 0 || info.st_mtim.tv_sec < age.tv_sec ||
                (info.st_mtim.tv_sec == age.tv_sec && info.st_mtim.tv_nsec < age.tv_nsec)) {
                age = info.st_mtim;
                memcpy(oldest, name, sizeof oldest);
            }
        }
        closedir(stream);
        if (count <= keep)
            return;
        remove_one(directory, oldest, ".corrupt");
        if (look(directory, oldest, ".corrupt", &info) == 0)
            return; /* it cannot be removed */
    }
}

void clew__spool_set_aside(const char *directory, const char *name) {
    char *from = clew__spool_path(directory, name, ".db");
    char *to = clew__spool_path(directory, name, ".corrupt");
    if (!from || !to || rename(from, to) != 0)
        remove_one(directory, name, ".db");
    clew_memory_release(from);
    clew_memory_release(to);
    remove_beside(directory, name);
    thin_out(directory, CLEW__SPOOL_CORRUPT_KEPT);
}

void clew__spool_forget_corrupt(const char *directory) {
    thin_out(directory, 0);
}

/* ---- locks ---- */

void clew__spool_lock_drop(const char *directory, const char *name, struct clew__descriptor *lock) {
    if (clew__descriptor_is_ours(lock))
        remove_one(directory, name, ".lock");
    clew__descriptor_close(lock);
}

/* True when the file is locked and still has its name: its last owner may have removed it between our open
 * and our lock. */
static bool lock_file(int fd, const char *path, struct clew__descriptor *lock) {
    struct stat open_info, named_info;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &open_info) != 0 || lstat(path, &named_info) != 0 ||
        open_info.st_dev != named_info.st_dev || open_info.st_ino != named_info.st_ino)
        return false;
    *lock = (struct clew__descriptor){fd, open_info.st_dev, open_info.st_ino};
    return true;
}

static bool take(const char *directory, const char *name, int flags, struct clew__descriptor *lock) {
    char *path = clew__spool_path(directory, name, ".lock");
    int fd =
        path ? open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, S_IRUSR | S_IWUSR)
             : -1;
    bool taken = fd >= 0 && lock_file(fd, path, lock);
    int error = errno;
    clew_memory_release(path);
    if (!taken && fd >= 0)
        close(fd);
    errno = error;
    return taken;
}

bool clew__spool_lock_take(const char *directory, const char *name, struct clew__descriptor *lock) {
    return take(directory, name, 0, lock);
}

int clew__spool_lock_new(const char *directory, char name[CLEW__SPOOL_NAME_SIZE],
                         struct clew__descriptor *lock) {
    for (int i = 0; i < NAME_TRIES; i++) {
        uint64_t bits;
        errno = EAGAIN;
        if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
            continue;
        snprintf(name, CLEW__SPOOL_NAME_SIZE, PREFIX "%016llx", (unsigned long long)bits);
        if (take(directory, name, O_EXCL, lock))
            return CLEW_OK;
    }
    return CLEW_EIO;
}

/* An entry whose owner is gone, or that never came to be. */
static void sweep(const char *directory, const char *name) {
    struct clew__descriptor lock;
    struct stat info;
    if (look(directory, name, ".db", &info) == 0 || !take(directory, name, 0, &lock))
        return;
    if (look(directory, name, ".db", &info) != 0) { /* again, now that nobody can begin one */
        remove_beside(directory, name);
        clew__spool_lock_drop(directory, name, &lock);
    } else {
        clew__descriptor_close(&lock);
    }
}

#define NAMES_MAX (sizeof((struct clew__spool_names *)NULL)->at / CLEW__SPOOL_NAME_SIZE)

void clew__spool_names_add(struct clew__spool_names *names, const char *name) {
    memcpy(names->at[names->count++ % NAMES_MAX], name, CLEW__SPOOL_NAME_SIZE);
}

static bool is_among(const struct clew__spool_names *names, const char *name) {
    size_t count = names->count < NAMES_MAX ? names->count : NAMES_MAX;
    for (size_t i = 0; i < count; i++)
        if (strcmp(names->at[i], name) == 0)
            return true;
    return false;
}

bool clew__spool_find_orphan(const char *directory, const struct clew__spool_names *except,
                             char found[CLEW__SPOOL_NAME_SIZE], struct clew__descriptor *lock) {
    char name[CLEW__SPOOL_NAME_SIZE];
    struct timespec age = {0, 0};
    struct stat info;
    unsigned seen = 0;
    const char *suffix;
    bool have = false;
    DIR *stream = opendir(directory);
    if (!stream)
        return false;
    while ((suffix = next_entry(stream, &seen, name, &info)) != NULL) {
        struct clew__descriptor candidate;
        if (strcmp(suffix, ".corrupt") == 0)
            continue;
        if (strcmp(suffix, ".db") != 0) {
            sweep(directory, name);
            continue;
        }
        if (have && (info.st_mtim.tv_sec > age.tv_sec ||
                     (info.st_mtim.tv_sec == age.tv_sec && info.st_mtim.tv_nsec >= age.tv_nsec)))
            continue;
        if (is_among(except, name) || !take(directory, name, 0, &candidate))
            continue;
        if (clew__spool_inode(directory, name) == 0) { /* drained and removed meanwhile */
            clew__spool_lock_drop(directory, name, &candidate);
            continue;
        }
        if (have)
            clew__descriptor_close(lock);
        have = true;
        age = info.st_mtim;
        *lock = candidate;
        memcpy(found, name, CLEW__SPOOL_NAME_SIZE);
    }
    closedir(stream);
    return have;
}
