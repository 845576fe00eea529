/* tests/unit/budget_test.c: admission in order of arrival. */
#include "broker/budget.h"

#include "tests/harness/test.h"

struct waiter {
    struct budget_waiter waiter;
    struct budget *budget;
    int granted;
};

static int grants;

static void granted(struct budget_waiter *w)
{
    CONTAINER_OF(w, struct waiter, waiter)->granted = ++grants;
}

static void wait_for(struct waiter *w, struct budget *b, size_t bytes)
{
    *w = (struct waiter){.waiter.granted = granted, .budget = b};
    budget_wait(b, &w->waiter, bytes);
}

TEST(what_fits_is_taken_and_what_does_not_is_refused)
{
    struct budget b;

    budget_init(&b, 100);
    CHECK(budget_take(&b, 60));
    CHECK(!budget_take(&b, 41));
    CHECK(budget_take(&b, 40));
    CHECK(!budget_open(&b));
    budget_give(&b, 40);
    CHECK(budget_open(&b));
    CHECK_EQ(b.bytes, 60);
}

TEST(nobody_overtakes_who_waits)
{
    struct budget b;
    struct waiter large, small;

    budget_init(&b, 100);
    CHECK(budget_take(&b, 90));
    wait_for(&large, &b, 50);
    wait_for(&small, &b, 5);
    CHECK(!budget_take(&b, 1));
    CHECK_EQ(budget_serve(&b, 10), 0);
    budget_give(&b, 40);
    CHECK_EQ(budget_serve(&b, 10), 1);
    CHECK_EQ(large.granted, 1);
    CHECK_EQ(small.granted, 0);
    budget_give(&b, 10);
    CHECK_EQ(budget_serve(&b, 10), 1);
    CHECK_EQ(small.granted, 2);
    CHECK_EQ(b.bytes, 95);
}

TEST(more_than_the_whole_is_given_while_a_quarter_is_taken_at_most)
{
    struct budget b;
    struct waiter w;

    budget_init(&b, 100);
    CHECK(budget_take(&b, 26));
    wait_for(&w, &b, 500);
    CHECK_EQ(budget_serve(&b, 10), 0);
    budget_give(&b, 1);
    CHECK_EQ(budget_serve(&b, 10), 1);
    CHECK_EQ(b.bytes, 525);
    CHECK(!budget_open(&b));
}

TEST(what_was_forced_closes_the_budget_until_it_came_back)
{
    struct budget b;

    budget_init(&b, 100);
    budget_force(&b, 300);
    CHECK(!budget_take(&b, 1));
    budget_give(&b, 220);
    CHECK(budget_take(&b, 20));
}

TEST(who_gives_up_waiting_lets_the_next_go)
{
    struct budget b;
    struct waiter first, second;

    budget_init(&b, 100);
    CHECK(budget_take(&b, 80));
    wait_for(&first, &b, 70);
    wait_for(&second, &b, 20);
    budget_wait_cancel(&b, &first.waiter);
    budget_wait_cancel(&b, &first.waiter);
    CHECK_EQ(budget_serve(&b, 10), 1);
    CHECK(second.granted > 0);
    CHECK_EQ(first.granted, 0);
}

TEST(so_many_are_served_at_a_time)
{
    struct budget b;
    struct waiter w[3];

    budget_init(&b, 100);
    CHECK(budget_take(&b, 100));
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        wait_for(&w[i], &b, 1);
    }
    budget_give(&b, 100);
    CHECK_EQ(budget_serve(&b, 2), 2);
    CHECK_EQ(budget_serve(&b, 2), 1);
}
