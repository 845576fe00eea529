/* tests/unit/batch_builder_test.c: batches made by us. Byte by byte they are compared with Kafka's in
 * batch_vectors_test.c.
 */
#include "protocol/batch_builder.h"

#include "base/mem.h"
#include "tests/harness/test.h"

#include <stdio.h>

enum { BYTES_MAX = 1 << 20, RECORDS = 300 };

static void fill(struct batch_builder *b)
{
    static const struct record_header headers[] = {{BYTES("h"), {NULL, 0}}};
    char value[32];

    for (int i = 0; i < RECORDS; i++) {
        (void)snprintf(value, sizeof(value), "value %d", i * i);
        CHECK_OK(batch_builder_add(b, &(struct batch_builder_record){.timestamp_ms = 1000 - i,
                                                                     .key = BYTES("key"),
                                                                     .value = bytes_of(value),
                                                                     .headers = headers,
                                                                     .header_count = i % 2}));
    }
}

static void check_read(struct compression *c, struct bytes in, enum codec codec)
{
    struct batch batch;
    struct record_reader r;
    struct record one;
    struct buf plain;
    int i = 0;

    CHECK_OK(batch_next(&in, &batch));
    CHECK_EQ(in.len, 0);
    CHECK(batch_crc_ok(batch.bytes));
    CHECK_EQ(batch_codec(&batch.header), codec);
    CHECK_EQ(batch.header.record_count, RECORDS);
    CHECK_EQ(batch.header.last_offset_delta, RECORDS - 1);
    CHECK_EQ(batch.header.base_timestamp, 1000);
    CHECK_EQ(batch.header.max_timestamp, 1000);
    CHECK_EQ(batch.header.producer_id, 5);
    CHECK_EQ(batch_last_sequence(&batch.header), 7 + RECORDS - 1);
    buf_init(&plain, BYTES_MAX);
    CHECK_OK(compression_unpack(c, codec, batch_records(batch.bytes), &plain));
    record_reader_init(&r, buf_view(&plain), RECORDS);
    for (; record_next(&r, &one) == OK; i++) {
        CHECK_EQ(one.offset_delta, i);
        CHECK_EQ(one.timestamp_delta, -i);
        CHECK_EQ(one.header_count, i % 2);
        CHECK_BYTES_EQ(one.key, BYTES("key"));
    }
    CHECK_EQ(i, RECORDS);
    buf_deinit(&plain);
}

TEST(a_built_batch_reads_back_in_every_codec)
{
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_builder b;
    struct compression *c;
    struct buf out;

    CHECK_OK(compression_new(&c));
    batch_builder_init(&b, BYTES_MAX);
    buf_init(&out, BYTES_MAX);
    o.producer_id = 5;
    o.producer_epoch = 1;
    o.base_sequence = 7;
    o.compression = c;
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        batch_builder_reset(&b);
        buf_reset(&out);
        fill(&b);
        o.codec = (enum codec)codec;
        o.level = codec_level_default(o.codec);
        CHECK_OK(batch_builder_finish(&b, &o, &out));
        CHECK(codec != CODEC_NONE || out.len == batch_builder_size(&b));
        check_read(c, buf_view(&out), o.codec);
    }
    batch_builder_deinit(&b);
    buf_deinit(&out);
    compression_free(c);
}

TEST(a_negative_time_and_a_full_builder_add_nothing)
{
    struct batch_builder b;

    batch_builder_init(&b, 20);
    CHECK_ERR(batch_builder_add(&b, &(struct batch_builder_record){.timestamp_ms = -2}), ERR_USAGE);
    CHECK_OK(batch_builder_add(&b, &(struct batch_builder_record){.timestamp_ms = -1}));
    CHECK_EQ(b.max_timestamp, BATCH_NO_TIMESTAMP);
    CHECK_ERR(
        batch_builder_add(&b, &(struct batch_builder_record){.value = BYTES("too much here")}),
        ERR_LIMIT);
    CHECK_EQ(b.count, 1);
    CHECK_EQ(b.max_timestamp, BATCH_NO_TIMESTAMP);
    batch_builder_deinit(&b);
}

TEST(the_marker_of_a_transaction_is_kafkas)
{
    static const uint8_t record[] = {0x20, 0, 0, 0, 8, 0, 0, 0, 1, 12, 0, 0, 0, 0, 0, 8, 0};
    struct batch_header h;
    struct buf out;

    buf_init(&out, BYTES_MAX);
    CHECK_OK(
        batch_end_transaction_build(&out, &(struct batch_end_transaction){.commit = true,
                                                                          .coordinator_epoch = 8,
                                                                          .producer_id = 1234,
                                                                          .producer_epoch = 5,
                                                                          .timestamp_ms = 99}));
    CHECK_OK(batch_header_read(buf_view(&out), &h));
    CHECK_EQ(h.attributes, BATCH_CONTROL | BATCH_TRANSACTIONAL);
    CHECK_EQ(h.producer_id, 1234);
    CHECK_EQ(h.base_sequence, -1);
    CHECK_BYTES_EQ(batch_records(buf_view(&out)), ((struct bytes){record, sizeof(record)}));
    buf_deinit(&out);
}

TEST(a_builder_without_memory_leaves_all_as_it_was)
{
    struct batch_builder_options o = batch_builder_options_default();
    struct compression *c;

    CHECK_OK(compression_new(&c));
    o.codec = CODEC_ZSTD;
    o.level = 3;
    o.compression = c;
    bool whole = false;
    for (uint64_t nth = 1; nth < 50 && !whole; nth++) {
        struct batch_builder b;
        struct buf out;
        batch_builder_init(&b, BYTES_MAX);
        buf_init(&out, BYTES_MAX);
        (void)mem_fail_nth(nth);
        enum err e = batch_builder_add(&b, &(struct batch_builder_record){.value = BYTES("v")});
        CHECK_EQ(b.count, e == OK);
        if (e == OK) {
            e = batch_builder_finish(&b, &o, &out);
        }
        whole = mem_fail_nth(0) > 0;
        CHECK_ERR(e, whole ? OK : ERR_NOMEM);
        CHECK(whole || out.len == 0);
        buf_deinit(&out);
        batch_builder_deinit(&b);
    }
    CHECK(whole);
    compression_free(c);
}
