/* Walking a folder without recursion: a stack of the lists of names that are still to be gone through. */
#include "collector-bridge/files/folder.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEVELS_MAX 64

struct level {
    struct dirent **names;
    int count, next;
    size_t path_size; /* of the folder's own path */
};

struct walk {
    const struct clew__folder_visitor *visitor;
    char path[PATH_MAX];
    struct level levels[LEVELS_MAX];
    int open, open_max;
};

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool fail(struct walk *walk, const char *reason) {
    return walk->visitor->fail(walk->visitor->user, walk->path, reason);
}

/* Opens the folder at `path`. */
static bool enter(struct walk *walk) {
    struct level *level = &walk->levels[walk->open];
    if (walk->open == walk->open_max)
        return fail(walk, "too many folders within one another");
    level->count = scandir(walk->path, &level->names, is_shown, by_bytes);
    if (level->count < 0)
        return fail(walk, strerror(errno));
    level->next = 0;
    level->path_size = strlen(walk->path);
    walk->open++;
    return true;
}

static void leave(struct walk *walk) {
    struct level *level = &walk->levels[--walk->open];
    for (int i = 0; i < level->count; i++)
        free(level->names[i]);
    free(level->names);
}

static bool visit(struct walk *walk) {
    struct stat link, file;
    if (lstat(walk->path, &link) != 0)
        return fail(walk, strerror(errno));
    if (S_ISDIR(link.st_mode))
        return enter(walk);
    if (S_ISREG(link.st_mode) ||
        (S_ISLNK(link.st_mode) && stat(walk->path, &file) == 0 && S_ISREG(file.st_mode)))
        return walk->visitor->take(walk->visitor->user, walk->path);
    return true;
}

static bool visit_next(struct walk *walk) {
    struct level *level = &walk->levels[walk->open - 1];
    const char *name = level->names[level->next++]->d_name;
    size_t at = level->path_size, size = strlen(name);
    walk->path[at] = 0;
    if (sizeof walk->path - at < size + 2)
        return fail(walk, strerror(ENAMETOOLONG));
    if (at > 0 && walk->path[at - 1] != '/')
        walk->path[at++] = '/';
    memcpy(walk->path + at, name, size + 1);
    return visit(walk);
}

bool clew__folder_walk(const char *path, int folders_max, const struct clew__folder_visitor *visitor) {
    struct walk walk;
    bool going;
    walk.visitor = visitor;
    walk.open = 0;
    walk.open_max = folders_max < LEVELS_MAX ? folders_max : LEVELS_MAX;
    if (strlen(path) >= sizeof walk.path)
        return visitor->fail(visitor->user, path, strerror(ENAMETOOLONG));
    memcpy(walk.path, path, strlen(path) + 1);
    going = enter(&walk);
    while (going && walk.open > 0) {
        if (walk.levels[walk.open - 1].next == walk.levels[walk.open - 1].count)
            leave(&walk);
        else
            going = visit_next(&walk);
    }
    while (walk.open > 0)
        leave(&walk);
    return going;
}
