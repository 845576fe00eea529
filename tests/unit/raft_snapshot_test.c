/* tests/unit/raft_snapshot_test.c: snapshots that nobody asked for, or that come where there is no room. */
#include "raft/raft.h"
#include "tests/harness/test.h"
#include "tests/raft/single.h"

static struct single *started(struct arena *arena)
{
    struct single *s = ARENA_NEW(arena, struct single);
    struct raft_configuration c = single_voters(3);

    single_init(s, &(struct raft_start){.configuration = &c}, NULL, 0);
    return s;
}

static void give(struct single *s, uint64_t to, const struct raft_snapshot *snapshot)
{
    single_step(s, &(struct raft_in){.kind = RAFT_IN_SNAPSHOT,
                                     .snapshot = {.to = to, .snapshot = snapshot}});
}

TEST(a_snapshot_that_nobody_asked_for_is_not_sent)
{
    struct single *s = started(arena);
    struct raft_snapshot snapshot = {.bound = {1, 1}, .configuration = single_voters(3)};

    give(s, 2, &snapshot); /* not the leader */
    CHECK_EQ(s->out_count, 0);
    single_lead(s);
    give(s, 2, &snapshot); /* it needs none */
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0));
    give(s, 9, &snapshot); /* nobody */
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0));
}

/* The log starts at 9, and replica 2 is in the middle of nowhere. */
TEST(a_snapshot_is_sent_once_for_each_time_it_was_asked_for)
{
    struct single *s = started(arena);
    struct raft_snapshot snapshot = {.bound = {9, 1}, .configuration = single_voters(3)};

    single_lead(s);
    single_propose(s, 8);
    single_durable(s, s->ticket);
    single_acked(s, 3);
    CHECK_EQ(s->view.commit, 9);
    single_log_start_at(&s->log, snapshot.bound);
    single_step(s, &(struct raft_in){.kind = RAFT_IN_LOG_START, .log_start.start = snapshot.bound});
    CHECK(!single_find(s, RAFT_OUT_SNAPSHOT)); /* it was sent all of that */
    const struct raft_message_append *a = &s->newest[2];
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = 2,
                                             .reply = {.status = RAFT_REJECTED,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .prev = {9, 1}}});
    CHECK_EQ(single_find(s, RAFT_OUT_SNAPSHOT)->snapshot.to, 2);
    give(s, 2, NULL);
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0) && !single_find(s, RAFT_OUT_SNAPSHOT));
    give(s, 2, &snapshot); /* too late: it is asked for again first */
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0));
    single_time(s, s->now_ms + s->options.beat_ms);
    CHECK_EQ(single_find(s, RAFT_OUT_SNAPSHOT)->snapshot.to, 2);
    give(s, 2, &snapshot);
    CHECK(single_sent(s, RAFT_SNAPSHOT, 2)->install.snapshot == &snapshot);
    CHECK_EQ(single_sent(s, RAFT_SNAPSHOT, 2)->install.sequence, s->newest[2].sequence + 1);
    give(s, 2, &snapshot);
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0));
}

static void log_starts_at(struct single *s, struct raft_bound start)
{
    single_log_start_at(&s->log, start);
    single_step(s, &(struct raft_in){.kind = RAFT_IN_LOG_START, .log_start.start = start});
}

/* What would follow it is gone. */
TEST(a_snapshot_below_the_log_start_is_asked_for_again)
{
    struct single *s = started(arena);
    struct raft_snapshot old = {.bound = {4, 1}, .configuration = single_voters(3)};

    single_lead(s);
    single_propose(s, 8);
    single_durable(s, s->ticket);
    single_acked(s, 3);
    log_starts_at(s, (struct raft_bound){9, 1});
    const struct raft_message_append *a = &s->newest[2];
    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = 2,
                                             .reply = {.status = RAFT_REJECTED,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .prev = {9, 1}}});
    CHECK(single_find(s, RAFT_OUT_SNAPSHOT) != NULL);
    give(s, 2, &old);
    CHECK(!single_sent(s, RAFT_SNAPSHOT, 0));
    single_time(s, s->now_ms + s->options.beat_ms);
    CHECK(single_find(s, RAFT_OUT_SNAPSHOT) != NULL);
}

TEST(a_log_start_that_is_known_changes_nothing)
{
    struct single *s = started(arena);

    single_lead(s);
    log_starts_at(s, (struct raft_bound){1, 1});
    CHECK_EQ(s->view.start.index, 1);
    log_starts_at(s, (struct raft_bound){1, 1});
    CHECK_EQ(s->view.start.index, 1);
    CHECK(!single_find(s, RAFT_OUT_SNAPSHOT));
}

TEST(a_snapshot_with_more_members_than_there_is_room_for_is_dropped)
{
    struct single *s = started(arena);
    struct raft_snapshot snapshot = {.bound = {9, 1}, .configuration = single_voters(4)};
    struct raft_message m = {.kind = RAFT_SNAPSHOT, .term = 1, .from = 2};

    m.install.snapshot = &snapshot;
    s->cramped = true;
    single_receive(s, &m);
    CHECK(!single_find(s, RAFT_OUT_INSTALL));
    CHECK_EQ(s->view.commit, 0);
    s->cramped = false;
    single_receive(s, &m);
    CHECK(single_find(s, RAFT_OUT_INSTALL) != NULL);
    CHECK(s->view.commit == 9 && s->view.applied == 9);
    CHECK_EQ(raft_member_max(s->raft), 4);
    m = (struct raft_message){.kind = RAFT_APPEND, .term = 1, .from = 2};
    m.append.prev = snapshot.bound;
    m.append.span = (struct raft_span){.run_count = 1, .runs = {{10, 1}}};
    m.append.commit = 10;
    single_receive(s, &m);
    CHECK_EQ(s->view.commit, 10);
    CHECK(!single_find(s, RAFT_OUT_CONFIGURATION)); /* it was committed with the snapshot */
}

TEST(a_snapshot_that_cannot_be_is_dropped)
{
    struct single *s = started(arena);
    struct raft_snapshot snapshot = {.bound = {9, 1}, .configuration = single_voters(3)};
    struct raft_message m = {.kind = RAFT_SNAPSHOT, .term = 1, .from = 2};

    m.install.snapshot = &snapshot;
    snapshot.configuration_index = 10; /* later than the snapshot */
    single_receive(s, &m);
    snapshot.configuration_index = 1;
    snapshot.bound = (struct raft_bound){RAFT_INDEX_MAX + 1, 1};
    single_receive(s, &m);
    snapshot.bound = (struct raft_bound){9, 2}; /* of a later term */
    single_receive(s, &m);
    snapshot.bound = (struct raft_bound){9, 0};
    single_receive(s, &m);
    snapshot.bound = (struct raft_bound){9, 1};
    snapshot.configuration.members[0].replica_id = 0;
    single_receive(s, &m);
    CHECK(!single_find(s, RAFT_OUT_INSTALL) && s->view.commit == 0 && s->view.leader == 0);
    snapshot.configuration = single_voters(3);
    single_receive(s, &m);
    CHECK(single_find(s, RAFT_OUT_INSTALL) != NULL);
}
