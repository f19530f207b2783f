/* Does what the lines on its standard input say, with Clew set up by the environment alone:
 *   spans N     starts and ends N spans, every second one a child of the one before
 *   flush MS    clew_flush(); then prints what came of it
 * At the end of the input Clew is shut down, and what came of that is printed. What is printed is a line of
 * JSON with the delivery, how long it took, and the books. */
#include <clew/clew.h>
#include <clew/extend.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NANO_PER_MILLI UINT64_C(1000000)
#define SHUTDOWN_MS 20000

static void make_spans(unsigned long count) {
    for (unsigned long i = 0; i < count; i += 2) {
        clew_span root = clew_span_start(NULL, "root", &(clew_span_options){.flags = CLEW_SPAN_ROOT});
        if (i + 1 < count) {
            clew_context *inside = clew_context_with_span(NULL, root);
            clew_span_end(clew_span_start(NULL, "child", &(clew_span_options){.parent = inside}));
            clew_context_unref(inside);
        }
        clew_span_end(root);
    }
}

static void print_number(const char *name, uint64_t number) {
    printf(",\"%s\":%" PRIu64, name, number);
}

static void print_pipeline(const clew_pipeline_stats *books) {
    printf(",\"pipeline\":{\"name\":\"%s\"", books->name);
    print_number("offered", books->offered);
    print_number("pending", books->pending);
    print_number("exported", books->exported);
    print_number("rejected", books->rejected);
    print_number("failed", books->failed);
    print_number("unknown", books->unknown);
    print_number("dropped_queue_full", books->dropped_queue_full);
    print_number("dropped_memory", books->dropped_memory);
    print_number("dropped_shutdown", books->dropped_shutdown);
    printf("}");
}

static void print_result(const clew_delivery *delivery, uint64_t begun) {
    clew_stats_data books = clew_stats();
    printf("{\"status\":\"%s\"", clew_strerror(delivery->status));
    print_number("took_ms", (clew_monotonic_nano() - begun) / NANO_PER_MILLI);
    print_number("started", books.started);
    print_number("ended", books.ended);
    print_number("open", books.open);
    print_number("not_recorded", books.not_recorded);
    print_number("not_recorded_memory", books.not_recorded_memory);
    if (books.pipeline_count)
        print_pipeline(&books.pipelines[0]);
    printf("}\n");
    fflush(stdout);
}

static void finish(void) {
    uint64_t begun = clew_monotonic_nano();
    clew_delivery delivery = clew_shutdown(SHUTDOWN_MS);
    print_result(&delivery, begun);
}

int main(void) {
    char line[64];
    clew_init("send");
    while (fgets(line, sizeof line, stdin)) {
        unsigned long number;
        if (sscanf(line, "spans %lu", &number) == 1) {
            make_spans(number);
        } else if (sscanf(line, "flush %lu", &number) == 1) {
            uint64_t begun = clew_monotonic_nano();
            clew_delivery delivery = clew_flush((uint32_t)number);
            print_result(&delivery, begun);
        } else {
            fprintf(stderr, "send: what is %s", line);
            return 2;
        }
    }
    finish();
    return 0;
}
