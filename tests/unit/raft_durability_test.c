/* tests/unit/raft_durability_test.c: tickets, against a list that is never full. */
#include "raft/raft_internal.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

enum { LIVES = 3000, STEPS = 200, MODEL_MAX = 256 };

/* What must be so: after ticket t, all that was appended with tickets <= t and not cut off since. */
struct model {
    struct raft_ticket tickets[MODEL_MAX];
    uint32_t count;
    uint64_t durable;
    bool overflown; /* the list of the core may be late, too, until it is empty */
};

static void model_append(struct model *m, uint64_t ticket, uint64_t last)
{
    m->tickets[m->count++] = (struct raft_ticket){ticket, last};
}

static void model_durable(struct model *m, uint64_t ticket)
{
    uint32_t done = 0;

    while (done < m->count && m->tickets[done].ticket <= ticket) {
        m->durable = m->tickets[done++].index;
    }
    m->count -= done;
    memmove(m->tickets, m->tickets + done, m->count * sizeof(m->tickets[0]));
}

static void model_cut(struct model *m, uint64_t index)
{
    m->durable = MIN(m->durable, index);
    for (uint32_t i = 0; i < m->count; i++) {
        m->tickets[i].index = MIN(m->tickets[i].index, index);
    }
}

static struct raft *replica(struct arena *arena)
{
    struct raft *r = arena_alloc(arena, raft_size(1));

    memset(r, 0, raft_size(1));
    return r;
}

static void append(struct raft *r, struct model *m, uint64_t ticket, uint64_t last)
{
    r->last.index = last;
    m->overflown |= r->ticket_count == RAFT_TICKET_MAX;
    model_append(m, ticket, last);
    raft_ticket_append(r, ticket);
}

static void report(struct raft *r, struct model *m, uint64_t ticket)
{
    model_durable(m, ticket);
    raft_durable(r, ticket);
    m->overflown &= m->count > 0;
}

/* One life of appends, cuts and completions; gives the number of lists that were full. */
static uint32_t live(struct raft *r)
{
    struct model m = {.count = 0};
    uint64_t ticket = 0, reported = 0;
    uint32_t full = 0;

    for (uint32_t i = 0; i < STEPS; i++) {
        switch (test_random_below(4)) {
        case 0:
        case 1:
            ticket += test_random_below(3) + 1;
            append(r, &m, ticket, r->last.index + test_random_below(5) + 1);
            full += m.overflown;
            break;
        case 2:
            r->last.index -= test_random_below(MIN(r->last.index, 8) + 1);
            model_cut(&m, r->last.index);
            raft_tickets_cut(r, r->last.index);
            break;
        default: /* late and repeated ones, too */
            reported = ticket - test_random_below(MIN(ticket, 8) + 1);
            report(r, &m, reported);
            break;
        }
        CHECK(r->durable <= m.durable && r->durable <= r->last.index);
        CHECK(m.overflown || r->durable == m.durable);
        CHECK(r->ticket_count <= RAFT_TICKET_MAX);
    }
    report(r, &m, ticket);
    CHECK_EQ(r->durable, m.durable);
    CHECK_EQ(r->durable, r->last.index);
    return full;
}

TEST(tickets_are_never_early_and_late_only_when_the_list_is_full)
{
    uint32_t full = 0;

    for (uint32_t i = 0; i < LIVES; i++) {
        full += live(replica(arena));
        arena_reset(arena);
    }
    CHECK(full > LIVES / 10);
}

TEST(the_newest_appends_share_a_ticket_when_the_list_is_full)
{
    struct raft *r = replica(arena);

    for (uint64_t i = 1; i <= RAFT_TICKET_MAX + 2; i++) {
        r->last.index = 10 * i;
        raft_ticket_append(r, i);
    }
    CHECK_EQ(r->ticket_count, RAFT_TICKET_MAX);
    raft_durable(r, RAFT_TICKET_MAX - 1);
    CHECK_EQ(r->durable, 10 * (RAFT_TICKET_MAX - 1));
    raft_durable(r, RAFT_TICKET_MAX + 1); /* 9 and 10 share ticket 10: nothing new */
    CHECK_EQ(r->durable, 10 * (RAFT_TICKET_MAX - 1));
    raft_durable(r, RAFT_TICKET_MAX + 2);
    CHECK_EQ(r->durable, 10 * (RAFT_TICKET_MAX + 2));
    CHECK_EQ(r->ticket_count, 0);
}

/* Tickets never repeat, so a completion of what was cut off cannot prove what came in its place. */
TEST(a_late_completion_proves_nothing_of_what_was_appended_instead)
{
    struct raft *r = replica(arena);

    r->last.index = 10;
    raft_ticket_append(r, 1);
    raft_tickets_cut(r, 4);
    r->last.index = 20;
    raft_ticket_append(r, 2);
    raft_durable(r, 1);
    CHECK_EQ(r->durable, 4);
    raft_durable(r, 2);
    CHECK_EQ(r->durable, 20);
    raft_tickets_cut(r, 15);
    CHECK_EQ(r->durable, 15);
}

TEST(a_completion_older_than_the_newest_changes_nothing)
{
    struct raft *r = replica(arena);

    r->last.index = 10;
    raft_ticket_append(r, 5);
    raft_durable(r, 4);
    CHECK_EQ(r->durable, 0);
    raft_durable(r, 5);
    raft_durable(r, 3);
    CHECK_EQ(r->durable, 10);
    CHECK_EQ(r->durable_ticket, 5);
}

TEST(appends_with_one_ticket_are_durable_together)
{
    struct raft *r = replica(arena);

    r->last.index = 10;
    raft_ticket_append(r, 5);
    r->last.index = 12;
    raft_ticket_append(r, 5);
    CHECK_EQ(r->ticket_count, 1);
    raft_durable(r, 5);
    CHECK_EQ(r->durable, 12);
}

TEST(a_relaxed_append_is_durable_at_once)
{
    struct raft_options options = {.election_ms = 1000,
                                   .beat_ms = 100,
                                   .append_bytes_max = 100,
                                   .window_bytes = 100,
                                   .window_messages = 4,
                                   .relaxed = true};
    struct raft_configuration c = single_voters(1);
    struct single *s = ARENA_NEW(arena, struct single);

    single_init(s, &(struct raft_start){.options = &options, .configuration = &c}, NULL, 0);
    single_elect(s); /* a hard state has a ticket of its own, even so */
    CHECK_EQ(s->view.durable, 1);
    single_propose(s, 3);
    CHECK_EQ(s->view.durable, 4);
    CHECK_EQ(s->view.commit, 1);
    single_durable(s, s->ticket); /* "RAFT_IN_DURABLE still follows" */
    CHECK_EQ(s->view.commit, 4);
}
