/* A plugin that instruments itself; built with a copy of Clew inside, on the shared library, and with a copy
 * that speaks OTLP. */
#include <clew/clew.h>

/* Makes spans into the file (to the endpoint, where there is a network), on the calling thread; how many were
 * delivered, or -1. `shut_down` 0 leaves Clew running when the host closes the plugin. */
__attribute__((visibility("default"))) int plugin_run(const char *target, int spans, int shut_down);

int plugin_run(const char *target, int spans, int shut_down) {
    clew_options options = {.exit_flush_ms = 2000};
    clew_delivery delivery;
#ifdef CLEW_NO_NETWORK
    options.exporters = "none";
    options.otlp_file = target;
#else
    clew_otlp_options otlp = clew_otlp_options_default();
    otlp.endpoint = target;
    otlp.protocol = strncmp(target, "http", 4) == 0 ? CLEW_OTLP_HTTP_PROTOBUF : CLEW_OTLP_GRPC;
    options.exporters = "otlp";
    options.otlp = clew_otlp_exporter;
    options.otlp_options = &otlp;
#endif
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
