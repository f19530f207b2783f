/* A database of a spool of which some bytes are others: it is opened, drained and written to; the books stay
 * exact, and what comes out is what went in. */
#include "collector-bridge/store/directory.h"
#include "collector-bridge/store/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCHES 6
#define QUOTA (UINT64_C(8) << 20)
#define PATCH 4 /* three bytes of offset, one of value */

static char directory[64];
static uint8_t request[9000], image[256 << 10];
static size_t image_size;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void clear_directory(void) {
    DIR *stream = opendir(directory);
    for (const struct dirent *entry; stream && (entry = readdir(stream)) != NULL;)
        unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
}

static void leave(void) {
    clear_directory();
    rmdir(directory);
}

static bool store(struct clew__spool *spool, size_t size) {
    struct clew__spool_item item = {.request = {request, size}, .spans = 3};
    clew__spool_store(spool, &item, 1, clew_monotonic_nano());
    return item.stored;
}

/* A good database, all of it outside the log. */
static void make_image(void) {
    char path[128] = "";
    struct clew__spool_file file;
    struct clew__spool_item item = {.request = {request, sizeof request}, .spans = 3};
    snprintf(path, sizeof path, "%s/good", directory);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    if (clew__spool_file_open(&file, path, true) != CLEW_OK)
        abort();
    for (int i = 0; i < BATCHES; i++)
        if (clew__spool_file_append(&file, &item, 1, 0) != CLEW_OK)
            abort();
    if (clew__spool_file_compact(&file, false) != CLEW_OK)
        abort();
    clew__spool_file_close(&file);
    int fd = open(path, O_RDONLY);
    ssize_t size = read(fd, image, sizeof image);
    close(fd);
    if (size <= 0 || size == (ssize_t)sizeof image)
        abort();
    image_size = (size_t)size;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    clew_set_log_level(CLEW_LOG_NONE);
    strcpy(directory, access("/dev/shm", W_OK) == 0 ? "/dev/shm/clew-fuzz-XXXXXX" : "/tmp/clew-fuzz-XXXXXX");
    if (!mkdtemp(directory))
        abort();
    atexit(leave);
    for (size_t i = 0; i < sizeof request; i++)
        request[i] = (uint8_t)(i * 31);
    make_image();
    return 0;
}

static void write_damaged(const uint8_t *data, size_t size) {
    static uint8_t damaged[sizeof image];
    char path[128];
    memcpy(damaged, image, image_size);
    for (size_t i = 0; i + PATCH <= size; i += PATCH) {
        size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % image_size;
        damaged[at] = data[i + 3];
    }
    snprintf(path, sizeof path, "%s/spool-0123456789abcdef.db", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(fd, damaged, image_size) != (ssize_t)image_size)
        abort();
    close(fd);
}

static void drain(struct clew__spool *spool) {
    struct clew__spool_record record;
    for (int i = 0; clew__spool_take(spool, &record); i++) {
        if (i > BATCHES || record.size > sizeof request || memcmp(record.request, request, record.size) != 0)
            abort();
        clew__spool_record_free(&record);
        clew__spool_settle(spool, CLEW__SPOOL_DELIVERED, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    clew_spool_stats books;
    clear_directory();
    write_damaged(data, size);
    struct clew__spool *spool = clew__spool_new(directory, QUOTA);
    if (!spool)
        return 0;
    clew__spool_tend(spool, clew_monotonic_nano());
    drain(spool);
    if (!store(spool, 100))
        abort();
    drain(spool);
    clew__spool_books(spool, &books);
    if (books.waiting || books.stored + books.adopted != books.delivered + books.dropped_corrupt)
        abort();
    clew__spool_close(spool);
    clew__spool_free(spool);
    return 0;
}
