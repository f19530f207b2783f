/* Standard output. One thread. */
#include "collector-bridge/cli/output.h"

#include "collector-bridge/cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROOM ((size_t)64 * 1024)

static struct clew__style style_for(int fd) {
    struct clew__surroundings surroundings = {
        .is_terminal = isatty(fd),
        .no_color = getenv("NO_COLOR"),
        .clicolor_force = getenv("CLICOLOR_FORCE"),
        .term = getenv("TERM"),
    };
    struct winsize size;
    if (surroundings.is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0)
        surroundings.columns = size.ws_col;
    return clew__style_of(&surroundings);
}

static bool flush(struct clew__output *output) {
    const uint8_t *at = output->writer.data;
    size_t left = output->writer.size;
    while (left) {
        ssize_t written = write(output->fd, at, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            output->error = errno;
            return false;
        }
        at += written;
        left -= (size_t)written;
    }
    output->writer.size = 0;
    return true;
}

/* Makes room by writing. What is asked for at once and is larger than the room gets more of it. */
static bool grow(struct clew__writer *writer, size_t more) {
    struct clew__output *output = writer->user;
    size_t capacity = more > ROOM ? more : ROOM;
    uint8_t *data;
    if (output->error || !flush(output))
        return false;
    if (writer->capacity >= capacity)
        return true;
    data = realloc(writer->data, capacity);
    if (!data) {
        output->error = ENOMEM;
        return false;
    }
    writer->data = data;
    writer->capacity = capacity;
    return true;
}

void clew__output_begin(struct clew__output *output, int fd, enum clew__format format) {
    signal(SIGPIPE, SIG_IGN);
    *output = (struct clew__output){.writer = {.grow = grow}, .style = style_for(fd), .fd = fd};
    output->writer.user = output;
    if (format == CLEW__FORMAT_MARKDOWN)
        output->style = (struct clew__style){.is_markdown = true};
}

int clew__output_end(struct clew__output *output, int status) {
    if (!output->writer.failed)
        flush(output);
    else if (!output->error)
        output->error = ENOMEM; /* of a text that was being put together */
    free(output->writer.data);
    if (output->error == 0 || output->error == EPIPE)
        return status;
    fprintf(stderr, "clew: standard output: %s\n", strerror(output->error));
    return CLEW__EXIT_INPUT;
}
