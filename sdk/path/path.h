/* The critical path for those that ask for it trace after trace. One thread at a time. */
#ifndef CLEW_PATH_CRITICAL_PATH_H
#define CLEW_PATH_CRITICAL_PATH_H

#include "sdk/path/relation.h"

struct clew__path_frame;
struct clew__path_place;

/* Memory that is kept from trace to trace. All zero is a valid start. */
struct clew__path_workspace {
    struct clew__relations relations;
    struct clew__pieces pieces; /* of the frames, one after the other */
    struct clew__piece *spare;
    struct clew__path_frame *frames;
    struct clew__path_place *places; /* as many as spans */
    clew_path_span *spans;
    clew_path_segment *segments;
    clew_path_root *roots;
    uint32_t spare_capacity, frame_count, frame_capacity, place_capacity, span_capacity, segment_capacity,
        root_capacity;
    clew_critical_path path;
};

/* As clew_critical_path_new(). Valid until the workspace is used again. */
const clew_critical_path *clew__path_compute(struct clew__path_workspace *workspace, const clew_trace *trace,
                                             const clew_path_options *options);
void clew__path_workspace_fini(struct clew__path_workspace *workspace);

#endif
