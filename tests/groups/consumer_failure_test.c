/* tests/groups/consumer_failure_test.c: memory and log fail at every point of every kind of operation: the log says
 * what happened, and a coordinator loaded from it shows the same twice.
 */
#include "tests/groups/consumer_old_rig.h"

enum { POINTS_MAX = 500 };

static void moves(struct fake_host *h)
{
    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t", .rack = "r", .assignor = "range");
    BEAT(h, .member = "a", .epoch = 2, .owned = "0123");
    BEAT(h, .member = "a", .epoch = 2, .owned = "01");
    BEAT(h, .member = "b", .epoch = 3, .owned = "");
    fake_topic(h, "t", 6);
    BEAT(h, .member = "b", .epoch = 3, .owned = "23");
    BEAT(h, .member = "a", .epoch = -1);
}

static void statics(struct fake_host *h)
{
    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    BEAT(h, .member = "a", .instance = "i", .epoch = -2);
    BEAT(h, .member = "b", .instance = "i", .topic = "t");
    BEAT(h, .member = "b", .instance = "i", .epoch = -2);
    BEAT(h, .member = "b", .instance = "i", .topic = "t");
}

static void expressions(struct fake_host *h)
{
    BEAT(h, .member = "a", .regex = "t+");
    BEAT(h, .member = "b", .regex = "t+");
    BEAT(h, .member = "a", .epoch = 2, .regex = "[st]");
    fake_topic(h, "s", 1);
    fake_wait(h, 2000);
    BEAT(h, .member = "b", .epoch = -1);
}

static void silence(struct fake_host *h)
{
    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "b", .topic = "t");
    BEAT(h, .member = "a", .epoch = 2, .owned = "0123");
    fake_wait(h, TEN_SECONDS + 1);
    fake_wait(h, SESSION + 1);
}

static void both(struct fake_host *h)
{
    BEAT(h, .member = "a", .instance = "i", .topic = "t");
    (void)old_join_start(h, &(struct old_joiner){.id = BYTES("o"), .protocols = "range,sticky"});
    BEAT(h, .member = "a", .instance = "i", .epoch = 2, .owned = "01");
    (void)old_join_start(h, &(struct old_joiner){.id = BYTES("o"), .owned = "23"});
    (void)classic_beat(h, BYTES("o"), 3);
    (void)classic_leave(h, BYTES("a"), NULL, NULL);
}

static void from_empty_to_empty(struct fake_host *h)
{
    BEAT(h, .member = "a", .topic = "t");
    BEAT(h, .member = "a", .epoch = -1);
    (void)old_join_start(h, &(struct old_joiner){.version = 3});
    (void)fake_wait(h, 2 * DELAY_MS);
    fake_wait(h, REBALANCE_MS + 1);
    BEAT(h, .member = "b", .topic = "t");
}

static void (*const scripts[])(struct fake_host *) = {moves,   statics, expressions,
                                                      silence, both,    from_empty_to_empty};

/* Whichever of the two kinds it is, if any. */
static struct bytes shown(struct fake_host *h)
{
    const struct group *group = group_find(h->groups, BYTES("g"));

    if (group == NULL) {
        return BYTES("none");
    }
    return group->consumer != NULL ? consumer_shown(h) : classic_state(h);
}

static void loads_the_same_twice(struct fake_host *h)
{
    struct bytes first;

    fake_restart(h);
    first = shown(h);
    fake_restart(h);
    CHECK_BYTES_EQ(shown(h), first);
}

/* A script that failed before its end left the coordinator of a broker to be loaded anew; the rest of the script meets
 * that one. */
TEST(whatever_allocation_fails_in_whatever_script_the_log_says_what_happened)
{
    for (size_t s = 0; s < COUNT_OF(scripts); s++) {
        bool enough = false;

        for (uint64_t nth = 1; nth < POINTS_MAX && !enough; nth++) {
            struct fake_host *h = consumer_host(arena);

            h->fail_allocation = nth;
            scripts[s](h);
            h->fail_allocation = 0;
            enough = !h->lost;
            loads_the_same_twice(h);
            fake_host_end(h);
        }
        CHECK_SAYS(enough, "script %zu never had enough memory", s);
    }
}

TEST(whatever_append_fails_in_whatever_script_the_log_says_what_happened)
{
    for (size_t s = 0; s < COUNT_OF(scripts); s++) {
        bool enough = false;

        for (int nth = 1; nth < POINTS_MAX && !enough; nth++) {
            struct fake_host *h = consumer_host(arena);

            h->fail_append = nth;
            scripts[s](h);
            h->fail_append = 0;
            enough = !h->lost;
            loads_the_same_twice(h);
            fake_host_end(h);
        }
        CHECK_SAYS(enough, "script %zu appends without end", s);
    }
}

TEST(what_a_script_leaves_behind_is_what_a_restart_brings_back)
{
    for (size_t s = 0; s < COUNT_OF(scripts); s++) {
        struct fake_host *h = consumer_host(arena);
        struct bytes before;

        scripts[s](h);
        before = shown(h);
        if (!bytes_equal(before, BYTES("PreparingRebalance"))) { /* members live in memory then */
            fake_restart(h);
            CHECK_BYTES_EQ(shown(h), before);
        }
        loads_the_same_twice(h);
        fake_host_end(h);
    }
}

TEST(an_answer_waits_for_its_records)
{
    struct fake_host *h = consumer_host(arena);
    struct fake_call *c, *second;

    h->slow = true;
    c = consumer_beat_start(h, &(struct beat){.member = "a", .topic = "t"});
    CHECK(!fake_answered(c));
    /* Nor may another hear of what is not durable. */
    second = consumer_beat_start(h, &(struct beat){.member = "a", .epoch = 2});
    CHECK(!fake_answered(second));
    fake_sync(h);
    CHECK_BYTES_EQ(consumer_said(h, fake_answer(c)), BYTES("2 0123"));
    CHECK_BYTES_EQ(consumer_said(h, fake_answer(second)), BYTES("2 -"));
    fake_host_end(h);
}
