/* Local exporters and the test kit when memory runs out: each allocation fails in turn. */
#include <clew/extend.h>
#include <clew/testing.h>

#include "sdk/base/memory.h"
#include "test/failing.h"
#include "test/support.h"
#include "test/unit/exporters/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALLOCATIONS_MAX 100 /* more than any scenario here makes */
#define SPANS 40

static struct clew__writer request;

static void write_request(void) {
    static struct test_span spans[SPANS];
    cr_assert_eq(failing_install(), CLEW_OK);
    for (uint32_t i = 0; i < SPANS; i++)
        spans[i] = (struct test_span){
            .name = "a span with a name of some length", .id = i + 1, .parent = i, .start = i};
    request = clew__buffer_plain();
    test_write_request(&request, spans, SPANS);
}

static void free_request(void) {
    failing_end();
    clew__buffer_fini(&request);
    cr_expect_eq(clew__budget_used(), 0);
    CLEW_NO_LEAKS();
}

TestSuite(no_memory, .init = write_request, .fini = free_request);

/* Runs a scenario with its first, second… allocation failing, until it needs no more. Every failure must be
 * told. */
static void fail_each_allocation(bool (*scenario)(void)) {
    bool has_more = true;
    int i = 0;
    for (; has_more && i < ALLOCATIONS_MAX; i++) {
        bool well;
        failing_begin(i);
        well = scenario();
        has_more = failing_end();
        cr_expect_eq(well, !has_more, "allocation %d", i);
    }
    cr_expect_lt(i, ALLOCATIONS_MAX);
    cr_expect_gt(i, 1);
}

static bool export_to(const clew_exporter *exporter) {
    struct clew_batch batch = test_batch(&request, SPANS);
    clew_export_report report = {0};
    clew_export_outcome outcome = exporter->export_batch(exporter->self, &batch, 0, &report);
    cr_expect_eq(report.reason[0] != '\0', outcome == CLEW_EXPORT_FAILED);
    return outcome == CLEW_EXPORT_DELIVERED;
}

static bool use_console(void) {
    static int sink = -1;
    clew_exporter exporter;
    bool well;
    if (sink < 0)
        sink = open("/dev/null", O_WRONLY);
    exporter = clew_exporter_console(sink);
    well = export_to(&exporter);
    exporter.destroy(exporter.self);
    return well;
}

Test(no_memory, console_fails_the_batch) {
    fail_each_allocation(use_console);
}

static bool use_file(void) {
    clew_exporter exporter;
    bool well;
    if (clew_exporter_otlp_file("/dev/null", &exporter) != CLEW_OK)
        return false;
    well = export_to(&exporter);
    exporter.destroy(exporter.self);
    return well;
}

Test(no_memory, file_fails_the_batch) {
    fail_each_allocation(use_file);
}

static bool use_memory(void) {
    clew_memory_exporter *memory = clew_memory_exporter_new(0);
    char message[64];
    bool well;
    if (!memory)
        return false;
    clew_exporter exporter = clew_memory_exporter_as_exporter(memory);
    well = export_to(&exporter);
    if (well) {
        char *tree = clew_memory_exporter_tree(memory);
        clew_span_view view = clew_memory_exporter_at(memory, 0);
        well = tree && clew_expect_tree(memory, tree, message, sizeof message) &&
               clew_expect_attribute(&view, "key", clew_value_empty(), message, sizeof message);
        if (tree && !well)
            cr_expect_str_eq(message, "out of memory");
        clew_testing_text_free(tree);
    }
    clew_memory_exporter_free(memory);
    return well;
}

Test(no_memory, test_kit_says_so) {
    fail_each_allocation(use_memory);
}
