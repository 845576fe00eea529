/* tests/unit/timer_wheel_test.c: the wheel against a plain array of timers. */
#include "base/timer_wheel.h"
#include "tests/harness/test.h"

enum { TIMER_COUNT = 500, MS = 1000 };

static const uint64_t second_us = 1000 * MS, origin_us = 123456789;

struct item {
    struct timer timer;
    struct model *model;
    bool pending;      /* as the model thinks */
    uint64_t tick;     /* first millisecond of the wheel at or after its time */
    uint64_t added_at; /* number of the run in or before which it was added */
};

struct model {
    struct timer_wheel wheel;
    struct item items[TIMER_COUNT];
    uint64_t now_us, run, last_tick;
    int pending, fired;
    bool in_run;
};

static uint64_t tick_of(uint64_t us)
{
    return us <= origin_us ? 0 : (us - origin_us + MS - 1) / MS;
}

static void add(struct item *item, uint64_t due_us)
{
    struct model *m = item->model;

    timer_wheel_add(&m->wheel, &item->timer, due_us);
    item->pending = true;
    item->tick = tick_of(due_us);
    item->added_at = m->run;
    m->pending++;
}

static void cancel(struct item *item)
{
    timer_wheel_cancel(&item->model->wheel, &item->timer);
    item->model->pending -= item->pending;
    item->pending = false;
}

/* Times of all magnitudes, some already over. */
static uint64_t random_due(const struct model *m)
{
    uint64_t ahead = test_random() >> (24 + test_random_below(40));

    return test_random_below(10) == 0 ? m->now_us - MIN(m->now_us, ahead % second_us)
                                      : m->now_us + ahead;
}

static void fire(struct timer *t)
{
    struct item *item = CONTAINER_OF(t, struct item, timer);
    struct model *m = item->model;

    CHECK(m->in_run && item->pending && !timer_pending(t));
    CHECK(item->added_at < m->run);
    CHECK(t->due_us <= m->now_us);
    item->pending = false;
    m->pending--;
    m->fired++;
    if (test_random_below(4) == 0) {
        add(item, random_due(m));
    }
    if (test_random_below(8) == 0) {
        cancel(&m->items[test_random_below(TIMER_COUNT)]);
    }
}

static struct model *model_new(struct arena *arena)
{
    struct model *m = ARENA_NEW(arena, struct model);

    m->now_us = origin_us;
    timer_wheel_init(&m->wheel, m->now_us);
    for (int i = 0; i < TIMER_COUNT; i++) {
        m->items[i].model = m;
        m->items[i].timer.fire = fire;
    }
    return m;
}

/* No wait may go past the earliest timer; with none pending the wait has no end. */
static void check_next(const struct model *m)
{
    uint64_t earliest = UINT64_MAX, next = timer_wheel_next_us(&m->wheel);

    for (int i = 0; i < TIMER_COUNT; i++) {
        CHECK_EQ(timer_pending(&m->items[i].timer), m->items[i].pending);
        if (m->items[i].pending) {
            earliest = MIN(earliest, m->items[i].tick);
        }
    }
    CHECK_EQ(next == UINT64_MAX, m->pending == 0);
    CHECK_EQ(m->wheel.len, m->pending);
    CHECK(earliest == UINT64_MAX || next <= MAX(origin_us + earliest * MS, m->now_us));
}

/* After a run without a bound, nothing that was due before it may be pending. */
static void check_none_overdue(const struct model *m)
{
    uint64_t tick = (m->now_us - origin_us) / MS;

    for (int i = 0; i < TIMER_COUNT; i++) {
        const struct item *item = &m->items[i];
        CHECK(!item->pending || item->tick > tick || item->added_at == m->run);
    }
}

static void run(struct model *m, int max)
{
    m->run++;
    m->in_run = true;
    int fired = timer_wheel_run(&m->wheel, m->now_us, max);
    m->in_run = false;
    CHECK(fired <= max);
}

static void advance(struct model *m)
{
    bool bounded = test_random_below(3) == 0;

    m->now_us += test_random() >> (30 + test_random_below(34));
    run(m, bounded ? (int)test_random_below(5) : TIMER_COUNT * 2);
    if (!bounded) {
        check_none_overdue(m);
    }
}

static void live(struct model *m)
{
    for (int step = 0; step < 2000; step++) {
        struct item *item = &m->items[test_random_below(TIMER_COUNT)];
        if (item->pending) {
            cancel(item);
        } else {
            add(item, random_due(m));
        }
        if (test_random_below(4) == 0) {
            advance(m);
        }
        check_next(m);
    }
}

TEST(a_wheel_behaves_like_a_list_of_timers)
{
    for (int round = 0; round < 20; round++) {
        struct model *m = model_new(arena);
        live(m);
        CHECK(m->fired > 100);
    }
}

/* Sleeping exactly as told must fire everything, never early, within few wake-ups. */
TEST(an_idle_core_is_woken_a_few_times_for_a_far_timer)
{
    struct model *m = model_new(arena);
    int wakes = 0;

    m->run = 1;
    add(&m->items[0], origin_us + 3600 * second_us + 12345);
    while (m->fired == 0) {
        m->now_us = timer_wheel_next_us(&m->wheel);
        run(m, 10);
        CHECK(++wakes < 10);
    }
    CHECK(m->now_us >= origin_us + 3600 * second_us + 12345);
    CHECK(m->now_us < origin_us + 3600 * second_us + 12345 + MS);
}

struct order {
    struct timer timer;
    uint64_t *last_us;
};

static void check_order(struct timer *t)
{
    struct order *o = CONTAINER_OF(t, struct order, timer);

    CHECK(t->due_us >= *o->last_us);
    *o->last_us = t->due_us;
}

TEST(one_late_run_fires_in_order_of_milliseconds)
{
    struct timer_wheel w;
    struct order *all = ARENA_ARRAY(arena, struct order, 1000);
    uint64_t last_us = 0;

    timer_wheel_init(&w, 0);
    for (int i = 0; i < 1000; i++) {
        all[i] = (struct order){.timer.fire = check_order, .last_us = &last_us};
        timer_wheel_add(&w, &all[i].timer, test_random_below(100000) * MS);
    }
    int fired = 0;
    for (int runs = 0; runs < 100; runs++) {
        fired += timer_wheel_run(&w, 100000 * MS, 10);
        CHECK_EQ(fired, 10 * (runs + 1));
    }
    CHECK_EQ(timer_wheel_next_us(&w), UINT64_MAX);
}

static void fire_again(struct timer *t)
{
    struct order *o = CONTAINER_OF(t, struct order, timer);
    struct timer_wheel *w = (struct timer_wheel *)(void *)o->last_us;

    timer_wheel_add(w, t, 0);
}

TEST(a_timer_that_adds_itself_at_once_does_not_hold_the_run)
{
    struct timer_wheel w;
    struct order o = {.timer.fire = fire_again, .last_us = (uint64_t *)(void *)&w};

    timer_wheel_init(&w, 0);
    timer_wheel_add(&w, &o.timer, 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(timer_wheel_run(&w, 5 * MS, 1000), 1);
        CHECK(timer_wheel_next_us(&w) <= 5 * MS);
    }
    timer_wheel_cancel(&w, &o.timer);
    timer_wheel_cancel(&w, &o.timer);
    CHECK_EQ(timer_wheel_next_us(&w), UINT64_MAX);
}

TEST(never_is_a_time_a_timer_can_wait_for)
{
    struct model *m = model_new(arena);

    m->run = 1;
    add(&m->items[0], UINT64_MAX);
    m->now_us += 1000 * 24 * 3600 * second_us;
    run(m, 10);
    CHECK_EQ(m->fired, 0);
    CHECK(timer_pending(&m->items[0].timer));
    cancel(&m->items[0]);
    CHECK_EQ(timer_wheel_next_us(&m->wheel), UINT64_MAX);
}

TEST(a_clock_that_stands_still_or_goes_back_fires_nothing_new)
{
    struct model *m = model_new(arena);

    m->run = 1;
    m->now_us = origin_us + second_us;
    run(m, 10);
    add(&m->items[0], m->now_us + 5 * MS);
    m->now_us -= 500 * MS;
    run(m, 10);
    m->now_us += 500 * MS;
    run(m, 10);
    CHECK_EQ(m->fired, 0);
    m->now_us += 5 * MS;
    run(m, 10);
    CHECK_EQ(m->fired, 1);
}
