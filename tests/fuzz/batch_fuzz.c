/* tests/fuzz/batch_fuzz.c: anything a client may put where a batch belongs.
 *
 * WHY      These bytes come straight from the network; no value of them may crash, hang or bloat us.
 * FORMAT   Byte 0 chooses the topic's settings, byte 1 whether the checksum is made right (or nothing
 *          behind it would ever be reached); the rest is what the client sends.
 * LIMITS   The ceilings below keep an input short of a second.
 */
#include "base/arena.h"
#include "protocol/batch_validate.h"
#include "protocol/record.h"
#include "protocol/wire.h"

enum { ARENA_BYTES = 8 << 20, INPUT_MAX = 1 << 16, PLAIN_MAX = 1 << 20, HEAD = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct batch_rules rules_of(uint8_t choice)
{
    struct batch_rules r = batch_rules_default();

    r.compression = choice % 6 - 1;
    r.compression_level = r.compression < 0 ? 0 : codec_level_default((enum codec)r.compression);
    r.log_append_time = (choice & 64) != 0;
    r.compacted = (choice & 128) != 0;
    r.decompressed_bytes_max = PLAIN_MAX;
    return r;
}

/* What passed is a batch that can be read to its last record. */
static void check_kept(struct compression *c, const struct batch_verdict *v)
{
    struct buf plain;
    struct record_reader r;
    struct record record;
    enum err e;

    ASSERT(batch_crc_ok(v->batch) && batch_size(&v->header) == v->batch.len);
    ASSERT(v->header.record_count == v->header.last_offset_delta + 1);
    buf_init(&plain, 2 * PLAIN_MAX);
    e = compression_unpack(c, (enum codec)batch_codec(&v->header), batch_records(v->batch), &plain);
    ASSERT(e == OK);
    record_reader_init(&r, buf_view(&plain), v->header.record_count);
    while ((e = record_next(&r, &record)) == OK) {
    }
    ASSERT(e == ERR_NOT_FOUND);
    buf_deinit(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t input[INPUT_MAX];
    struct compression *c;
    struct arena arena;
    struct batch_verdict v;
    struct internal_batch internal;

    if (size < HEAD || size - HEAD > sizeof(input)) {
        return 0;
    }
    struct bytes records = {input, size - HEAD};
    struct batch_rules rules = rules_of(data[0]);
    memcpy(input, data + HEAD, records.len);
    (void)internal_batch_parse(records, &internal);
    struct batch_header h;
    if (data[1] % 8 != 0 && batch_header_read(records, &h) == OK && batch_size(&h) <= records.len) {
        wire_store_u32(input + 17, batch_crc(bytes_slice(records, 0, batch_size(&h))));
    }
    ASSERT(compression_new(&c) == OK);
    arena_init(&arena, ARENA_BYTES);
    enum err e = batch_validate(&(struct batch_submission){.records = records,
                                                           .produce_version = 9,
                                                           .now_ms = INT64_C(1700000000000),
                                                           .rules = &rules,
                                                           .compression = c,
                                                           .arena = &arena},
                                &v);
    ASSERT(e == OK);
    if (v.error == KAFKA_NONE) {
        check_kept(c, &v);
    }
    arena_deinit(&arena);
    compression_free(c);
    return 0;
}
