/* tests/raft/scenario_main.c: weir_raft_scenarios [--update] [--verbose] [--only TEXT] FILE...
 *
 * WHY      The front of the scenarios: arguments, the sum, and the name of the scenario in which an assertion fails.
 * OUTPUT   Differences, then "N passed, N failed". Exit status 0 when all have passed and there was one at least.
 * FAILURE  A file that cannot be read or written counts as a failed scenario.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/err.h"
#include "tests/raft/scenario_script.h"

/* An assertion of the core or the host has failed: say in which scenario. */
static void crashed(int signal_number)
{
    const char *at = script_position();
    ssize_t written = write(STDERR_FILENO, at, strlen(at));

    written = write(STDERR_FILENO, "\n", written > 0);
    (void)written;
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

int main(int argc, char **argv)
{
    struct script_options options = {0};
    struct script_totals totals = {0};

    (void)signal(SIGABRT, crashed);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--update") == 0) {
            options.update = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            options.only = argv[++i];
        } else if (script_run(argv[i], &options, &totals) != OK) {
            printf("%s\n", err_crumb());
            totals.failed++;
        }
    }
    printf("%u passed, %u failed\n", totals.passed, totals.failed);
    return totals.failed > 0 || totals.passed == 0;
}
