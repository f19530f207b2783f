/* The readers of /proc and /etc, on texts that the machine does not have. */
#include "sdk/resource/platform.h"

#include "test/support.h"

#include <errno.h>
#include <stdio.h>

/* ---- os-release ---- */

static const char release[] = "# comment\n"
                              "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
                              "NAME='Single Quoted'\n"
                              "VERSION_ID=12\n"
                              "  BUILD_ID=\"a\\\"b\\$c\"\n"
                              "OPEN=\"no end\n"
                              "EMPTY=\n"
                              "QUOTED_EMPTY=\"\"\n"
                              "NAMES=not it\n"
                              "LAST=unterminated";

static bool value_is(const char *key, const char *expected) {
    char value[64] = "before";
    bool found = clew__platform_release_value(clew__slice_text(release), key, value, sizeof value);
    return strcmp(value, expected) == 0 && found == (expected[0] != '\0');
}

Test(platform, release_values_lose_their_quotes) {
    cr_assert(value_is("PRETTY_NAME", "Debian GNU/Linux 12 (bookworm)"));
    cr_assert(value_is("NAME", "Single Quoted"));
    cr_assert(value_is("VERSION_ID", "12"));
    cr_assert(value_is("LAST", "unterminated"));
}

Test(platform, release_escapes_are_taken_out) {
    cr_assert(value_is("BUILD_ID", "a\"b$c"));
}

Test(platform, release_values_that_are_missing_or_broken_are_empty) {
    cr_assert(value_is("ABSENT", ""));
    cr_assert(value_is("EMPTY", ""));
    cr_assert(value_is("QUOTED_EMPTY", ""));
    cr_assert(value_is("OPEN", ""));
}

Test(platform, release_value_that_does_not_fit_is_left_out) {
    char value[8];
    cr_assert_not(clew__platform_release_value(clew__slice_text("A=12345678\n"), "A", value, sizeof value));
    cr_assert_str_empty(value);
    cr_assert_not(
        clew__platform_release_value(clew__slice_text("A=\"12345678\"\n"), "A", value, sizeof value));
    cr_assert_str_empty(value);
    cr_assert(clew__platform_release_value(clew__slice_text("A=1234567\n"), "A", value, sizeof value));
}

/* ---- users ---- */

static const char users[] = "root:x:0:0:root:/root:/bin/bash\n"
                            "short:x\n"
                            ":x:77:0::/:/bin/sh\n"
                            "\n"
                            "alice:x:1000:1000:,,,:/home/alice:/bin/sh\n"
                            "alice-too:x:1000:1000::/home/alice:/bin/sh\n"
                            "bob::10000:1::/:";

static bool user_is(uint32_t user, const char *expected) {
    char name[32] = "before";
    bool found = clew__platform_user_name(clew__slice_text(users), user, name, sizeof name);
    return strcmp(name, expected) == 0 && found == (expected[0] != '\0');
}

Test(platform, user_is_found_by_the_whole_number) {
    cr_assert(user_is(0, "root"));
    cr_assert(user_is(1000, "alice"));
    cr_assert(user_is(10000, "bob"));
    cr_assert(user_is(100, ""));
    cr_assert(user_is(1, ""));
}

Test(platform, user_without_a_name_is_none) {
    cr_assert(user_is(77, ""));
}

/* ---- /proc/PID/stat ---- */

#define STAT_REST " S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 "

static bool ticks_are(const char *stat, uint64_t expected) {
    uint64_t ticks = 0;
    return clew__platform_start_ticks(clew__slice_text(stat), &ticks) && ticks == expected;
}

Test(platform, start_time_is_the_twenty_second_field) {
    cr_assert(ticks_are("123 (cat)" STAT_REST "98765 1 2 3\n", 98765));
}

Test(platform, start_time_is_found_behind_any_name) {
    cr_assert(ticks_are("123 (a) b) ( c)" STAT_REST "55 1\n", 55));
}

Test(platform, broken_process_status_has_no_start_time) {
    uint64_t ticks;
    static const char *const broken[] = {"",
                                         "123",
                                         "123 (cat)",
                                         "123 (cat)" STAT_REST,
                                         "1 (c)" STAT_REST "x 1",
                                         "1 (c)" STAT_REST "99999999999999999999999 1"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        cr_assert_not(clew__platform_start_ticks(clew__slice_text(broken[i]), &ticks), "\"%s\"", broken[i]);
}

/* ---- architectures ---- */

static bool arch_is(const char *machine, const char *expected) {
    char arch[32];
    clew__platform_arch(machine, arch, sizeof arch);
    return strcmp(arch, expected) == 0;
}

Test(platform, architectures_have_the_names_of_the_conventions) {
    cr_assert(arch_is("x86_64", "amd64"));
    cr_assert(arch_is("aarch64", "arm64"));
    cr_assert(arch_is("armv7l", "arm32"));
    cr_assert(arch_is("i686", "x86"));
    cr_assert(arch_is("ppc64le", "ppc64"));
    cr_assert(arch_is("ppc", "ppc32"));
    cr_assert(arch_is("s390x", "s390x"));
    cr_assert(arch_is("riscv64", "riscv64"));
}

Test(platform, reading_all_preserves_errno) {
    struct clew__platform platform;
    errno = EXDEV;
    clew__platform_read(&platform);
    cr_assert_eq(errno, EXDEV);
    cr_assert_str_not_empty(platform.executable_name);
    cr_assert_str_not_empty(platform.owner);
}
