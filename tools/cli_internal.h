/* tools/cli_internal.h: the table of commands and options, shared by parser and help. */
#pragma once

#include "tools/cli.h"

#define OPTION(name) (UINT64_C(1) << CLI_OPT_##name)
#define OF_CLIENT    (OPTION(BOOTSTRAP) | OPTION(OUTPUT) | OPTION(TIMEOUT))

struct cli_option_info {
    const char *names[3]; /* "-p", "--partitions", ...; NULL at the end */
    const char
        *value; /* what the help calls its value; NULL: takes none; "[...]": only behind "=" */
    const char *text;
};

static_assert(CLI_OPT_COUNT_OF <= 64, "a command's options are bits of one number");

/* By enum cli_option. */
extern const struct cli_option_info cli_options[CLI_OPT_COUNT_OF];
extern const struct cli_command cli_commands[];
extern const int cli_command_count;

/* NULL when there is none. */
const struct cli_command *cli_command_find(struct bytes noun, struct bytes verb);
void cli_help_all(const struct cli *c);
/* The commands of a noun; false when there are none. */
bool cli_help_noun(struct bytes noun);
void cli_help_command(const struct cli *c, const struct cli_command *command);

#define COMMAND(noun, verb, arguments, least, most, options, text, example, function) \
    int function(struct cli *c);
#include "tools/commands.def"
