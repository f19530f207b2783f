/* What Linux says about this process, its host and its system. Reads files of /proc and /etc; allocates
 * nothing, asks no name service, and may be called on any thread. What cannot be found out is "". Preserves
 * errno. */
#ifndef CLEW_RESOURCE_PLATFORM_H
#define CLEW_RESOURCE_PLATFORM_H

#include "sdk/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define CLEW__CREATION_TIME_SIZE sizeof "2026-01-31T23:59:59.999Z"

struct clew__platform {
    char executable_path[1024];
    char executable_name[256];
    char command[1024]; /* argv[0] alone: arguments may be secrets */
    char owner[64];     /* the name of the effective user, or its number */
    char creation_time[CLEW__CREATION_TIME_SIZE];
    char host_name[256];
    char host_id[64];
    char host_arch[32];
    char os_name[64];
    char os_version[64];
    char os_description[128];
    char os_build_id[64];
};

void clew__platform_read(struct clew__platform *out);

/* When this process was made, as ISO 8601 in UTC. */
void clew__platform_creation_time(char out[CLEW__CREATION_TIME_SIZE]);

/* The parts that read text, without the files around them. Each fills `out` (terminated, "" when there is
 * nothing, or when it does not fit) and returns whether it is filled. */

/* The value of a line KEY=value of os-release(5), without its quotes. */
bool clew__platform_release_value(struct clew__slice file, const char *key, char *out, size_t size);
/* The name of a user in the format of passwd(5). */
bool clew__platform_user_name(struct clew__slice file, uint32_t user, char *out, size_t size);
/* The time that a process was started at, in clock ticks after the boot, from its /proc/PID/stat. */
bool clew__platform_start_ticks(struct clew__slice stat, uint64_t *ticks);
/* The architecture of uname(2) as the semantic conventions call it. */
void clew__platform_arch(const char *machine, char *out, size_t size);

#endif
