/* tests/raft/scenario_script.c: goes through a file of scenarios line by line.
 *
 * WHY      The scenarios are data, so that what the core says can be read in one piece, and reviewed as a difference
 *          when it changes: --update writes the printed lines, a person judges them.
 * RULES    A wrong `expect` fails with and without --update: it is what a person has claimed. Without --update a
 *          scenario ends at its first difference (all that follows is a consequence); with it, it goes on.
 *          A scenario without an `expect` fails: golden lines alone prove nothing.
 * OWNER    One thread. The position of the scenario under way is kept for the report of a crash.
 * FAILURE  A file that cannot be read or written ends the program.
 * LIMITS   SCRIPT_BYTES_MAX per file.
 */
#include "tests/raft/scenario_script.h"

#include <stdio.h>

#include "base/bytes.h"
#include "tests/raft/scenario_commands.h"

enum { SCRIPT_BYTES_MAX = 16 << 20, READ_BYTES = 1 << 16, POSITION_BYTES = 512 };

static char position[POSITION_BYTES];

const char *script_position(void)
{
    return position;
}

/* A run over one file. */
struct script {
    const char *path;
    const struct script_options *options;
    struct script_totals *totals;
    struct bytes text;   /* what is still to be read */
    struct buf written;  /* the file as it will be */
    struct buf printed;  /* by the command just executed */
    struct buf expected; /* below the command just executed */
    struct scenario *scenario;
    struct bytes name, command;
    uint32_t line, command_line;
    bool skipped, failed, claimed; /* claimed: the scenario has an expect */
};

static void add(struct buf *b, struct bytes text)
{
    enum err e = buf_add(b, text);

    ASSERT(e == OK);
}

static struct bytes line_take(struct script *s)
{
    ptrdiff_t end = bytes_find(s->text, '\n');
    struct bytes line = bytes_slice(s->text, 0, end < 0 ? s->text.len : (size_t)end);

    s->text = bytes_slice(s->text, line.len + 1, s->text.len);
    s->line++;
    return line;
}

static void differs(struct script *s, const char *what)
{
    if (!s->failed) {
        printf("%s:%u: %.*s\n", s->path, s->command_line, BYTES_ARG(s->name));
    }
    printf("  %s:%u: %.*s\n    %s\n", s->path, s->command_line, BYTES_ARG(s->command), what);
    s->failed = true;
}

static void print_indented(const char *head, struct bytes text)
{
    printf("  %s\n", head);
    while (text.len > 0) {
        ptrdiff_t end = bytes_find(text, '\n');
        size_t len = end < 0 ? text.len : (size_t)end;

        printf("    |%.*s\n", (int)len, (const char *)text.at);
        text = bytes_slice(text, len + 1, text.len);
    }
}

/* The lines below the command are all read: are they what it printed? */
static void command_end(struct script *s)
{
    struct bytes printed = buf_view(&s->printed), expected = buf_view(&s->expected);

    if (s->command.at == NULL) {
        return;
    }
    if (s->options->update && !s->skipped) {
        add(&s->written, printed);
    } else {
        add(&s->written, expected);
    }
    if (!s->options->update && !s->skipped && !s->failed && !bytes_equal(printed, expected)) {
        differs(s, "printed something else");
        print_indented("expected:", expected);
        print_indented("got:", printed);
    }
    s->command = BYTES_NULL;
    buf_reset(&s->printed);
    buf_reset(&s->expected);
}

static void scenario_end(struct script *s)
{
    command_end(s);
    if (s->scenario == NULL) {
        return;
    }
    if (!s->claimed && !s->failed) {
        s->command_line = s->line;
        differs(s, "the scenario has no expect");
    }
    scenario_free(s->scenario);
    s->scenario = NULL;
    if (s->failed) {
        s->totals->failed++;
    } else {
        s->totals->passed++;
    }
}

static bool wanted(const struct script *s)
{
    return s->options->only == NULL ||
           memmem(s->name.at, s->name.len, s->options->only, strlen(s->options->only)) != NULL;
}

static void scenario_begin(struct script *s, struct bytes name)
{
    scenario_end(s);
    s->name = bytes_trim(name);
    s->failed = s->claimed = false;
    s->skipped = !wanted(s);
    if (s->skipped) {
        return;
    }
    s->scenario = scenario_new();
    if (s->options->verbose) {
        printf("%.*s\n", BYTES_ARG(s->name));
    }
}

/* What a command printed becomes lines that begin with two blanks. */
static void indent(struct buf *out, struct bytes text)
{
    while (text.len > 0) {
        ptrdiff_t end = bytes_find(text, '\n');
        size_t len = end < 0 ? text.len : (size_t)end;

        add(out, BYTES("  "));
        add(out, bytes_slice(text, 0, len));
        add(out, BYTES("\n"));
        text = bytes_slice(text, len + 1, text.len);
    }
}

static void command_run(struct script *s, struct bytes command)
{
    struct scenario_result result;

    command_end(s);
    s->command = command;
    s->command_line = s->line;
    if (s->scenario == NULL || (s->failed && !s->options->update)) {
        return;
    }
    (void)snprintf(position, sizeof(position), "%s:%u: %.*s: %.*s", s->path, s->line,
                   BYTES_ARG(s->name), BYTES_ARG(command));
    result = scenario_command(s->scenario, command);
    s->claimed = s->claimed || result.expectation;
    indent(&s->printed, result.printed);
    if (result.wrong != NULL) {
        differs(s, result.wrong);
    }
}

static void line_run(struct script *s, struct bytes line)
{
    if (bytes_starts_with(line, BYTES("  "))) {
        add(&s->expected, line);
        add(&s->expected, BYTES("\n"));
        return;
    }
    if (bytes_starts_with(line, BYTES("scenario: "))) {
        scenario_begin(s, bytes_slice(line, strlen("scenario: "), line.len));
    } else if (line.len > 0 && line.at[0] != '#') {
        command_run(s, line);
    } else {
        command_end(s);
    }
    add(&s->written, line);
    add(&s->written, BYTES("\n"));
}

static enum err file_read(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL) {
        return fail(ERR_IO, "cannot read %s", path);
    }
    do {
        enum err e = buf_reserve(out, READ_BYTES);

        got = e == OK ? fread(out->at + out->len, 1, READ_BYTES, file) : 0;
        out->len += got;
    } while (got > 0);
    (void)fclose(file);
    return OK;
}

static enum err file_write(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "wb");
    bool good = file != NULL && fwrite(text.at, 1, text.len, file) == text.len;

    if (file != NULL && fclose(file) != 0) {
        good = false;
    }
    return good ? OK : fail(ERR_IO, "cannot write %s", path);
}

enum err script_run(const char *path, const struct script_options *options,
                    struct script_totals *totals)
{
    struct script s = {.path = path, .options = options, .totals = totals};
    struct buf file;
    enum err e;

    buf_init(&file, SCRIPT_BYTES_MAX);
    buf_init(&s.written, SCRIPT_BYTES_MAX);
    buf_init(&s.printed, SCRIPT_BYTES_MAX);
    buf_init(&s.expected, SCRIPT_BYTES_MAX);
    e = file_read(path, &file);
    s.text = buf_view(&file);
    while (e == OK && s.text.len > 0) {
        line_run(&s, line_take(&s));
    }
    scenario_end(&s);
    if (e == OK && options->update && !bytes_equal(buf_view(&s.written), buf_view(&file))) {
        e = file_write(path, buf_view(&s.written));
    }
    buf_deinit(&file);
    buf_deinit(&s.written);
    buf_deinit(&s.printed);
    buf_deinit(&s.expected);
    return e;
}
