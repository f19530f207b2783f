/* Running Graphviz. Its input and output are files in memory, so that neither waits for the other. */
#include "collector-bridge/cli/graphviz.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 5 /* a graph that takes longer is drawn without it */
#define NAP_NS (5 * 1000 * 1000L)

extern char **environ;

static bool write_all(int fd, const void *data, size_t size) {
    const char *at = data;
    while (size) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return lseek(fd, 0, SEEK_SET) == 0;
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The exit status is 0. One that takes too long is ended. */
static bool has_succeeded(pid_t child) {
    const int64_t deadline = now_ms() + PATIENCE_S * 1000;
    const struct timespec nap = {.tv_nsec = NAP_NS};
    int status = -1;
    pid_t ended;
    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && now_ms() < deadline)
        nanosleep(&nap, NULL);
    if (ended == 0) {
        kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        fprintf(stderr, "clew: Graphviz took longer than %d s; drawn without it\n", PATIENCE_S);
        return false;
    }
    return ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs it to its end. Its complaints go nowhere: without it there is a picture, too. */
static bool run(int input, int output) {
    char *const argv[] = {"dot", "-Tsvg", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t usual;
    pid_t child;
    bool succeeded;
    if (posix_spawn_file_actions_init(&files) != 0)
        return false;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return false;
    }
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE); /* ignored here */
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    succeeded = posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO) == 0 &&
                posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO) == 0 &&
                posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
                posix_spawnp(&child, "dot", &files, &attributes, argv, environ) == 0 && has_succeeded(child);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return succeeded;
}

static bool append(int fd, struct clew__writer *out) {
    off_t size = lseek(fd, 0, SEEK_END);
    void *picture;
    if (size <= 0)
        return false;
    picture = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (picture == MAP_FAILED)
        return false;
    clew__write_raw(out, picture, (size_t)size);
    munmap(picture, (size_t)size);
    return true;
}

bool clew__graphviz(const void *graph, size_t size, struct clew__writer *out) {
    int input = memfd_create("graph", MFD_CLOEXEC), output = memfd_create("picture", MFD_CLOEXEC);
    bool drawn = input >= 0 && output >= 0 && write_all(input, graph, size) && run(input, output) &&
                 append(output, out);
    if (input >= 0)
        close(input);
    if (output >= 0)
        close(output);
    return drawn;
}
