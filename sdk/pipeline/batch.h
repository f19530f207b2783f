/* What an exporter is given, seen from inside. */
#ifndef CLEW_PIPELINE_BATCH_H
#define CLEW_PIPELINE_BATCH_H

#include <clew/pipeline.h>

struct clew_batch {
    clew_bytes request; /* an ExportTraceServiceRequest; whoever made the batch owns it */
    size_t count;       /* spans in it */
};

#endif
