/* An exporter around another one: what that cannot deliver goes to disk and is sent again, oldest first, when
 * the receiver is back. See docs/delivery.md. */
#ifndef CLEW_EXPORT_SPOOLING_H
#define CLEW_EXPORT_SPOOLING_H

#include <clew/init.h>

struct clew__spooling_parts {
    clew_exporter live;   /* state machines, both: for what comes, on Clew's worker, */
    clew_exporter replay; /* and for what is on disk, on the spool's thread */
    const char *directory;
    uint64_t quota;
    /* How long to leave the receiver alone after so many failures in a row; NULL: as everywhere (retry.h). */
    uint64_t (*pause_nano)(unsigned failures);
    /* Until when the receiver of one of the two has asked for peace; NULL: it never does. */
    uint64_t (*peace_nano)(const clew_exporter *exporter);
};

/* Takes both exporters over on success. 0 or CLEW_ENOMEM. Starts no thread and looks at no file: that is done
 * at the first batch. */
int clew__spooling_new(const struct clew__spooling_parts *parts, clew_exporter *out);

/* Makes the exporter that a spool is put around; `once`: it must not repeat an attempt by itself. */
typedef int (*clew__spooling_make)(const clew_otlp_options *options, bool once, clew_exporter *out);

/* An exporter of `make`, with a spool around it when the options or CLEW_SPOOL name a directory. */
int clew__spooling_otlp(const clew_otlp_options *options, clew__spooling_make make, clew_exporter *out);

#endif
