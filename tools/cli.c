/* tools/cli.c: from a command line to a command.
 *
 * WHY      People guess at commands: plurals, a missing verb, an option after the arguments. All of that
 *          should work, and what does not should be answered with the line that would have.
 * FORMAT   weir NOUN [VERB] ARGUMENTS and OPTIONS in any order; "--" ends the options; "--name=value" and
 *          "--name value" are the same, as are "-pVALUE" and "-p VALUE".
 * OWNER    One thread; memory is the command's arena.
 */
#include "tools/cli_internal.h"

#include "base/env_linux.h"
#include "tools/cli_position.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CLI_ARENA_BYTES_MAX = 512 << 20,
    CLI_TIMEOUT_MS = 10000,
    CLI_TIMEOUT_SECONDS_MAX = 1000000,
    CLI_MESSAGE_BYTES = 4096
};

const struct cli_option_info cli_options[CLI_OPT_COUNT_OF] = {
    [CLI_OPT_BOOTSTRAP] = {{"-b", "--bootstrap"}, "HOST:PORT", "broker to ask (localhost:9092)"},
    [CLI_OPT_OUTPUT] = {{"-o", "--output"}, "FORMAT", "table, json, jsonl, csv or name"},
    [CLI_OPT_HELP] = {{"-h", "--help"}, NULL, "this text"},
    [CLI_OPT_TIMEOUT] = {{"--timeout"}, "SECONDS", "give up a request after so long (10)"},
    [CLI_OPT_PARTITIONS] = {{"-p", "--partitions", "--partition"},
                            "N",
                            "partitions: how many; of records: which ones, as 0,2,5-7"},
    [CLI_OPT_REPLICAS] = {{"-r", "--replicas"}, "N", "replicas of each partition"},
    [CLI_OPT_CONFIG] = {{"-c", "--config"},
                        "KEY=VALUE",
                        "a setting (broker: the file of settings)"},
    [CLI_OPT_SET] = {{"--set"}, "KEY=VALUE", "a setting of the broker, over file and environment"},
    [CLI_OPT_KEY] = {{"-k", "--key"}, "KEY", "key of the records"},
    [CLI_OPT_HEADER] = {{"-H", "--header"}, "NAME=VALUE", "a header of the records"},
    [CLI_OPT_INPUT] = {{"--input"}, "FORM", "lines, or jsonl as `consume -o jsonl` prints it"},
    [CLI_OPT_CODEC] = {{"-z", "--compression"}, "CODEC", "none, gzip, snappy, lz4 or zstd"},
    [CLI_OPT_ACKS] = {{"--acks"}, "ACKS", "all, 1 or 0"},
    [CLI_OPT_FROM] = {{"--from"},
                      "POSITION",
                      "start, end, 123, -100, +5, @2026-11-22T08:00Z, @-1h"},
    [CLI_OPT_TO] = {{"--to"}, "POSITION", "stop before this position; of a group: go there"},
    [CLI_OPT_COUNT] = {{"-n", "--count"}, "N", "stop after so many records"},
    [CLI_OPT_END] = {{"-e", "--exit-at-end"}, NULL, "stop at the end"},
    [CLI_OPT_AT] = {{"--at"}, "POSITION", "a time, as @2026-11-22T08:00Z or @-1h"},
    [CLI_OPT_INTERNAL] = {{"--internal"}, NULL, "internal topics, too"},
    [CLI_OPT_RECORDS] = {{"--records"}, NULL, "the records of each batch, too"},
    [CLI_OPT_YES] = {{"--yes"}, NULL, "do not ask"},
    [CLI_OPT_DRY_RUN] = {{"--dry-run"}, NULL, "say what would be done, and do nothing"},
    [CLI_OPT_DATA] = {{"-d", "--data"}, "FOLDER", "data directory"},
    [CLI_OPT_PORT] = {{"--port"}, "PORT", "port to listen on (9092); 0 takes a free one"},
    [CLI_OPT_CORES] = {{"--cores"}, "N", "cores to use (all)"},
    [CLI_OPT_REGEX] = {{"-r", "--regex"},
                       "REGEX",
                       "names in which this regular expression is found"},
    [CLI_OPT_TOPIC] = {{"-t", "--topic"}, "TOPIC", "only this topic"},
    [CLI_OPT_GROUP] = {{"-g", "--group"}, "GROUP", "what this group committed, too"},
    [CLI_OPT_UNDO] = {{"--undo"}, "FILE", "put back what the file says"},
    [CLI_OPT_WATCH] = {{"--watch"}, "[=TIME]", "show it again and again (every 2s)"},
    [CLI_OPT_INTERVAL] = {{"--interval"}, "TIME", "between two looks, which make rate and trend"},
    [CLI_OPT_FAIL_IF] = {{"--fail-if"},
                         "CONDITION",
                         "print what meets it and end with 7: lag>1000, lag_time>60s, rate<1"},
    [CLI_OPT_OLDER] = {{"--older-than"}, "TIME", "without a sign of life for so long (30d)"},
};

const struct cli_command cli_commands[] = {
#define COMMAND(n, v, a, least, most, o, t, e, function) \
    {.noun = (n),                                        \
     .verb = (v),                                        \
     .arguments = (a),                                   \
     .argument_min = (least),                            \
     .argument_max = (most),                             \
     .options = (o),                                     \
     .text = (t),                                        \
     .example = (e),                                     \
     .run = (function)},
#include "tools/commands.def"
};

const int cli_command_count = (int)COUNT_OF(cli_commands);

/* "topics" is topic, "ls" is list. */
static struct bytes plain_noun(struct bytes noun)
{
    return noun.len > 1 && noun.at[noun.len - 1] == 's' && !bytes_equal(noun, BYTES("offsets"))
               ? bytes_slice(noun, 0, noun.len - 1)
               : noun;
}

static struct bytes plain_verb(struct bytes verb)
{
    if (bytes_equal(verb, BYTES("ls"))) {
        return BYTES("list");
    }
    return bytes_equal(verb, BYTES("rm")) ? BYTES("delete") : verb;
}

const struct cli_command *cli_command_find(struct bytes noun, struct bytes verb)
{
    for (int i = 0; i < cli_command_count; i++) {
        if (bytes_equal(bytes_of(cli_commands[i].noun), plain_noun(noun)) &&
            bytes_equal(bytes_of(cli_commands[i].verb), plain_verb(verb))) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

int cli_fail(const struct cli *c, int exit, const char *format, ...)
{
    char text[CLI_MESSAGE_BYTES];
    va_list args;

    (void)c;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (char *at = text; *at != 0; at++) { /* a name in it may be anybody's: a terminal obeys it */
        *at = (*at < 0 || *at >= ' ' || *at == '\n') && *at != 0x7f ? *at : '?';
    }
    (void)fprintf(stderr, "weir: %s%s\n", text, len >= CLI_MESSAGE_BYTES ? "..." : "");
    return exit;
}

static int exit_of(enum err e)
{
    switch (e) {
    case OK:
        return CLI_OK;
    case ERR_CLOSED:
    case ERR_AGAIN:
        return CLI_NO_SERVER;
    case ERR_NOT_FOUND:
        return CLI_NOT_FOUND;
    case ERR_USAGE:
        return CLI_USAGE;
    case ERR_CORRUPT:
        return CLI_CHECK;
    case ERR_NOMEM:
    case ERR_LIMIT:
    case ERR_MALFORMED:
    case ERR_IO:
    case ERR_NOSPACE:
    case ERR_EXISTS:
    case ERR_UNSUPPORTED:
        return CLI_REFUSED;
    }
    UNREACHABLE();
}

const char *cli_crumb(const struct cli *c)
{
    struct bytes crumb = bytes_of(err_crumb());
    size_t end = crumb.len;

    while (crumb.len > 0 && crumb.at[crumb.len - 1] == ')' && end > 0 && crumb.at[end - 1] != '(') {
        end--;
    }
    if (end == 0 || end == crumb.len) {
        return err_crumb();
    }
    crumb = bytes_trim(bytes_slice(crumb, 0, end - 1));
    struct bytes text = arena_format(c->arena, "%.*s%c", BYTES_ARG(crumb), 0);
    return text.at == NULL ? err_crumb() : (const char *)text.at;
}

int cli_fail_err(const struct cli *c, enum err e, const char *doing)
{
    const char *crumb = cli_crumb(c);

    return cli_fail(c, exit_of(e), "%s: %s", doing, crumb[0] == 0 ? err_text(e) : crumb);
}

int cli_fail_kafka(const struct cli *c, struct bytes what, enum kafka_error error,
                   struct bytes message)
{
    struct bytes text = client_error_text(c->arena, what, error, message);
    bool missing = error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION || error == KAFKA_UNKNOWN_TOPIC_ID ||
                   error == KAFKA_GROUP_ID_NOT_FOUND;
    bool denied = error == KAFKA_TOPIC_AUTHORIZATION_FAILED ||
                  error == KAFKA_GROUP_AUTHORIZATION_FAILED ||
                  error == KAFKA_CLUSTER_AUTHORIZATION_FAILED;

    return cli_fail(c,
                    missing  ? CLI_NOT_FOUND
                    : denied ? CLI_DENIED
                             : CLI_REFUSED,
                    "%.*s", BYTES_ARG(text));
}

/* ---- parsing ---- */

static bool has_name(const struct cli_option_info *info, struct bytes name)
{
    for (int i = 0; i < 3 && info->names[i] != NULL; i++) {
        if (bytes_equal(bytes_of(info->names[i]), name)) {
            return true;
        }
    }
    return false;
}

static enum cli_option option_of(struct bytes name)
{
    for (int o = 0; o < CLI_OPT_COUNT_OF; o++) {
        if (has_name(&cli_options[o], name)) {
            return (enum cli_option)o;
        }
    }
    return CLI_OPT_COUNT_OF;
}

/* Takes one option at argv[*at], and its value. */
static int parse_option(struct cli *c, int argc, char **argv, int *at)
{
    struct bytes text = bytes_of(argv[*at]), value = BYTES_NULL;
    bool is_long = bytes_starts_with(text, BYTES("--"));
    ptrdiff_t equals = is_long ? bytes_find(text, '=') : -1;
    size_t len = equals >= 0 ? (size_t)equals : is_long ? text.len : MIN(text.len, 2u);
    struct bytes name = bytes_slice(text, 0, len);
    enum cli_option o = option_of(name);

    if (o == CLI_OPT_COUNT_OF) {
        return cli_fail(c, CLI_USAGE, "there is no option %.*s; see 'weir help'", BYTES_ARG(name));
    }
    if (len < text.len) {
        value = bytes_slice(text, equals >= 0 ? len + 1 : len, text.len);
    }
    if (cli_options[o].value == NULL && value.at != NULL) {
        return cli_fail(c, CLI_USAGE, "%.*s takes no value", BYTES_ARG(name));
    }
    if (cli_options[o].value != NULL && value.at == NULL && cli_options[o].value[0] != '[') {
        if (*at + 1 == argc) {
            return cli_fail(c, CLI_USAGE, "%.*s needs a value: %.*s %s", BYTES_ARG(name),
                            BYTES_ARG(name), cli_options[o].value);
        }
        value = bytes_of(argv[++*at]);
    }
    if (c->value_count == CLI_VALUES_MAX) {
        return cli_fail(c, CLI_USAGE, "more than %d options", CLI_VALUES_MAX);
    }
    c->values[c->value_count++] = (struct cli_value){o, name, value};
    return CLI_OK;
}

static int parse_all(struct cli *c, int argc, char **argv)
{
    bool options = true;

    for (int at = 1; at < argc; at++) {
        struct bytes text = bytes_of(argv[at]);
        if (options && bytes_equal(text, BYTES("--"))) {
            options = false;
            continue;
        }
        /* "-5" and "-" are arguments, not options. */
        if (options && text.len > 1 && text.at[0] == '-' &&
            !(text.at[1] >= '0' && text.at[1] <= '9')) {
            int exit = parse_option(c, argc, argv, &at);
            if (exit != CLI_OK) {
                return exit;
            }
            continue;
        }
        if (c->argument_count == CLI_ARGUMENTS_MAX) {
            return cli_fail(c, CLI_USAGE, "more than %d arguments", CLI_ARGUMENTS_MAX);
        }
        c->arguments[c->argument_count++] = text;
    }
    return CLI_OK;
}

static void drop_arguments(struct cli *c, int count)
{
    c->argument_count -= count;
    memmove(c->arguments, c->arguments + count, (size_t)c->argument_count * sizeof(*c->arguments));
}

/* "weir topic" alone: which verbs there are; with --help, what they do, and there is no command. */
static int choose_command(struct cli *c)
{
    struct bytes noun = c->arguments[0], verb = c->argument_count > 1 ? c->arguments[1] : BYTES("");

    c->command = cli_command_find(noun, verb);
    if (c->command != NULL && verb.len > 0) {
        drop_arguments(c, 2);
        return CLI_OK;
    }
    c->command = cli_command_find(noun, BYTES(""));
    if (c->command != NULL) {
        drop_arguments(c, 1);
        return CLI_OK;
    }
    if (cli_has(c, CLI_OPT_HELP) && c->argument_count == 1 && cli_help_noun(plain_noun(noun))) {
        return CLI_OK;
    }
    struct buf verbs;
    buf_init(&verbs, 4096);
    for (int i = 0; i < cli_command_count; i++) {
        if (bytes_equal(bytes_of(cli_commands[i].noun), plain_noun(noun))) {
            (void)buf_add_format(&verbs, " %s", cli_commands[i].verb);
        }
    }
    int exit =
        verbs.len == 0
            ? cli_fail(c, CLI_USAGE, "there is no command '%.*s'; see 'weir help'", BYTES_ARG(noun))
            : cli_fail(c, CLI_USAGE, "weir %.*s needs one of:%.*s", BYTES_ARG(noun),
                       BYTES_ARG(buf_view(&verbs)));
    buf_deinit(&verbs);
    return exit;
}

static bool takes(const struct cli *c, enum cli_option o)
{
    return o == CLI_OPT_HELP || (c->command->options & (UINT64_C(1) << o)) != 0;
}

/* A name that several options share means the one that this command takes. */
static void settle_option(const struct cli *c, struct cli_value *v)
{
    for (int o = 0; o < CLI_OPT_COUNT_OF && !takes(c, v->option); o++) {
        if (takes(c, (enum cli_option)o) && has_name(&cli_options[o], v->name)) {
            v->option = (enum cli_option)o;
        }
    }
}

static int check_options(struct cli *c)
{
    for (int i = 0; i < c->value_count; i++) {
        settle_option(c, &c->values[i]);
        enum cli_option o = c->values[i].option;
        if (!takes(c, o)) {
            return cli_fail(c, CLI_USAGE, "'weir %s%s%s' does not take %s; see 'weir help %s %s'",
                            c->command->noun, c->command->verb[0] == 0 ? "" : " ", c->command->verb,
                            cli_options[o].names[0], c->command->noun, c->command->verb);
        }
    }
    if (c->argument_count < c->command->argument_min ||
        (c->command->argument_max >= 0 && c->argument_count > c->command->argument_max)) {
        return cli_fail(c, CLI_USAGE, "usage: weir %s%s%s %s\n  for example: %s", c->command->noun,
                        c->command->verb[0] == 0 ? "" : " ", c->command->verb,
                        c->command->arguments, c->command->example);
    }
    return CLI_OK;
}

static int choose_format(struct cli *c)
{
    static const char *const names[] = {"table", "json", "jsonl", "csv", "name"};
    struct bytes format = cli_value(c, CLI_OPT_OUTPUT);

    c->format = CLI_TABLE;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (bytes_equal(format, bytes_of(names[i]))) {
            c->format = (enum cli_format)i;
            return CLI_OK;
        }
    }
    if (format.at != NULL && bytes_find(format, '%') < 0) {
        return cli_fail(c, CLI_USAGE,
                        "-o %.*s: use table, json, jsonl, csv, name or a pattern with %%",
                        BYTES_ARG(format));
    }
    if (format.at != NULL) {
        c->format = CLI_PATTERN;
        c->pattern = format;
    }
    return CLI_OK;
}

/* ---- values ---- */

bool cli_value_at(const struct cli *c, enum cli_option o, int n, struct bytes *out)
{
    for (int i = 0; i < c->value_count; i++) {
        if (c->values[i].option == o && n-- == 0) {
            *out = c->values[i].value;
            return true;
        }
    }
    return false;
}

bool cli_has(const struct cli *c, enum cli_option o)
{
    struct bytes unused;

    return cli_value_at(c, o, 0, &unused);
}

struct bytes cli_value(const struct cli *c, enum cli_option o)
{
    struct bytes value = BYTES_NULL;

    for (int i = 0; cli_value_at(c, o, i, &value); i++) {
    }
    return value;
}

bool cli_number(const struct cli *c, enum cli_option o, int64_t otherwise, int64_t *out)
{
    struct bytes value = cli_value(c, o);

    *out = otherwise;
    if (value.at == NULL || bytes_to_i64(value, out) == OK) {
        return true;
    }
    (void)cli_fail(c, CLI_USAGE, "%s %.*s: a whole number is needed", cli_options[o].names[0],
                   BYTES_ARG(value));
    return false;
}

bool cli_duration(const struct cli *c, enum cli_option o, int64_t otherwise, int64_t *out)
{
    struct bytes value = cli_value(c, o);

    *out = otherwise;
    if (value.at == NULL || duration_parse(value, out) == OK) {
        return true;
    }
    (void)cli_fail(c, CLI_USAGE, "%s %.*s: a time is needed, as 500ms, 2s, 5m, 12h or 30d",
                   cli_options[o].names[0], BYTES_ARG(value));
    return false;
}

int cli_confirm(const struct cli *c, const char *what)
{
    char answer[8] = "";

    if (cli_has(c, CLI_OPT_YES)) {
        return CLI_OK;
    }
    if (!c->terminal_in) {
        return cli_fail(c, CLI_USAGE,
                        "%s? Confirm with --yes, or see what would happen with --dry-run", what);
    }
    (void)fprintf(stderr, "%s? [y/N] ", what);
    if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        return cli_fail(c, CLI_USAGE, "nothing was done");
    }
    return CLI_OK;
}

int cli_connect(struct cli *c)
{
    struct bytes bootstrap = cli_value(c, CLI_OPT_BOOTSTRAP);
    const char *from_environment = getenv("WEIR_BOOTSTRAP");
    int64_t seconds;

    if (!cli_number(c, CLI_OPT_TIMEOUT, CLI_TIMEOUT_MS / 1000, &seconds)) {
        return CLI_USAGE;
    }
    if (bootstrap.at == NULL) {
        bootstrap = from_environment != NULL ? bytes_of(from_environment) : BYTES("localhost:9092");
    }
    struct client_options options = {.env = c->env,
                                     .bootstrap = bootstrap,
                                     .client_id = BYTES("weir-cli"),
                                     .timeout_ms =
                                         MIN(MAX(seconds, 1), CLI_TIMEOUT_SECONDS_MAX) * 1000,
                                     .is_stopped = env_linux_stop_asked};
    enum err e = client_new(&options, &c->client);
    if (e == OK) {
        return CLI_OK;
    }
    return cli_fail(c, exit_of(e),
                    "cannot talk to a broker at %.*s: %s\n"
                    "  start one with 'weir dev', or name another with -b HOST:PORT",
                    BYTES_ARG(bootstrap), cli_crumb(c));
}

/* ---- running ---- */

static int run(struct cli *c, int argc, char **argv)
{
    int exit = parse_all(c, argc, argv);

    if (exit != CLI_OK) {
        return exit;
    }
    if (c->argument_count == 0) {
        cli_help_all(c);
        return cli_has(c, CLI_OPT_HELP) ? CLI_OK : CLI_USAGE;
    }
    if ((exit = choose_command(c)) != CLI_OK || c->command == NULL) {
        return exit;
    }
    if (cli_has(c, CLI_OPT_HELP)) {
        cli_help_command(c, c->command);
        return CLI_OK;
    }
    if ((exit = check_options(c)) != CLI_OK || (exit = choose_format(c)) != CLI_OK) {
        return exit;
    }
    return c->command->run(c);
}

int cli_main(struct env *env, int argc, char **argv)
{
    struct arena arena;
    struct cli c = {.env = env,
                    .arena = &arena,
                    .terminal_in = isatty(STDIN_FILENO) == 1,
                    .terminal_out = isatty(STDOUT_FILENO) == 1,
                    .terminal_err = isatty(STDERR_FILENO) == 1};

    arena_init(&arena, CLI_ARENA_BYTES_MAX);
    int exit = run(&c, argc, argv);
    if (env_linux_stop_asked()) {
        exit = exit == CLI_OK ? CLI_OK : CLI_INTERRUPTED;
    }
    if (c.client != NULL) {
        (void)env_linux_on_stop(env, NULL); /* its poller goes */
    }
    client_free(c.client);
    arena_deinit(&arena);
    if (fflush(stdout) != 0 && exit == CLI_OK) {
        exit = CLI_REFUSED;
    }
    return exit;
}
