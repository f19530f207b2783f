/* Forks of processes that have other threads, for tests that run with sanitizers, too. Those have an
 * allocator of their own, which stays locked in the child when a thread was inside it at the fork: there,
 * only processes whose other threads sleep may fork. */
#ifndef CLEW_TEST_FORK_NOW_H
#define CLEW_TEST_FORK_NOW_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FORK_WAITS 1
#else
#define FORK_WAITS 0
#endif
#define FORK_LOOKS_MAX 5000 /* one a millisecond */

/* Whether a thread of this process sleeps, or is gone. */
static inline bool sleeps(const char *task) {
    char path[300], text[1024];
    ssize_t size;
    int file;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return true;
    size = read(file, text, sizeof text - 1);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    return size <= 0 || strstr(text, "State:\tS") != NULL;
}

static inline bool others_sleep(void) {
    DIR *tasks = opendir("/proc/self/task");
    bool sleep = true;
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;)
        sleep &= task->d_name[0] == '.' || atoi(task->d_name) == (int)getpid() || sleeps(task->d_name);
    if (tasks)
        closedir(tasks);
    return sleep;
}

/* From the main thread. */
static inline void wait_to_fork(void) {
    for (int looks = 0; FORK_WAITS && !others_sleep() && looks < FORK_LOOKS_MAX; looks++)
        usleep(1000);
}

static inline pid_t fork_now(void) {
    wait_to_fork();
    return fork();
}

#endif
