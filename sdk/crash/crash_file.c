/* Owns no state: directories and files are the caller's. Any thread. */
#include "sdk/crash/crash_file.h"

#include "sdk/base/random.h"
#include "sdk/crash/crash_layout.h"

#include <clew/extend.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "clew-"
#define SUFFIX ".crash"
#define LABEL_MAX 40
#define TRIES 8

int clew__crash_directory_make(const char *path) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return clew__crash_directory_open(path);
    clew_log(CLEW_LOG_ERROR, "crash", "no crash files in %s: it cannot be made: %s", path, strerror(errno));
    return -1;
}

int clew__crash_directory_open(const char *path) {
    const char *why = NULL;
    struct stat status;
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0 || fstat(directory, &status) != 0)
        why = strerror(errno);
    else if (status.st_uid != geteuid())
        why = "it belongs to somebody else";
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        why = "others may write to it";
    if (!why)
        return directory;
    clew_log(CLEW_LOG_ERROR, "crash", "no crash files in %s: %s", path, why);
    if (directory >= 0)
        close(directory);
    return -1;
}

static void make_name(const char *label, char name[CLEW__CRASH_NAME_SIZE]) {
    uint64_t random[4] = {0};
    char clean[LABEL_MAX + 1];
    size_t size = 0;
    clew__random_seed(random);
    for (; size < LABEL_MAX && label[size]; size++) {
        char c = label[size];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                     c == '-' || (c == '.' && size > 0);
        clean[size] = plain ? c : '_';
    }
    clean[size] = '\0';
    snprintf(name, CLEW__CRASH_NAME_SIZE, PREFIX "%s-%016llx" SUFFIX, clean, (unsigned long long)random[0]);
}

bool clew__crash_is_name(const char *name) {
    size_t size = strlen(name);
    return size > sizeof PREFIX + sizeof SUFFIX && size < CLEW__CRASH_NAME_SIZE &&
           memcmp(name, PREFIX, sizeof PREFIX - 1) == 0 &&
           memcmp(name + size - (sizeof SUFFIX - 1), SUFFIX, sizeof SUFFIX - 1) == 0;
}

bool clew__crash_may_write(uint64_t end) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || end <= limit.rlim_cur;
}

static int allocate_room(int descriptor, uint64_t bytes) {
    int error;
    if (!clew__crash_may_write(bytes))
        return EFBIG;
    do {
        error = posix_fallocate(descriptor, 0, (off_t)bytes);
    } while (error == EINTR);
    return error;
}

static bool has_no_name(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) != 0 || status.st_nlink == 0;
}

int clew__crash_create(int directory, const char *label, uint64_t bytes, char name[CLEW__CRASH_NAME_SIZE]) {
    int error = EEXIST;
    for (int i = 0; i < TRIES && (error == EEXIST || error == EWOULDBLOCK); i++) {
        int descriptor;
        make_name(label, name);
        descriptor = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        error = descriptor < 0 ? errno : 0;
        if (!error && flock(descriptor, LOCK_EX | LOCK_NB) != 0)
            error = errno; /* somebody who looks for dead files was quicker */
        if (!error && has_no_name(descriptor))
            error = EEXIST; /* and has removed it, for it was empty */
        if (!error) {
            error = allocate_room(descriptor, bytes);
            if (!error)
                return descriptor;
            unlinkat(directory, name, 0);
        }
        if (descriptor >= 0)
            close(descriptor);
    }
    errno = error;
    return -1;
}

static uint32_t pid_of(int descriptor) {
    struct clew__crash_header header;
    if (pread(descriptor, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.magic, CLEW__CRASH_MAGIC, sizeof header.magic) != 0 ||
        header.byte_order != CLEW__CRASH_BYTE_ORDER)
        return 0;
    return header.pid;
}

enum clew__crash_open clew__crash_open(int directory, const char *name, struct clew__descriptor *file,
                                       uint32_t *pid) {
    const int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    struct stat status;
    int opened = openat(directory, name, O_RDWR | flags), error = 0;
    *pid = 0;
    if (opened < 0 && (errno == EACCES || errno == EROFS))
        opened = openat(directory, name, O_RDONLY | flags);
    if (opened < 0)
        return CLEW__CRASH_FAILED;
    if (fstat(opened, &status) != 0)
        error = errno;
    else if (!S_ISREG(status.st_mode))
        error = EINVAL;
    else if (flock(opened, LOCK_EX | LOCK_NB) != 0)
        error = errno;
    else if (has_no_name(opened))
        error = ENOENT; /* recovered meanwhile */
    if (!error) {
        *file = (struct clew__descriptor){opened, status.st_dev, status.st_ino};
        return CLEW__CRASH_DEAD;
    }
    *pid = pid_of(opened);
    close(opened);
    errno = error;
    return error == EWOULDBLOCK ? CLEW__CRASH_ALIVE : CLEW__CRASH_FAILED;
}

void clew__crash_remove(int directory, const char *name, const struct clew__descriptor *file) {
    struct stat named;
    if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == file->device &&
        named.st_ino == file->inode)
        unlinkat(directory, name, 0);
}
