/* tools/cli_help.c: what the commands do, told from their table.
 *
 * WHY      Help that stands beside the code tells lies sooner or later; this is printed from the rows that
 *          the parser uses.
 */
#include "tools/cli_internal.h"

#include <stdio.h>

static void print_usage_name(const struct cli_command *command)
{
    (void)printf("weir %s%s%s%s%s", command->noun, command->verb[0] == 0 ? "" : " ", command->verb,
                 command->arguments[0] == 0 ? "" : " ", command->arguments);
}

void cli_help_all(const struct cli *c)
{
    (void)c;
    (void)printf("usage: weir NOUN [VERB] [ARGUMENTS] [OPTIONS]\n\n");
    for (int i = 0; i < cli_command_count; i++) {
        const struct cli_command *command = &cli_commands[i];
        (void)printf("  %-7s %-15s %s\n", command->noun, command->verb, command->text);
    }
    (void)printf("\n'weir help NOUN VERB' or --help shows options and an example.\n");
}

void cli_help_command(const struct cli *c, const struct cli_command *command)
{
    (void)c;
    (void)printf("usage: ");
    print_usage_name(command);
    (void)printf("\n\n%s\n\n", command->text);
    for (int o = 0; o < CLI_OPT_COUNT_OF; o++) {
        if ((command->options & (UINT64_C(1) << o)) == 0) {
            continue;
        }
        char names[64] = "";
        size_t len = 0;
        for (int i = 0; i < 3 && cli_options[o].names[i] != NULL; i++) {
            len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 0 ? "" : ", ",
                                    cli_options[o].names[i]);
        }
        const char *value = cli_options[o].value == NULL ? "" : cli_options[o].value;
        (void)printf("  %-32s %-11s %s\n", names, value, cli_options[o].text);
    }
    (void)printf("\nexample:\n  %s\n", command->example);
}

bool cli_help_noun(struct bytes noun)
{
    bool found = false;

    for (int i = 0; i < cli_command_count; i++) {
        if (bytes_equal(bytes_of(cli_commands[i].noun), noun)) {
            print_usage_name(&cli_commands[i]);
            (void)printf("\n    %s\n", cli_commands[i].text);
            found = true;
        }
    }
    return found;
}

int command_help(struct cli *c)
{
    if (c->argument_count == 0) {
        cli_help_all(c);
        return CLI_OK;
    }
    struct bytes verb = c->argument_count > 1 ? c->arguments[1] : BYTES("");
    const struct cli_command *command = cli_command_find(c->arguments[0], verb);
    if (command != NULL) {
        cli_help_command(c, command);
        return CLI_OK;
    }
    return verb.len == 0 && cli_help_noun(c->arguments[0])
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "there is no command '%.*s'", BYTES_ARG(c->arguments[0]));
}

int command_version(struct cli *c)
{
    (void)c;
    (void)printf("weir %s, speaks the protocol of Kafka 4.4\n", WEIR_VERSION);
    return CLI_OK;
}
