/* tests/unit/pool_test.c: objects of one size. */
#include "base/mem.h"
#include "base/pool.h"
#include "tests/harness/test.h"

struct thing {
    uint64_t a, b, c;
};

TEST(a_pool_holds_no_memory_before_the_first_object)
{
    struct pool p;

    POOL_INIT(&p, struct thing, 1000000);
    CHECK_EQ(p.slab_bytes_sum, 0);
    pool_give(&p, NULL);
    pool_deinit(&p);
}

TEST(a_pool_stops_at_its_ceiling_and_goes_on_when_one_comes_back)
{
    struct pool p;
    struct thing *all[5];

    POOL_INIT(&p, struct thing, 5);
    for (int i = 0; i < 5; i++) {
        all[i] = pool_take(&p);
        CHECK(all[i] != NULL);
    }
    CHECK(pool_take(&p) == NULL);
    pool_give(&p, all[2]);
    all[2] = pool_take(&p);
    CHECK(all[2] != NULL);
    CHECK(pool_take(&p) == NULL);
    for (int i = 0; i < 5; i++) {
        pool_give(&p, all[i]);
    }
    CHECK_EQ(p.count, 0);
    pool_deinit(&p);
}

/* Random taking and giving against a plain array: objects are cleared, aligned, and never overlap. */
TEST(taken_objects_are_cleared_and_disjoint)
{
    enum { COUNT = 2000 };
    struct thing **taken = arena_array(arena, COUNT, sizeof(*taken));
    struct pool p;
    size_t n = 0;

    POOL_INIT(&p, struct thing, COUNT);
    for (int step = 0; step < 50000; step++) {
        if (n == 0 || (n < COUNT && test_random_below(100) < 52)) {
            struct thing *t = pool_take(&p);
            CHECK(t != NULL && (uintptr_t)t % 16 == 0);
            CHECK(t->a == 0 && t->b == 0 && t->c == 0);
            *t = (struct thing){(uintptr_t)t, (uintptr_t)t, (uintptr_t)t};
            taken[n++] = t;
        } else {
            size_t i = test_random_below(n);
            struct thing *t = taken[i];
            CHECK(t->a == (uintptr_t)t && t->b == t->a && t->c == t->a);
            pool_give(&p, t);
            taken[i] = taken[--n];
        }
        CHECK_EQ(p.count, n);
    }
    while (n > 0) {
        pool_give(&p, taken[--n]);
    }
    CHECK(p.slab_bytes_sum < COUNT * sizeof(struct thing) * 2);
    pool_deinit(&p);
}

TEST(a_pool_without_memory_refuses_and_recovers)
{
    struct pool p;

    pool_init(&p, 100000, 3); /* larger than a slab: one object each */
    (void)mem_fail_nth(1);
    CHECK(pool_take(&p) == NULL);
    CHECK_EQ(p.count, 0);
    void *a = pool_take(&p), *b = pool_take(&p);
    CHECK(a != NULL && b != NULL);
    memset(a, 1, 100000);
    memset(b, 1, 100000);
    pool_give(&p, a);
    pool_give(&p, b);
    pool_deinit(&p);
}
