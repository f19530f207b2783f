/* The default resource: what is found out, what the environment puts over it, and what a fork renews. */
#include "sdk/resource/platform.h"
#include "sdk/resource/resource.h"

#include "test/support.h"
#include "test/unit/config/captured_log.h"

#include <clew/extend.h>
#include <clew/version.h>

#include <criterion/parameterized.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void setup(void) {
    unsetenv("OTEL_SERVICE_NAME");
    unsetenv("OTEL_RESOURCE_ATTRIBUTES");
    capture_log();
}

TestSuite(detect, .init = setup);

static const char *text_of(const clew_resource *resource, const char *key) {
    clew_value value = clew_resource_get(resource, key);
    return value.type == CLEW_TYPE_STRING ? value.as.string : "(none)";
}

static void expect_service(const char *given, const char *expected) {
    clew_resource *resource = clew_resource_default(given);
    cr_assert_str_eq(text_of(resource, "service.name"), expected);
    clew_resource_unref(resource);
}

static void executable_name(char name[256]) {
    struct clew__platform platform;
    clew__platform_read(&platform);
    strcpy(name, platform.executable_name);
}

/* ---- service.name ---- */

Test(detect, service_without_a_name_is_unknown_and_says_the_program) {
    char link[1024] = {0}, expected[1100];
    cr_assert_gt(readlink("/proc/self/exe", link, sizeof link - 1), 0);
    snprintf(expected, sizeof expected, "unknown_service:%s", strrchr(link, '/') + 1);
    expect_service(NULL, expected);
    expect_service("", expected);
    CLEW_NO_LEAKS();
}

Test(detect, service_name_in_code_wins_over_none) {
    expect_service("checkout", "checkout");
    CLEW_NO_LEAKS();
}

Test(detect, service_name_of_resource_attributes_wins_over_code) {
    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes", 1);
    expect_service("checkout", "from-attributes");
    CLEW_NO_LEAKS();
}

Test(detect, service_name_variable_wins_over_all) {
    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes,a=b", 1);
    setenv("OTEL_SERVICE_NAME", " from-variable ", 1);
    clew_resource *resource = clew_resource_default("checkout");
    cr_assert_str_eq(text_of(resource, "service.name"), "from-variable");
    cr_assert_str_eq(text_of(resource, "a"), "b");
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, empty_service_name_variable_counts_as_unset) {
    setenv("OTEL_SERVICE_NAME", "", 1);
    expect_service("checkout", "checkout");
    CLEW_NO_LEAKS();
}

/* ---- what is found out ---- */

Test(detect, sdk_names_itself) {
    clew_resource *resource = clew_resource_default("x");
    cr_assert_str_eq(text_of(resource, "telemetry.sdk.name"), "clew");
    cr_assert_str_eq(text_of(resource, "telemetry.sdk.language"), "c");
    cr_assert_str_eq(text_of(resource, "telemetry.sdk.version"), CLEW_VERSION);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, process_is_described_without_its_arguments) {
    char name[256], path[1024] = {0};
    clew_resource *resource = clew_resource_default("x");
    executable_name(name);
    cr_assert_gt(readlink("/proc/self/exe", path, sizeof path - 1), 0);
    cr_assert_eq(clew_resource_get(resource, "process.pid").type, CLEW_TYPE_INT);
    cr_assert_eq(clew_resource_get(resource, "process.pid").as.integer, getpid());
    cr_assert_str_eq(text_of(resource, "process.executable.name"), name);
    cr_assert_str_eq(text_of(resource, "process.executable.path"), path);
    cr_assert_str_eq(text_of(resource, "process.command"), program_invocation_name);
    cr_assert_str_neq(text_of(resource, "process.owner"), "(none)");
    cr_assert_eq(clew_resource_get(resource, "process.command_args").type, CLEW_TYPE_EMPTY);
    cr_assert_eq(clew_resource_get(resource, "process.command_line").type, CLEW_TYPE_EMPTY);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, process_was_created_a_short_while_ago) {
    clew_resource *resource = clew_resource_default("x");
    const char *text = text_of(resource, "process.creation.time");
    struct tm calendar = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &calendar);
    cr_assert_not_null(rest, "%s", text);
    cr_assert(rest[0] == '.' && strlen(rest) == 5 && rest[4] == 'Z', "%s", text);
    time_t age = time(NULL) - timegm(&calendar);
    cr_assert(age >= -1 && age < 600, "%s is %ld seconds ago", text, (long)age);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, host_and_system_are_described) {
    char name[256] = {0};
    clew_resource *resource = clew_resource_default("x");
    gethostname(name, sizeof name - 1);
    cr_assert_str_eq(text_of(resource, "host.name"), name);
    cr_assert_str_neq(text_of(resource, "host.arch"), "(none)");
    cr_assert_str_eq(text_of(resource, "os.type"), "linux");
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, instance_id_is_a_random_uuid) {
    clew_resource *one = clew_resource_default("x"), *two = clew_resource_default("x");
    const char *id = text_of(one, "service.instance.id");
    cr_assert_eq(strlen(id), 36);
    cr_assert_eq(strspn(id, "0123456789abcdef-"), 36);
    cr_assert_eq(id[14], '4', "version");
    cr_assert(strchr("89ab", id[19]), "variant");
    cr_assert_str_neq(id, text_of(two, "service.instance.id"));
    clew_resource_unref(one);
    clew_resource_unref(two);
    CLEW_NO_LEAKS();
}

Test(detect, random_sequence_of_the_host_is_not_disturbed) {
    srandom(42);
    long expected = random();
    srandom(42);
    clew_resource_unref(clew_resource_default("x"));
    cr_assert_eq(random(), expected);
    CLEW_NO_LEAKS();
}

Test(detect, errno_is_preserved) {
    errno = EXDEV;
    clew_resource *resource = clew_resource_default("x");
    cr_assert_eq(errno, EXDEV);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

/* ---- OTEL_RESOURCE_ATTRIBUTES ---- */

Test(detect, attributes_of_the_environment_win_over_findings) {
    setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=elsewhere,service.instance.id=mine,process.pid=7", 1);
    clew_resource *resource = clew_resource_default("x");
    cr_assert_str_eq(text_of(resource, "host.name"), "elsewhere");
    cr_assert_str_eq(text_of(resource, "service.instance.id"), "mine");
    cr_assert_str_eq(text_of(resource, "process.pid"), "7", "all of its values are strings");
    cr_assert_eq(clew__resource_fresh(resource), CLEW__FRESH_CREATION);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

struct list_case {
    char text[64];
    int count; /* -1: broken */
    char key[16], value[32];
};

ParameterizedTestParameters(detect, attribute_list) {
    static struct list_case cases[] = {
        {"a=b", 1, "a", "b"},
        {" a = b , c = d ", 2, "c", "d"},
        {"a=1,a=2", 1, "a", "2"},
        {"a=", 1, "a", ""},
        {"", 0, "", ""},
        {"a=b,", 1, "a", "b"},
        {",,a=b,,", 1, "a", "b"},
        {"a=%2C%3d%25%20", 1, "a", ",=% "},
        {"a%2Cb=x", 1, "a,b", "x"},
        {"a=b=c", 1, "a", "b=c"},
        {"a=\xc3\xa9%C3%A9", 1, "a", "\xc3\xa9\xc3\xa9"},
        {"a=b+c", 1, "a", "b+c"},
        {"a", -1, "", ""},
        {"=b", -1, "", ""},
        {" =b", -1, "", ""},
        {"a=b,c", -1, "", ""},
        {"a=%", -1, "", ""},
        {"a=%4", -1, "", ""},
        {"a=%4g", -1, "", ""},
        {"a=%zz,b=c", -1, "", ""},
        {"a%00b=c", -1, "", ""},
        {"a=%C0%80", -1, "", ""}, /* no UTF-8 */
    };
    return cr_make_param_array(struct list_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct list_case *given, detect, attribute_list) {
    bool broken;
    clew_resource *resource = clew__resource_parse(clew__slice_text(given->text), &broken);
    cr_assert_eq(broken, given->count < 0, "\"%s\"", given->text);
    cr_assert_eq(resource != NULL, given->count >= 0);
    if (resource) {
        cr_assert_eq((int)clew_resource_count(resource), given->count, "\"%s\"", given->text);
        if (given->count)
            cr_assert_str_eq(text_of(resource, given->key), given->value, "\"%s\"", given->text);
    }
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, broken_list_is_discarded_whole_and_named) {
    setenv("OTEL_RESOURCE_ATTRIBUTES", "good=1,bad", 1);
    clew_resource *resource = clew_resource_default("x");
    cr_assert_eq(clew_resource_get(resource, "good").type, CLEW_TYPE_EMPTY);
    cr_assert_str_eq(text_of(resource, "service.name"), "x");
    cr_assert(captured_one_warning("OTEL_RESOURCE_ATTRIBUTES", "good=1,bad", "ignored"), "%s", captured.all);
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

/* ---- after a fork ---- */

static bool is_renewed(const clew_resource *inherited) {
    clew_resource *own = clew__resource_after_fork(inherited);
    bool renewed =
        clew_resource_get(own, "process.pid").as.integer == getpid() &&
        strcmp(text_of(own, "service.instance.id"), text_of(inherited, "service.instance.id")) != 0 &&
        strcmp(text_of(own, "service.name"), "checkout") == 0 &&
        clew_resource_count(own) == clew_resource_count(inherited) &&
        clew__resource_fresh(own) == clew__resource_fresh(inherited);
    clew_resource_unref(own);
    return renewed;
}

Test(detect, forked_child_has_its_own_pid_and_instance_id) {
    clew_resource *resource = clew_resource_default("checkout");
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(is_renewed(resource) ? 0 : 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(clew_resource_get(resource, "process.pid").as.integer, getpid());
    clew_resource_unref(resource);
    CLEW_NO_LEAKS();
}

Test(detect, instance_id_that_was_given_survives_a_fork) {
    setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=mine", 1);
    clew_resource *resource = clew_resource_default("x");
    clew_resource *own = clew__resource_after_fork(resource);
    cr_assert_str_eq(text_of(own, "service.instance.id"), "mine");
    clew_resource_unref(resource);
    clew_resource_unref(own);
    CLEW_NO_LEAKS();
}

Test(detect, resource_of_the_program_alone_gains_nothing_by_a_fork) {
    clew_attribute attribute = {"process.pid", clew_value_int(1)};
    clew_resource *resource = clew_resource_new(&attribute, 1, NULL);
    clew_resource *own = clew__resource_after_fork(resource);
    cr_assert_eq(clew_resource_count(own), 1);
    cr_assert_eq(clew_resource_get(own, "process.pid").as.integer, 1);
    clew_resource_unref(resource);
    clew_resource_unref(own);
    CLEW_NO_LEAKS();
}

/* ---- without memory ---- */

static unsigned allowed;

static void *allocate_some(void *user, size_t size) {
    (void)user;
    return allowed > 0 ? allowed--, malloc(size) : NULL;
}

static void *reallocate_none(void *user, void *block, size_t size) {
    (void)user, (void)block, (void)size;
    return NULL;
}

static void release(void *user, void *block) {
    (void)user;
    free(block);
}

Test(detect, failed_allocations_leave_less_or_nothing_but_no_leak) {
    static const clew_allocator allocator = {allocate_some, reallocate_none, release, NULL};
    cr_assert_eq(clew_set_allocator(&allocator), 0);
    setenv("OTEL_RESOURCE_ATTRIBUTES", "a=b", 1);
    setenv("OTEL_SERVICE_NAME", "named", 1);
    for (unsigned granted = 0; granted < 12; granted++) {
        clew_resource *resource, *own;
        allowed = granted;
        resource = clew_resource_default("x");
        cr_assert_eq(resource != NULL, granted >= 3);
        own = resource ? clew__resource_after_fork(resource) : NULL;
        clew_resource_unref(resource);
        clew_resource_unref(own);
    }
    CLEW_NO_LEAKS();
}
