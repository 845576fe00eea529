/* tests/unit/producers_test.c: duplicates, gaps, epochs, wrap, forgetting, snapshot. */
#include "storage/producers.h"

#include "base/mem.h"
#include "protocol/wire.h"
#include "tests/harness/test.h"

static struct producers *producers_or_die(size_t count_max)
{
    struct producers *p = NULL;

    CHECK_OK(producers_new(count_max, 7, &p));
    return p;
}

struct sent {
    int64_t id;
    int16_t epoch;
    int32_t sequence, records;
    int64_t offset; /* where it stands, for add */
};

static struct batch_header header_of(struct sent s)
{
    return (struct batch_header){
        .base_offset = s.offset,
        .magic = BATCH_MAGIC,
        .last_offset_delta = s.records - 1,
        .record_count = s.records,
        .max_timestamp = 1000 + s.offset,
        .producer_id = s.id,
        .producer_epoch = s.epoch,
        .base_sequence = s.sequence,
    };
}

static void add(struct producers *p, struct sent s)
{
    struct batch_header h = header_of(s);

    CHECK_OK(producers_add(p, &h, 5000 + s.offset));
}

static enum producer_verdict check(const struct producers *p, struct sent s)
{
    struct batch_header h = header_of(s);
    struct producer_duplicate d = {-9, -9, -9};
    enum producer_verdict v = producers_check(p, &h, &d);

    CHECK(v == PRODUCER_DUPLICATE || d.base_offset == -9);
    return v;
}

TEST(a_batch_without_producer_id_is_always_appended)
{
    struct producers *p = producers_or_die(10);
    struct sent s = {-1, -1, -1, 3, 0};

    CHECK_EQ(check(p, s), PRODUCER_APPEND);
    add(p, s);
    CHECK_EQ(check(p, s), PRODUCER_APPEND);
    CHECK_EQ(producers_count(p), 0);
    producers_free(p);
}

TEST(an_unknown_producer_may_begin_with_any_sequence)
{
    struct producers *p = producers_or_die(10);

    CHECK_EQ(check(p, (struct sent){4, 3, 77, 1, 0}), PRODUCER_APPEND);
    add(p, (struct sent){4, 3, 77, 1, 0});
    CHECK_EQ(check(p, (struct sent){4, 3, 78, 1, 0}), PRODUCER_APPEND);
    CHECK_EQ(check(p, (struct sent){4, 3, 79, 1, 0}), PRODUCER_OUT_OF_ORDER);
    CHECK_EQ(check(p, (struct sent){4, 3, 76, 1, 0}), PRODUCER_OUT_OF_ORDER);
    CHECK_EQ(check(p, (struct sent){5, 0, 9, 1, 0}), PRODUCER_APPEND);
    producers_free(p);
}

TEST(each_of_the_last_five_batches_is_known_with_its_offset_and_time)
{
    struct producers *p = producers_or_die(10);

    for (int i = 0; i < 7; i++) {
        add(p, (struct sent){1, 0, 10 * i, 10, 100 + 10 * i});
    }
    for (int i = 0; i < 7; i++) {
        struct batch_header h = header_of((struct sent){1, 0, 10 * i, 10, 0});
        struct producer_duplicate d = {-1, -1, -1};
        enum producer_verdict v = producers_check(p, &h, &d);

        if (i < 2) {
            CHECK_EQ(v, PRODUCER_OUT_OF_ORDER);
            continue;
        }
        CHECK_EQ(v, PRODUCER_DUPLICATE);
        CHECK_EQ(d.base_offset, 100 + 10 * i);
        CHECK_EQ(d.last_offset, 109 + 10 * i);
        CHECK_EQ(d.timestamp, 1100 + 10 * i);
    }
    CHECK_EQ(check(p, (struct sent){1, 0, 60, 9, 0}), PRODUCER_OUT_OF_ORDER);
    CHECK_EQ(check(p, (struct sent){1, 0, 61, 9, 0}), PRODUCER_OUT_OF_ORDER);
    CHECK_EQ(check(p, (struct sent){1, 0, 70, 9, 0}), PRODUCER_APPEND);
    producers_free(p);
}

TEST(an_older_epoch_is_fenced_and_a_newer_one_begins_at_sequence_zero)
{
    struct producers *p = producers_or_die(10);

    add(p, (struct sent){1, 4, 0, 5, 0});
    CHECK_EQ(check(p, (struct sent){1, 3, 5, 1, 0}), PRODUCER_FENCED);
    CHECK_EQ(check(p, (struct sent){1, 3, 0, 5, 0}), PRODUCER_FENCED);
    CHECK_EQ(check(p, (struct sent){1, 5, 5, 1, 0}), PRODUCER_OUT_OF_ORDER);
    CHECK_EQ(check(p, (struct sent){1, 5, 0, 1, 0}), PRODUCER_APPEND);
    add(p, (struct sent){1, 5, 0, 1, 5});
    /* The old epoch's batch is no duplicate any more. */
    CHECK_EQ(check(p, (struct sent){1, 4, 0, 5, 0}), PRODUCER_FENCED);
    CHECK_EQ(check(p, (struct sent){1, 5, 0, 1, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(p, (struct sent){1, 5, 0, 5, 0}), PRODUCER_OUT_OF_ORDER);
    producers_free(p);
}

TEST(sequences_wrap_to_zero_after_the_largest)
{
    struct producers *p = producers_or_die(10);

    add(p, (struct sent){1, 0, INT32_MAX - 1, 2, 0}); /* ends with the largest */
    CHECK_EQ(check(p, (struct sent){1, 0, 0, 3, 0}), PRODUCER_APPEND);
    CHECK_EQ(check(p, (struct sent){1, 0, 1, 3, 0}), PRODUCER_OUT_OF_ORDER);
    add(p, (struct sent){2, 0, INT32_MAX - 1, 4, 2}); /* crosses it: ends with 1 */
    CHECK_EQ(check(p, (struct sent){2, 0, 2, 3, 0}), PRODUCER_APPEND);
    CHECK_EQ(check(p, (struct sent){2, 0, INT32_MAX - 1, 4, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(p, (struct sent){2, 0, 0, 2, 0}), PRODUCER_OUT_OF_ORDER);
    producers_free(p);
}

TEST(past_the_ceiling_the_producer_idle_longest_is_forgotten)
{
    struct producers *p = producers_or_die(3);

    for (int i = 1; i <= 3; i++) {
        add(p, (struct sent){i, 0, 0, 1, i});
    }
    add(p, (struct sent){1, 0, 1, 1, 4});
    add(p, (struct sent){9, 0, 0, 1, 5});
    CHECK_EQ(producers_count(p), 3);
    CHECK_EQ(check(p, (struct sent){1, 0, 1, 1, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(p, (struct sent){2, 0, 0, 1, 0}), PRODUCER_APPEND);
    CHECK_EQ(check(p, (struct sent){3, 0, 0, 1, 0}), PRODUCER_DUPLICATE);
    producers_free(p);
}

TEST(idle_producers_expire_oldest_first_and_no_more_than_asked_for)
{
    struct producers *p = producers_or_die(10);

    for (int i = 1; i <= 5; i++) {
        add(p, (struct sent){i, 0, 0, 1, i}); /* at 5000 + i */
    }
    producers_expire(p, 5001, 10);
    CHECK_EQ(producers_count(p), 5);
    producers_expire(p, 5004, 2);
    CHECK_EQ(producers_count(p), 3);
    producers_expire(p, 5004, 10);
    CHECK_EQ(producers_count(p), 2);
    CHECK_EQ(check(p, (struct sent){4, 0, 0, 1, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(p, (struct sent){3, 0, 5, 1, 0}), PRODUCER_APPEND);
    producers_free(p);
}

TEST(truncation_brings_back_the_state_before_it)
{
    struct producers *p = producers_or_die(10);

    add(p, (struct sent){1, 0, 0, 5, 0});
    add(p, (struct sent){1, 0, 5, 5, 5});
    add(p, (struct sent){1, 1, 0, 5, 10});
    add(p, (struct sent){2, 0, 0, 5, 15});
    CHECK(producers_truncate(p, 15));
    CHECK_EQ(producers_count(p), 1);
    CHECK(producers_truncate(p, 10)); /* the older epoch again */
    CHECK_EQ(check(p, (struct sent){1, 0, 5, 5, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(p, (struct sent){1, 0, 10, 5, 0}), PRODUCER_APPEND);
    CHECK(producers_truncate(p, 5));
    CHECK_EQ(check(p, (struct sent){1, 0, 5, 5, 0}), PRODUCER_APPEND);
    CHECK(producers_truncate(p, 0));
    CHECK_EQ(producers_count(p), 0);
    producers_free(p);
}

TEST(truncation_deeper_than_what_is_kept_says_so)
{
    struct producers *p = producers_or_die(10);

    for (int i = 0; i < 6; i++) {
        add(p, (struct sent){1, 0, i, 1, i});
    }
    add(p, (struct sent){2, 0, 0, 1, 6});
    CHECK(producers_truncate(p, 2));
    CHECK_EQ(check(p, (struct sent){1, 0, 2, 1, 0}), PRODUCER_APPEND);
    CHECK(!producers_truncate(p, 1));
    CHECK_EQ(producers_count(p), 0);
    producers_free(p);
}

TEST(a_batch_met_again_changes_nothing)
{
    struct producers *p = producers_or_die(10);

    add(p, (struct sent){1, 0, 0, 1, 0});
    add(p, (struct sent){1, 0, 1, 1, 1});
    add(p, (struct sent){1, 0, 0, 1, 0});
    CHECK_EQ(check(p, (struct sent){1, 0, 2, 1, 2}), PRODUCER_APPEND);
    producers_free(p);
}

static struct producers *filled(void)
{
    struct producers *p = producers_or_die(100);

    for (int i = 0; i < 200; i++) {
        add(p, (struct sent){i % 20, (int16_t)(i / 100), (i % 100) / 20 * 3, 3, 3 * i});
    }
    return p;
}

TEST(a_snapshot_comes_back_the_same)
{
    struct producers *p = filled(), *q = producers_or_die(100);
    struct buf first, second;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    CHECK_OK(producers_snapshot(p, &first));
    add(q, (struct sent){77, 0, 0, 1, 1});
    CHECK_OK(producers_restore(q, buf_view(&first)));
    CHECK_EQ(producers_count(q), 20);
    CHECK_OK(producers_snapshot(q, &second));
    CHECK_BYTES_EQ(buf_view(&first), buf_view(&second));
    for (int i = 100; i < 200; i++) {
        struct sent s = {i % 20, 1, (i % 100) / 20 * 3, 3, 0};
        CHECK_EQ(check(q, s), PRODUCER_DUPLICATE);
    }
    CHECK(!producers_truncate(q, 0));
    buf_deinit(&first);
    buf_deinit(&second);
    producers_free(p);
    producers_free(q);
}

TEST(an_empty_snapshot_comes_back_empty)
{
    struct producers *p = producers_or_die(1);
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(producers_snapshot(p, &b));
    add(p, (struct sent){77, 0, 0, 1, 1});
    CHECK_OK(producers_restore(p, buf_view(&b)));
    CHECK_EQ(producers_count(p), 0);
    buf_deinit(&b);
    producers_free(p);
}

TEST(a_smaller_ceiling_keeps_the_newest_of_a_snapshot)
{
    struct producers *p = filled(), *q = producers_or_die(4);
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(producers_snapshot(p, &b));
    CHECK_OK(producers_restore(q, buf_view(&b)));
    CHECK_EQ(producers_count(q), 4);
    CHECK_EQ(check(q, (struct sent){19, 1, 12, 3, 0}), PRODUCER_DUPLICATE);
    CHECK_EQ(check(q, (struct sent){15, 1, 12, 3, 0}), PRODUCER_APPEND); /* unknown */
    buf_deinit(&b);
    producers_free(p);
    producers_free(q);
}

TEST(a_damaged_snapshot_is_refused_whole)
{
    struct producers *p = filled(), *q = producers_or_die(100);
    struct buf b;

    buf_init(&b, 1 << 20);
    CHECK_OK(producers_snapshot(p, &b));
    for (size_t len = 0; len < b.len; len += 13) {
        CHECK_ERR(producers_restore(q, (struct bytes){b.at, len}), ERR_CORRUPT);
        CHECK_EQ(producers_count(q), 0);
    }
    for (size_t at = 0; at < b.len; at += 7) {
        b.at[at] ^= 0x10;
        CHECK_ERR(producers_restore(q, buf_view(&b)), ERR_CORRUPT);
        CHECK_EQ(producers_count(q), 0);
        b.at[at] ^= 0x10;
    }
    CHECK_OK(buf_add_u8(&b, 0));
    CHECK_ERR(producers_restore(q, buf_view(&b)), ERR_CORRUPT);
    buf_deinit(&b);
    producers_free(p);
    producers_free(q);
}

TEST(producers_survive_every_failed_allocation)
{
    struct buf b;
    struct producers *whole = filled();

    buf_init(&b, 1 << 20);
    CHECK_OK(producers_snapshot(whole, &b));
    for (uint64_t nth = 1;; nth++) {
        struct producers *p = NULL;
        struct batch_header h = header_of((struct sent){50, 0, 0, 1, 900});
        enum err e;

        mem_fail_nth(nth);
        e = producers_new(100, 1, &p);
        if (e == OK) {
            e = producers_restore(p, buf_view(&b));
        }
        if (e == OK) {
            e = producers_add(p, &h, 1);
        }
        bool failed = mem_fail_nth(0) == 0;
        CHECK(e == OK || e == ERR_NOMEM);
        CHECK(e == OK || failed);
        producers_free(p);
        if (!failed) {
            break;
        }
        CHECK(nth < 1000);
    }
    buf_deinit(&b);
    producers_free(whole);
}
