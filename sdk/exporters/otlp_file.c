/* The OTLP file exporter: one JSON object a line, one line a batch (specification: OTLP File Exporter).
 *
 * Several processes may append to one file: every line is one write(2) at the file's end, which the kernel
 * keeps apart. A lock on the file guards what is left: a write that a full disk cut short. On a pipe only
 * lines up to PIPE_BUF are sure to stay in one piece. One batch at a time; whichever thread the pipeline
 * exports on. */
#include <clew/extend.h>
#include <clew/pipeline.h>

#include "proto/json.h"
#include "sdk/base/buffer.h"
#include "sdk/exporters/output.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 64
#define LOCK_ATTEMPTS 20 /* 2 ms in all; a line takes microseconds */
#define LOCK_NAP_NANO 100000

struct otlp_file {
    struct clew__output output;
    struct clew__writer line;
    bool lockable;         /* a regular file of our own */
    bool lock_is_stuck;    /* somebody kept the lock for long: the next line does not wait for it */
    atomic_bool exporting; /* for the child of a fork: `line` may be half changed */
    char path[];
};

/* ---- the lock ---- */

/* Whether the file is locked now. A process that holds the lock and is stuck must not hold us: then the line
 * is written without it. */
static bool lock(struct otlp_file *file) {
    struct timespec nap = {0, LOCK_NAP_NANO};
    int attempts = file->lock_is_stuck ? 1 : LOCK_ATTEMPTS;

    if (!file->lockable)
        return false;
    for (int i = 0; i < attempts; i++) {
        if (i)
            nanosleep(&nap, NULL);
        if (flock(file->output.file.fd, LOCK_EX | LOCK_NB) == 0) {
            file->lock_is_stuck = false;
            return true;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false; /* a file system without locks */
    }
    file->lock_is_stuck = true;
    return false;
}

/* Whether the file ends within a line: of ours, of another process, or of one that died. */
static bool ends_within_line(const struct otlp_file *file) {
    struct stat status;
    char last;

    if (file->output.mid_line)
        return true;
    return file->lockable && fstat(file->output.file.fd, &status) == 0 && status.st_size > 0 &&
           pread(file->output.file.fd, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

/* ---- exporting ---- */

/* `line` starts with a line end, which goes out only when the file needs it. */
static int append_line(struct otlp_file *file, uint32_t timeout_ms) {
    bool locked, unneeded;
    int error;

    if (!clew__output_is_there(&file->output))
        return EBADF;
    locked = lock(file);
    unneeded = !ends_within_line(file);
    error =
        clew__output_write(&file->output, file->line.data + unneeded, file->line.size - unneeded, timeout_ms);

    /* What is left of a line must not swallow the next one, whoever writes it. */
    if (error && file->output.mid_line)
        clew__output_write(&file->output, "\n", 1, timeout_ms);
    if (locked)
        flock(file->output.file.fd, LOCK_UN);
    return error;
}

static clew_export_outcome export_line(struct otlp_file *file, const clew_batch *batch, uint32_t timeout_ms,
                                       clew_export_report *report) {
    clew_bytes request = clew_batch_request(batch);
    char error_text[ERROR_TEXT_MAX];
    int error;

    clew__write_raw(&file->line, "\n", 1);
    clew__json_write_traces(&file->line, request.data, request.size);
    clew__write_raw(&file->line, "\n", 1);
    if (file->line.failed) {
        snprintf(report->reason, sizeof report->reason, "no memory left for the line of the batch");
        return CLEW_EXPORT_FAILED;
    }
    error = append_line(file, timeout_ms);
    if (error == 0)
        return CLEW_EXPORT_DELIVERED;
    snprintf(report->reason, sizeof report->reason, "%s: cannot write to %s",
             clew__output_error_text(error, error_text, sizeof error_text), file->path);
    return CLEW_EXPORT_FAILED;
}

static clew_export_outcome file_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                       clew_export_report *report) {
    struct otlp_file *file = (struct otlp_file *)self;
    int saved = errno;
    clew_export_outcome outcome;

    atomic_store(&file->exporting, true);
    outcome = export_line(file, batch, timeout_ms, report);
    clew__buffer_reset(&file->line);
    atomic_store(&file->exporting, false);
    errno = saved;
    return outcome;
}

/* The lock belongs to the file description, which parent and child share: the child opens the file anew. */
static void file_forked(void *self) {
    struct otlp_file *file = (struct otlp_file *)self;
    if (atomic_exchange(&file->exporting, false))
        clew__buffer_forget(&file->line);
    if (file->lockable)
        clew__output_unshare(&file->output);
}

static void file_destroy(void *self) {
    struct otlp_file *file = (struct otlp_file *)self;
    clew__output_fini(&file->output);
    clew__buffer_fini(&file->line);
    clew_memory_release(file);
}

/* ---- opening ---- */

static struct otlp_file *file_new(const char *path) {
    size_t size = strlen(path) + 1;
    struct otlp_file *file = (struct otlp_file *)clew_memory_allocate(sizeof *file + size);

    if (!file)
        return NULL;
    file->output = clew__output_borrowed(STDOUT_FILENO);
    file->line = clew__buffer_charged();
    file->lockable = false;
    file->lock_is_stuck = false;
    atomic_init(&file->exporting, false);
    memcpy(file->path, path, size);
    return file;
}

static bool is_regular(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
}

int clew_exporter_otlp_file(const char *path, clew_exporter *out) {
    static const clew_exporter table = {
        .struct_size = sizeof table,
        .flags = CLEW_EXPORTER_LOCAL,
        .name = "otlp_file_span_exporter",
        .export_batch = file_export,
        .forked = file_forked,
        .destroy = file_destroy,
    };
    bool is_stdout = !path || strcmp(path, "-") == 0;
    char error_text[ERROR_TEXT_MAX];
    struct otlp_file *file;
    int error;

    if (!out)
        return CLEW_EINVAL;
    file = file_new(is_stdout ? "standard output" : path);
    if (!file)
        return CLEW_ENOMEM;
    error = is_stdout ? 0 : clew__output_open(&file->output, path);
    if (error) {
        clew_log(CLEW_LOG_ERROR, "otlp_file_open", "cannot open %s to write spans to it: %s", path,
                 clew__output_error_text(error, error_text, sizeof error_text));
        file_destroy(file);
        return CLEW_EIO;
    }
    file->lockable = file->output.owned && is_regular(file->output.file.fd);
    *out = table;
    out->self = file;
    return CLEW_OK;
}
