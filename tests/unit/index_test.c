/* tests/unit/index_test.c: samples of a segment, and a log's checkpoint, in memory and as bytes. */
#include "storage/index.h"

#include "base/mem.h"
#include "storage/checkpoint.h"
#include "tests/harness/test.h"

static struct index index_of(int count, uint64_t step)
{
    struct index x = {0};

    for (int i = 1; i <= count; i++) {
        index_add(&x, &(struct index_sample){i * 10, (uint64_t)i * step, i * 100});
    }
    return x;
}

TEST(samples_closer_than_the_interval_are_left_out)
{
    struct index x = index_of(100, 1000);

    CHECK_EQ(x.count, 20);
    CHECK_EQ(x.at[0].position, 5000);
    CHECK_EQ(x.at[1].position, 10000);
    index_deinit(&x);
}

TEST(a_full_index_keeps_every_second_sample)
{
    struct index x = index_of(INDEX_SAMPLES_MAX + 1, 4096);

    CHECK_EQ(x.count, INDEX_SAMPLES_MAX / 2 + 1);
    CHECK_EQ(x.interval_bytes, 8192);
    for (uint32_t i = 1; i < x.count; i++) {
        CHECK(x.at[i].position > x.at[i - 1].position);
    }
    index_deinit(&x);
}

TEST(a_search_finds_the_last_sample_before)
{
    struct index x = index_of(10, 4096);

    CHECK(index_find_offset(&x, 9) == NULL);
    CHECK_EQ(index_find_offset(&x, 10)->offset, 10);
    CHECK_EQ(index_find_offset(&x, 19)->offset, 10);
    CHECK_EQ(index_find_offset(&x, 1000)->offset, 100);
    CHECK(index_find_time(&x, 100) == NULL);
    CHECK_EQ(index_find_time(&x, 101)->offset, 10);
    CHECK_EQ(index_find_time(&x, 100000)->offset, 100);
    index_cut(&x, 4096 * 5);
    CHECK_EQ(index_find_offset(&x, 1000)->offset, 40);
    index_deinit(&x);
    CHECK(index_find_offset(&x, 1) == NULL);
}

TEST(an_index_file_gives_back_what_was_written)
{
    struct index x = index_of(50, 5000), y = {0};
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(index_write(&x, 3, 1000000, &b));
    CHECK_OK(index_read(buf_view(&b), 3, 1000000, &y));
    CHECK_EQ(y.count, x.count);
    CHECK_EQ(memcmp(x.at, y.at, x.count * sizeof(*x.at)), 0);
    index_deinit(&y);
    /* The segment was cut since. */
    CHECK_OK(index_read(buf_view(&b), 3, 50000, &y));
    CHECK_EQ(y.count, 9);
    index_deinit(&y);
    CHECK_ERR(index_read(buf_view(&b), 3, 1000001, &y), ERR_CORRUPT);
    CHECK_ERR(index_read(buf_view(&b), 4, 1000000, &y), ERR_CORRUPT);
    for (size_t i = 0; i < b.len; i++) {
        b.at[i] ^= 0x10;
        CHECK_ERR(index_read(buf_view(&b), 3, 1000000, &y), ERR_CORRUPT);
        b.at[i] ^= 0x10;
        CHECK_ERR(index_read(bytes_slice(buf_view(&b), 0, i), 3, 1000000, &y), ERR_CORRUPT);
    }
    (void)mem_fail_nth(1);
    CHECK_ERR(index_read(buf_view(&b), 3, 1000000, &y), ERR_NOMEM);
    buf_deinit(&b);
    index_deinit(&x);
}

TEST(a_sample_for_which_there_is_no_memory_is_only_missing)
{
    struct index x = {0};

    (void)mem_fail_nth(1);
    index_add(&x, &(struct index_sample){10, 5000, 1});
    CHECK_EQ(x.count, 0);
    index_add(&x, &(struct index_sample){20, 10000, 2});
    CHECK_EQ(x.count, 1);
    index_deinit(&x);
}

TEST(a_checkpoint_gives_back_what_was_written)
{
    struct segment_summary segments[] = {{0, 1000, 77, 5, 1, 2}, {10, 500, -1, 0, 3, 4}};
    struct epoch_run epochs[] = {{0, 0}, {3, 7}};
    struct index_sample samples[] = {{12, 100, 50}};
    struct checkpoint c = {.start_offset = 4,
                           .next_offset = 20,
                           .delta = 1,
                           .segments = segments,
                           .segment_count = 2,
                           .epochs = epochs,
                           .epoch_count = 2,
                           .samples = samples,
                           .sample_count = 1,
                           .interval_bytes = 4096,
                           .producers = BYTES("whatever")};
    struct checkpoint d;
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(checkpoint_write(&c, &b));
    CHECK_OK(checkpoint_read(buf_view(&b), &d));
    CHECK_EQ(d.start_offset, 4);
    CHECK_EQ(d.next_offset, 20);
    CHECK_EQ(d.delta, 1);
    CHECK_EQ(memcmp(d.segments, segments, sizeof(segments)), 0);
    CHECK_EQ(d.epochs[1].epoch, 3);
    CHECK_EQ(d.epochs[1].offset, 7);
    CHECK_EQ(memcmp(d.samples, samples, sizeof(samples)), 0);
    CHECK_BYTES_EQ(d.producers, BYTES("whatever"));
    checkpoint_deinit(&d);
    for (size_t i = 0; i < b.len; i++) {
        b.at[i] ^= 1;
        CHECK(checkpoint_read(buf_view(&b), &d) != OK);
        b.at[i] ^= 1;
        CHECK_ERR(checkpoint_read(bytes_slice(buf_view(&b), 0, i), &d), ERR_CORRUPT);
    }
    for (uint64_t nth = 1; nth <= 3; nth++) {
        (void)mem_fail_nth(nth);
        CHECK_ERR(checkpoint_read(buf_view(&b), &d), ERR_NOMEM);
    }
    buf_deinit(&b);
}

TEST(a_checkpoint_out_of_order_is_refused)
{
    struct segment_summary segments[] = {{10, 1000, 77, 5, 1, 2}, {10, 500, -1, 0, 3, 4}};
    struct checkpoint c = {.next_offset = 20, .segments = segments, .segment_count = 2}, d;
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(checkpoint_write(&c, &b));
    CHECK_ERR(checkpoint_read(buf_view(&b), &d), ERR_CORRUPT);
    buf_deinit(&b);
}
