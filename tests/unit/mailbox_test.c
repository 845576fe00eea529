/* tests/unit/mailbox_test.c: messages between cores on real threads: all of them, in order, nobody left asleep.
 * Meant to run under the thread sanitizer as well. */
#include "broker/mailbox.h"

#include "base/env_linux.h"
#include "base/mem.h"
#include "broker/core.h"
#include "tests/harness/test.h"

#include <stdio.h>

enum { CORES_MAX = 4, PASSES_MAX = 10 * 1000 * 1000 };

/* A message that remembers who sent it, as which. */
struct letter {
    struct message message;
    int from;
    uint32_t number;
};

struct player {
    struct core core;
    struct team *team;
    struct letter *letters; /* lent, and lent again when they are back */
    uint32_t sent, back, received;
    uint32_t next[CORES_MAX]; /* expected from each */
    uint64_t passes;
};

struct team {
    struct player players[CORES_MAX];
    struct core *cores[CORES_MAX];
    int count;
    uint32_t letter_count, in_flight_max;
};

static void letter_returned(struct core *on, struct message *m)
{
    struct player *p = CONTAINER_OF(on, struct player, core);

    ASSERT(CONTAINER_OF(m, struct letter, message)->from == on->index);
    p->back++;
}

static void letter_arrived(struct core *on, struct message *m)
{
    struct player *p = CONTAINER_OF(on, struct player, core);
    struct letter *l = CONTAINER_OF(m, struct letter, message);

    ASSERT(l->number >= p->next[l->from]); /* first in, first out */
    p->next[l->from] = l->number + 1;
    p->received++;
    m->run = letter_returned;
    mailbox_send(on, l->from, m);
}

static bool all_done(const struct player *p)
{
    const struct team *t = p->team;
    uint32_t from_others = t->letter_count / (uint32_t)(t->count - 1) * (uint32_t)(t->count - 1);

    return p->back == t->letter_count && p->received >= from_others;
}

/* Letters go round robin to all others. */
static void send_some(struct player *p)
{
    struct team *t = p->team;

    while (p->sent < t->letter_count && p->sent - p->back < t->in_flight_max) {
        struct letter *l = &p->letters[p->sent];
        int to = (p->core.index + 1 + (int)(p->sent % (uint32_t)(t->count - 1))) % t->count;
        l->from = p->core.index;
        l->number = p->sent++;
        l->message.run = letter_arrived;
        mailbox_send(&p->core, to, &l->message);
    }
}

static bool play(void *context)
{
    struct player *p = context;
    struct env_event events[4];
    bool busy = mailbox_drain(&p->core, 64) > 0 || p->passes == 0;

    ASSERT(p->passes++ < PASSES_MAX);
    (void)env_poll(p->core.env, p->core.poller, events, 4,
                   busy || mailbox_pending(&p->core) ? 0 : -1);
    mailbox_awake(&p->core);
    busy = mailbox_run_local(&p->core) > 0;
    send_some(p);
    bool flushed = mailbox_flush(&p->core);
    if (!mailbox_sleep(&p->core) || !flushed || busy) {
        env_wake(p->core.env, p->core.poller);
    }
    return !all_done(p) || !flushed;
}

static void team_plays(struct team *t, int count, uint32_t letters, uint32_t in_flight)
{
    struct env_thread *threads[CORES_MAX];
    struct env *env;

    CHECK_OK(env_linux_new(&env));
    *t = (struct team){.count = count, .letter_count = letters, .in_flight_max = in_flight};
    for (int i = 0; i < count; i++) {
        struct player *p = &t->players[i];
        p->team = t;
        p->core.index = i;
        p->core.env = env;
        p->letters = mem_zalloc(letters, sizeof(struct letter));
        t->cores[i] = &p->core;
        CHECK(p->letters != NULL);
        CHECK_OK(env_poller_new(env, &p->core.poller));
    }
    for (int i = 0; i < count; i++) {
        CHECK_OK(mailbox_init(t->cores[i], t->cores, count));
    }
    for (int i = 0; i < count; i++) {
        CHECK_OK(env_thread_start(env, "player", play, &t->players[i], &threads[i]));
    }
    for (int i = 0; i < count; i++) {
        env_thread_join(env, threads[i]);
    }
    for (int i = 0; i < count; i++) {
        CHECK_EQ(t->players[i].back, letters);
        mailbox_deinit(t->cores[i]);
        env_poller_free(env, t->cores[i]->poller);
        mem_free(t->players[i].letters);
    }
    env_linux_free(env);
}

TEST(two_cores_exchange_many_messages_in_order)
{
    team_plays(ARENA_NEW(arena, struct team), 2, 60000, 500);
}

TEST(two_cores_that_send_one_at_a_time_never_sleep_through_a_message)
{
    team_plays(ARENA_NEW(arena, struct team), 2, 3000, 1);
}

TEST(four_cores_exchange_more_than_the_rings_hold)
{
    team_plays(ARENA_NEW(arena, struct team), 4, 30000, 10 * MAILBOX_SLOT_COUNT);
}

/* ---- one thread: what the rings do ---- */

static int order[8], order_len;

static void note(struct core *on, struct message *m)
{
    (void)on;
    order[order_len++] = (int)CONTAINER_OF(m, struct letter, message)->number;
}

static void send_another(struct core *on, struct message *m)
{
    note(on, m);
    mailbox_send(on, on->index, m);
    m->run = note;
}

static struct team *quiet_team(struct arena *arena, struct env *env)
{
    struct team *t = ARENA_NEW(arena, struct team);

    t->count = 2;
    for (int i = 0; i < t->count; i++) {
        t->cores[i] = &t->players[i].core;
        t->cores[i]->index = i;
        t->cores[i]->env = env;
        CHECK_OK(env_poller_new(env, &t->cores[i]->poller));
    }
    CHECK_OK(mailbox_init(t->cores[0], t->cores, t->count));
    CHECK_OK(mailbox_init(t->cores[1], t->cores, t->count));
    return t;
}

static void quiet_team_free(struct team *t, struct env *env)
{
    for (int i = 0; i < t->count; i++) {
        mailbox_deinit(t->cores[i]);
        env_poller_free(env, t->cores[i]->poller);
    }
    env_linux_free(env);
}

TEST(a_local_message_runs_later_and_one_it_sends_after_that)
{
    struct env *env;
    CHECK_OK(env_linux_new(&env));
    struct team *t = quiet_team(arena, env);
    struct letter a = {.message.run = send_another, .number = 1};
    struct letter b = {.message.run = note, .number = 2};

    mailbox_send(t->cores[0], 0, &a.message);
    mailbox_send(t->cores[0], 0, &b.message);
    CHECK_EQ(order_len, 0);
    CHECK(mailbox_pending(t->cores[0]));
    CHECK_EQ(mailbox_run_local(t->cores[0]), 2);
    CHECK_EQ(mailbox_run_local(t->cores[0]), 1);
    CHECK_EQ(mailbox_run_local(t->cores[0]), 0);
    CHECK_EQ(order_len, 3);
    CHECK_EQ(order[0], 1);
    CHECK_EQ(order[1], 2);
    CHECK_EQ(order[2], 1);
    quiet_team_free(t, env);
}

static void count_up(struct core *on, struct message *m)
{
    struct letter *l = CONTAINER_OF(m, struct letter, message);

    ASSERT(CONTAINER_OF(on, struct player, core)->received++ == l->number);
}

TEST(what_does_not_fit_waits_and_keeps_its_place)
{
    struct env *env;
    CHECK_OK(env_linux_new(&env));
    struct team *t = quiet_team(arena, env);
    enum { MANY = 3 * MAILBOX_SLOT_COUNT };
    struct letter *letters = ARENA_ARRAY(arena, struct letter, MANY);

    for (uint32_t i = 0; i < MANY; i++) {
        letters[i] = (struct letter){.message.run = count_up, .number = i};
        mailbox_send(t->cores[0], 1, &letters[i].message);
    }
    CHECK_EQ(mailbox_backlog(t->cores[0], 1), MANY - MAILBOX_SLOT_COUNT);
    CHECK(!mailbox_flush(t->cores[0]));
    for (uint32_t left = MANY; left > 0;) {
        int n = mailbox_drain(t->cores[1], 100);
        CHECK(n > 0 && n <= 100);
        left -= (uint32_t)n;
        bool all = mailbox_flush(t->cores[0]);
        CHECK_EQ(all, mailbox_backlog(t->cores[0], 1) == 0);
    }
    CHECK_EQ(t->players[1].received, MANY);
    CHECK(!mailbox_pending(t->cores[1]));
    quiet_team_free(t, env);
}

TEST(a_mailbox_without_memory_is_an_error)
{
    struct core c = {0};
    struct core *cores[] = {&c};

    (void)mem_fail_nth(1);
    CHECK_ERR(mailbox_init(&c, cores, 1), ERR_NOMEM);
    mailbox_deinit(&c);
}

TEST(a_signal_is_seen_once)
{
    struct env *env;
    CHECK_OK(env_linux_new(&env));
    struct team *t = quiet_team(arena, env);

    CHECK(!mailbox_signalled(t->cores[1]));
    mailbox_signal(t->cores[1]);
    CHECK(mailbox_signalled(t->cores[1]));
    CHECK(!mailbox_signalled(t->cores[1]));
    quiet_team_free(t, env);
}
