/* Finds the descriptors that libcurl keeps for itself. Owns nothing; any thread. */
#include "collector-bridge/export/close_on_exec.h"

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* As getdents64(2) writes it. opendir(3) would allocate. */
struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* Up to the limit; -1: no number. */
static long number_of(const char *name) {
    long number = 0;
    if (!*name)
        return -1;
    for (; *name; name++) {
        if (*name < '0' || *name > '9')
            return -1;
        number = number < CLEW__DESCRIPTORS_MAX ? number * 10 + (*name - '0') : CLEW__DESCRIPTORS_MAX;
    }
    return number;
}

static bool add_entries(const char *buffer, size_t size, int own, struct clew__descriptors *out) {
    for (size_t at = 0; at < size;) {
        struct entry entry;
        memcpy(&entry, buffer + at, offsetof(struct entry, name));
        long fd = number_of(buffer + at + offsetof(struct entry, name));
        if (fd >= CLEW__DESCRIPTORS_MAX)
            return false;
        if (fd >= 0 && fd != own)
            out->open[fd / 64] |= UINT64_C(1) << (fd % 64);
        at += entry.size;
    }
    return true;
}

bool clew__descriptors_list(struct clew__descriptors *out) {
    char buffer[2048];
    long size;
    bool listed = true;
    memset(out, 0, sizeof *out);
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    while (listed && (size = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0)
        listed = add_entries(buffer, (size_t)size, directory, out);
    close(directory);
    return listed && size == 0;
}

/* One end of a pair as libcurl makes it: a stream without a name, that does not block, with a peer. */
static bool is_end_of_pair(int fd, ino_t *inode) {
    struct sockaddr_un name;
    socklen_t name_size = sizeof name, type_size = sizeof(int);
    struct stat info;
    int type = 0, status = fcntl(fd, F_GETFL);
    if (status < 0 || !(status & O_NONBLOCK) || fcntl(fd, F_GETFD) != 0 || fstat(fd, &info) != 0 ||
        !S_ISSOCK(info.st_mode))
        return false;
    *inode = info.st_ino;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_STREAM ||
        getsockname(fd, (struct sockaddr *)&name, &name_size) != 0 || name.sun_family != AF_UNIX ||
        name_size != sizeof name.sun_family)
        return false;
    name_size = sizeof name;
    return getpeername(fd, (struct sockaddr *)&name, &name_size) == 0 && name_size == sizeof name.sun_family;
}

bool clew__close_pair_on_exec(const struct clew__descriptors *before, int pair[2]) {
    struct clew__descriptors now;
    ino_t inodes[2];
    size_t count = 0;
    if (!clew__descriptors_list(&now))
        return false;
    for (int fd = 0; fd < CLEW__DESCRIPTORS_MAX; fd++) {
        if (!((now.open[fd / 64] & ~before->open[fd / 64]) >> (fd % 64) & 1))
            continue;
        if (count == 2 || !is_end_of_pair(fd, &inodes[count]))
            return false;
        pair[count++] = fd;
    }
    /* The kernel numbers both in one go. */
    if (count != 2 || (inodes[0] + 1 != inodes[1] && inodes[1] + 1 != inodes[0]))
        return false;
    return fcntl(pair[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(pair[1], F_SETFD, FD_CLOEXEC) == 0;
}
