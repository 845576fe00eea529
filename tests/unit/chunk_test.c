/* tests/unit/chunk_test.c: references, pinning, the budget. */
#include "storage/chunk.h"
#include "tests/harness/test.h"

static struct chunk_pool *pool_or_die(size_t bytes_max)
{
    struct chunk_pool *p = NULL;

    CHECK_OK(chunk_pool_new(3, bytes_max, &p));
    return p;
}

static struct chunk *cached(struct chunk_pool *p, struct list *log, uint64_t log_at)
{
    struct chunk *c = chunk_new(p, 1000);

    CHECK(c != NULL);
    c->log_at = log_at;
    chunk_cache(c, log);
    return c;
}

TEST(a_chunk_belongs_to_its_pools_core)
{
    struct chunk_pool *p = pool_or_die(10000);
    struct chunk *c = chunk_new(p, 100);

    CHECK_EQ(c->core, 3);
    CHECK_EQ(c->bytes, 100);
    CHECK_EQ(p->bytes, 100);
    chunk_ref(c);
    chunk_unref(c);
    CHECK_EQ(p->bytes, 100);
    chunk_unref(c);
    CHECK_EQ(p->bytes, 0);
    chunk_pool_free(p);
}

TEST(clean_chunks_go_oldest_first_when_the_budget_is_reached)
{
    struct chunk_pool *p = pool_or_die(3000);
    struct list log = {0};

    list_init(&log);
    struct chunk *a = cached(p, &log, 0), *b = cached(p, &log, 1000), *c = cached(p, &log, 2000);
    chunk_touch(a);
    struct chunk *d = cached(p, &log, 3000);
    CHECK_EQ(log.len, 3);
    CHECK(CONTAINER_OF(list_first(&log), struct chunk, in_log) == a);
    CHECK(b == d); /* b was the oldest, and its memory has the right size */
    CHECK_EQ(p->bytes, 3000);
    chunk_set_dirty(a);
    chunk_set_dirty(c);
    chunk_set_dirty(d);
    CHECK_EQ(p->dirty_bytes, 3000);
    struct chunk *e = cached(p, &log, 4000); /* nothing may go: it passes the budget */
    CHECK_EQ(log.len, 4);
    CHECK_EQ(p->bytes, 4000);
    chunk_set_clean(a);
    chunk_set_clean(c);
    chunk_set_clean(d);
    CHECK_EQ(p->dirty_bytes, 0);
    (void)e;
    chunk_pool_free(p);
    CHECK_EQ(log.len, 0);
}

TEST(a_log_keeps_its_chunks_in_order_of_position)
{
    struct chunk_pool *p = pool_or_die(100000);
    struct list log = {0};
    uint64_t last = 0;

    list_init(&log);
    for (int i = 0; i < 50; i++) {
        (void)cached(p, &log, test_random_below(1000));
    }
    list_for_each (&log, link) {
        uint64_t at = CONTAINER_OF(link, struct chunk, in_log)->log_at;

        CHECK(at >= last);
        last = at;
    }
    CHECK_EQ(log.len, 50);
    chunk_pool_free(p);
}

TEST(what_a_reader_holds_outlives_the_pool)
{
    struct chunk_pool *p = pool_or_die(1000);
    struct list log = {0};

    list_init(&log);
    struct chunk *c = cached(p, &log, 0);
    c->at[0] = 7;
    chunk_ref(c);
    chunk_pool_free(p);
    CHECK_EQ(log.len, 0);
    CHECK_EQ(c->at[0], 7);
    chunk_unref(c);
}
