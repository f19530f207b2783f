/* CRISP's reference traces (github.com/uber-research/CRISP), found through CLEW_TEST_TRACES. */
#ifndef CLEW_TEST_ANALYSIS_CRISP_H
#define CLEW_TEST_ANALYSIS_CRISP_H

#include "test/unit/analysis/analysed.h"
#include "test/unit/analysis/document.h"

#define CRISP_EPS_PPM 10000

struct crisp {
    struct document document; /* with `testing`, what CRISP expects */
    struct analysed analysed; /* the path with CRISP's tolerance */
};

/* The first trace of a file of Jaeger's JSON, which must be there. */
struct analysed analyse_jaeger(const char *path);

/* False, when there is no such folder; fails the test, when there is but the file cannot be read. */
bool crisp_read(const char *name, struct crisp *out);
void crisp_free(struct crisp *crisp);

/* "[S1] O1->[S2] O2": the span and all above it. To be freed with free(). */
char *crisp_call_path(const struct crisp *crisp, uint32_t span);

#endif
