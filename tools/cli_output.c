/* tools/cli_output.c: rows for eyes and for programs.
 *
 * WHY      Every command prints the same kinds of output, so the JSON of one command looks like that of another
 *          and a new command gets all formats for nothing.
 * FORMAT   table: columns as wide as their widest cell, numbers to the right, control characters written out (names of
 *          groups and clients are anybody's, and a terminal would obey them). json: one array of objects.
 *          jsonl: an object a line. csv: RFC 4180, with a header line. name: the first column alone.
 * OWNER    The command's arena, and one of the table's own for its rows.
 * LIMITS   CLI_ROWS_HELD rows are kept in memory: the first of them decide how wide the columns are, and later
 *          ones are printed as they fill up again, so that a table may be of any length.
 */
#include "tools/cli_internal.h"

#include "tools/cli_position.h"
#include "tools/json_text.h"

#include <stdio.h>

enum { CLI_COLUMNS_MAX = 16, CLI_ROWS_HELD = 1000, CLI_ROWS_BYTES_MAX = 256 << 20 };

struct cell {
    struct bytes text; /* null: none */
};

struct row {
    struct row *next;
    struct cell cells[];
};

struct cli_table {
    struct cli *cli;
    const struct cli_column *columns;
    int column_count, at; /* next column of the newest row */
    struct arena arena;   /* rows not yet printed */
    struct row *first, *last;
    int held;   /* rows not yet printed */
    bool begun; /* the head is printed */
    bool any;   /* a row is */
    size_t widths[CLI_COLUMNS_MAX];
};

struct cli_table *cli_table_begin(struct cli *c, const struct cli_column *columns, int column_count)
{
    struct cli_table *t = ARENA_NEW(c->arena, struct cli_table);

    ASSERT(column_count > 0 && column_count <= CLI_COLUMNS_MAX && t != NULL);
    t->cli = c;
    t->columns = columns;
    t->column_count = t->at = column_count;
    arena_init(&t->arena, CLI_ROWS_BYTES_MAX);
    for (int i = 0; i < column_count; i++) {
        t->widths[i] = strlen(columns[i].title);
    }
    return t;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(struct bytes text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++) {
        width += (text.at[i] & 0xc0) != 0x80;
    }
    return width;
}

static void print_rows(struct cli_table *t);

static struct row *add_row(struct cli_table *t)
{
    if (t->held == CLI_ROWS_HELD) {
        print_rows(t);
    }
    struct row *row =
        arena_alloc(&t->arena, sizeof(*row) + (size_t)t->column_count * sizeof(struct cell));
    if (row == NULL) {
        return NULL;
    }
    if (t->last == NULL) {
        t->first = row;
    } else {
        t->last->next = row;
    }
    t->last = row;
    t->at = 0;
    t->held++;
    return row;
}

/* As the table shows the cell; `room` may be what holds it. */
static struct bytes shown(enum cli_column_kind kind, struct bytes text,
                          char room[MOMENT_TEXT_BYTES])
{
    int64_t ms;

    static_assert((int)DURATION_TEXT_BYTES <= (int)MOMENT_TEXT_BYTES, "one room for both");
    if (text.at == NULL) {
        return BYTES("-");
    }
    if ((kind != CLI_TIME && kind != CLI_DURATION) || bytes_to_i64(text, &ms) != OK) {
        return text;
    }
    if (kind == CLI_TIME) {
        moment_text(ms, room);
    } else {
        duration_text(ms, room);
    }
    return bytes_of(room);
}

static size_t shown_width(enum cli_column_kind kind, struct bytes text)
{
    char room[MOMENT_TEXT_BYTES];

    return width_of(shown(kind, text, room));
}

static bool stands_right(enum cli_column_kind kind)
{
    return kind == CLI_NUMBER || kind == CLI_DURATION;
}

/* Bytes of the character at the start that may be shown as they are; 0: the first byte is to be written out. */
static size_t plain_len(struct bytes text)
{
    size_t len = json_text_character(text);
    bool control = text.at[0] < 0x20 || text.at[0] == 0x7f ||
                   (len == 2 && text.at[0] == 0xc2 && text.at[1] < 0xa0);

    return control ? 0 : len;
}

struct bytes cli_plain(struct arena *arena, struct bytes text)
{
    enum { WRITTEN_OUT = 4 }; /* "\x1b" */
    size_t odd = 0;

    for (size_t i = 0, len; i < text.len; i += MAX(len, 1)) {
        len = plain_len(bytes_slice(text, i, text.len));
        odd += len == 0;
    }
    char *out = odd == 0 ? NULL : ARENA_ARRAY(arena, char, text.len + odd * (WRITTEN_OUT - 1) + 1);
    if (out == NULL) {
        return text;
    }
    size_t end = 0;
    for (size_t i = 0, len; i < text.len; i += MAX(len, 1)) {
        len = plain_len(bytes_slice(text, i, text.len));
        if (len == 0) {
            end += (size_t)snprintf(out + end, WRITTEN_OUT + 1, "\\x%02x", text.at[i]);
        } else {
            memcpy(out + end, text.at + i, len);
            end += len;
        }
    }
    return (struct bytes){(const uint8_t *)out, end};
}

void cli_cell(struct cli_table *t, struct bytes text)
{
    if (t->at == t->column_count && add_row(t) == NULL) {
        return;
    }
    if (t->cli->format == CLI_TABLE || t->cli->format == CLI_PATTERN) {
        text = cli_plain(&t->arena, text);
    }
    t->last->cells[t->at].text = arena_copy(&t->arena, text);
    size_t width = shown_width(t->columns[t->at].kind, text);
    t->widths[t->at] = MAX(t->widths[t->at], width);
    t->at++;
}

void cli_cell_number(struct cli_table *t, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, number);

    cli_cell(t, (struct bytes){(const uint8_t *)text, (size_t)len});
}

void cli_cell_none(struct cli_table *t)
{
    cli_cell(t, BYTES_NULL);
}

static void print_padded(struct bytes text, size_t width, bool right, bool last)
{
    int blanks = (int)(width - MIN(width, width_of(text)));

    if (right) {
        (void)printf("%*s%.*s", blanks, "", BYTES_ARG(text));
    } else {
        (void)printf("%.*s%*s", BYTES_ARG(text), last ? 0 : blanks, "");
    }
    (void)fputs(last ? "\n" : "  ", stdout);
}

static void print_titles(const struct cli_table *t)
{
    for (int i = 0; i < t->column_count; i++) {
        print_padded(bytes_of(t->columns[i].title), t->widths[i], stands_right(t->columns[i].kind),
                     i + 1 == t->column_count);
    }
}

static void print_line(const struct cli_table *t, const struct row *r)
{
    char room[MOMENT_TEXT_BYTES];

    for (int i = 0; i < t->column_count; i++) {
        enum cli_column_kind kind = t->columns[i].kind;
        print_padded(shown(kind, r->cells[i].text, room), t->widths[i], stands_right(kind),
                     i + 1 == t->column_count);
    }
}

static void print_object(const struct cli_table *t, const struct row *r)
{
    (void)putchar('{');
    for (int i = 0; i < t->column_count; i++) {
        struct bytes text = r->cells[i].text;
        (void)printf("%s\"%s\":", i == 0 ? "" : ",", t->columns[i].key);
        if (text.at == NULL) {
            (void)fputs("null", stdout);
        } else if (t->columns[i].kind != CLI_TEXT) {
            (void)printf("%.*s", BYTES_ARG(text));
        } else {
            json_text_print(stdout, text);
        }
    }
    (void)putchar('}');
}

struct bytes cli_quoted(struct arena *arena, struct bytes text)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "%+,-./:=@_";
    bool plain = text.len > 0;

    for (size_t i = 0; i < text.len && plain; i++) {
        plain = memchr(safe, text.at[i], sizeof(safe) - 1) != NULL;
    }
    /* A quote ends the quoted part, stands by itself behind a backslash, and begins the next. */
    uint8_t *out = plain ? NULL : ARENA_ARRAY(arena, uint8_t, text.len * 4 + 2);
    if (out == NULL) {
        return text;
    }
    size_t end = 0;
    out[end++] = '\'';
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\'') {
            memcpy(out + end, "'\\'", 3);
            end += 3;
        }
        out[end++] = text.at[i];
    }
    out[end++] = '\'';
    return (struct bytes){out, end};
}

void cli_print_csv_cell(struct bytes text)
{
    bool quote = false;

    for (size_t i = 0; i < text.len; i++) {
        quote = quote || text.at[i] == ',' || text.at[i] == '"' || text.at[i] == '\n' ||
                text.at[i] == '\r';
    }
    if (!quote) {
        (void)printf("%.*s", BYTES_ARG(text));
        return;
    }
    (void)putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"') {
            (void)putchar('"');
        }
        (void)putchar(text.at[i]);
    }
    (void)putchar('"');
}

static void print_csv_line(const struct cli_table *t, const struct row *r)
{
    for (int i = 0; i < t->column_count; i++) {
        (void)fputs(i == 0 ? "" : ",", stdout);
        cli_print_csv_cell(r == NULL ? bytes_of(t->columns[i].key) : r->cells[i].text);
    }
    (void)fputs("\r\n", stdout);
}

/* ---- printing ---- */

static void print_head(const struct cli_table *t)
{
    switch (t->cli->format) {
    case CLI_TABLE:
    case CLI_PATTERN:
        print_titles(t);
        break;
    case CLI_JSON:
        (void)putchar('[');
        break;
    case CLI_CSV:
        print_csv_line(t, NULL);
        break;
    case CLI_JSONL:
    case CLI_NAME:
        break;
    }
}

static void print_row(const struct cli_table *t, const struct row *r)
{
    switch (t->cli->format) {
    case CLI_TABLE:
    case CLI_PATTERN:
        print_line(t, r);
        break;
    case CLI_JSON:
        (void)fputs(t->any ? ",\n " : "", stdout);
        print_object(t, r);
        break;
    case CLI_JSONL:
        print_object(t, r);
        (void)putchar('\n');
        break;
    case CLI_CSV:
        print_csv_line(t, r);
        break;
    case CLI_NAME:
        (void)printf("%.*s\n", BYTES_ARG(r->cells[0].text));
        break;
    }
}

/* Those held; then the memory is free for the next. */
static void print_rows(struct cli_table *t)
{
    if (!t->begun) {
        print_head(t);
        t->begun = true;
    }
    for (const struct row *r = t->first; r != NULL; r = r->next) {
        print_row(t, r);
        t->any = true;
    }
    t->first = t->last = NULL;
    t->held = 0;
    arena_reset(&t->arena);
}

int cli_table_end(struct cli_table *t)
{
    bool whole = !t->arena.exhausted;

    ASSERT(t->at == t->column_count);
    print_rows(t);
    if (t->cli->format == CLI_JSON) {
        (void)puts("]");
    }
    arena_deinit(&t->arena);
    if (!whole) {
        return cli_fail(t->cli, CLI_REFUSED, "no memory for all rows");
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED;
}

int cli_table_drop(struct cli_table *t)
{
    arena_deinit(&t->arena);
    return CLI_OK;
}

int cli_table_end_partly(struct cli_table *t, int done, int failed, int exit)
{
    if (done == 0 && failed > 0) {
        (void)cli_table_drop(t); /* no head without rows */
        return exit;
    }
    int end = cli_table_end(t);
    return end == CLI_OK && failed > 0 ? CLI_PARTLY : end;
}
