/* tests/unit/arena_test.c: request memory. */
#include "base/arena.h"
#include "base/mem.h"
#include "tests/harness/test.h"

TEST(arena_memory_is_cleared_aligned_and_disjoint)
{
    struct arena a;
    uint8_t *all[400];

    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(all); i++) {
            all[i] = arena_alloc(&a, i);
            CHECK(all[i] != NULL && (uintptr_t)all[i] % 16 == 0);
            for (size_t k = 0; k < i; k++) {
                CHECK_EQ(all[i][k], 0);
            }
            if (i > 0) {
                memset(all[i], (int)(i & 255), i);
            }
        }
        for (size_t i = 1; i < COUNT_OF(all); i++) {
            CHECK_EQ(all[i][0], i & 255);
            CHECK_EQ(all[i][i - 1], i & 255);
        }
        arena_reset(&a);
    }
    arena_deinit(&a);
}

TEST(an_exhausted_arena_stays_exhausted_until_reset)
{
    struct arena a;

    arena_init(&a, 4096);
    CHECK(arena_alloc(&a, 100) != NULL);
    CHECK(arena_alloc(&a, 5000) == NULL);
    CHECK(a.exhausted);
    CHECK(arena_alloc(&a, 1) == NULL);
    CHECK(arena_copy(&a, BYTES("x")).at == NULL);
    arena_reset(&a);
    CHECK(!a.exhausted);
    CHECK(arena_alloc(&a, 100) != NULL);
    arena_deinit(&a);
}

TEST(an_arena_gives_everything_up_to_its_ceiling)
{
    struct arena a;
    size_t got = 0;

    arena_init(&a, 64 << 10);
    while (arena_alloc(&a, 16) != NULL) {
        got += 16;
        CHECK(got <= 64 << 10);
    }
    CHECK(got > (64 << 10) * 3 / 4);
    arena_deinit(&a);
}

TEST(an_array_whose_size_overflows_exhausts_the_arena)
{
    struct arena a;

    arena_init(&a, SIZE_MAX / 2);
    CHECK(arena_array(&a, SIZE_MAX / 2, 3) == NULL);
    CHECK(a.exhausted);
    arena_reset(&a);
    CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
    CHECK(a.exhausted);
    arena_deinit(&a);
}

TEST(any_allocation_of_an_arena_may_fail)
{
    for (uint64_t nth = 1;; nth++) {
        struct arena a;
        arena_init(&a, 1 << 20);
        (void)mem_fail_nth(nth);
        for (int i = 0; i < 100; i++) {
            (void)arena_alloc(&a, 1000);
        }
        bool reached = mem_fail_nth(0) == 0;
        CHECK_EQ(a.exhausted, reached);
        arena_deinit(&a);
        if (!reached) {
            CHECK(nth > 3);
            break;
        }
    }
}

TEST(copies_and_formats_live_in_the_arena)
{
    char text[] = "orders";
    struct bytes copy = arena_copy(arena, bytes_of(text));

    text[0] = 'X';
    CHECK_BYTES_EQ(copy, BYTES("orders"));
    CHECK(arena_copy(arena, BYTES_NULL).at == NULL);
    CHECK_BYTES_EQ(arena_copy(arena, BYTES("")), BYTES(""));
    CHECK_BYTES_EQ(arena_format(arena, "%d/%s", 7, "x"), BYTES("7/x"));
}

TEST(a_reset_arena_keeps_one_small_block)
{
    struct arena a;

    arena_init(&a, 1 << 20);
    CHECK(arena_alloc(&a, 500 << 10) != NULL);
    arena_reset(&a);
    CHECK(a.bytes < 4096);
    CHECK(arena_alloc(&a, 10) != NULL);
    CHECK(arena_alloc(&a, 500 << 10) != NULL);
    arena_reset(&a);
    CHECK(a.bytes > 0 && a.bytes < 4096);
    (void)mem_fail_nth(1); /* the kept block needs no memory */
    CHECK(arena_alloc(&a, 10) != NULL);
    CHECK_EQ(mem_fail_nth(0), 1);
    arena_deinit(&a);
}
