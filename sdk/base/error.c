/* The texts of the error codes, and the version. No state. */
#include <clew/common.h>
#include <clew/version.h>

const char *clew_strerror(int code) {
    switch (code) {
    case CLEW_OK:
        return "success";
#define CASE(name, number, text)                                                                             \
    case number:                                                                                             \
        return text;
        CLEW_ERRORS(CASE)
#undef CASE
    default:
        return "unknown error";
    }
}

const char *clew_version(void) {
    return CLEW_VERSION;
}
