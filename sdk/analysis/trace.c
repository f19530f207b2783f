/* Reading a trace. Any thread, while nobody changes it. */
#include "sdk/analysis/model.h"

const char *clew_repair_name(clew_repair repair) {
    static const char *const names[] = {
#define REPAIR_NAME(name, text) text,
        CLEW_REPAIRS(REPAIR_NAME)
#undef REPAIR_NAME
    };
    return (unsigned)repair < CLEW_REPAIR_COUNT ? names[repair] : "";
}
