/* tools/cmd_log_dump.c: `weir log dump`: the batches of a file, or their records.
 *
 * WHY      When something is wrong with a log, what counts is the bytes; they must be readable without a broker,
 *          whoever wrote them.
 * FORMAT   A row for each batch; with --records one for each record. Batches of ours that clients never see are
 *          rows, too: "internal" among the flags, "segment header" as the type.
 * OWNER    One thread; a batch at a time.
 * FAILURE  A batch with a bad checksum is shown as such; bytes that are no batch end the dump. Both: exit 7.
 */
#include "tools/cli_internal.h"

#include "protocol/compression.h"
#include "tools/record_text.h"
#include "tools/segment_file.h"

#include <stdio.h>

enum { UNPACKED_BYTES_MAX = 1 << 30, BATCH_ARENA_BYTES_MAX = 1 << 30 };

struct dump {
    struct cli *cli;
    struct segment_file file;
    struct cli_table *table;
    struct arena arena; /* of a batch */
    struct compression *compression;
    struct buf unpacked;
    bool records, metadata, bad;
};

/* ---- batches ---- */

static void cell_or_none(struct cli_table *t, int64_t number)
{
    if (number < 0) {
        cli_cell_none(t);
    } else {
        cli_cell_number(t, number);
    }
}

static struct bytes flags_of(struct arena *arena, const struct batch_header *h)
{
    return arena_format(arena, "%s%s%s%s%s", batch_is_transactional(h) ? "txn " : "",
                        batch_is_control(h) && !batch_is_internal(h) ? "control " : "",
                        batch_is_internal(h) ? "internal " : "",
                        (h->attributes & BATCH_LOG_APPEND_TIME) != 0 ? "append-time " : "",
                        (h->attributes & BATCH_DELETE_HORIZON) != 0 ? "delete-horizon " : "");
}

static void add_batch(struct dump *d, uint64_t position, const struct batch *b, bool crc_ok)
{
    const struct batch_header *h = &b->header;
    struct bytes flags = bytes_trim(flags_of(&d->arena, h));
    int codec = batch_codec(h);

    cli_cell_number(d->table, (int64_t)position);
    cli_cell_number(d->table, h->base_offset);
    cell_or_none(d->table, h->record_count == 0 ? -1 : batch_last_offset(h));
    cli_cell_number(d->table, h->record_count);
    cli_cell(d->table, codec_known(codec) ? bytes_of(codec_name((enum codec)codec)) : BYTES("?"));
    cell_or_none(d->table, h->producer_id);
    cell_or_none(d->table, h->producer_epoch);
    cell_or_none(d->table, h->base_sequence);
    cli_cell_number(d->table, h->leader_epoch);
    cell_or_none(d->table, h->max_timestamp);
    cli_cell_number(d->table, (int64_t)batch_size(h));
    cli_cell(d->table, flags.len == 0 ? BYTES_NULL : flags);
    cli_cell(d->table, crc_ok ? BYTES("ok") : BYTES("bad"));
}

/* ---- records ---- */

static void add_row(struct dump *d, int64_t offset, int64_t timestamp_ms,
                    const struct record_text *text, struct bytes headers)
{
    cli_cell_number(d->table, offset);
    cell_or_none(d->table, timestamp_ms);
    cli_cell(d->table, text->type);
    cli_cell(d->table, text->key);
    cli_cell(d->table, text->value);
    cli_cell(d->table, headers);
}

/* "a=b,c=d" */
static enum err headers_text(struct dump *d, const struct record *r, struct bytes *out)
{
    struct bytes rest = r->headers, key, value;
    struct record_header h;

    *out = BYTES_NULL;
    while (record_header_next(&rest, &h)) {
        TRY(record_text_escape(&d->arena, h.key, &key));
        TRY(record_text_escape(&d->arena, h.value, &value));
        *out = arena_format(&d->arena, "%.*s%s%.*s=%.*s", BYTES_ARG(*out),
                            out->at == NULL ? "" : ",", BYTES_ARG(key), BYTES_ARG(value));
    }
    return OK;
}

static enum err add_record(struct dump *d, const struct batch_header *h, const struct record *r)
{
    struct record_text text;
    struct bytes headers;
    bool appended = (h->attributes & BATCH_LOG_APPEND_TIME) != 0;

    TRY(record_text(&d->arena, h, r, d->metadata, &text));
    TRY(headers_text(d, r, &headers));
    add_row(d, h->base_offset + r->offset_delta,
            appended ? h->max_timestamp : h->base_timestamp + r->timestamp_delta, &text, headers);
    return OK;
}

static enum err add_records(struct dump *d, const struct batch *b)
{
    struct bytes records = batch_records(b->bytes);
    struct record_reader reader;
    struct record r;
    int codec = batch_codec(&b->header);

    if (batch_is_internal(&b->header)) {
        struct record_text text;
        TRY(record_text_internal(&d->arena, b->bytes, &text));
        add_row(d, b->header.base_offset, b->header.max_timestamp, &text, BYTES_NULL);
        return OK;
    }
    if (!codec_known(codec)) {
        return fail(ERR_MALFORMED, "codec %d", codec);
    }
    if (codec != CODEC_NONE) {
        buf_reset(&d->unpacked);
        TRY(compression_unpack(d->compression, (enum codec)codec, records, &d->unpacked));
        records = buf_view(&d->unpacked);
    }
    record_reader_init(&reader, records, b->header.record_count);
    for (;;) {
        enum err e = record_next(&reader, &r);
        if (e == ERR_NOT_FOUND) {
            return OK;
        }
        TRY(e);
        TRY(add_record(d, &b->header, &r));
    }
}

/* ---- the file ---- */

static void tell(struct dump *d, uint64_t position, const char *what)
{
    d->bad = true;
    (void)cli_fail(d->cli, CLI_CHECK, "position %" PRIu64 ": %s", position, what);
}

static void dump_one(struct dump *d, uint64_t position, const struct batch *b, bool crc_ok)
{
    arena_reset(&d->arena);
    if (!crc_ok) {
        tell(d, position, segment_file_fault(ERR_CORRUPT));
    }
    if (!d->records) {
        add_batch(d, position, b, crc_ok);
    } else if (crc_ok && add_records(d, b) != OK) {
        tell(d, position, err_crumb());
    }
}

static void dump_all(struct dump *d)
{
    struct batch batch;
    uint64_t position = 0;
    bool zero = false;
    enum err e;

    while ((e = segment_file_batch(&d->file, position, &batch)) == OK || e == ERR_CORRUPT) {
        dump_one(d, position, &batch, e == OK);
        position += batch_size(&batch.header);
    }
    if (e == ERR_NOT_FOUND) {
        return;
    }
    if (segment_file_is_zero(&d->file, position, &zero) != OK || !zero) {
        tell(d, position, segment_file_fault(e));
        return;
    }
    (void)fprintf(stderr, "position %" PRIu64 ": %" PRIu64 " bytes not written yet\n", position,
                  d->file.size - position);
}

static int run(struct dump *d)
{
    static const struct cli_column batches[] = {
        {"POSITION", "position", CLI_NUMBER},
        {"BASE-OFFSET", "base_offset", CLI_NUMBER},
        {"LAST-OFFSET", "last_offset", CLI_NUMBER},
        {"COUNT", "count", CLI_NUMBER},
        {"CODEC", "codec", CLI_TEXT},
        {"PRODUCER", "producer_id", CLI_NUMBER},
        {"EPOCH", "producer_epoch", CLI_NUMBER},
        {"SEQ", "base_sequence", CLI_NUMBER},
        {"LEADER-EPOCH", "leader_epoch", CLI_NUMBER},
        {"MAX-TIME", "max_timestamp", CLI_TIME},
        {"SIZE", "size", CLI_NUMBER},
        {"FLAGS", "flags", CLI_TEXT},
        {"CRC", "crc", CLI_TEXT},
    };
    static const struct cli_column records[] = {
        {"OFFSET", "offset", CLI_NUMBER}, {"TIME", "timestamp", CLI_TIME},
        {"TYPE", "type", CLI_TEXT},       {"KEY", "key", CLI_TEXT},
        {"VALUE", "value", CLI_TEXT},     {"HEADERS", "headers", CLI_TEXT},
    };

    d->table = d->records ? cli_table_begin(d->cli, records, COUNT_OF(records))
                          : cli_table_begin(d->cli, batches, COUNT_OF(batches));
    dump_all(d);
    int exit = cli_table_end(d->table);
    return exit == CLI_OK && d->bad ? CLI_CHECK : exit;
}

int command_log_dump(struct cli *c)
{
    char path[ENV_PATH_BYTES];
    struct dump d = {.cli = c,
                     .records = cli_has(c, CLI_OPT_RECORDS),
                     .metadata = record_text_is_metadata(c->arguments[0])};

    if (bytes_to_cstr(c->arguments[0], path, sizeof(path)) != OK) {
        return cli_fail(c, CLI_USAGE, "a path of %zu bytes", c->arguments[0].len);
    }
    enum err e = segment_file_open(c->env, path, &d.file);
    if (e != OK) {
        return cli_fail_err(c, e, "the file cannot be read");
    }
    arena_init(&d.arena, BATCH_ARENA_BYTES_MAX);
    buf_init(&d.unpacked, UNPACKED_BYTES_MAX);
    e = compression_new(&d.compression);
    int exit = e == OK ? run(&d) : cli_fail_err(c, e, "dump");
    compression_free(d.compression);
    buf_deinit(&d.unpacked);
    arena_deinit(&d.arena);
    segment_file_close(&d.file);
    return exit;
}
