/* Reading and writing baselines. One thread. */
#include "collector-bridge/cli/baseline_file.h"

#include <clew/extend.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 64 /* bytes that are enough to recognise a baseline */

static bool complain(const char *path, const char *why) {
    fprintf(stderr, "clew: %s: %s\n", path, why);
    return false;
}

/* Reads up to so many bytes; -1 on failure. */
static ssize_t read_all(int fd, uint8_t *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

bool clew__baseline_file_is(const char *path) {
    uint8_t head[HEAD];
    struct stat info;
    int fd = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size;
    if (fd < 0)
        return false;
    size = read_all(fd, head, sizeof head);
    close(fd);
    return size > 0 && clew_baseline_is_encoded(head, (size_t)size);
}

/* ---- reading ---- */

static clew_baseline *decode(const char *path, int fd, size_t size) {
    uint8_t *data = clew_memory_allocate(size + 1);
    clew_baseline *baseline = NULL;
    ssize_t got = data ? read_all(fd, data, size) : -1;
    int error;
    if (!data) {
        complain(path, strerror(ENOMEM));
    } else if (got < 0) {
        complain(path, strerror(errno));
    } else if (!clew_baseline_is_encoded(data, (size_t)got)) {
        complain(path, "not a baseline, as `clew baseline save` makes them");
    } else {
        error = clew_baseline_decode(data, (size_t)got, &baseline);
        if (error != CLEW_OK)
            complain(path, error == CLEW_EFORMAT ? "a damaged baseline, or one of another version of Clew"
                                                 : clew_strerror(error));
    }
    clew_memory_release(data);
    return baseline;
}

clew_baseline *clew__baseline_file_read(const char *path) {
    clew_baseline *baseline = NULL;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        complain(path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        complain(path, "not a file");
    else if ((uint64_t)info.st_size > CLEW__BASELINE_FILE_MAX)
        complain(path, "larger than 1 GiB");
    else
        baseline = decode(path, fd, (size_t)info.st_size);
    if (fd >= 0)
        close(fd);
    return baseline;
}

/* ---- writing ---- */

static bool write_all(int fd, const uint8_t *data, size_t size) {
    while (size) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return fsync(fd) == 0;
}

static bool replace(const char *path, const uint8_t *data, size_t size) {
    char beside[PATH_MAX];
    int length = snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid()), fd, error = 0;
    if (length < 0 || (size_t)length >= sizeof beside)
        return complain(path, strerror(ENAMETOOLONG));
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return complain(path, strerror(errno));
    if (!write_all(fd, data, size))
        error = errno;
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error && rename(beside, path) != 0)
        error = errno;
    if (!error)
        return true;
    unlink(beside);
    return complain(path, strerror(error));
}

bool clew__baseline_file_may_be(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0)
        return true;
    if (!S_ISREG(info.st_mode))
        return complain(path, "is there and no file: not overwritten");
    if (info.st_size > 0 && !clew__baseline_file_is(path))
        return complain(path, "is there and no baseline: not overwritten");
    return true;
}

bool clew__baseline_file_write(const char *path, const clew_baseline *baseline) {
    size_t size = 0;
    uint8_t *data;
    bool done;
    if (!clew__baseline_file_may_be(path))
        return false;
    data = clew_baseline_encode(baseline, &size);
    if (!data)
        return complain(path, strerror(ENOMEM));
    done = replace(path, data, size);
    clew_memory_release(data);
    return done;
}
