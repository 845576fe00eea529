/* tools/cli.h: what every command of the command line stands on: options, output, endings.
 *
 *     weir NOUN VERB [ARGUMENTS] [--options]
 *
 * The list of commands is one table (tools/commands.def); help, the usage of each command and completion are
 * made of it. A command is a function that gets its parsed arguments and returns an exit code.
 *
 * OUTPUT   Results go to standard output: a table for eyes, or -o json|jsonl|csv|name for programs. Everything
 *          else (progress, warnings, errors) goes to standard error. An error says what is wrong and what to
 *          do about it.
 */
#pragma once

#include "base/arena.h"
#include "base/env.h"
#include "tools/client.h"

/* Exit codes; 6 and 7 are answers, not accidents. */
enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1,   /* the server said no */
    CLI_USAGE = 2,     /* the command line is wrong */
    CLI_NO_SERVER = 3, /* no connection, or it timed out */
    CLI_NOT_FOUND = 4, /* no such topic, file ... */
    CLI_DENIED = 5,    /* not allowed */
    CLI_PARTLY = 6,    /* some of it was done */
    CLI_CHECK = 7,     /* a check that was asked for failed (verify) */
    CLI_INTERRUPTED = 130,
};

enum cli_format { CLI_TABLE, CLI_JSON, CLI_JSONL, CLI_CSV, CLI_NAME, CLI_PATTERN };

/* Any command may use any of these; each command's row says which it takes. */
enum cli_option {
    CLI_OPT_BOOTSTRAP,  /* -b, --bootstrap */
    CLI_OPT_OUTPUT,     /* -o, --output */
    CLI_OPT_HELP,       /* -h, --help */
    CLI_OPT_TIMEOUT,    /* --timeout */
    CLI_OPT_PARTITIONS, /* -p, --partitions, --partition */
    CLI_OPT_REPLICAS,   /* -r, --replicas */
    CLI_OPT_CONFIG,     /* -c, --config */
    CLI_OPT_SET,        /* --set */
    CLI_OPT_KEY,        /* -k, --key */
    CLI_OPT_HEADER,     /* -H, --header */
    CLI_OPT_INPUT,      /* --input */
    CLI_OPT_CODEC,      /* -z, --compression */
    CLI_OPT_ACKS,       /* --acks */
    CLI_OPT_FROM,       /* --from */
    CLI_OPT_TO,         /* --to */
    CLI_OPT_COUNT,      /* -n, --count */
    CLI_OPT_END,        /* -e, --exit-at-end */
    CLI_OPT_AT,         /* --at */
    CLI_OPT_INTERNAL,   /* --internal */
    CLI_OPT_RECORDS,    /* --records */
    CLI_OPT_YES,        /* --yes */
    CLI_OPT_DRY_RUN,    /* --dry-run */
    CLI_OPT_DATA,       /* --data */
    CLI_OPT_PORT,       /* --port */
    CLI_OPT_CORES,      /* --cores */
    CLI_OPT_REGEX,      /* -r, --regex */
    CLI_OPT_TOPIC,      /* -t, --topic */
    CLI_OPT_GROUP,      /* -g, --group */
    CLI_OPT_UNDO,       /* --undo */
    CLI_OPT_WATCH,      /* --watch */
    CLI_OPT_INTERVAL,   /* --interval */
    CLI_OPT_FAIL_IF,    /* --fail-if */
    CLI_OPT_OLDER,      /* --older-than */
    CLI_OPT_COUNT_OF
};

enum { CLI_ARGUMENTS_MAX = 256, CLI_VALUES_MAX = 256 };

struct cli_value {
    enum cli_option option;
    struct bytes name;  /* as it was written: "-r" may mean another option to another command */
    struct bytes value; /* null: the option takes none, or may be left without */
};

struct cli {
    struct env *env;
    struct arena *arena; /* of the whole command */
    const struct cli_command *command;
    struct bytes arguments[CLI_ARGUMENTS_MAX];
    int argument_count;
    struct cli_value values[CLI_VALUES_MAX];
    int value_count;
    enum cli_format format;
    struct bytes pattern; /* CLI_PATTERN */
    bool terminal_out, terminal_err, terminal_in;
    struct client *client; /* cli_connect() */
};

struct cli_command {
    const char *noun, *verb;        /* verb "": the noun alone */
    const char *arguments;          /* as the help shows them: "TOPIC..." */
    int argument_min, argument_max; /* -1: as many as fit */
    uint64_t options;               /* bits of enum cli_option that it takes */
    const char *text;               /* one sentence */
    const char *example;            /* a whole line to copy */
    int (*run)(struct cli *c);
};

/* Parses and runs; returns the exit code. */
int cli_main(struct env *env, int argc, char **argv);

/* The last value of an option; BYTES_NULL when it was not given. */
struct bytes cli_value(const struct cli *c, enum cli_option o);
bool cli_has(const struct cli *c, enum cli_option o);
/* The n-th value of an option that may be given several times; false past the last. */
bool cli_value_at(const struct cli *c, enum cli_option o, int n, struct bytes *out);
/* A whole number option; `otherwise` when it was not given; prints and returns false when it is none. */
bool cli_number(const struct cli *c, enum cli_option o, int64_t otherwise, int64_t *out);
/* The same for a span of time, in milliseconds: "500ms", "2s", "30d"; a plain number is seconds. */
bool cli_duration(const struct cli *c, enum cli_option o, int64_t otherwise, int64_t *out);

/* Connects to -b, WEIR_BOOTSTRAP or localhost:9092; on failure prints what to do and returns the code. */
int cli_connect(struct cli *c);
/* Prints "weir: ..." to standard error; returns `exit`. */
int cli_fail(const struct cli *c, int exit, const char *format, ...) PRINTF_LIKE(3, 4);
/* What the newest fail() said, without the place in the source. */
const char *cli_crumb(const struct cli *c);
/* The same for an enum err with its crumb: ERR_CLOSED is CLI_NO_SERVER and so on. */
int cli_fail_err(const struct cli *c, enum err e, const char *doing);
/* The same for an answer of the server: NOT_FOUND and DENIED codes are told apart. */
int cli_fail_kafka(const struct cli *c, struct bytes what, enum kafka_error error,
                   struct bytes message);

/* ---- output ---- */

/* CLI_TIME: a number of milliseconds since 1970; the table shows it as ISO 8601. CLI_DURATION: a number of
 * milliseconds, which the table shows as "3.1 s". */
enum cli_column_kind { CLI_TEXT, CLI_NUMBER, CLI_TIME, CLI_DURATION };

struct cli_column {
    const char *title; /* upper case, for the table */
    const char *key;   /* snake_case, for JSON and CSV */
    enum cli_column_kind kind;
};

struct cli_table;

/* Rows collect and are printed in the format asked for, at the latest by cli_table_end(). The first column is
 * what -o name prints. */
struct cli_table *cli_table_begin(struct cli *c, const struct cli_column *columns,
                                  int column_count);
void cli_cell(struct cli_table *t, struct bytes text);
void cli_cell_number(struct cli_table *t, int64_t number);
void cli_cell_none(struct cli_table *t); /* "-", null */
int cli_table_end(struct cli_table *t);  /* CLI_OK, or CLI_REFUSED when standard output is gone */
/* Without its rows. CLI_OK. */
int cli_table_drop(struct cli_table *t);
/* The end of a command of which `failed` things failed, the last with `exit`: prints the rows of the others. */
int cli_table_end_partly(struct cli_table *t, int done, int failed, int exit);

/* Asks on a terminal; elsewhere --yes must have said it: CLI_OK to go on. `what` is a question without its mark. */
int cli_confirm(const struct cli *c, const char *what);

/* As a terminal may get it: control characters, and bytes that are not UTF-8, as "\x1b". */
struct bytes cli_plain(struct arena *arena, struct bytes text);
/* As a shell takes it for one word. */
struct bytes cli_quoted(struct arena *arena, struct bytes text);

/* One cell of CSV on standard output, quoted if need be. */
void cli_print_csv_cell(struct bytes text);

/* ---- positions ---- */

enum cli_position_kind {
    CLI_POSITION_START,
    CLI_POSITION_END,
    CLI_POSITION_OFFSET,     /* 123 */
    CLI_POSITION_FROM_END,   /* -100 */
    CLI_POSITION_FROM_START, /* +5 */
    CLI_POSITION_TIME,       /* @2026-11-22T08:00Z, @-1h, @1700000000000 */
};

struct cli_position {
    enum cli_position_kind kind;
    int64_t value; /* offset, distance, or milliseconds since 1970 */
};

/* False: prints what a position looks like. */
bool cli_position(const struct cli *c, struct bytes text, struct cli_position *out);
