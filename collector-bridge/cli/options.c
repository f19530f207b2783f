/* Options of commands. Keep nothing but pointers into argv. One thread. */
#include "collector-bridge/cli/options.h"

#include "collector-bridge/cli/command.h"

#include <stdio.h>
#include <string.h>

#define TAKEN_BY_ALL UINT32_MAX
#define PPM_MAX UINT64_C(1000000)
#define PERCENT_IN_PPM 10000u
#define PERCENTILE_MAX 100000u /* thousandths of a per cent */

/* Each reads its value (NULL for those without); false when it is wrong. */
typedef bool reader(struct clew__options *options, const char *value);

/* ---- numbers ---- */

/* A decimal number with at most `decimals` digits behind the point, times 10^decimals; the rest of the text
 * into `end`. False when there is none, or it is out of range. */
static bool read_decimal(const char *text, unsigned decimals, uint64_t *out, const char **end) {
    uint64_t value = 0;
    unsigned behind = 0;
    bool point = false, digits = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        if (behind == decimals && point)
            return false;
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        behind += point;
        digits = true;
    }
    for (; behind < decimals; behind++) {
        if (value > UINT64_MAX / 10)
            return false;
        value *= 10;
    }
    *out = value;
    *end = text;
    return digits;
}

/* `1%`, `500us`, `0` */
static bool read_eps(struct clew__options *options, const char *value) {
    static const struct {
        const char *name;
        uint64_t picos; /* of the last digit that is read, a thousandth */
    } units[] = {{"ns", 1}, {"us", 1000}, {"µs", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    uint64_t thousandths;
    const char *unit;
    if (!read_decimal(value, 3, &thousandths, &unit))
        return false;
    options->path.eps_nano = 0;
    options->path.eps_ppm = 0;
    if (strcmp(unit, "%") == 0) {
        uint64_t ppm = thousandths / 1000 * PERCENT_IN_PPM + thousandths % 1000 * PERCENT_IN_PPM / 1000;
        options->path.eps_ppm = (uint32_t)ppm;
        return thousandths <= 100000;
    }
    if (!*unit)
        return thousandths == 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].name) == 0 && thousandths <= UINT64_MAX / units[i].picos) {
            options->path.eps_nano = thousandths * units[i].picos / 1000;
            return true;
        }
    return false;
}

/* `95-100`, `99.9-100`, `0-50` */
static bool read_percentile(struct clew__options *options, const char *value) {
    uint64_t from, to;
    const char *at;
    if (!read_decimal(value, 3, &from, &at) || *at != '-' || !read_decimal(at + 1, 3, &to, &at) || *at)
        return false;
    if (from >= to || to > PERCENTILE_MAX)
        return false;
    options->percentile_from = (uint32_t)from;
    options->percentile_to = (uint32_t)to;
    return true;
}

static bool read_limit(struct clew__options *options, const char *value) {
    uint64_t limit;
    const char *end;
    if (!read_decimal(value, 0, &limit, &end) || *end || limit > UINT32_MAX)
        return false;
    options->limit = (uint32_t)limit;
    return true;
}

/* ---- words ---- */

/* The number of the word in a list that ends with NULL, or -1. */
static int word_of(const char *value, const char *const *words) {
    for (int i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0)
            return i;
    return -1;
}

static bool read_overflow(struct clew__options *options, const char *value) {
    static const char *const words[] = {"clip", "exclude", NULL};
    int word = word_of(value, words);
    options->path.overflow = word == 1 ? CLEW_OVERFLOW_EXCLUDE : CLEW_OVERFLOW_CLIP;
    return word >= 0;
}

static bool read_scope(struct clew__options *options, const char *value) {
    static const char *const words[] = {"root", "trace", NULL};
    int word = word_of(value, words);
    options->path.scope = word == 1 ? CLEW_SCOPE_TRACE : CLEW_SCOPE_ROOT;
    return word >= 0;
}

static bool read_skew(struct clew__options *options, const char *value) {
    static const char *const words[] = {"fleet", "off", "trace", NULL};
    static const clew_skew values[] = {CLEW_SKEW_FLEET, CLEW_SKEW_OFF, CLEW_SKEW_TRACE};
    int word = word_of(value, words);
    if (word >= 0)
        options->skew = values[word];
    return word >= 0;
}

/* A second one only where the command takes two, which is checked at the end. */
static bool read_trace(struct clew__options *options, const char *value) {
    if (options->trace_count == 2 || !*value)
        return false;
    options->traces[options->trace_count++] = value;
    return true;
}

/* `SERVICE` or `SERVICE:OPERATION` */
static bool read_root(struct clew__options *options, const char *value) {
    const char *colon = strchr(value, ':');
    size_t size = strlen(value), service = colon ? (size_t)(colon - value) : size;
    options->root_service = (clew_text){value, service};
    options->root_operation = colon ? (clew_text){colon + 1, size - service - 1} : (clew_text){NULL, 0};
    return size > 0;
}

static bool read_json(struct clew__options *options, const char *value) {
    (void)value;
    options->format = CLEW__FORMAT_JSON;
    return true;
}

static bool read_markdown(struct clew__options *options, const char *value) {
    (void)value;
    options->format = CLEW__FORMAT_MARKDOWN;
    return true;
}

static bool read_dot(struct clew__options *options, const char *value) {
    (void)value;
    options->format = CLEW__FORMAT_DOT;
    return true;
}

static bool read_svg(struct clew__options *options, const char *value) {
    (void)value;
    options->format = CLEW__FORMAT_SVG;
    return true;
}

static bool read_folded(struct clew__options *options, const char *value) {
    (void)value;
    options->format = CLEW__FORMAT_FOLDED;
    return true;
}

/* ---- the table ---- */

static const struct option {
    const char *name, *value; /* value: what --help calls it; NULL: none */
    unsigned takes;
    reader *read;
    const char *help;
} table[] = {
    {"--json", NULL, TAKEN_BY_ALL, read_json, "JSON for programs, its shape is in docs/analysis.md"},
    {"--md", NULL, TAKEN_BY_ALL, read_markdown, "Markdown, for pasting"},
    {"--dot", NULL, CLEW__TAKES_DOT, read_dot, "a graph for Graphviz"},
    {"--svg", NULL, CLEW__TAKES_SVG, read_svg, "a picture"},
    {"--folded", NULL, CLEW__TAKES_FOLDED, read_folded, "folded stacks, for flame graph tools"},
    {"--trace", "ID", CLEW__TAKES_TRACE | CLEW__TAKES_TWO_TRACES, read_trace,
     "the trace whose id begins like this"},
    {"--percentile", "FROM-TO", CLEW__TAKES_PERCENTILE, read_percentile,
     "only requests of this range of latency: 95-100"},
    {"--root", "SERVICE[:OPERATION]", CLEW__TAKES_ROOT, read_root, "only requests that begin here"},
    {"--limit", "N", CLEW__TAKES_LIMIT, read_limit, "rows of a table (30; 0: all)"},
    {"--eps", "TIME", CLEW__TAKES_PATH, read_eps,
     "calls that overlap by less follow one another: 1%, 500us (0)"},
    {"--overflow", "clip|exclude", CLEW__TAKES_PATH, read_overflow,
     "a call that outlives its caller: waited for until the caller's end (clip), or not"},
    {"--scope", "root|trace", CLEW__TAKES_PATH, read_scope,
     "the path of each request (root), or of all work of the trace"},
    {"--skew", "fleet|trace|off", TAKEN_BY_ALL, read_skew,
     "clocks: one offset a host (fleet), one a span and trace (trace), as recorded (off)"},
    {"--help", NULL, TAKEN_BY_ALL, NULL, "this text"},
};

#define OPTION_COUNT (sizeof table / sizeof table[0])

static bool is_taken(const struct option *option, const struct clew__command *command) {
    return option->takes == TAKEN_BY_ALL || (option->takes & command->takes);
}

static const struct option *find_option(const struct clew__command *command, const char *name, size_t size) {
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].name) == size && memcmp(table[i].name, name, size) == 0 &&
            is_taken(&table[i], command))
            return &table[i];
    return NULL;
}

static void print_help(const struct clew__command *command) {
    printf("usage: clew %s [OPTION…] %s\n\n%s\nOptions:\n", command->name, command->arguments,
           command->description);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = &table[i];
        char left[64];
        if (!is_taken(option, command))
            continue;
        snprintf(left, sizeof left, "%s %s", option->name, option->value ? option->value : "");
        printf("  %-28s%s%s\n", left, strlen(left) > 27 ? " " : "", option->help);
    }
    printf(
        "\nA FILE is OTLP (protobuf, JSON or JSON lines), Jaeger's or Zipkin's JSON, also compressed with "
        "gzip or zstd, or a\nfolder of such files; what it is, is recognised by its content. Without a FILE, "
        "or for `-`, standard input is read.\n"
        "\nExit status: 0; 1 for a wrong usage; 2 when some input could not be read or is malformed (the "
        "rest is used), or the\noutput could not be written; 4 when there is no such trace, or nothing to "
        "compare.\n"
        "\nExamples:\n%s",
        command->examples);
}

/* ---- reading ---- */

static bool wrong(const struct clew__command *command, int *status, const char *what, const char *which) {
    fprintf(stderr, "clew %s: %s%s; see `clew %s --help`\n", command->name, what, which, command->name);
    *status = CLEW__EXIT_USAGE;
    return false;
}

/* What a value may be, in words where its name does not say it. */
static const char *value_of(const struct option *option) {
    if (option->read == read_eps)
        return "a part or a time, as 1% or 500us";
    if (option->read == read_percentile)
        return "two per cents from 0 to 100, as 95-100";
    if (option->read == read_limit)
        return "a whole number";
    return option->value ? option->value : "";
}

/* One option; `*at` moves on when its value is the next argument. */
static bool read_option(const struct clew__command *command, int argc, char **argv, int *at,
                        struct clew__options *options, int *status) {
    const char *given = argv[*at], *equals = strchr(given, '='), *value = NULL;
    size_t size = equals ? (size_t)(equals - given) : strlen(given);
    const struct option *option =
        strcmp(given, "-h") == 0 ? find_option(command, "--help", 6) : find_option(command, given, size);
    char message[256];
    if (!option)
        return wrong(command, status, "unknown option ", given);
    if (!option->read) {
        print_help(command);
        *status = fflush(stdout) == 0 ? CLEW__EXIT_OK : CLEW__EXIT_INPUT;
        return false;
    }
    if (!option->value && equals)
        return wrong(command, status, "no value goes with ", option->name);
    if (option->value && !equals && ++*at == argc)
        return wrong(command, status, "a value is missing behind ", option->name);
    if (option->value)
        value = equals ? equals + 1 : argv[*at];
    if (option->read(options, value))
        return true;
    snprintf(message, sizeof message, "%s: not \"%.100s\" but %s", option->name, value ? value : "",
             value_of(option));
    return wrong(command, status, message, "");
}

bool clew__options_read(const struct clew__command *command, int argc, char **argv,
                        struct clew__options *options, int *status) {
    bool options_end = false;
    int files = 0; /* they move to the front of argv */
    *options = (struct clew__options){.limit = CLEW__LIMIT_DEFAULT};
    options->path.struct_size = sizeof options->path;
    for (int i = 1; i < argc; i++) {
        bool is_option = !options_end && argv[i][0] == '-' && argv[i][1];
        if (!is_option)
            argv[files++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (!read_option(command, argc, argv, &i, options, status))
            return false;
    }
    if (options->trace_count == 2 && !(command->takes & CLEW__TAKES_TWO_TRACES))
        return wrong(command, status, "--trace is given twice", "");
    options->files = (const char *const *)argv;
    options->file_count = (size_t)files;
    return true;
}
