/* The line that tells how far a file is read. Owns nothing; one thread. */
#include "collector-bridge/files/progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET_NANO UINT64_C(1000000000)          /* a file that takes less shows nothing */
#define QUIET_BYTES ((uint64_t)64 * 1024 * 1024) /* unless it is this large */
#define BETWEEN_NANO UINT64_C(200000000)         /* faster than this nobody reads */
#define LINE_MAX_SIZE 80                         /* of the narrowest terminals that are about */

void clew__progress_begin(struct clew__progress *progress, FILE *out, const char *name, int descriptor,
                          uint64_t now) {
    struct stat file;
    memset(progress, 0, sizeof *progress);
    if (fileno(out) < 0 || !isatty(fileno(out)))
        return;
    progress->out = out;
    progress->name = name;
    progress->begun = progress->told = now;
    if (descriptor >= 0 && fstat(descriptor, &file) == 0 && S_ISREG(file.st_mode))
        progress->total = (uint64_t)file.st_size;
}

/* Three digits that count, in powers of a thousand. */
static void bytes_text(char *out, size_t size, uint64_t bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5) {
        value /= 1000;
        unit++;
    }
    snprintf(out, size, "%.*f %s",
             unit == 0 || value >= 99.95 ? 0
             : value >= 9.995            ? 1
                                         : 2,
             value, units[unit]);
}

void clew__progress_text(char *out, size_t size, const char *name, uint64_t done, uint64_t total) {
    char done_text[16], total_text[16];
    bytes_text(done_text, sizeof done_text, done);
    bytes_text(total_text, sizeof total_text, total);
    if (total == 0)
        snprintf(out, size, "%s: %s", name, done_text);
    else
        snprintf(out, size, "%s: %s of %s, %u%%", name, done_text, total_text,
                 (unsigned)((double)(done < total ? done : total) * 100 / (double)total));
}

/* The end of a long name, where files differ. */
static const char *short_name(const char *name) {
    size_t size = strlen(name), room = LINE_MAX_SIZE / 2;
    return size > room ? name + size - room : name;
}

void clew__progress_tell(struct clew__progress *progress, uint64_t done, uint64_t now) {
    char line[LINE_MAX_SIZE];
    if (!progress->out)
        return;
    if (now - progress->begun < QUIET_NANO && done < QUIET_BYTES)
        return;
    if (progress->shown && now - progress->told < BETWEEN_NANO)
        return;
    clew__progress_text(line, sizeof line, short_name(progress->name), done, progress->total);
    fprintf(progress->out, "\r\033[K%s", line);
    fflush(progress->out);
    progress->told = now;
    progress->shown = true;
}

void clew__progress_clear(struct clew__progress *progress) {
    if (progress->out && progress->shown)
        fputs("\r\033[K", progress->out);
    progress->shown = false;
}
