/* `clew recover`: sends what crash files hold. One thread. */
#include "sdk/crash/recover.h"
#include "collector-bridge/cli/command.h"
#include "collector-bridge/export/settings.h"
#include "sdk/crash/crash_file.h"

#include <clew/extend.h>
#include <clew/otlp.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_BYTES ((size_t)4 << 20)
#define REQUEST_SPANS 512u
#define DESCRIPTORS_MAX 64
#define POLL_MS_MAX 1000u

static const char help[] =
    "usage: clew recover [--endpoint URL | -o FILE] [--keep] FILE…\n"
    "\n"
    "Sends the spans in crash files: what programs with CLEW_CRASH_DIR had ended and not yet delivered when "
    "they died.\n"
    "Each span gets the attribute `clew.recovered`. A file is removed when all its spans are delivered; "
    "otherwise what\n"
    "is left of it stays. The next start of the program does the same by itself.\n"
    "\n"
    "  --endpoint URL  where to send, path included; otherwise as OTEL_EXPORTER_OTLP_* say\n"
    "  -o FILE         appends to FILE as lines of OTLP/JSON, and sends nothing; `-` is standard output\n"
    "  --keep          leaves the files as they are\n"
    "\n"
    "Exit status: 0, 1 for a wrong usage, 2 when a file could not be read, is damaged, or is in use by a "
    "process that\n"
    "lives, 3 when spans could not be delivered.\n"
    "\n"
    "Examples:\n"
    "  clew recover /dev/shm/clew-crash/*.crash\n"
    "  clew recover --keep -o - checkout.crash | clew trace\n";

struct job {
    const char *endpoint, *output;
    bool keep;
    clew_exporter exporter;
};

/* ---- exporting ---- */

static int milliseconds_until(uint64_t wake) {
    uint64_t now = clew_monotonic_nano(), left = wake > now ? (wake - now) / 1000000u + 1 : 0;
    return (int)(left < POLL_MS_MAX ? left : POLL_MS_MAX);
}

/* A state machine, driven by this thread. */
static clew_export_outcome drive(const clew_exporter *exporter, const clew_batch *batch,
                                 clew_export_report *report) {
    clew_export_outcome outcome = exporter->start(exporter->self, batch, UINT64_MAX, report);
    while (outcome == CLEW_EXPORT_PENDING) {
        clew_poll wanted[DESCRIPTORS_MAX];
        struct pollfd events[DESCRIPTORS_MAX];
        uint64_t wake = UINT64_MAX;
        size_t count = exporter->wait(exporter->self, wanted, DESCRIPTORS_MAX, &wake);
        for (size_t i = 0; i < count; i++)
            events[i] = (struct pollfd){.fd = wanted[i].fd, .events = wanted[i].events};
        if (poll(events, count, milliseconds_until(wake)) < 0)
            count = 0;
        for (size_t i = 0; i < count; i++)
            wanted[i].revents = events[i].revents;
        outcome = exporter->step(exporter->self, wanted, count, clew_monotonic_nano(), report);
    }
    return outcome;
}

/* Whether all spans of the request are with the receiver, or on disk. */
static bool deliver(const struct job *job, const char *path, clew_bytes request, size_t spans) {
    clew_export_report report = {.status = -1};
    clew_export_outcome outcome = CLEW_EXPORT_FAILED;
    clew_batch *batch = clew_batch_new(request, spans);
    if (batch)
        outcome = job->exporter.start ? drive(&job->exporter, batch, &report)
                                      : job->exporter.export_batch(job->exporter.self, batch, 0, &report);
    clew_batch_free(batch);
    if (outcome == CLEW_EXPORT_DELIVERED && report.rejected + report.failed + report.unknown == 0)
        return true;
    fprintf(stderr, "clew: %s: %zu spans not delivered: %s\n", path, spans,
            batch ? report.reason : "out of memory");
    return false;
}

/* ---- files ---- */

static int report_end(const char *path, uint64_t spans, uint64_t damaged, uint32_t pid) {
    fprintf(stderr, "clew: %s: %" PRIu64 " span%s of process %" PRIu32 " recovered\n", path, spans,
            spans == 1 ? "" : "s", pid);
    if (!damaged)
        return CLEW__EXIT_OK;
    fprintf(stderr, "clew: %s: %" PRIu64 " damaged record%s passed over\n", path, damaged,
            damaged == 1 ? "" : "s");
    return CLEW__EXIT_INPUT;
}

/* Sends what is in a file that is open and locked; true through `done` when nothing of it is left. */
static int send_all(const struct job *job, const char *path, struct clew__recovery *recovery, bool *done) {
    uint64_t sent = 0;
    bool failed = false;
    clew_bytes request;
    size_t spans;
    while (clew__recovery_next(recovery, REQUEST_BYTES, REQUEST_SPANS, &request, &spans, &failed)) {
        if (!deliver(job, path, request, spans))
            return CLEW__EXIT_DELIVERY;
        sent += spans;
        if (!job->keep && !clew__recovery_confirm(recovery)) {
            fprintf(stderr, "clew: %s: cannot be written, so that it would be sent twice: use --keep\n",
                    path);
            return CLEW__EXIT_INPUT;
        }
    }
    if (failed) {
        fprintf(stderr, "clew: %s: out of memory\n", path);
        return CLEW__EXIT_INPUT;
    }
    *done = true;
    return report_end(path, sent, clew__recovery_damaged(recovery), clew__recovery_pid(recovery));
}

static int recover_opened(const struct job *job, const char *path, const struct clew__descriptor *file) {
    struct clew__recovery *recovery = NULL;
    bool done = false;
    int status = CLEW__EXIT_INPUT;
    switch (clew__recovery_open(file->fd, &recovery)) {
    case CLEW__RECOVERY_OK:
        status = send_all(job, path, recovery, &done);
        break;
    case CLEW__RECOVERY_EMPTY:
        status = report_end(path, 0, 0, 0);
        break;
    case CLEW__RECOVERY_FOREIGN:
        fprintf(stderr, "clew: %s: written by another version of Clew, or on another kind of machine\n",
                path);
        break;
    case CLEW__RECOVERY_BAD:
        fprintf(stderr, "clew: %s: not a crash file\n", path);
        break;
    case CLEW__RECOVERY_FAILED:
        fprintf(stderr, "clew: %s: %s\n", path, strerror(errno));
        break;
    }
    clew__recovery_free(recovery);
    if (done && !job->keep)
        clew__crash_remove(AT_FDCWD, path, file);
    return status;
}

/* Of a file that clew__crash_open() did not open. */
static const char *why_not_opened(int error) {
    if (error == ELOOP)
        return "a symbolic link; name the file itself";
    return error == EINVAL ? "not a file" : strerror(error);
}

static int recover_file(const struct job *job, const char *path) {
    struct clew__descriptor file;
    uint32_t pid;
    int status;
    switch (clew__crash_open(AT_FDCWD, path, &file, &pid)) {
    case CLEW__CRASH_ALIVE:
        fprintf(stderr, "clew: %s: in use: process %" PRIu32 " lives, or somebody recovers it just now\n",
                path, pid);
        return CLEW__EXIT_INPUT;
    case CLEW__CRASH_FAILED:
        fprintf(stderr, "clew: %s: %s\n", path, why_not_opened(errno));
        return CLEW__EXIT_INPUT;
    case CLEW__CRASH_DEAD:
        break;
    }
    status = recover_opened(job, path, &file);
    clew__descriptor_close(&file);
    return status;
}

/* ---- the command ---- */

static bool make_exporter(struct job *job) {
    clew_otlp_options options = clew_otlp_options_default();
    if (job->output)
        return clew_exporter_otlp_file(job->output, &job->exporter) == CLEW_OK;
    options.endpoint = job->endpoint;
    return clew_otlp_exporter(&options, &job->exporter) == CLEW_OK;
}

static int recover_files(struct job *job, char **paths, int count) {
    int worst = CLEW__EXIT_OK;
    if (!make_exporter(job))
        return CLEW__EXIT_USAGE; /* the reason is logged */
    for (int i = 0; i < count; i++) {
        int status = recover_file(job, paths[i]);
        worst = status > worst ? status : worst;
    }
    if (job->exporter.destroy)
        job->exporter.destroy(job->exporter.self);
    return worst;
}

static int wrong(const char *what, const char *which) {
    fprintf(stderr, "clew recover: %s%s; see `clew recover --help`\n", what, which);
    return CLEW__EXIT_USAGE;
}

/* The exporter would warn, and send to the next best place. */
static int wrong_endpoint(const char *given, enum clew__endpoint_fault fault) {
    char shown[96];
    clew__endpoint_show(clew__slice_text(given), shown, sizeof shown);
    fprintf(stderr, "clew recover: --endpoint \"%s\" is no endpoint: %s\n", shown,
            clew__endpoint_fault_text(fault));
    return CLEW__EXIT_USAGE;
}

int clew__command_recover(int argc, char **argv) {
    struct job job = {0};
    int first = 1;
    for (; first < argc && argv[first][0] == '-' && argv[first][1]; first++) {
        const char *option = argv[first];
        const char **value = strcmp(option, "--endpoint") == 0                              ? &job.endpoint
                             : strcmp(option, "-o") == 0 || strcmp(option, "--output") == 0 ? &job.output
                                                                                            : NULL;
        if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
            fputs(help, stdout);
            return CLEW__EXIT_OK;
        }
        if (strcmp(option, "--") == 0) {
            first++;
            break;
        }
        if (strcmp(option, "--keep") == 0) {
            job.keep = true;
        } else if (!value) {
            return wrong("unknown option ", option);
        } else if (++first == argc) {
            return wrong("a value is missing behind ", option);
        } else {
            *value = argv[first];
        }
    }
    if (job.endpoint && job.output)
        return wrong("--endpoint and -o exclude each other", "");
    enum clew__endpoint_fault fault =
        job.endpoint ? clew__otlp_settings_judge_endpoint(job.endpoint) : CLEW__ENDPOINT_OK;
    if (fault)
        return wrong_endpoint(job.endpoint, fault);
    if (first == argc)
        return wrong("no file", "");
    return recover_files(&job, argv + first, argc - first);
}
