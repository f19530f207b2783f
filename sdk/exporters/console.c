/* The console exporter: spans as text for people, to standard output or error (specification: Trace SDK,
 * Console).
 *
 * One batch at a time; whichever thread the pipeline exports on. For debugging: the format may change. */
#include <clew/extend.h>
#include <clew/pipeline.h>

#include "proto/otlp.h"
#include "sdk/base/buffer.h"
#include "sdk/exporters/output.h"
#include "sdk/exporters/print.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ERROR_TEXT_MAX 64

struct console {
    struct clew__output output;
    struct clew__writer text;
    atomic_bool exporting; /* for the child of a fork: `text` may be half changed */
};

static void print_attributes(struct clew__writer *text, clew_iterator attributes) {
    clew_attribute_view attribute;

    while (clew_next_attribute(&attributes, &attribute)) {
        clew__print(text, "    ");
        clew__print_text(text, attribute.key);
        clew__print(text, " = ");
        clew__print_value(text, &attribute.value);
        clew__print(text, "\n");
    }
}

static void print_events(struct clew__writer *text, const clew_span_view *view, const clew_span_data *span) {
    clew_iterator events = clew_span_view_events(view);
    clew_event_view event;

    while (clew_next_event(&events, &event)) {
        clew__print(text, event.time_unix_nano < span->start_unix_nano ? "  event " : "  event +");
        clew__print_duration(text, span->start_unix_nano, event.time_unix_nano);
        clew__print(text, " ");
        clew__print_text(text, event.name);
        clew__print(text, "\n");
        print_attributes(text, clew_event_view_attributes(&event));
    }
}

static void print_links(struct clew__writer *text, const clew_span_view *view) {
    clew_iterator links = clew_span_view_links(view);
    clew_link_view link;

    while (clew_next_link(&links, &link)) {
        clew__print(text, "  link ");
        clew__print_hex(text, link.trace_id, sizeof link.trace_id);
        clew__print(text, " ");
        clew__print_hex(text, link.span_id, sizeof link.span_id);
        clew__print(text, "\n");
        print_attributes(text, clew_link_view_attributes(&link));
    }
}

static void print_headline(struct clew__writer *text, const clew_span_view *view,
                           const clew_span_data *span) {
    clew__print_text(text, span->name);
    clew__print_kind(text, span->kind);
    clew__print(text, " ");
    if (span->end_unix_nano)
        clew__print_duration(text, span->start_unix_nano, span->end_unix_nano);
    else
        clew__print(text, "open");
    if (span->status == CLEW_STATUS_OK)
        clew__print(text, " ok");
    clew__print_error(text, view, span);
    clew__print(text, "\n");
}

static void print_row(struct clew__writer *text, const char *label, clew_text value) {
    if (value.size == 0)
        return;
    clew__print(text, label);
    clew__print_text(text, value);
    clew__print(text, "\n");
}

static void print_identity(struct clew__writer *text, const clew_span_view *view,
                           const clew_span_data *span) {
    static const uint8_t no_parent[sizeof span->parent_span_id];
    clew_text version = clew_span_view_scope_version(view);

    print_row(text, "  service ", clew_span_view_service(view));
    clew__print(text, "  trace   ");
    clew__print_hex(text, span->trace_id, sizeof span->trace_id);
    clew__print(text, "\n  span    ");
    clew__print_hex(text, span->span_id, sizeof span->span_id);
    if (memcmp(span->parent_span_id, no_parent, sizeof no_parent) != 0) {
        clew__print(text, ", child of ");
        clew__print_hex(text, span->parent_span_id, sizeof span->parent_span_id);
        clew__print(text, span->flags & CLEW__FLAGS_IS_REMOTE ? " (remote)" : "");
    }
    clew__print(text, "\n  started ");
    clew__print_time(text, span->start_unix_nano);
    clew__print(text, "\n");
    if (version.size) {
        clew__print(text, "  scope   ");
        clew__print_text(text, clew_span_view_scope_name(view));
        print_row(text, " ", version);
    } else {
        print_row(text, "  scope   ", clew_span_view_scope_name(view));
    }
    print_row(text, "  state   ", span->tracestate);
}

/* A block of lines, and an empty one. */
static void print_span(struct clew__writer *text, const clew_span_view *view) {
    clew_span_data span = clew_span_view_data(view);

    print_headline(text, view, &span);
    print_identity(text, view, &span);
    if (span.attribute_count)
        clew__print(text, "  attributes\n");
    print_attributes(text, clew_span_view_attributes(view));
    print_events(text, view, &span);
    print_links(text, view);
    if (span.dropped_attributes | span.dropped_events | span.dropped_links)
        clew__print_format(text, "  dropped attributes: %u, events: %u, links: %u\n", span.dropped_attributes,
                           span.dropped_events, span.dropped_links);
    clew__print(text, "\n");
}

static clew_export_outcome console_write(struct console *console, uint32_t timeout_ms,
                                         clew_export_report *report) {
    char error_text[ERROR_TEXT_MAX];
    int error;

    if (console->text.failed) {
        snprintf(report->reason, sizeof report->reason, "no memory left for the text of the batch");
        return CLEW_EXPORT_FAILED;
    }
    error = clew__output_write(&console->output, console->text.data, console->text.size, timeout_ms);
    if (error == 0)
        return CLEW_EXPORT_DELIVERED;
    snprintf(report->reason, sizeof report->reason, "cannot write to descriptor %d: %s",
             console->output.file.fd, clew__output_error_text(error, error_text, sizeof error_text));
    return CLEW_EXPORT_FAILED;
}

static clew_export_outcome console_export(void *self, const clew_batch *batch, uint32_t timeout_ms,
                                          clew_export_report *report) {
    struct console *console = (struct console *)self;
    clew_batch_cursor cursor = clew_batch_begin(batch);
    clew_export_outcome outcome;
    clew_span_view view;

    if (!console) {
        snprintf(report->reason, sizeof report->reason, "no memory for the console exporter");
        return CLEW_EXPORT_FAILED;
    }
    atomic_store(&console->exporting, true);
    if (console->output.mid_line)
        clew__print(&console->text, "\n");
    while (clew_batch_next(&cursor, &view))
        print_span(&console->text, &view);
    outcome = console_write(console, timeout_ms, report);
    clew__buffer_reset(&console->text);
    atomic_store(&console->exporting, false);
    return outcome;
}

static void console_forked(void *self) {
    struct console *console = (struct console *)self;
    if (console && atomic_exchange(&console->exporting, false))
        clew__buffer_forget(&console->text);
}

static void console_destroy(void *self) {
    struct console *console = (struct console *)self;
    if (!console)
        return;
    clew__buffer_fini(&console->text);
    clew_memory_release(console);
}

clew_exporter clew_exporter_console(int descriptor) {
    clew_exporter exporter = {
        .struct_size = sizeof exporter,
        .flags = CLEW_EXPORTER_LOCAL,
        .name = "console_span_exporter",
        .export_batch = console_export,
        .forked = console_forked,
        .destroy = console_destroy,
    };
    struct console *console = (struct console *)clew_memory_allocate(sizeof *console);

    if (console) {
        console->output = clew__output_borrowed(descriptor);
        console->text = clew__buffer_charged();
        atomic_init(&console->exporting, false);
    }
    exporter.self = console;
    return exporter;
}
