/* tools/main.c: the program.
 *
 * WHY      One file that does nothing, so that everything else can be linked into tests.
 * OWNER    The main thread; the environment outlives the command.
 */
#include "base/env_linux.h"
#include "tools/cli.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct env *env;

    if (env_linux_new(&env) != OK) {
        (void)fprintf(stderr, "weir: %s\n", err_crumb());
        return CLI_REFUSED;
    }
    int exit = cli_main(env, argc, argv);
    env_linux_free(env);
    return exit;
}
