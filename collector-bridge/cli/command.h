/* What the commands of the program `clew` share. */
#ifndef CLEW_CLI_COMMAND_H
#define CLEW_CLI_COMMAND_H

/* Exit statuses. */
enum clew__exit {
    CLEW__EXIT_OK = 0,
    CLEW__EXIT_USAGE = 1,
    CLEW__EXIT_INPUT =
        2, /* some input could not be read or was malformed, or the output could not be written */
    CLEW__EXIT_DELIVERY = 3,  /* spans could not be delivered */
    CLEW__EXIT_NOT_FOUND = 4, /* no trace has the id that was asked for, or there is nothing to compare */
    CLEW__EXIT_WORSE = 5,     /* compared with a baseline, something got slower or fails more */
};

/* Each takes its name and its arguments and returns the exit status. */
int clew__command_baseline(int argc, char **argv);
int clew__command_bottlenecks(int argc, char **argv);
int clew__command_critical_path(int argc, char **argv);
int clew__command_diff(int argc, char **argv);
int clew__command_errors(int argc, char **argv);
int clew__command_profile(int argc, char **argv);
int clew__command_recover(int argc, char **argv);
int clew__command_service_map(int argc, char **argv);
int clew__command_stats(int argc, char **argv);
int clew__command_trace(int argc, char **argv);

#endif
