/* A plugin that instruments itself; built once with a copy of Clew inside and once on the shared library. */
#include <clew/clew.h>

/* Makes spans into the file, on the calling thread; how many were delivered, or -1. `shut_down` 0 leaves Clew
 * running when the host closes the plugin. */
__attribute__((visibility("default"))) int plugin_run(const char *file, int spans, int shut_down);

int plugin_run(const char *file, int spans, int shut_down) {
    clew_options options = {.exporters = "none", .otlp_file = file, .exit_flush_ms = 2000};
    clew_delivery delivery;
    int started = clew_init_with("plugin", &options);
    if (started != 0 && started != CLEW_EALREADY)
        return -1;
    for (int i = 0; i < spans; i++) {
        clew_scope scope = clew_scope_enter(NULL, "in a plugin", NULL);
        clew_span_set_int(scope.span, "i", i);
        clew_scope_leave(&scope);
    }
    delivery = shut_down ? clew_shutdown(5000) : clew_flush(5000);
    return (int)delivery.delivered;
}
