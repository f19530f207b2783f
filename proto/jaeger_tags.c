/* Tags of Jaeger, logs, processes. Owns nothing; any thread. */
#include "proto/jaeger_tags.h"

#include "proto/otlp.h"

/* ---- tags ---- */

static enum clew__json_type type_named(const struct clew__json_string *name) {
    static const char *const names[] = {
        [CLEW__JSON_STRING] = "string",   [CLEW__JSON_BOOL] = "bool",     [CLEW__JSON_INT64] = "int64",
        [CLEW__JSON_FLOAT64] = "float64", [CLEW__JSON_BINARY] = "binary",
    };
    for (enum clew__json_type type = CLEW__JSON_STRING; type <= CLEW__JSON_BINARY; type++) {
        if (clew__json_string_is(name, names[type]))
            return type;
    }
    return CLEW__JSON_UNKNOWN;
}

bool clew__jaeger_take_tag(struct clew__json_text *in, struct clew__jaeger_tag *tag) {
    struct clew__json_string name, type;
    bool first = true, good = true;
    memset(tag, 0, sizeof *tag);
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "key")) {
            good = clew__json_take_null(in) || clew__json_take_string(in, &tag->key);
        } else if (clew__json_string_is(&name, "type") && clew__json_peek(in) == '"') {
            good = clew__json_take_string(in, &type);
            tag->type = good ? type_named(&type) : CLEW__JSON_UNKNOWN;
        } else {
            if (clew__json_string_is(&name, "value"))
                tag->value = in->at;
            good = clew__json_skip_value(in);
        }
    }
    tag->end = in->at;
    return !in->reason;
}

bool clew__jaeger_go_to_value(struct clew__json_text *in, const struct clew__jaeger_tag *tag) {
    if (tag->value == 0)
        return false;
    in->at = tag->value;
    return true;
}

bool clew__jaeger_write_tag(struct clew__json_text *in, struct clew__writer *writer, uint32_t field,
                            const struct clew__jaeger_tag *tag) {
    if (!clew__jaeger_go_to_value(in, tag))
        return true;
    if (!clew__json_write_attribute(in, writer, field, &tag->key, tag->type))
        return false;
    in->at = tag->end;
    return true;
}

bool clew__jaeger_open_list(struct clew__json_text *in) {
    return clew__json_accept(in, '[') || clew__json_unexpected(in, "a list is wanted");
}

/* ---- logs ---- */

/* The fields of a log but for the one that names it; of an exception by other names. */
static bool write_fields(struct clew__json_text *in, struct clew__writer *out, struct clew__jaeger_log *log,
                         bool is_exception) {
    bool first = true;
    struct clew__jaeger_tag tag;
    if (!clew__jaeger_open_list(in))
        return false;
    while (clew__json_next_element(in, &first)) {
        bool names_log = false;
        if (!clew__jaeger_take_tag(in, &tag))
            return false;
        if (clew__jaeger_go_to_value(in, &tag)) {
            names_log = clew__json_string_is(&tag.key, "event") && clew__json_peek(in) == '"';
            clew__jaeger_look_at_field(in, &tag.key, log);
            in->at = tag.end;
        }
        if (is_exception)
            clew__jaeger_rename_field(log, &tag.key);
        if (!names_log && !clew__jaeger_write_tag(in, out, CLEW__EVENT_ATTRIBUTES, &tag))
            return false;
    }
    return !in->reason;
}

static bool read_fields(struct clew__json_text *in, struct clew__writer *out, struct clew__jaeger_log *log) {
    size_t start = in->at, before = out->size;
    if (clew__json_take_null(in))
        return true;
    if (!write_fields(in, out, log, false))
        return false;
    if (!clew__jaeger_is_exception(log) || out->failed)
        return true;
    in->at = start; /* any field may have told, also the last */
    out->size = before;
    return write_fields(in, out, log, true);
}

static void write_event_name(struct clew__writer *out, const struct clew__jaeger_log *log) {
    static const char exception[] = "exception";
    if (clew__jaeger_is_exception(log))
        clew__write_bytes(out, CLEW__EVENT_NAME, exception, sizeof exception - 1);
    else if (log->event.size > 0)
        clew__json_write_string(out, CLEW__EVENT_NAME, &log->event);
    else
        clew__write_bytes(out, CLEW__EVENT_NAME, "log", 3);
}

static bool read_log(struct clew__json_text *in, struct clew__writer *out,
                     struct clew__jaeger_errors *errors) {
    struct clew__jaeger_log log = {.is_error = false};
    struct clew__json_string name;
    int64_t time = 0;
    bool first = true, good = true;
    size_t begun = clew__write_begin(out, CLEW__SPAN_EVENTS), start = in->at;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "timestamp"))
            good = clew__json_take_null(in) || clew__json_take_micros(in, &time);
        else if (clew__json_string_is(&name, "fields"))
            good = read_fields(in, out, &log);
        else
            good = clew__json_skip_value(in);
    }
    if (in->reason)
        return false;
    if (time < 0)
        return clew__json_fail(in, start, "a time out of range");
    clew__write_fixed64(out, CLEW__EVENT_TIME, (uint64_t)time);
    write_event_name(out, &log);
    clew__write_end(out, begun);
    errors->logged |= log.is_error;
    return true;
}

bool clew__jaeger_read_logs(struct clew__json_text *in, struct clew__writer *out,
                            struct clew__jaeger_errors *errors) {
    bool first = true;
    if (clew__json_take_null(in))
        return true;
    if (!clew__jaeger_open_list(in))
        return false;
    while (clew__json_next_element(in, &first) && read_log(in, out, errors)) {
    }
    return !in->reason;
}

/* ---- processes ---- */

static bool write_process_tag(struct clew__json_text *in, struct clew__writer *out,
                              struct clew__jaeger_tag *tag) {
    static const char host_name[] = "host.name";
    struct clew__json_string address;
    if (clew__json_string_is(&tag->key, "ip") && clew__jaeger_go_to_value(in, tag) &&
        clew__json_peek(in) == '"') {
        if (!clew__json_take_string(in, &address))
            return false;
        clew__json_write_host_ip(out, &address);
        in->at = tag->end;
        return true;
    }
    if (clew__json_string_is(&tag->key, "hostname"))
        tag->key = (struct clew__json_string){.text = host_name, .size = sizeof host_name - 1};
    return clew__jaeger_write_tag(in, out, CLEW__RESOURCE_ATTRIBUTES, tag);
}

static bool write_process_tags(struct clew__json_text *in, struct clew__writer *out) {
    bool first = true;
    struct clew__jaeger_tag tag;
    if (clew__json_take_null(in))
        return true;
    if (!clew__jaeger_open_list(in))
        return false;
    while (clew__json_next_element(in, &first)) {
        if (!clew__jaeger_take_tag(in, &tag) || !write_process_tag(in, out, &tag))
            return false;
    }
    return !in->reason;
}

bool clew__jaeger_read_process(struct clew__json_text *in, struct clew__writer *out) {
    struct clew__json_string name, service;
    bool first = true, good = true;
    if (!clew__json_accept(in, '{'))
        return clew__json_unexpected(in, "an object is wanted");
    while (good && clew__json_next_member(in, &first, &name)) {
        if (clew__json_string_is(&name, "serviceName") && clew__json_peek(in) == '"') {
            good = clew__json_take_string(in, &service);
            if (good && service.size > 0)
                clew__json_write_string_attribute(out, CLEW__RESOURCE_ATTRIBUTES, "service.name", &service);
        } else if (clew__json_string_is(&name, "tags")) {
            good = write_process_tags(in, out);
        } else {
            good = clew__json_skip_value(in);
        }
    }
    return !in->reason;
}
