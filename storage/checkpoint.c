/* storage/checkpoint.c: what a scan need not find out again.
 *
 * WHY      A restart must not read what was synced long ago. The checkpoint stands for the log up to one
 *          position that was durable before it was written; only what follows is scanned. It also holds the log
 *          start, the one thing that the segments alone do not say exactly.
 * FORMAT   Numbers big-endian.
 *
 *          | at | bytes | field                                                              |
 *          | -- | ----- | ------------------------------------------------------------------ |
 *          |  0 |     4 | magic "WCKP"                                                       |
 *          |  4 |     4 | CRC-32C of all from 8 on                                           |
 *          |  8 |     2 | version, 1                                                         |
 *          | 10 |     2 | zero                                                               |
 *          | 12 |     4 | segments                                                           |
 *          | 16 |     4 | epochs                                                             |
 *          | 20 |     4 | samples                                                            |
 *          | 24 |     8 | log start offset                                                   |
 *          | 32 |     8 | next offset                                                        |
 *          | 40 |     8 | delta                                                              |
 *          | 48 |     8 | index interval                                                     |
 *          | 56 |    48 | each segment: base offset, bytes, largest timestamp, offset of its |
 *          |    |       | batch, created, last append (8 bytes each)                         |
 *          |  … |    12 | each epoch: epoch (4), first offset (8)                            |
 *          |  … |    24 | each sample: offset, position, largest timestamp before            |
 *          |  … |     … | producers: their own snapshot, up to the end                       |
 *
 *          Valid if and only if magic, version and CRC fit, the counts fit the length, and segments, epochs
 *          and samples rise.
 */
#include "storage/checkpoint.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "protocol/wire.h"

enum { CRC_AT = 4, CRC_FROM = 8, VERSION = 1, HEADER_BYTES = 56 };
enum { SEGMENT_BYTES = 48, EPOCH_BYTES = 12, SAMPLE_BYTES = 24 };

static const uint8_t magic[4] = {'W', 'C', 'K', 'P'};

static void put_i64(struct wire_writer *w, int64_t v)
{
    wire_put_u64(w, (uint64_t)v);
}

static int64_t get_i64(struct wire_reader *r)
{
    return (int64_t)wire_u64(r);
}

static void put_head(struct wire_writer *w, const struct checkpoint *c)
{
    wire_put_bytes(w, (struct bytes){magic, sizeof(magic)});
    wire_put_u32(w, 0);
    wire_put_u16(w, VERSION);
    wire_put_u16(w, 0);
    wire_put_u32(w, c->segment_count);
    wire_put_u32(w, c->epoch_count);
    wire_put_u32(w, c->sample_count);
    put_i64(w, c->start_offset);
    put_i64(w, c->next_offset);
    put_i64(w, c->delta);
    wire_put_u64(w, c->interval_bytes);
}

enum err checkpoint_write(const struct checkpoint *c, struct buf *out)
{
    size_t len = HEADER_BYTES + (size_t)c->segment_count * SEGMENT_BYTES +
                 (size_t)c->epoch_count * EPOCH_BYTES + (size_t)c->sample_count * SAMPLE_BYTES +
                 c->producers.len;

    TRY(buf_reserve(out, len));
    uint8_t *at = out->at + out->len;
    struct wire_writer w = wire_writer_of(at, len);
    put_head(&w, c);
    for (uint32_t i = 0; i < c->segment_count; i++) {
        const struct segment_summary *s = &c->segments[i];

        put_i64(&w, s->base_offset);
        wire_put_u64(&w, s->bytes);
        put_i64(&w, s->max_timestamp);
        put_i64(&w, s->max_timestamp_offset);
        put_i64(&w, s->created_ms);
        put_i64(&w, s->append_ms);
    }
    for (uint32_t i = 0; i < c->epoch_count; i++) {
        wire_put_i32(&w, c->epochs[i].epoch);
        put_i64(&w, c->epochs[i].offset);
    }
    for (uint32_t i = 0; i < c->sample_count; i++) {
        put_i64(&w, c->samples[i].offset);
        wire_put_u64(&w, c->samples[i].position);
        put_i64(&w, c->samples[i].max_timestamp_before);
    }
    wire_put_bytes(&w, c->producers);
    ASSERT(w.at == w.end);
    wire_store_u32(at + CRC_AT, crc32c(0, (struct bytes){at + CRC_FROM, len - CRC_FROM}));
    out->len += len;
    return OK;
}

void checkpoint_deinit(struct checkpoint *c)
{
    mem_free(c->segments);
    mem_free(c->epochs);
    mem_free(c->samples);
    *c = (struct checkpoint){0};
}

/* An array of at least one element, so that NULL always means no memory. */
static enum err arrays_new(struct checkpoint *c)
{
    c->segments = mem_zalloc((size_t)c->segment_count + 1, sizeof(*c->segments));
    c->epochs = mem_zalloc((size_t)c->epoch_count + 1, sizeof(*c->epochs));
    c->samples = mem_zalloc((size_t)c->sample_count + 1, sizeof(*c->samples));
    if (c->segments == NULL || c->epochs == NULL || c->samples == NULL) {
        return fail(ERR_NOMEM, "a checkpoint's arrays");
    }
    return OK;
}

static void get_arrays(struct wire_reader *r, struct checkpoint *c)
{
    for (uint32_t i = 0; i < c->segment_count; i++) {
        c->segments[i] = (struct segment_summary){.base_offset = get_i64(r)};
        c->segments[i].bytes = wire_u64(r);
        c->segments[i].max_timestamp = get_i64(r);
        c->segments[i].max_timestamp_offset = get_i64(r);
        c->segments[i].created_ms = get_i64(r);
        c->segments[i].append_ms = get_i64(r);
    }
    for (uint32_t i = 0; i < c->epoch_count; i++) {
        c->epochs[i] = (struct epoch_run){.epoch = wire_i32(r)};
        c->epochs[i].offset = get_i64(r);
    }
    for (uint32_t i = 0; i < c->sample_count; i++) {
        c->samples[i] = (struct index_sample){.offset = get_i64(r)};
        c->samples[i].position = wire_u64(r);
        c->samples[i].max_timestamp_before = get_i64(r);
    }
}

static bool rises(const struct checkpoint *c)
{
    for (uint32_t i = 1; i < c->segment_count; i++) {
        if (c->segments[i].base_offset <= c->segments[i - 1].base_offset) {
            return false;
        }
    }
    for (uint32_t i = 1; i < c->epoch_count; i++) {
        if (c->epochs[i].epoch <= c->epochs[i - 1].epoch ||
            c->epochs[i].offset < c->epochs[i - 1].offset) {
            return false;
        }
    }
    for (uint32_t i = 1; i < c->sample_count; i++) {
        if (c->samples[i].position <= c->samples[i - 1].position) {
            return false;
        }
    }
    return c->start_offset >= 0 && c->next_offset >= c->start_offset &&
           (c->segment_count == 0 ||
            (c->segments[0].base_offset >= 0 &&
             c->segments[c->segment_count - 1].base_offset <= c->next_offset));
}

enum err checkpoint_read(struct bytes file, struct checkpoint *out)
{
    struct wire_reader r = wire_reader_of(file);
    struct checkpoint c = {0};

    if (file.len < HEADER_BYTES || memcmp(file.at, magic, sizeof(magic)) != 0 ||
        wire_load_u32(file.at + CRC_AT) != crc32c(0, bytes_slice(file, CRC_FROM, SIZE_MAX))) {
        return fail(ERR_CORRUPT, "a checkpoint that does not verify");
    }
    (void)wire_take(&r, CRC_FROM);
    if (wire_u16(&r) != VERSION) {
        return fail(ERR_UNSUPPORTED, "a checkpoint of another version");
    }
    (void)wire_u16(&r);
    c.segment_count = wire_u32(&r);
    c.epoch_count = wire_u32(&r);
    c.sample_count = wire_u32(&r);
    c.start_offset = get_i64(&r);
    c.next_offset = get_i64(&r);
    c.delta = get_i64(&r);
    c.interval_bytes = wire_u64(&r);
    uint64_t need = (uint64_t)c.segment_count * SEGMENT_BYTES +
                    (uint64_t)c.epoch_count * EPOCH_BYTES + (uint64_t)c.sample_count * SAMPLE_BYTES;
    if (need > wire_left(&r) || c.sample_count > INDEX_SAMPLES_MAX) {
        return fail(ERR_CORRUPT, "a checkpoint whose counts do not fit");
    }
    enum err e = arrays_new(&c);
    if (e == OK) {
        get_arrays(&r, &c);
        c.producers = wire_bytes(&r, wire_left(&r));
        e = r.err == OK && rises(&c) ? OK : fail(ERR_CORRUPT, "a checkpoint out of order");
    }
    if (e != OK) {
        checkpoint_deinit(&c);
        return e;
    }
    *out = c;
    return OK;
}
