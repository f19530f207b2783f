/* Start and end of Clew in a program, and the options that OTEL_* variables set (specification: Environment
 * Variable Specification). What is set in code wins over variables; the service name is a default that
 * OTEL_SERVICE_NAME overrides. A wrong value is logged with its variable, its text, and what is used instead.
 */
#ifndef CLEW_INIT_H
#define CLEW_INIT_H

#include <clew/diagnostics.h>
#include <clew/propagation.h>
#include <clew/provider.h>

CLEW_BEGIN_DECLS

/** How OTLP is spoken; 0 leaves it to the variable. */
typedef enum clew_otlp_protocol {
    CLEW_OTLP_PROTOCOL_DEFAULT = 0,
    CLEW_OTLP_HTTP_PROTOBUF = 1,
    CLEW_OTLP_HTTP_JSON = 2,
    CLEW_OTLP_GRPC = 3,
} clew_otlp_protocol;

/** How requests are compressed; 0 leaves it to the variable. */
typedef enum clew_compression {
    CLEW_COMPRESSION_DEFAULT = 0,
    CLEW_COMPRESSION_NONE = 1,
    CLEW_COMPRESSION_GZIP = 2,
    CLEW_COMPRESSION_ZSTD = 3, /**< not of the specification; the Collector takes it */
} clew_compression;

/** What is sent: it chooses paths, services and the variables (OTEL_EXPORTER_OTLP_TRACES_* or …_METRICS_*).
 */
typedef enum clew_otlp_signal {
    CLEW_SIGNAL_TRACES = 0,
    CLEW_SIGNAL_METRICS = 1, /**< Clew's metrics about itself */
} clew_otlp_signal;

/** For `timeout_ms` of clew_otlp_options: the variable, else the default. */
#define CLEW_TIMEOUT_DEFAULT UINT32_MAX

/** Options of the OTLP exporter (specification: OpenTelemetry Protocol Exporter). NULL and the defaults mean:
 * the variable, else the default named here. Start from clew_otlp_options_default(): a timeout of 0 is none.
 * Texts are copied. */
typedef struct clew_otlp_options {
    uint32_t struct_size;
    clew_otlp_protocol protocol; /**< OTEL_EXPORTER_OTLP_[TRACES_]PROTOCOL; http/protobuf */
    const char *endpoint;    /**< like OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. HTTP: the whole URL, used as it is;
                                  http://localhost:4318/v1/traces. gRPC: http:// or https://, else
                                  host:port; http://localhost:4317. Both: unix:///path/of/socket */
    const char *headers;     /**< "k1=v1,k2=v2", values percent-encoded; …_HEADERS; none */
    const char *certificate; /**< path of a PEM file of authorities; …_CERTIFICATE; the system's */
    const char *client_certificate; /**< …_CLIENT_CERTIFICATE; none */
    const char *client_key;         /**< …_CLIENT_KEY; none */
    uint32_t
        timeout_ms; /**< a batch, retries included; 0: no limit; CLEW_TIMEOUT_DEFAULT: …_TIMEOUT, 10000 */
    clew_compression compression; /**< …_COMPRESSION; none */
    clew_otlp_signal signal;
    uint32_t flags;             /**< CLEW_OTLP_* */
    uint64_t max_request_bytes; /**< before and after compression; 0: 64 MiB. Larger batches are split */
    const char *user_agent;     /**< in front of Clew's own: "shop/1.2"; none */
    const char *spool;          /**< CLEW_SPOOL: a directory for what cannot be delivered; none */
    uint64_t spool_quota;       /**< CLEW_SPOOL_LIMIT: bytes in it, all processes together; 0: 256 MiB */
} clew_otlp_options;
/** For a gRPC endpoint without a scheme: no TLS (…_INSECURE=true). */
#define CLEW_OTLP_INSECURE 0x1u
/** Options that leave everything to the variables and the defaults. */
CLEW_API clew_otlp_options clew_otlp_options_default(void);

/** Makes an OTLP exporter. libclew-otlp has the one for networks: clew_otlp_exporter(). */
typedef int (*clew_otlp_factory)(const clew_otlp_options *options, clew_exporter *out);

/** What clew_init_with() can be told; all zero: everything from the environment. */
typedef struct clew_options {
    uint32_t struct_size;      /**< sizeof, or 0 for the members of the first release */
    clew_otlp_factory otlp;    /**< NULL: no network; then the exporter `otlp` is not there */
    clew_resource *resource;   /**< merged over the default one; reference taken over */
    clew_sampler *sampler;     /**< OTEL_TRACES_SAMPLER[_ARG]; parentbased_always_on; reference taken over */
    const clew_limits *limits; /**< OTEL_*_LIMIT; 128, unlimited length */
    const char *exporters; /**< OTEL_TRACES_EXPORTER: a list of otlp, console, none, otlp/stdout; otlp. With
                                CLEW_OTLP_FILE or `otlp_file` a file is written too */
    const clew_batch_options *batch;       /**< OTEL_BSP_*, CLEW_BSP_ON_FULL; 2048, 512, 5000 ms, 30000 ms */
    const clew_otlp_options *otlp_options; /**< OTEL_EXPORTER_OTLP_[TRACES_]* */
    const char *otlp_file;                 /**< CLEW_OTLP_FILE: path of a file of JSON lines; none */
    clew_propagator *propagator;           /**< OTEL_PROPAGATORS; tracecontext,baggage */
    uint32_t exit_flush_ms; /**< CLEW_EXIT_FLUSH_MS: delivery at an exit without shutdown; 0: the variable,
                               else 1000; CLEW_NO_EXIT_FLUSH: none */
    uint32_t flags;         /**< CLEW_INIT_* */
    const char *crash_directory; /**< CLEW_CRASH_DIR: ended spans live in a mapped file there, preferably on
                                    tmpfs, and survive the process: the next start sends them; none */
    uint64_t crash_bytes;        /**< CLEW_CRASH_BYTES: size of that file; 0: 16 MiB */
} clew_options;

/** For `exit_flush_ms`: an exit without shutdown delivers nothing. */
#define CLEW_NO_EXIT_FLUSH UINT32_MAX
/** Does not read TRACEPARENT, TRACESTATE and BAGGAGE of the environment (CLEW_IGNORE_TRACEPARENT=true). */
#define CLEW_INIT_IGNORE_TRACEPARENT 0x1u
/** Installs propagators but no SDK: nothing is recorded (OTEL_SDK_DISABLED=true). */
#define CLEW_INIT_DISABLED 0x2u
/** Sends the books as the specification's otel.sdk.* metrics over OTLP, every OTEL_METRIC_EXPORT_INTERVAL ms
 * (60000) from the first span on, and at the end (CLEW_SDK_METRICS=true). Needs `otlp`; an endpoint in
 * `otlp_options` that ends in /v1/traces becomes /v1/metrics, one without a path serves both, any other is
 * left to the variables. */
#define CLEW_INIT_METRICS 0x4u

/** Installs the global provider, propagator and, from a valid TRACEPARENT, the parent of every root span.
 * Starts no thread: that happens at the first span that needs one, or when a crash file is found. Returns 0;
 * CLEW_EALREADY when it is installed already (nothing changes: the first call stands); another error when it
 * could not be installed: the program goes on with operations that do nothing. A wrong variable is never an
 * error. After a shutdown it starts anew. Any thread. */
CLEW_API int clew_init_with(const char *service_name, const clew_options *options);

/** clew_provider_flush() of the global provider; CLEW_ESHUTDOWN without one. */
CLEW_API clew_delivery clew_flush(uint32_t timeout_ms);

/** clew_provider_shutdown() of the global provider, and takes it away. A program that exits without it gets
 * what `exit_flush_ms` says. */
CLEW_API clew_delivery clew_shutdown(uint32_t timeout_ms);

CLEW_END_DECLS

#endif
