/* tests/raft/scenario_script.h: a file of scenarios: run it, compare it, write it anew.
 *
 * A file is text. A line that begins with "scenario: " opens a scenario and holds its name; a line that begins with
 * two blanks is output that the command above it must print; '#' opens a comment; every other line is a command.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct script_options {
    bool update;      /* write what was printed into the file instead of comparing it */
    bool verbose;     /* name every scenario */
    const char *only; /* scenarios whose name holds this; NULL: all */
};

struct script_totals {
    uint32_t passed, failed;
};

/* Runs the scenarios of a file and adds to the totals. A difference is printed, with file and line. */
enum err script_run(const char *path, const struct script_options *options,
                    struct script_totals *totals);

/* Where the scenario under way stands, "path:line: name: command": for whoever reports a crash. */
const char *script_position(void);
