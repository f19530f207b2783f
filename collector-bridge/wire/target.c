/* Targets of gRPC. Owns nothing; pure; any thread. */
#include "collector-bridge/wire/target.h"

#include <strings.h>

static bool take_prefix(struct clew__slice *text, const char *prefix) {
    size_t size = strlen(prefix);
    if (text->size < size || strncasecmp(text->data, prefix, size) != 0)
        return false;
    clew__slice_take(text, size);
    return true;
}

static bool contains(struct clew__slice text, const char *part) {
    return text.size && memmem(text.data, text.size, part, strlen(part));
}

/* Everything from the first slash or question mark on, unless it is a slash alone. */
static struct clew__slice cut_path(struct clew__slice *text) {
    struct clew__slice rest = *text;
    size_t size = 0;
    while (size < rest.size && !strchr("/?#", rest.data[size]))
        size++;
    *text = clew__slice_take(&rest, size);
    return clew__slice_equals(rest, "/") ? clew__slice_of(NULL, 0) : rest;
}

static bool is_clean(struct clew__slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return false;
    }
    return true;
}

enum clew__endpoint_fault clew__target_read(struct clew__slice text, struct clew__target *out) {
    struct clew__url url;
    memset(out, 0, sizeof *out);
    if (clew__endpoint_is_socket(text))
        return clew__endpoint_read_socket(text, &out->socket);
    if (!is_clean(text))
        return CLEW__ENDPOINT_BAD_CHARACTER;
    out->tls = take_prefix(&text, "https://");
    out->url = out->tls || take_prefix(&text, "http://");
    if (!out->url && take_prefix(&text, "dns:")) {
        /* A name server of one's own could stand between the second slash and the third. */
        if (take_prefix(&text, "//") && !take_prefix(&text, "/"))
            return CLEW__ENDPOINT_BAD_HOST;
    }
    if (!out->url && contains(text, "://"))
        return CLEW__ENDPOINT_BAD_SCHEME;
    out->ignored = cut_path(&text);
    enum clew__endpoint_fault fault = clew__endpoint_read_authority(text, &url);
    if (fault)
        return fault;
    out->user = url.user;
    out->host = url.host;
    out->port = url.port_number;
    return CLEW__ENDPOINT_OK;
}
