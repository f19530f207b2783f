/* Crash files, whole and broken. */
#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/crash/crash.h"
#include "sdk/crash/crash_file.h"
#include "sdk/crash/crash_layout.h"
#include "sdk/crash/recover.h"
#include "sdk/trace/view.h"
#include "test/support.h"

#include <clew/pipeline.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES CLEW__CRASH_BYTES_LEAST
#define FIRST_PAGE 2u /* that blocks have in a file of that size */

/* ---- a file, and what is wrong with it ---- */

struct file {
    int descriptor;
    uint8_t *bytes;
    size_t size;
};

static struct file new_file(void) {
    char path[] = "/tmp/clew-test-XXXXXX";
    struct file file = {mkstemp(path), calloc(1, BYTES), BYTES};
    struct clew__crash_header header = {CLEW__CRASH_MAGIC,
                                        CLEW__CRASH_VERSION,
                                        CLEW__CRASH_BYTE_ORDER,
                                        CLEW__CRASH_PAGE,
                                        BYTES / CLEW__CRASH_PAGE,
                                        FIRST_PAGE,
                                        4711,
                                        1};
    unlink(path);
    memcpy(file.bytes, &header, sizeof header);
    return file;
}

static uint32_t *table_of(struct file *file) {
    return (uint32_t *)(void *)(file->bytes + CLEW__CRASH_PAGE);
}

static struct clew__crash_header *header_of(struct file *file) {
    return (struct clew__crash_header *)(void *)file->bytes;
}

static uint32_t *marks_of(struct file *file, uint32_t page) {
    return (uint32_t *)(void *)(file->bytes + (size_t)page * CLEW__CRASH_PAGE);
}

static void add_block(struct file *file, uint32_t page, enum clew__crash_kind kind, uint32_t pages) {
    table_of(file)[page] = (uint32_t)kind << CLEW__CRASH_KIND_SHIFT | pages;
}

static void append(struct file *file, uint32_t page, const void *bytes, size_t size) {
    uint32_t *marks = marks_of(file, page);
    memcpy((uint8_t *)(marks + 2) + marks[1], bytes, size);
    marks[1] += (uint32_t)size;
}

/* A span of that name; the id is made of `number`, none for 0. */
static size_t make_span(uint8_t *out, uint8_t number, const char *name) {
    uint8_t ids[16] = {0};
    struct clew__writer writer = {.data = out, .capacity = 512};
    size_t span = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SPANS);
    ids[7] = number;
    clew__write_bytes(&writer, CLEW__SPAN_TRACE_ID, ids, 16);
    clew__write_bytes(&writer, CLEW__SPAN_SPAN_ID, ids, 8);
    clew__write_bytes(&writer, CLEW__SPAN_NAME, name, strlen(name));
    clew__write_end(&writer, span);
    return writer.size;
}

static void append_record(struct file *file, uint32_t page, uint64_t scope, const void *bytes, size_t size) {
    uint32_t length = (uint32_t)size;
    append(file, page, &scope, sizeof scope);
    append(file, page, &length, sizeof length);
    append(file, page, bytes, size);
}

static void append_span(struct file *file, uint32_t page, uint64_t scope, uint8_t number) {
    uint8_t span[512];
    append_record(file, page, scope, span, make_span(span, number, "recovered"));
}

static void append_origin(struct file *file, uint32_t page, uint64_t scope, const char *name) {
    uint8_t bytes[256];
    struct clew__writer writer = {.data = bytes, .capacity = sizeof bytes};
    struct clew__crash_origin entry = {.scope = scope};
    size_t begun = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SCOPE);
    clew__write_bytes(&writer, CLEW__SCOPE_NAME, name, strlen(name));
    clew__write_end(&writer, begun);
    entry.head_size = (uint32_t)writer.size;
    append(file, page, &entry, sizeof entry);
    append(file, page, bytes, writer.size);
}

static void write_out(struct file *file) {
    cr_assert_eq(ftruncate(file->descriptor, 0), 0);
    cr_assert_eq(pwrite(file->descriptor, file->bytes, file->size, 0), (ssize_t)file->size);
}

static void close_file(struct file *file) {
    close(file->descriptor);
    free(file->bytes);
}

/* A block of three spans. */
static struct file usual_file(void) {
    struct file file = new_file();
    add_block(&file, FIRST_PAGE, CLEW__CRASH_SPANS, 1);
    for (uint8_t i = 1; i <= 3; i++)
        append_span(&file, FIRST_PAGE, 0x1000, i);
    return file;
}

/* ---- what is found ---- */

/* Recovers all; returns the spans, every one checked. */
static size_t recover_by(struct file *file, size_t max_bytes, size_t max_spans, uint64_t *damaged) {
    struct clew__recovery *recovery = NULL;
    size_t total = 0, spans;
    clew_bytes request;
    bool failed;
    write_out(file);
    cr_assert_eq(clew__recovery_open(file->descriptor, &recovery), CLEW__RECOVERY_OK);
    while (clew__recovery_next(recovery, max_bytes, max_spans, &request, &spans, &failed)) {
        clew_batch_cursor cursor = clew_request_begin(request);
        clew_span_view span;
        size_t seen = 0;
        cr_assert_eq(clew__wire_check_traces(request.data, request.size, NULL, NULL), CLEW__WIRE_OK);
        while (clew_batch_next(&cursor, &span))
            seen++;
        cr_assert_eq(seen, spans);
        cr_assert(spans <= max_spans);
        total += spans;
    }
    cr_assert_not(failed);
    if (damaged)
        *damaged = clew__recovery_damaged(recovery);
    clew__recovery_free(recovery);
    return total;
}

static void expect(struct file *file, size_t spans, uint64_t damaged) {
    uint64_t found_damaged;
    size_t found = recover_by(file, 1 << 20, 100, &found_damaged);
    close_file(file);
    cr_expect_eq(found, spans, "%zu spans instead of %zu", found, spans);
    cr_expect_eq(found_damaged, damaged, "%llu damaged", (unsigned long long)found_damaged);
    CLEW_NO_LEAKS();
}

static void expect_status(struct file *file, enum clew__recovery_status status) {
    struct clew__recovery *recovery = NULL;
    write_out(file);
    cr_expect_eq(clew__recovery_open(file->descriptor, &recovery), status);
    clew__recovery_free(recovery);
    close_file(file);
    CLEW_NO_LEAKS();
}

/* ---- whole files ---- */

Test(recover, spans_of_a_block_are_found) {
    struct file file = usual_file();
    expect(&file, 3, 0);
}

Test(recover, each_span_is_marked) {
    struct file file = usual_file();
    struct clew__recovery *recovery = NULL;
    clew_batch_cursor cursor;
    clew_span_view span;
    clew_bytes request;
    size_t spans;
    bool failed;
    write_out(&file);
    clew__recovery_open(file.descriptor, &recovery);
    cr_assert_eq(clew__recovery_pid(recovery), 4711);
    cr_assert(clew__recovery_next(recovery, 1 << 20, 100, &request, &spans, &failed));
    cursor = clew_request_begin(request);
    while (clew_batch_next(&cursor, &span)) {
        struct clew__wire rest = clew__wire_of_bytes(span.span), attribute;
        struct clew__keyvalue read;
        cr_assert(clew__next_member(&rest, CLEW__SPAN_ATTRIBUTES, &attribute));
        clew__read_keyvalue(attribute, &read);
        cr_expect_eq(memcmp(read.key.at, CLEW__RECOVERED_KEY, sizeof CLEW__RECOVERED_KEY - 1), 0);
        cr_expect(read.value.kind == CLEW__ANY_BOOL && read.value.number == 1);
    }
    clew__recovery_free(recovery);
    close_file(&file);
    CLEW_NO_LEAKS();
}

Test(recover, blocks_of_several_pages_are_passed_over_whole) {
    struct file file = usual_file();
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, 3);
    append_span(&file, FIRST_PAGE + 1, 0, 9);
    /* A word inside the block says nothing, nor does what lies in its pages. */
    add_block(&file, FIRST_PAGE + 2, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE + 2, 0, 10);
    add_block(&file, FIRST_PAGE + 4, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE + 4, 0, 11);
    expect(&file, 5, 0);
}

Test(recover, free_blocks_and_delivered_records_are_not_found) {
    struct file file = usual_file();
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_FREE, 0);
    append_span(&file, FIRST_PAGE + 1, 0, 9);
    marks_of(&file, FIRST_PAGE)[0] = marks_of(&file, FIRST_PAGE)[1] / 3;
    expect(&file, 2, 0);
}

Test(recover, scopes_are_found_by_what_records_say) {
    struct file file = usual_file();
    struct clew__recovery *recovery = NULL;
    clew_batch_cursor cursor;
    clew_span_view span;
    clew_bytes request;
    size_t spans;
    bool failed;
    add_block(&file, FIRST_PAGE + 3, CLEW__CRASH_ORIGINS, 1);
    append_origin(&file, FIRST_PAGE + 3, 0x2000, "another");
    append_origin(&file, FIRST_PAGE + 3, 0x1000, "the one");
    write_out(&file);
    clew__recovery_open(file.descriptor, &recovery);
    cr_assert(clew__recovery_next(recovery, 1 << 20, 100, &request, &spans, &failed));
    cursor = clew_request_begin(request);
    cr_assert(clew_batch_next(&cursor, &span));
    cr_expect_neq(memmem(span.scope.data, span.scope.size, "the one", 7), NULL);
    clew__recovery_free(recovery);
    close_file(&file);
    CLEW_NO_LEAKS();
}

Test(recover, requests_are_bounded_in_spans_and_bytes) {
    struct file file = usual_file();
    cr_expect_eq(recover_by(&file, 1 << 20, 1, NULL), 3);
    cr_expect_eq(recover_by(&file, 1, 100, NULL), 3, "a single span may be larger");
    close_file(&file);
}

/* Beyond the limit the kernel would kill the process. */
Test(recover, limit_of_file_sizes_is_seen_before_a_confirmation) {
    struct file file = usual_file();
    struct rlimit limit = {CLEW__CRASH_PAGE, CLEW__CRASH_PAGE};
    struct clew__recovery *recovery = NULL;
    clew_bytes request;
    size_t spans;
    bool failed;
    int status = -1;
    pid_t child;
    write_out(&file);
    child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_FSIZE, &limit);
        clew__recovery_open(file.descriptor, &recovery);
        clew__recovery_next(recovery, 1 << 20, 100, &request, &spans, &failed);
        _exit(clew__recovery_confirm(recovery) ? 1 : 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0, "%#x", (unsigned)status);
    close_file(&file);
}

Test(recover, what_is_confirmed_is_not_found_again) {
    struct file file = usual_file();
    struct clew__recovery *recovery = NULL;
    clew_bytes request;
    size_t spans;
    bool failed;
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE + 1, 0, 9);
    write_out(&file);
    clew__recovery_open(file.descriptor, &recovery);
    for (size_t left = 4; left > 0; left--) {
        cr_assert(clew__recovery_next(recovery, 1 << 20, 1, &request, &spans, &failed), "%zu are left", left);
        cr_assert(clew__recovery_confirm(recovery));
        clew__recovery_free(recovery);
        cr_assert_eq(clew__recovery_open(file.descriptor, &recovery), CLEW__RECOVERY_OK);
    }
    cr_expect_not(clew__recovery_next(recovery, 1 << 20, 1, &request, &spans, &failed));
    clew__recovery_free(recovery);
    close_file(&file);
    CLEW_NO_LEAKS();
}

/* ---- broken ones ---- */

Test(recover, empty_and_foreign_files_are_told_apart) {
    struct file file = usual_file();
    file.size = 0;
    expect_status(&file, CLEW__RECOVERY_EMPTY);
    file = usual_file();
    memset(header_of(&file)->magic, 0, 8);
    expect_status(&file, CLEW__RECOVERY_EMPTY);
    file = usual_file();
    header_of(&file)->magic[0] = 'x';
    expect_status(&file, CLEW__RECOVERY_BAD);
    file = usual_file();
    header_of(&file)->version++;
    expect_status(&file, CLEW__RECOVERY_FOREIGN);
    file = usual_file();
    header_of(&file)->byte_order = 0x04030201;
    expect_status(&file, CLEW__RECOVERY_FOREIGN);
    file = usual_file();
    file.size = 20;
    expect_status(&file, CLEW__RECOVERY_BAD);
}

Test(recover, counts_of_pages_are_not_believed) {
    static const uint32_t counts[] = {0, 1, 2, CLEW__CRASH_PAGES_MAX, CLEW__CRASH_PAGES_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct file file = usual_file();
        header_of(&file)->pages = counts[i];
        expect_status(&file, CLEW__RECOVERY_BAD);
        file = usual_file();
        header_of(&file)->first_page = counts[i] == FIRST_PAGE ? 3 : counts[i];
        expect_status(&file, CLEW__RECOVERY_BAD);
    }
}

Test(recover, truncated_file_gives_what_is_there) {
    struct file file = usual_file();
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE + 1, 0, 9);
    file.size = (FIRST_PAGE + 1) * CLEW__CRASH_PAGE + 100;
    expect(&file, 3, 1);
}

Test(recover, blocks_beyond_the_end_are_passed_over) {
    struct file file = usual_file();
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, CLEW__CRASH_RUN_MASK);
    add_block(&file, FIRST_PAGE + 2, CLEW__CRASH_SPANS, BYTES / CLEW__CRASH_PAGE);
    add_block(&file, BYTES / CLEW__CRASH_PAGE - 1, CLEW__CRASH_SPANS, 2);
    add_block(&file, FIRST_PAGE + 3, (enum clew__crash_kind)77, 1);
    expect(&file, 3, 4);
}

Test(recover, marks_that_make_no_sense_cost_the_block) {
    struct file file = usual_file();
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, 1);
    marks_of(&file, FIRST_PAGE + 1)[1] = CLEW__CRASH_PAGE;
    add_block(&file, FIRST_PAGE + 2, CLEW__CRASH_SPANS, 1);
    marks_of(&file, FIRST_PAGE + 2)[0] = 200;
    marks_of(&file, FIRST_PAGE + 2)[1] = 100;
    expect(&file, 3, 2);
}

Test(recover, record_that_runs_over_the_end_costs_the_rest_of_its_block) {
    struct file file = usual_file();
    uint32_t size = UINT32_MAX;
    append_span(&file, FIRST_PAGE, 0, 9);
    memcpy(file.bytes + FIRST_PAGE * CLEW__CRASH_PAGE + 8 + marks_of(&file, FIRST_PAGE)[1] / 4 * 3 + 8, &size,
           sizeof size);
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE + 1, 0, 10);
    expect(&file, 4, 1);
}

Test(recover, half_a_record_is_damaged) {
    struct file file = usual_file();
    append(&file, FIRST_PAGE, "12345", 5);
    expect(&file, 3, 1);
}

Test(recover, malformed_spans_are_passed_over_one_by_one) {
    struct file file = new_file();
    uint8_t span[512];
    size_t size;
    add_block(&file, FIRST_PAGE, CLEW__CRASH_SPANS, 1);
    append_span(&file, FIRST_PAGE, 0, 1);
    size = make_span(span, 0, "no ids");
    append_record(&file, FIRST_PAGE, 0, span, size);
    size = make_span(span, 2, "too short");
    append_record(&file, FIRST_PAGE, 0, span, size - 1);
    size = make_span(span, 3, "bad \xff text");
    append_record(&file, FIRST_PAGE, 0, span, size);
    append_record(&file, FIRST_PAGE, 0, "", 0);
    append_span(&file, FIRST_PAGE, 0, 4);
    expect(&file, 2, 4);
}

Test(recover, malformed_origins_are_passed_over) {
    struct file file = usual_file();
    struct clew__crash_origin entry = {0x1000, 10, 0};
    add_block(&file, FIRST_PAGE + 1, CLEW__CRASH_ORIGINS, 1);
    append(&file, FIRST_PAGE + 1, &entry, sizeof entry);
    append(&file, FIRST_PAGE + 1, "0123456789", 10);
    entry.head_size = UINT32_MAX;
    entry.tail_size = UINT32_MAX;
    append(&file, FIRST_PAGE + 1, &entry, sizeof entry);
    add_block(&file, FIRST_PAGE + 2, CLEW__CRASH_ORIGINS, 1);
    marks_of(&file, FIRST_PAGE + 2)[1] = UINT32_MAX;
    expect(&file, 3, 1);
}

/* One scope of 200 KiB, and spans that change between it and none: each run repeats it. */
Test(recover, large_scopes_of_small_spans_do_not_grow_without_bound) {
    enum { PAGES = 256, HEAD = 200 << 10, ORIGIN_PAGES = 60 };
    static uint8_t head[HEAD + 16], name[HEAD];
    struct file file = new_file();
    struct clew__writer writer = {.data = head, .capacity = sizeof head};
    struct clew__crash_origin entry = {.scope = 0x1000};
    uint64_t damaged, spans = 0;
    size_t found, begun = clew__write_begin(&writer, CLEW__SCOPE_SPANS_SCOPE);
    memset(name, 'x', sizeof name);
    clew__write_bytes(&writer, CLEW__SCOPE_NAME, name, sizeof name);
    clew__write_end(&writer, begun);
    cr_assert_not(writer.failed);
    entry.head_size = (uint32_t)writer.size;
    file.size = (size_t)PAGES * CLEW__CRASH_PAGE;
    file.bytes = realloc(file.bytes, file.size);
    memset(file.bytes + BYTES, 0, file.size - BYTES);
    header_of(&file)->pages = PAGES;
    add_block(&file, FIRST_PAGE, CLEW__CRASH_ORIGINS, ORIGIN_PAGES);
    append(&file, FIRST_PAGE, &entry, sizeof entry);
    append(&file, FIRST_PAGE, head, writer.size);
    for (uint32_t page = FIRST_PAGE + ORIGIN_PAGES; page < PAGES; page++) {
        add_block(&file, page, CLEW__CRASH_SPANS, 1);
        while (marks_of(&file, page)[1] < CLEW__CRASH_PAGE - 200)
            append_span(&file, page, spans++ % 2 ? 0x1000 : 0, 1);
    }
    found = recover_by(&file, 1 << 20, 512, &damaged);
    close_file(&file);
    cr_expect(found > 0 && found < spans / 2, "%zu of %llu", found, (unsigned long long)spans);
    cr_expect_eq(damaged, 1);
    CLEW_NO_LEAKS();
}
