/* The files of a folder. One thread. */
#ifndef CLEW_FILES_FOLDER_H
#define CLEW_FILES_FOLDER_H

#include <stdbool.h>

/* What is done with what is found. `take` gets the path of a file, `fail` that of a folder that cannot be
 * read, with the reason. False ends the walk. */
struct clew__folder_visitor {
    bool (*take)(void *user, const char *path);
    bool (*fail)(void *user, const char *path, const char *reason);
    void *user;
};

/* Walks the folder and those in it, `folders_max` within one another at most, each in the order of the names'
 * bytes. Names that start with a dot are left out, and so is what is neither a file nor a folder; symbolic
 * links lead to files only. False when the visitor ended it. */
bool clew__folder_walk(const char *path, int folders_max, const struct clew__folder_visitor *visitor);

#endif
