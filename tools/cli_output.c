/* tools/cli_output.c: rows for eyes and for programs.
 *
 * WHY      Every command prints the same kinds of output, so the JSON of one command looks like that of another
 *          and a new command gets all formats for nothing.
 * FORMAT   table: columns as wide as their widest cell, numbers to the right. json: one array of objects.
 *          jsonl: an object a line. csv: RFC 4180, with a header line. name: the first column alone.
 * OWNER    The command's arena.
 * LIMITS   A table is kept in memory until its end; record streams use jsonl or a pattern, row by row.
 */
#include "tools/cli_internal.h"

#include "tools/json_text.h"

#include <stdio.h>

enum { CLI_COLUMNS_MAX = 16 };

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
    struct row *first, *last;
    size_t widths[CLI_COLUMNS_MAX];
};

struct cli_table *cli_table_begin(struct cli *c, const struct cli_column *columns, int column_count)
{
    struct cli_table *t = ARENA_NEW(c->arena, struct cli_table);

    ASSERT(column_count > 0 && column_count <= CLI_COLUMNS_MAX && t != NULL);
    t->cli = c;
    t->columns = columns;
    t->column_count = t->at = column_count;
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

void cli_cell(struct cli_table *t, struct bytes text)
{
    if (t->at == t->column_count) {
        struct row *row = arena_alloc(t->cli->arena,
                                      sizeof(*row) + (size_t)t->column_count * sizeof(struct cell));
        if (row == NULL) {
            return;
        }
        if (t->last == NULL) {
            t->first = row;
        } else {
            t->last->next = row;
        }
        t->last = row;
        t->at = 0;
    }
    t->last->cells[t->at].text = arena_copy(t->cli->arena, text);
    t->widths[t->at] = MAX(t->widths[t->at], text.at == NULL ? 1 : width_of(text));
    t->at++;
}

void cli_cell_number(struct cli_table *t, int64_t number)
{
    cli_cell(t, arena_format(t->cli->arena, "%" PRId64, number));
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

static void print_table(const struct cli_table *t)
{
    for (int i = 0; i < t->column_count; i++) {
        print_padded(bytes_of(t->columns[i].title), t->widths[i], t->columns[i].kind == CLI_NUMBER,
                     i + 1 == t->column_count);
    }
    for (const struct row *r = t->first; r != NULL; r = r->next) {
        for (int i = 0; i < t->column_count; i++) {
            struct bytes text = r->cells[i].text.at == NULL ? BYTES("-") : r->cells[i].text;
            print_padded(text, t->widths[i], t->columns[i].kind == CLI_NUMBER,
                         i + 1 == t->column_count);
        }
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
        } else if (t->columns[i].kind == CLI_NUMBER) {
            (void)printf("%.*s", BYTES_ARG(text));
        } else {
            json_text_print(stdout, text);
        }
    }
    (void)putchar('}');
}

static void print_json(const struct cli_table *t, bool lines)
{
    if (!lines) {
        (void)putchar('[');
    }
    for (const struct row *r = t->first; r != NULL; r = r->next) {
        print_object(t, r);
        (void)fputs(lines ? "\n" : r->next == NULL ? "" : ",\n ", stdout);
    }
    if (!lines) {
        (void)puts("]");
    }
}

static void print_csv_cell(struct bytes text)
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

static void print_csv(const struct cli_table *t)
{
    for (int i = 0; i < t->column_count; i++) {
        (void)printf("%s%s", i == 0 ? "" : ",", t->columns[i].key);
    }
    (void)fputs("\r\n", stdout);
    for (const struct row *r = t->first; r != NULL; r = r->next) {
        for (int i = 0; i < t->column_count; i++) {
            (void)fputs(i == 0 ? "" : ",", stdout);
            print_csv_cell(r->cells[i].text);
        }
        (void)fputs("\r\n", stdout);
    }
}

int cli_table_end(struct cli_table *t)
{
    ASSERT(t->at == t->column_count);
    switch (t->cli->format) {
    case CLI_TABLE:
    case CLI_PATTERN:
        print_table(t);
        break;
    case CLI_JSON:
        print_json(t, false);
        break;
    case CLI_JSONL:
        print_json(t, true);
        break;
    case CLI_CSV:
        print_csv(t);
        break;
    case CLI_NAME:
        for (const struct row *r = t->first; r != NULL; r = r->next) {
            (void)printf("%.*s\n", BYTES_ARG(r->cells[0].text));
        }
        break;
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_REFUSED;
}
