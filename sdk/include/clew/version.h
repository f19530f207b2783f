/* The version of the headers, and of the library that the program runs with. */
#ifndef CLEW_VERSION_H
#define CLEW_VERSION_H

#include <clew/common.h>

#define CLEW_VERSION_MAJOR 0
#define CLEW_VERSION_MINOR 1
#define CLEW_VERSION_PATCH 0
#define CLEW_VERSION "0.1.0"
/** 0xMMmmpp00, for comparisons in the preprocessor. */
#define CLEW_VERSION_HEX 0x00010000

CLEW_BEGIN_DECLS

/** The version of the library in use, as "MAJOR.MINOR.PATCH". Static storage; any thread. Compare it with
 *  CLEW_VERSION to find a program that runs with another library than it was built with. */
CLEW_API const char *clew_version(void);

CLEW_END_DECLS

#endif
