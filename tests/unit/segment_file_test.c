/* tests/unit/segment_file_test.c: walking files of batches, whole and damaged. */
#include "tools/segment_file.h"

#include "base/env_linux.h"
#include "base/mem.h"
#include "protocol/batch_builder.h"
#include "tests/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCHES = 5, FILE_BYTES_MAX = 1 << 20, ZEROS = 5000 };

struct fixture {
    struct env *env;
    char path[64];
    struct buf bytes;
    size_t at[BATCHES + 1]; /* where each batch begins */
};

/* Batches of 1, 2, 3 ... records at offsets 0, 1, 3, 6 ... */
static void fill(struct fixture *f)
{
    struct batch_builder b;
    int64_t offset = 0;

    batch_builder_init(&b, FILE_BYTES_MAX);
    buf_init(&f->bytes, FILE_BYTES_MAX);
    for (int i = 0; i < BATCHES; i++) {
        struct batch_builder_options o = batch_builder_options_default();
        batch_builder_reset(&b);
        for (int n = 0; n <= i; n++) {
            CHECK_OK(batch_builder_add(
                &b, &(struct batch_builder_record){.timestamp_ms = 1, .value = BYTES("value")}));
        }
        o.base_offset = offset;
        f->at[i] = f->bytes.len;
        CHECK_OK(batch_builder_finish(&b, &o, &f->bytes));
        offset += i + 1;
    }
    f->at[BATCHES] = f->bytes.len;
    batch_builder_deinit(&b);
}

static void begin(struct fixture *f)
{
    CHECK_OK(env_linux_new(&f->env));
    (void)snprintf(f->path, sizeof(f->path), "/tmp/weir-segment-XXXXXX");
    int file = mkstemp(f->path);
    CHECK(file >= 0);
    (void)close(file);
    fill(f);
}

static void end(struct fixture *f)
{
    (void)env_unlink(f->env, f->path);
    buf_deinit(&f->bytes);
    env_linux_free(f->env);
}

/* Writes `len` bytes of the content and opens the file. */
static void open_with(struct fixture *f, size_t len, struct segment_file *out)
{
    struct env_slice slice = {f->bytes.at, len};
    int file;

    CHECK_OK(env_open(f->env, f->path, ENV_OPEN_WRITE, &file));
    CHECK_OK(env_truncate(f->env, file, 0));
    CHECK_OK(env_write(f->env, file, &slice, 1, 0));
    CHECK_OK(env_close(f->env, file));
    CHECK_OK(segment_file_open(f->env, f->path, out));
}

TEST(every_batch_of_a_file_is_given_and_then_the_end)
{
    struct fixture f;
    struct segment_file s;
    struct batch batch;

    begin(&f);
    open_with(&f, f.bytes.len, &s);
    for (int i = 0; i < BATCHES; i++) {
        CHECK_OK(segment_file_batch(&s, f.at[i], &batch));
        CHECK_EQ(batch.header.record_count, i + 1);
        CHECK_EQ(batch.bytes.len, f.at[i + 1] - f.at[i]);
    }
    CHECK_ERR(segment_file_batch(&s, f.bytes.len, &batch), ERR_NOT_FOUND);
    segment_file_close(&s);
    end(&f);
}

/* Goal: no cut gives a batch that is not there. Method: every length of the file. */
TEST(a_file_cut_anywhere_ends_in_a_torn_batch)
{
    struct fixture f;
    struct batch batch;

    begin(&f);
    for (size_t len = 0; len < f.bytes.len; len++) {
        struct segment_file s;
        size_t position = 0;
        enum err e;
        open_with(&f, len, &s);
        while ((e = segment_file_batch(&s, position, &batch)) == OK) {
            position += batch.bytes.len;
        }
        CHECK_SAYS(position == len ? e == ERR_NOT_FOUND : e == ERR_AGAIN, "cut at %zu: %s", len,
                   err_name(e));
        segment_file_close(&s);
    }
    end(&f);
}

/* Goal: damage is found where it is, and the search goes on right behind it. Method: flip a bit of every byte of
 * the second batch. The base offset lies outside the checksum: there the batch verifies, and its offset tells. */
TEST(a_flipped_bit_anywhere_costs_one_batch)
{
    struct fixture f;
    struct batch batch;
    enum { OUTSIDE_FROM = 12, OUTSIDE_TO = 16, OFFSET_TO = 8 }; /* leader epoch; base offset */

    begin(&f);
    for (size_t at = f.at[1]; at < f.at[2]; at++) {
        struct segment_file s;
        uint64_t next = 0;
        size_t in_batch = at - f.at[1];
        f.bytes.at[at] ^= 4;
        open_with(&f, f.bytes.len, &s);
        f.bytes.at[at] ^= 4;
        enum err e = segment_file_batch(&s, f.at[1], &batch);
        bool outside = in_batch < OFFSET_TO || (in_batch >= OUTSIDE_FROM && in_batch < OUTSIDE_TO);
        CHECK_SAYS(outside ? e == OK : e != OK, "byte %zu: %s", in_batch, err_name(e));
        CHECK_OK(segment_file_resync(&s, f.at[1] + 1, 1, &next));
        CHECK_EQ(next, f.at[2]);
        segment_file_close(&s);
    }
    end(&f);
}

TEST(a_search_that_finds_nothing_ends_at_the_end)
{
    struct fixture f;
    struct segment_file s;
    uint64_t next = 0;

    begin(&f);
    open_with(&f, f.bytes.len, &s);
    CHECK_OK(segment_file_resync(&s, f.at[BATCHES - 1] + 1, 0, &next));
    CHECK_EQ(next, f.bytes.len);
    CHECK_OK(segment_file_resync(&s, 0, 1000, &next)); /* offsets below what is expected */
    CHECK_EQ(next, f.bytes.len);
    segment_file_close(&s);
    end(&f);
}

TEST(zeros_to_the_end_are_told_from_other_bytes)
{
    struct fixture f;
    struct segment_file s;
    bool zero = false;
    uint8_t zeros[ZEROS] = {0};

    begin(&f);
    CHECK_OK(buf_add(&f.bytes, (struct bytes){zeros, sizeof(zeros)}));
    open_with(&f, f.bytes.len, &s);
    CHECK_OK(segment_file_is_zero(&s, f.at[BATCHES], &zero));
    CHECK(zero);
    CHECK_OK(segment_file_is_zero(&s, f.at[BATCHES - 1], &zero));
    CHECK(!zero);
    segment_file_close(&s);
    end(&f);
}

TEST(memory_that_fails_is_an_error_and_no_damage)
{
    struct fixture f;
    struct batch batch;

    begin(&f);
    for (uint64_t n = 1;; n++) {
        struct segment_file s;
        open_with(&f, f.bytes.len, &s);
        (void)mem_fail_nth(n);
        enum err e = segment_file_batch(&s, 0, &batch);
        bool reached = mem_fail_nth(0) == 0;
        segment_file_close(&s);
        CHECK_EQ(e, reached ? ERR_NOMEM : OK);
        if (!reached) {
            break;
        }
    }
    end(&f);
}

TEST(the_offset_of_a_segment_stands_in_its_name)
{
    CHECK_EQ(segment_file_name_offset(BYTES("/a/00000000000000001042.log")), 1042);
    CHECK_EQ(segment_file_name_offset(BYTES("00000000000000000000.log")), 0);
    CHECK_EQ(segment_file_name_offset(BYTES("00000000000000000000-0000000001.checkpoint")), -1);
    CHECK_EQ(segment_file_name_offset(BYTES("bad.log")), -1);
    CHECK_EQ(segment_file_name_offset(BYTES("")), -1);
}
