/* Owns the default resource: what Clew finds out, and over it what the environment says. No state; any
 * thread, as far as getenv(3) allows. */
#include "sdk/resource/resource.h"

#include "proto/utf8.h"
#include "sdk/base/environment.h"
#include "sdk/base/random.h"
#include "sdk/resource/platform.h"

#include <clew/extend.h>
#include <clew/version.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define FOUND_MAX 32      /* attributes that are looked for, and some */
#define UUID_TEXT_SIZE 37 /* of uuid_unparse_lower(3) */

static const char unknown_service[] = "unknown_service";

/* ---- service.instance.id ---- */

/* A random UUID. The library's own generator is passed by: it seeds random(3), whose sequence is the host's.
 */
static void make_instance_id(char text[UUID_TEXT_SIZE]) {
    uint64_t random[4];
    uuid_t id;
    clew__random_seed(random);
    memcpy(id, random, sizeof id);
    id[6] = (unsigned char)((id[6] & 0x0f) | 0x40); /* RFC 9562: version 4, */
    id[8] = (unsigned char)((id[8] & 0x3f) | 0x80); /* variant 10 */
    uuid_unparse_lower(id, text);
}

/* ---- what is found out ---- */

struct found {
    clew_attribute attributes[FOUND_MAX];
    size_t count;
    struct clew__platform platform;
    char instance_id[UUID_TEXT_SIZE];
    char service_name[sizeof unknown_service + sizeof((struct clew__platform *)0)->executable_name];
};

/* Adds a text that there is. */
static void add(struct found *found, const char *key, const char *text) {
    if (text[0])
        found->attributes[found->count++] = clew_attribute_of(key, clew_value_string(text));
}

static void name_service(struct found *found, const char *given) {
    const char *program = found->platform.executable_name;
    snprintf(found->service_name, sizeof found->service_name, "%s%s%s", unknown_service,
             program[0] ? ":" : "", program);
    add(found, "service.name", given && given[0] ? given : found->service_name);
}

static clew_resource *detect(const char *service_name) {
    struct found *found = clew_memory_allocate(sizeof *found);
    clew_resource *resource;
    struct clew__platform *platform;
    if (!found)
        return NULL;
    platform = &found->platform;
    found->count = 0;
    clew__platform_read(platform);
    make_instance_id(found->instance_id);

    name_service(found, service_name);
    add(found, "service.instance.id", found->instance_id);
    add(found, "telemetry.sdk.name", "clew");
    add(found, "telemetry.sdk.language", "c");
    add(found, "telemetry.sdk.version", CLEW_VERSION);
    found->attributes[found->count++] = clew_attribute_of("process.pid", clew_value_int(getpid()));
    add(found, "process.creation.time", platform->creation_time);
    add(found, "process.executable.name", platform->executable_name);
    add(found, "process.executable.path", platform->executable_path);
    add(found, "process.command", platform->command);
    add(found, "process.owner", platform->owner);
    add(found, "host.name", platform->host_name);
    add(found, "host.id", platform->host_id);
    add(found, "host.arch", platform->host_arch);
    add(found, "os.type", "linux");
    add(found, "os.name", platform->os_name);
    add(found, "os.version", platform->os_version);
    add(found, "os.description", platform->os_description);
    add(found, "os.build_id", platform->os_build_id);

    resource = clew__resource_make(found->attributes, found->count, NULL,
                                   CLEW__FRESH_PID | CLEW__FRESH_CREATION | CLEW__FRESH_INSTANCE_ID);
    clew_memory_release(found);
    return resource;
}

/* ---- what the environment says ---- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes into `*at`, which it moves behind the terminated result; false for a bad escape and for what is no
 * UTF-8. */
static bool decode(struct clew__slice text, char **at, struct clew__slice *decoded) {
    char *start = *at;
    char *end = start;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        *end++ = c;
    }
    *decoded = clew__slice_of(start, (size_t)(end - start));
    *end++ = '\0';
    *at = end;
    return clew__utf8_valid(decoded->data, decoded->size);
}

/* One "key=value" into an attribute; its texts go to `*at`. */
static bool parse_member(struct clew__slice member, char **at, clew_attribute *out) {
    struct clew__slice key, value = member;
    struct clew__slice key_text = clew__slice_split(&value, '=');
    if (key_text.size == member.size) /* there is no '=' */
        return false;
    if (!decode(clew__env_trim(key_text), at, &key) || !decode(clew__env_trim(value), at, &value))
        return false;
    if (key.size == 0 || memchr(key.data, '\0', key.size))
        return false;
    *out = clew_attribute_of(key.data, clew_value_string_n(value.data, value.size));
    return true;
}

clew_resource *clew__resource_parse(struct clew__slice text, bool *broken) {
    size_t members = 1, count = 0;
    clew_attribute *attributes;
    clew_resource *resource = NULL;
    char *texts;
    for (size_t i = 0; i < text.size; i++)
        members += text.data[i] == ',';
    /* Attributes, and behind them their texts: none longer than it was, each with one terminator more. */
    attributes = clew_memory_allocate(members * (sizeof *attributes + 2) + text.size);
    *broken = false;
    if (!attributes)
        return NULL;
    texts = (char *)(attributes + members);
    while (text.size && !*broken) {
        struct clew__slice member = clew__env_trim(clew__slice_split(&text, ','));
        if (member.size)
            *broken = !parse_member(member, &texts, &attributes[count++]);
    }
    if (!*broken)
        resource = clew_resource_new(attributes, count, NULL);
    clew_memory_release(attributes);
    return resource;
}

static clew_resource *resource_of_environment(void) {
    static const char name[] = "OTEL_RESOURCE_ATTRIBUTES";
    char shown[CLEW__ENV_SHOWN_SIZE];
    struct clew__slice text = clew__env_text(name);
    bool broken;
    clew_resource *resource = clew__resource_parse(text, &broken);
    if (broken)
        clew_log(CLEW_LOG_WARN, name,
                 "%s=\"%s\" is not a list of key=value with percent-encoded values; all of it is ignored",
                 name, clew__env_show(text, shown));
    return resource;
}

/* Puts one resource over another and gives both back. Without memory for the sum the lower one is better than
 * none. */
static clew_resource *put_over(clew_resource *lower, clew_resource *upper) {
    clew_resource *merged = upper ? clew_resource_merge(lower, upper) : NULL;
    clew_resource_unref(upper);
    if (!merged)
        return lower;
    clew_resource_unref(lower);
    return merged;
}

clew_resource *clew_resource_default(const char *service_name) {
    int saved = errno;
    struct clew__slice name = clew__env_text("OTEL_SERVICE_NAME");
    clew_attribute named = clew_attribute_of("service.name", clew_value_string_n(name.data, name.size));
    clew_resource *resource = detect(service_name);
    if (resource) {
        resource = put_over(resource, resource_of_environment());
        if (name.size)
            resource = put_over(resource, clew_resource_new(&named, 1, NULL));
    }
    errno = saved;
    return resource;
}

/* ---- after a fork ---- */

clew_resource *clew__resource_after_fork(const clew_resource *inherited) {
    int saved = errno;
    uint32_t fresh = clew__resource_fresh(inherited);
    char instance_id[UUID_TEXT_SIZE];
    char creation_time[CLEW__CREATION_TIME_SIZE] = "";
    clew_attribute own[3];
    size_t count = 0;
    clew_resource *update, *resource;

    if (fresh & CLEW__FRESH_PID)
        own[count++] = clew_attribute_of("process.pid", clew_value_int(getpid()));
    if (fresh & CLEW__FRESH_INSTANCE_ID) {
        make_instance_id(instance_id);
        own[count++] = clew_attribute_of("service.instance.id", clew_value_string(instance_id));
    }
    if (fresh & CLEW__FRESH_CREATION) {
        clew__platform_creation_time(creation_time);
        own[count++] = clew_attribute_of("process.creation.time", clew_value_string(creation_time));
    }
    update = clew__resource_make(own, count, NULL, fresh);
    resource = update ? clew_resource_merge(inherited, update) : NULL;
    clew_resource_unref(update);
    errno = saved;
    return resource;
}
