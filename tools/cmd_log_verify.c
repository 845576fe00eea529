/* tools/cmd_log_verify.c: `weir log verify`: is every byte of these logs what was written?
 *
 * WHY      Before a disk is trusted again, after a copy, as a cron job: a check that needs no broker.
 * FORMAT   A row for each bad range of a file: where it begins, how long it is, the offset that was expected. The
 *          files of a folder are those called *.log, at any depth up to DEPTH_MAX. A batch must have a checksum
 *          that fits and an offset that follows: in our logs exactly, in others (which may be compacted) at all.
 *          The last batch of the last file of a log may be torn while a broker runs.
 * OWNER    One thread. Progress goes to standard error when that is a terminal, after a second.
 */
#include "tools/cli_internal.h"

#include "tools/segment_file.h"

#include <stdio.h>

enum {
    DEPTH_MAX = 8,
    NAMES_BYTES_MAX = 64 << 20,
    PROGRESS_FIRST_US = 1000000,
    PROGRESS_EACH_US = 250000,
};

static const double bytes_per_mib = 1 << 20;

struct verify {
    struct cli *cli;
    struct cli_table *table;
    int64_t files, bytes, bad;
    uint64_t began_us, shown_us;
    bool shown;
    int exit;

    /* of the file at hand */
    struct segment_file file;
    const char *path;
    int64_t expected; /* offset; -1: any */
    bool ours;
};

/* ---- telling ---- */

static void show_progress(struct verify *v)
{
    uint64_t now = env_now_us(v->cli->env);

    if (v->cli->terminal_err && now - v->began_us > PROGRESS_FIRST_US &&
        now - v->shown_us > PROGRESS_EACH_US) {
        v->shown_us = now;
        v->shown = true;
        (void)fprintf(stderr, "\r%" PRId64 " files, %.1f MiB, %" PRId64 " bad ", v->files,
                      (double)v->bytes / bytes_per_mib, v->bad);
    }
}

static void add_bad(struct verify *v, uint64_t position, uint64_t bytes, const char *what)
{
    v->bad++;
    cli_cell(v->table, bytes_of(v->path));
    cli_cell_number(v->table, (int64_t)position);
    cli_cell_number(v->table, (int64_t)bytes);
    if (v->expected >= 0) {
        cli_cell_number(v->table, v->expected);
    } else {
        cli_cell_none(v->table);
    }
    cli_cell(v->table, bytes_of(what));
}

/* ---- one file ---- */

static void check_offset(struct verify *v, uint64_t position, const struct batch *b)
{
    const struct batch_header *h = &b->header;
    bool follows = v->expected < 0 || h->base_offset >= v->expected;
    bool gap = v->ours && v->expected >= 0 && h->base_offset > v->expected;
    bool counts = batch_is_internal(h) || (h->last_offset_delta >= 0 &&
                                           h->record_count <= (int64_t)h->last_offset_delta + 1);

    if (!follows || gap || !counts) {
        add_bad(v, position, b->bytes.len,
                !follows ? "offset goes back"
                : gap    ? "offsets are missing"
                         : "more records than offsets");
    }
    v->expected = batch_next_offset(h);
}

/* Behind what is broken at `position`; the end of the file when only zeros follow. */
static enum err skip_bad(struct verify *v, enum err fault, uint64_t *position)
{
    bool zero = false;
    uint64_t next;

    TRY(segment_file_is_zero(&v->file, *position, &zero));
    if (zero) {
        *position = v->file.size;
        return OK;
    }
    TRY(segment_file_resync(&v->file, *position + 1, v->expected, &next));
    add_bad(v, *position, next - *position, segment_file_fault(fault));
    v->expected = -1;
    *position = next;
    return OK;
}

static enum err check_batches(struct verify *v)
{
    struct batch batch;
    uint64_t position = 0;

    for (;;) {
        enum err e = segment_file_batch(&v->file, position, &batch);
        if (e == ERR_NOT_FOUND) {
            return OK;
        }
        if (e == ERR_CORRUPT || e == ERR_AGAIN || e == ERR_MALFORMED) {
            e = skip_bad(v, e, &position);
        } else if (e == OK) {
            v->ours = v->ours || (position == 0 && batch_is_internal(&batch.header));
            check_offset(v, position, &batch);
            position += batch.bytes.len;
        }
        TRY(e);
        show_progress(v);
    }
}

static void check_file(struct verify *v, const char *path)
{
    enum err e = segment_file_open(v->cli->env, path, &v->file);

    v->path = path;
    v->expected = segment_file_name_offset(bytes_of(path));
    v->ours = false;
    if (e == OK) {
        v->files++;
        v->bytes += (int64_t)v->file.size;
        e = check_batches(v);
        segment_file_close(&v->file);
    }
    if (e != OK) {
        v->exit = cli_fail_err(v->cli, e, "verify");
    }
    v->path = NULL; /* the caller's, gone when it returns */
}

/* ---- folders ---- */

static bool is_log(const char *path)
{
    struct bytes p = bytes_of(path), end = BYTES(".log");

    return p.len > end.len && bytes_equal(bytes_slice(p, p.len - end.len, end.len), end);
}

/* DEPTH_MAX bounds it. `named`: on the command line, so that it must be there. */
static void check_path(struct verify *v, const char *path, int depth, bool named)
{
    struct buf names;

    buf_init(&names, NAMES_BYTES_MAX);
    if (env_list(v->cli->env, path, &names) != OK) {
        buf_deinit(&names);
        if (named || is_log(path)) {
            check_file(v, path);
        }
        return;
    }
    size_t len;
    for (size_t at = 0; at < names.len; at += len + 1) {
        char below[ENV_PATH_BYTES];
        const char *name = (const char *)names.at + at;
        len = strlen(name);
        int n = snprintf(below, sizeof(below), "%s/%s", path, name);
        if (n < (int)sizeof(below) && depth < DEPTH_MAX) {
            check_path(v, below, depth + 1, false);
        } else {
            v->exit = cli_fail(v->cli, CLI_PARTLY, "%s/%s: too deep", path, name);
        }
    }
    buf_deinit(&names);
}

int command_log_verify(struct cli *c)
{
    static const struct cli_column columns[] = {{"FILE", "file", CLI_TEXT},
                                                {"POSITION", "position", CLI_NUMBER},
                                                {"BYTES", "bytes", CLI_NUMBER},
                                                {"OFFSET", "offset", CLI_NUMBER},
                                                {"WHAT", "what", CLI_TEXT}};
    struct verify v = {.cli = c, .began_us = env_now_us(c->env)};
    char path[ENV_PATH_BYTES];

    v.table = cli_table_begin(c, columns, COUNT_OF(columns));
    for (int i = 0; i < c->argument_count; i++) {
        if (bytes_to_cstr(c->arguments[i], path, sizeof(path)) == OK) {
            check_path(&v, path, 0, true);
        } else {
            v.exit = cli_fail(c, CLI_USAGE, "a path of %zu bytes", c->arguments[i].len);
        }
    }
    (void)fputs(v.shown ? "\r" : "", stderr);
    /* No head over no rows. */
    int exit =
        v.bad == 0 && c->format == CLI_TABLE ? cli_table_drop(v.table) : cli_table_end(v.table);
    (void)fprintf(c->format == CLI_TABLE ? stdout : stderr,
                  "%" PRId64 " segments, %.1f MiB, %" PRId64 " bad\n", v.files,
                  (double)v.bytes / bytes_per_mib, v.bad);
    return v.bad > 0 ? CLI_CHECK : v.exit != CLI_OK ? v.exit : exit;
}
