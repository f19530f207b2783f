/* No state. Any thread. */
#include "sdk/resource/platform.h"

#include "sdk/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#define FILE_CHUNK 4096u    /* of a file that is read whole, or not at all */
#define PASSWD_MAX 65536u   /* bytes of /etc/passwd that are looked through */
#define START_TIME_FIELD 22 /* of /proc/PID/stat, counted from 1: proc(5) */

/* The start of a file, up to `size` bytes; how many there are. */
static size_t read_at(int file, char *out, size_t size) {
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(file, out + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    return used;
}

static size_t read_file(const char *path, char *out, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t used;
    if (file < 0)
        return 0;
    used = read_at(file, out, size);
    close(file);
    return used;
}

/* Keeps text that fits; otherwise nothing, for half a name is a wrong one. */
static bool keep(struct clew__slice text, char *out, size_t size) {
    bool fits = text.size > 0 && text.size < size;
    if (fits)
        memcpy(out, text.data, text.size);
    out[fits ? text.size : 0] = '\0';
    return fits;
}

/* ---- process ---- */

static void read_executable(struct clew__platform *out) {
    static const char deleted[] = " (deleted)"; /* the kernel's mark on a program whose file is gone */
    ssize_t got = readlink("/proc/self/exe", out->executable_path, sizeof out->executable_path);
    size_t size = got > 0 ? (size_t)got : 0;
    const char *slash;
    if (size >= sizeof out->executable_path)
        size = 0;
    out->executable_path[size] = '\0';
    if (size > sizeof deleted - 1 && strcmp(out->executable_path + size - (sizeof deleted - 1), deleted) == 0)
        out->executable_path[size -= sizeof deleted - 1] = '\0';
    slash = strrchr(out->executable_path, '/');
    keep(clew__slice_text(slash ? slash + 1 : out->executable_path), out->executable_name,
         sizeof out->executable_name);
}

static void read_command(struct clew__platform *out) {
    struct clew__slice line =
        clew__slice_of(out->command, read_file("/proc/self/cmdline", out->command, sizeof out->command));
    struct clew__slice first = clew__slice_split(&line, '\0');
    out->command[first.size < sizeof out->command ? first.size : 0] = '\0';
}

bool clew__platform_user_name(struct clew__slice file, uint32_t user, char *out, size_t size) {
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, user);
    while (file.size) {
        struct clew__slice line = clew__slice_split(&file, '\n');
        struct clew__slice name = clew__slice_split(&line, ':');
        clew__slice_split(&line, ':'); /* the password's place */
        if (clew__slice_equals(clew__slice_split(&line, ':'), number))
            return keep(name, out, size);
    }
    out[0] = '\0';
    return false;
}

/* Through /etc/passwd piece by piece, each cut at its last line end: a name service might ask the network. */
static void read_owner(struct clew__platform *out) {
    char piece[FILE_CHUNK];
    size_t kept = 0, looked_at = 0;
    uint32_t user = (uint32_t)geteuid();
    int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool found = false;
    while (file >= 0 && !found && looked_at < PASSWD_MAX) {
        size_t got = read_at(file, piece + kept, sizeof piece - kept);
        size_t size = kept + got;
        size_t lines = size;
        while (got && lines && piece[lines - 1] != '\n')
            lines--;
        found = clew__platform_user_name(clew__slice_of(piece, lines), user, out->owner, sizeof out->owner);
        if (got == 0 || lines == 0)
            break;
        kept = size - lines;
        memmove(piece, piece + lines, kept);
        looked_at += got;
    }
    if (file >= 0)
        close(file);
    if (!found)
        snprintf(out->owner, sizeof out->owner, "%" PRIu32, user);
}

bool clew__platform_start_ticks(struct clew__slice stat, uint64_t *ticks) {
    const char *name_end = stat.size ? memrchr(stat.data, ')', stat.size) : NULL;
    struct clew__slice field;
    uint64_t value = 0;
    if (!name_end)
        return false;
    /* The name, field 2, may hold anything; behind it a blank stands before each field. */
    clew__slice_take(&stat, (size_t)(name_end - stat.data) + 1);
    clew__slice_consume(&stat, ' ');
    for (int number = 3; number < START_TIME_FIELD; number++)
        clew__slice_split(&stat, ' ');
    field = clew__slice_split(&stat, ' ');
    for (size_t i = 0; i < field.size; i++) {
        if (field.data[i] < '0' || field.data[i] > '9' || value > UINT64_MAX / 100)
            return false;
        value = value * 10 + (uint64_t)(field.data[i] - '0');
    }
    *ticks = value;
    return field.size > 0;
}

void clew__platform_creation_time(char out[CLEW__CREATION_TIME_SIZE]) {
    int saved = errno;
    char stat[1024];
    long ticks_per_second = sysconf(_SC_CLK_TCK);
    uint64_t ticks, milli;
    struct tm calendar;
    time_t seconds;
    char text[64];

    out[0] = '\0';
    if (ticks_per_second > 0 &&
        clew__platform_start_ticks(clew__slice_of(stat, read_file("/proc/self/stat", stat, sizeof stat)),
                                   &ticks)) {
        uint64_t boot_milli = (clew__unix_nano() - clew__clock_read(CLOCK_BOOTTIME)) / CLEW__NANO_PER_MILLI;
        milli = boot_milli + ticks * 1000 / (uint64_t)ticks_per_second;
        seconds = (time_t)(milli / 1000);
        if (gmtime_r(&seconds, &calendar) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &calendar)) {
            size_t size = strlen(text);
            snprintf(text + size, sizeof text - size, ".%03uZ", (unsigned)(milli % 1000));
            keep(clew__slice_text(text), out, CLEW__CREATION_TIME_SIZE);
        }
    }
    errno = saved;
}

/* ---- host and system ---- */

void clew__platform_arch(const char *machine, char *out, size_t size) {
    static const struct {
        const char *machine; /* a name that starts so */
        const char *arch;
    } names[] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"arm", "arm32"}, {"ppc64", "ppc64"}, {"ppc", "ppc32"},
        {"i386", "x86"},     {"i486", "x86"},      {"i586", "x86"},  {"i686", "x86"},
    };
    const char *arch = machine; /* s390x, ia64 and the rest are called as they are */
    for (size_t i = 0; i < sizeof names / sizeof names[0] && arch == machine; i++)
        if (strncmp(machine, names[i].machine, strlen(names[i].machine)) == 0)
            arch = names[i].arch;
    keep(clew__slice_text(arch), out, size);
}

/* The id of machine-id(5): hexadecimal digits, so that "uninitialized" is none. */
static bool read_machine_id(const char *path, char *out, size_t size) {
    char text[128];
    struct clew__slice rest = clew__slice_of(text, read_file(path, text, sizeof text));
    struct clew__slice id = clew__slice_split(&rest, '\n');
    for (size_t i = 0; i < id.size; i++)
        if (!memchr("0123456789abcdefABCDEF", id.data[i], 22))
            return false;
    return keep(id, out, size);
}

static void read_host(struct clew__platform *out) {
    struct utsname system;
    if (gethostname(out->host_name, sizeof out->host_name) != 0)
        out->host_name[0] = '\0';
    out->host_name[sizeof out->host_name - 1] = '\0';
    if (uname(&system) == 0)
        clew__platform_arch(system.machine, out->host_arch, sizeof out->host_arch);
    if (!read_machine_id("/etc/machine-id", out->host_id, sizeof out->host_id))
        read_machine_id("/var/lib/dbus/machine-id", out->host_id, sizeof out->host_id);
}

/* Takes quotes off, and backslashes out of what stood between double ones, as a shell would. */
static bool unquote(struct clew__slice value, char *out, size_t size) {
    char quote = value.size && (value.data[0] == '"' || value.data[0] == '\'') ? value.data[0] : '\0';
    size_t used = 0;
    out[0] = '\0';
    if (!quote)
        return keep(value, out, size);
    if (value.size < 2 || value.data[value.size - 1] != quote)
        return false;
    for (size_t i = 1; i < value.size - 1; i++) {
        if (quote == '"' && value.data[i] == '\\' && i + 1 < value.size - 1)
            i++;
        if (used + 1 >= size) {
            out[0] = '\0';
            return false;
        }
        out[used++] = value.data[i];
    }
    out[used] = '\0';
    return used > 0;
}

bool clew__platform_release_value(struct clew__slice file, const char *key, char *out, size_t size) {
    while (file.size) {
        struct clew__slice line = clew__slice_trim(clew__slice_split(&file, '\n'));
        if (clew__slice_equals(clew__slice_split(&line, '='), key))
            return unquote(line, out, size);
    }
    out[0] = '\0';
    return false;
}

static void read_system(struct clew__platform *out) {
    char text[FILE_CHUNK];
    size_t size = read_file("/etc/os-release", text, sizeof text);
    struct clew__slice file;
    if (size == 0)
        size = read_file("/usr/lib/os-release", text, sizeof text);
    file = clew__slice_of(text, size);
    clew__platform_release_value(file, "NAME", out->os_name, sizeof out->os_name);
    clew__platform_release_value(file, "VERSION_ID", out->os_version, sizeof out->os_version);
    clew__platform_release_value(file, "PRETTY_NAME", out->os_description, sizeof out->os_description);
    clew__platform_release_value(file, "BUILD_ID", out->os_build_id, sizeof out->os_build_id);
}

void clew__platform_read(struct clew__platform *out) {
    int saved = errno;
    memset(out, 0, sizeof *out);
    read_executable(out);
    read_command(out);
    read_owner(out);
    clew__platform_creation_time(out->creation_time);
    read_host(out);
    read_system(out);
    errno = saved;
}
