/* Owns the environment as a carrier (specification: Environment Variables as Context Propagation Carriers).
 * Reads the process's environment as getenv(3) does and never changes it. Any thread. */
#include "sdk/context/propagators.h"

#include <clew/extend.h>

#include "sdk/base/slice.h"

#include <unistd.h>

/* Headers have short names; one that is longer is not carried. */
#define NAME_SIZE 128u
/* What a propagator may write: those of the specification write 4 at most. */
#define WRITTEN_MAX 32u

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The name that a variable has for a header; false when it does not fit. */
static bool normalise(const char *header, char name[NAME_SIZE]) {
    size_t size = 0;
    if (*header == '\0' || is_digit(*header))
        name[size++] = '_';
    for (; *header; header++) {
        char c = *header;
        if (size == NAME_SIZE - 1)
            return false;
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        name[size++] = is_upper(c) || is_digit(c) ? c : '_';
    }
    name[size] = '\0';
    return true;
}

static bool is_normalised(struct clew__slice name) {
    for (size_t i = 0; i < name.size; i++)
        if (!is_upper(name.data[i]) && name.data[i] != '_' && !is_digit(name.data[i]))
            return false;
    return name.size != 0 && !is_digit(name.data[0]);
}

static struct clew__slice name_of(const char *variable) {
    struct clew__slice text = clew__slice_text(variable);
    return clew__slice_split(&text, '=');
}

/* ---- reading ---- */

static void get_all(void *self, const char *header, void (*each)(void *arg, const char *value, size_t size),
                    void *arg) {
    char name[NAME_SIZE];
    if (!normalise(header, name))
        return;
    /* As getenv(3): of several variables with one name the first counts. */
    for (char *const *variable = self; variable && *variable; variable++) {
        struct clew__slice value = clew__slice_text(*variable);
        size_t size = value.size;
        if (!clew__slice_equals(clew__slice_split(&value, '='), name) || size == strlen(name))
            continue;
        each(arg, value.data, value.size);
        return;
    }
}

static void keys(void *self, void (*each)(void *arg, const char *name), void *arg) {
    for (char *const *variable = self; variable && *variable; variable++) {
        struct clew__slice found = name_of(*variable);
        char name[NAME_SIZE];
        if (!is_normalised(found) || found.size >= sizeof name)
            continue;
        memcpy(name, found.data, found.size);
        name[found.size] = '\0';
        each(arg, name);
    }
}

clew_context *clew_environ_extract(char *const *environment) {
    clew_carrier carrier = {.struct_size = sizeof carrier, .get_all = get_all, .keys = keys};
    carrier.self = (void *)(environment ? environment : environ);
    return clew_propagator_extract(clew__propagator_global_or_w3c(), NULL, &carrier);
}

/* ---- writing ---- */

struct written {
    size_t count;
    char *variables[WRITTEN_MAX]; /* NAME=value */
};

static bool has_name(const char *variable, const char *name) {
    return clew__slice_equals(name_of(variable), name);
}

static int set(void *self, const char *header, const char *value) {
    struct written *written = self;
    char name[NAME_SIZE];
    size_t i = 0, name_size, value_size = strlen(value);
    char *variable;
    if (!normalise(header, name))
        return CLEW_ELIMIT;
    while (i < written->count && !has_name(written->variables[i], name))
        i++;
    if (i == WRITTEN_MAX)
        return CLEW_ELIMIT;
    name_size = strlen(name);
    variable = clew_memory_allocate(name_size + 1 + value_size + 1);
    if (!variable)
        return CLEW_ENOMEM;
    memcpy(variable, name, name_size);
    variable[name_size] = '=';
    memcpy(variable + name_size + 1, value, value_size + 1);
    if (i == written->count)
        written->count++;
    else
        clew_memory_release(written->variables[i]);
    written->variables[i] = variable;
    return CLEW_OK;
}

/* Whether the variable is one that a propagator writes: then the old one would tell of another trace. */
static bool is_replaced(const char *variable, const struct written *written, const char *const *fields) {
    char name[NAME_SIZE];
    for (size_t i = 0; i < written->count; i++) {
        struct clew__slice own = name_of(written->variables[i]), other = name_of(variable);
        if (own.size == other.size && memcmp(own.data, other.data, own.size) == 0)
            return true;
    }
    for (; fields && *fields; fields++)
        if (normalise(*fields, name) && has_name(variable, name))
            return true;
    return false;
}

struct copy {
    char **pointers; /* NULL while only counting */
    char *texts;
    size_t count, count_max;
    size_t size, size_max;
};

/* Stays within the room even if another thread changes the environment meanwhile. */
static void copy_variable(struct copy *copy, const char *variable) {
    size_t size = strlen(variable) + 1;
    if (copy->pointers) {
        if (copy->count == copy->count_max || size > copy->size_max - copy->size)
            return;
        copy->pointers[copy->count] = copy->texts + copy->size;
        memcpy(copy->texts + copy->size, variable, size - 1);
        copy->texts[copy->size + size - 1] = '\0';
    }
    copy->count++;
    copy->size += size;
}

static void copy_all(struct copy *copy, const struct written *written, const char *const *fields) {
    for (size_t i = 0; i < written->count; i++)
        copy_variable(copy, written->variables[i]);
    for (char *const *variable = environ; variable && *variable; variable++)
        if (!is_replaced(*variable, written, fields))
            copy_variable(copy, *variable);
}

/* `fields`: what goes even if nothing replaces it; NULL: nothing. */
static char **block_new(const struct written *written, const char *const *fields) {
    struct copy needed = {0}, copy = {0};
    copy_all(&needed, written, fields);
    copy.pointers = clew_memory_allocate((needed.count + 1) * sizeof *copy.pointers + needed.size);
    if (!copy.pointers)
        return NULL;
    copy.texts = (char *)(copy.pointers + needed.count + 1);
    copy.count_max = needed.count;
    copy.size_max = needed.size;
    copy_all(&copy, written, fields);
    copy.pointers[copy.count] = NULL;
    return copy.pointers;
}

char **clew_environ_new(const clew_context *context) {
    clew_propagator *propagator = clew__propagator_global_or_w3c();
    clew_context *held = context ? clew_context_ref(context) : clew_context_current();
    struct written written = {.count = 0};
    clew_carrier carrier = {.struct_size = sizeof carrier, .self = &written, .set = set};
    bool knows_nothing = !context && held == clew_context_empty();
    char **block = NULL;

    if (clew_propagator_inject(propagator, held, &carrier) != CLEW_ENOMEM)
        block = block_new(&written, knows_nothing ? NULL : clew_propagator_fields(propagator));
    for (size_t i = 0; i < written.count; i++)
        clew_memory_release(written.variables[i]);
    clew_context_unref(held);
    return block;
}

void clew_environ_free(char **environment) {
    clew_memory_release(environment);
}
