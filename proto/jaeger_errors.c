/* Errors that Jaeger's logs and tags tell of. Owns nothing; any thread. */
#include "proto/jaeger_errors.h"

#include <strings.h>

#define KIND_CLIENT 3u /* of OTLP */

/* ---- logs ---- */

/* A text that is not empty, without its quotes. Faults are for those who take the value. */
static bool see_text(struct clew__json_text in, struct clew__json_string *text) {
    return clew__json_peek(&in) == '"' && clew__json_take_string(&in, text) && text->size > 0;
}

/* Best first. */
static const char *const messages[] = {"message", "error.object", "error"};

static void note_message(struct clew__jaeger_log *log, const struct clew__json_string *name) {
    for (size_t i = 0; i < sizeof messages / sizeof messages[0] && log->message != messages[i]; i++) {
        if (clew__json_string_is(name, messages[i]))
            log->message = messages[i];
    }
}

void clew__jaeger_look_at_field(const struct clew__json_text *in, const struct clew__json_string *name,
                                struct clew__jaeger_log *log) {
    struct clew__json_string text;
    if (!see_text(*in, &text))
        return;
    if (clew__json_string_is(name, "event")) {
        log->event = text;
        log->is_error |= clew__json_string_is(&text, "error");
        return;
    }
    note_message(log, name);
    log->is_error |= clew__json_string_is(name, "error.object") ||
                     (clew__json_string_is(name, "error") && !clew__json_string_is(&text, "false"));
}

bool clew__jaeger_is_exception(const struct clew__jaeger_log *log) {
    return log->is_error && (log->event.size == 0 || clew__json_string_is(&log->event, "error"));
}

static void set_name(struct clew__json_string *name, const char *text) {
    *name = (struct clew__json_string){.text = text, .size = strlen(text)};
}

void clew__jaeger_rename_field(const struct clew__jaeger_log *log, struct clew__json_string *name) {
    if (clew__json_string_is(name, "error.kind"))
        set_name(name, "exception.type");
    else if (clew__json_string_is(name, "stack"))
        set_name(name, "exception.stacktrace");
    else if (log->message && clew__json_string_is(name, log->message))
        set_name(name, "exception.message");
}

/* ---- the status of gRPC ---- */

/* By their numbers, without underscores: they are written in both ways. */
static const char *const codes[] = {
    "OK",       "CANCELLED",       "UNKNOWN",          "INVALIDARGUMENT",   "DEADLINEEXCEEDED",
    "NOTFOUND", "ALREADYEXISTS",   "PERMISSIONDENIED", "RESOURCEEXHAUSTED", "FAILEDPRECONDITION",
    "ABORTED",  "OUTOFRANGE",      "UNIMPLEMENTED",    "INTERNAL",          "UNAVAILABLE",
    "DATALOSS", "UNAUTHENTICATED",
};

#define CODES (sizeof codes / sizeof codes[0])
#define CODE_MAX_SIZE 32u

/* Semantic conventions for gRPC, Status: these have failed for servers, for clients all but OK. */
static bool blames_server(uint64_t code) {
    static const uint8_t blaming[] = {2, 4, 12, 13, 14, 15};
    return code < CODES && memchr(blaming, (int)code, sizeof blaming) != NULL;
}

static bool to_code(const struct clew__json_string *name, uint64_t *code) {
    char plain[CODE_MAX_SIZE];
    size_t size = 0;
    for (size_t i = 0; i < name->size; i++) {
        if (name->text[i] == '_')
            continue;
        if (size == sizeof plain - 1)
            return false;
        plain[size++] = name->text[i];
    }
    plain[size] = 0;
    for (uint64_t i = 0; i < CODES; i++) {
        if (strcasecmp(plain, codes[i]) == 0) {
            *code = i;
            return true;
        }
    }
    return false;
}

/* A number, a string that stands for one, or a name. */
static bool see_code(struct clew__json_text in, uint64_t *code) {
    char text[CLEW__JSON_NUMBER_MAX];
    struct clew__json_string string;
    struct clew__json_integer integer;
    size_t size;
    if (see_text(in, &string) && to_code(&string, code))
        return true;
    if (!clew__json_take_number(&in, text, &size) || !clew__json_to_integer(text, size, &integer))
        return false;
    *code = integer.magnitude;
    return !integer.negative;
}

void clew__jaeger_look_at_tag(const struct clew__json_text *in, const struct clew__json_string *name,
                              struct clew__jaeger_errors *errors) {
    uint64_t code;
    if (!clew__json_string_is(name, "grpc.status") && !clew__json_string_is(name, "grpc.status_code") &&
        !clew__json_string_is(name, "rpc.grpc.status_code"))
        return;
    if (!see_code(*in, &code))
        return;
    errors->grpc |= code != 0;
    errors->grpc_of_server |= blames_server(code);
}

bool clew__jaeger_has_failed(const struct clew__jaeger_errors *errors,
                             const struct clew__json_traits *traits) {
    bool may_be_client = traits->kind == KIND_CLIENT || traits->kind == 0;
    if (traits->no_error)
        return false;
    return errors->logged || (may_be_client ? errors->grpc : errors->grpc_of_server);
}
