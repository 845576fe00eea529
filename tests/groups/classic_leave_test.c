/* tests/groups/classic_leave_test.c: LeaveGroup, and static members: who goes, who comes back, who is fenced. */
#include "tests/groups/classic_rig.h"

enum { JOIN_STATIC = 5, JOIN_SKIP = 9 };

TEST(a_member_that_leaves_makes_the_others_join_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[3], *r;

    classic_stable(h, m, 3);
    CHECK_EQ(classic_leave(h, m[0]->member_id, NULL, "done"), KAFKA_NONE);
    CHECK_EQ(classic_leave(h, m[0]->member_id, NULL, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    struct fake_call *c = JOIN(h, .id = m[2]->member_id);
    r = joined(JOIN(h, .id = m[1]->member_id));
    CHECK_EQ(r->members.len, 2);
    CHECK_BYTES_EQ(joined(c)->leader, m[1]->member_id); /* the next in line */
    fake_host_end(h);
}

TEST(the_last_member_that_leaves_empties_the_group)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];

    classic_stable(h, m, 1);
    CHECK_EQ(classic_leave(h, m[0]->member_id, NULL, NULL), KAFKA_NONE);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_EQ(h->timers.len, 1); /* the expiry of offsets */
    fake_host_end(h);
}

TEST(who_leaves_while_it_waits_is_answered)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *c;

    classic_stable(h, m, 2);
    c = JOIN(h, .id = m[1]->member_id, .metadata = "x");
    CHECK_EQ(classic_leave(h, m[1]->member_id, NULL, NULL), KAFKA_NONE);
    CHECK_EQ(joined(c)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->members.len, 1);
    c = JOIN(h, .version = 3);
    m[0] = joined(JOIN(h, .id = m[0]->member_id));
    m[1] = joined(c);
    c = SYNC(h, m[1]);
    CHECK_EQ(classic_leave(h, m[1]->member_id, NULL, NULL), KAFKA_NONE);
    CHECK_EQ(synced(c)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_host_end(h);
}

TEST(who_is_not_back_with_its_id_can_leave)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1], *p;
    struct fake_call *c;

    classic_stable(h, m, 1);
    p = joined(JOIN(h));
    c = JOIN(h, .id = m[0]->member_id); /* waits for the one that has an id */
    CHECK(!fake_answered(c));
    CHECK_EQ(classic_leave(h, p->member_id, NULL, NULL), KAFKA_NONE);
    CHECK_EQ(joined(c)->members.len, 1);
    CHECK_EQ(joined(JOIN(h, .id = p->member_id))->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

static const struct leave_group_response *leave(struct fake_host *h, int16_t version,
                                                const struct leave_group_request *in)
{
    return fake_answer(FAKE_RUN(h, group_leave, leave_group, version, in));
}

TEST(old_requests_are_for_one_member_and_have_one_error)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct leave_group_request in;

    leave_group_request_init(&in);
    CHECK_EQ(leave(h, 0, &in)->error_code, KAFKA_INVALID_GROUP_ID);
    CHECK_EQ(leave(h, 5, &in)->error_code, KAFKA_INVALID_GROUP_ID);
    in.group_id = BYTES("g");
    in.member_id = BYTES("x");
    CHECK_EQ(leave(h, 2, &in)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    classic_stable(h, m, 2);
    CHECK_EQ(leave(h, 2, &in)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    in.member_id = m[1]->member_id;
    CHECK_EQ(leave(h, 0, &in)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_host_end(h);
}

TEST(a_batch_of_leavers_has_an_error_for_each)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[3];
    const struct leave_group_response *out;
    struct leave_group_request in;

    leave_group_request_init(&in);
    in.group_id = BYTES("g");
    in.members = leave_group_request_members_new(arena, 3);
    in.members.at[0].member_id = BYTES("x");
    out = leave(h, 3, &in);
    CHECK_EQ(out->error_code, KAFKA_NONE); /* no such group */
    CHECK_EQ(out->members.at[2].error_code, KAFKA_UNKNOWN_MEMBER_ID);
    classic_stable(h, m, 3);
    uint64_t rebalances = h->stats.group_rebalances;
    in.members.at[1].member_id = m[1]->member_id;
    in.members.at[1].reason = BYTES("broken");
    in.members.at[2].member_id = m[2]->member_id;
    out = leave(h, 5, &in);
    CHECK_EQ(out->members.at[0].error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(out->members.at[0].member_id, BYTES("x"));
    CHECK_EQ(out->members.at[1].error_code, KAFKA_NONE);
    CHECK_EQ(out->members.at[2].error_code, KAFKA_NONE);
    CHECK_EQ(h->stats.group_rebalances, rebalances + 1);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->members.len, 1);
    fake_host_end(h);
}

/* ---- static members ---- */

/* Two static members "i0" and "i1", Stable. */
static void two_static(struct fake_host *h, const struct join_group_response *m[2])
{
    struct fake_call *a = JOIN(h, .instance = "i0"), *b = JOIN(h, .instance = "i1");

    fake_wait(h, 2 * DELAY_MS + 1);
    m[0] = joined(a);
    m[1] = joined(b);
    CHECK_EQ(synced(classic_sync(h, m[0], &m[0]->members))->error_code, KAFKA_NONE);
    CHECK_EQ(synced(SYNC(h, m[1]))->error_code, KAFKA_NONE);
}

TEST(a_static_member_has_its_instance_in_its_id_and_needs_no_second_join)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];

    two_static(h, m);
    CHECK(bytes_starts_with(m[0]->member_id, BYTES("i0-")));
    CHECK_EQ(m[0]->members.len, 2);
    CHECK_BYTES_EQ(m[0]->members.at[1].group_instance_id, BYTES("i1"));
    fake_host_end(h);
}

TEST(a_static_follower_comes_back_without_a_rebalance)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2], *r;

    two_static(h, m);
    r = joined(JOIN(h, .instance = "i1", .version = JOIN_SKIP, .metadata = "other"));
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->generation_id, 1);
    CHECK(!bytes_equal(r->member_id, m[1]->member_id));
    CHECK_BYTES_EQ(r->leader, m[0]->member_id);
    CHECK(!r->skip_assignment);
    CHECK_EQ(r->members.len, 0);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    CHECK_BYTES_EQ(synced(SYNC(h, r))->assignment,
                   arena_format(arena, "for %.*s", BYTES_ARG(m[1]->member_id)));
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(joined(JOIN(h, .instance = "i1", .id = m[1]->member_id))->error_code,
             KAFKA_FENCED_INSTANCE_ID);
    CHECK_EQ(classic_leave(h, m[1]->member_id, "i1", NULL), KAFKA_FENCED_INSTANCE_ID);
    CHECK_EQ(classic_beat(h, r->member_id, 1), KAFKA_NONE);
    const struct fake_record *record = fake_record_last(h, &group_metadata_key_message);
    const struct group_metadata_value *value = record->record.value;
    CHECK_BYTES_EQ(value->members.at[1].member_id, r->member_id);
    CHECK_BYTES_EQ(value->members.at[1].subscription, BYTES("other"));
    fake_host_end(h);
}

TEST(a_static_leader_comes_back_and_skips_the_division)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2], *r;

    two_static(h, m);
    r = joined(JOIN(h, .instance = "i0", .version = JOIN_SKIP));
    CHECK(r->skip_assignment);
    CHECK_BYTES_EQ(r->leader, r->member_id);
    CHECK_EQ(r->members.len, 2);
    /* An older client is made a follower of the id that led. */
    const struct join_group_response *old =
        joined(JOIN(h, .instance = "i0", .version = JOIN_STATIC));
    CHECK_BYTES_EQ(old->leader, r->member_id);
    CHECK(!bytes_equal(old->member_id, r->member_id));
    CHECK_EQ(old->members.len, 0);
    CHECK_EQ(old->generation_id, 1);
    CHECK_EQ(synced(SYNC(h, old))->error_code, KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_static_member_that_changes_the_protocol_makes_a_rebalance)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .instance = "i0", .protocols = "a,b"),
                     *b = JOIN(h, .instance = "i1", .protocols = "a,b");

    fake_wait(h, 2 * DELAY_MS + 1);
    CHECK_BYTES_EQ(joined(a)->protocol_name, BYTES("a"));
    classic_sync(h, joined(a), &joined(a)->members);
    SYNC(h, joined(b));
    struct fake_call *c = JOIN(h, .instance = "i1", .protocols = "b");
    CHECK(!fake_answered(c));
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    JOIN(h, .id = joined(a)->member_id, .instance = "i0", .protocols = "a,b");
    CHECK_BYTES_EQ(joined(c)->protocol_name, BYTES("b"));
    fake_host_end(h);
}

TEST(a_static_member_fences_the_one_that_waits)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *first, *second, *sync;

    two_static(h, m);
    first = JOIN(h, .instance = "i1", .id = m[1]->member_id, .metadata = "x");
    CHECK(!fake_answered(first));
    second = JOIN(h, .instance = "i1");
    CHECK_EQ(joined(first)->error_code, KAFKA_FENCED_INSTANCE_ID);
    CHECK(!fake_answered(second));
    m[0] = joined(JOIN(h, .instance = "i0", .id = m[0]->member_id));
    m[1] = joined(second);
    CHECK_EQ(m[1]->generation_id, 2);
    sync = SYNC(h, m[1]);
    second = JOIN(h, .instance = "i1");
    CHECK_EQ(synced(sync)->error_code, KAFKA_FENCED_INSTANCE_ID);
    CHECK(!fake_answered(second)); /* the leader knows the old id only: all join again */
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_host_end(h);
}

TEST(a_static_member_that_does_not_join_again_stays_until_its_session_ends)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2], *r;
    struct fake_call *c;

    c = JOIN(h, .instance = "i0", .rebalance_ms = 5000, .session_ms = 60000);
    JOIN(h, .instance = "i1", .rebalance_ms = 5000, .session_ms = 60000);
    fake_wait(h, 2 * DELAY_MS + 1);
    m[0] = joined(c);
    classic_sync(h, m[0], &m[0]->members);
    c = JOIN(h, .instance = "i0", .id = m[0]->member_id, .rebalance_ms = 5000, .session_ms = 60000);
    fake_wait(h, 5001);
    r = joined(c);
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->members.len, 2);
    CHECK_BYTES_EQ(r->leader, m[0]->member_id);
    fake_host_end(h);
}

TEST(static_members_are_removed_by_their_instance_id)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];

    two_static(h, m);
    CHECK_EQ(classic_leave(h, BYTES(""), "nobody", NULL), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_leave(h, BYTES(""), NULL, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_leave(h, m[0]->member_id, "i1", NULL), KAFKA_FENCED_INSTANCE_ID);
    CHECK_EQ(classic_leave(h, BYTES(""), "i1", NULL), KAFKA_NONE);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    /* The instance id is free again. */
    CHECK(!fake_answered(JOIN(h, .instance = "i1")));
    fake_host_end(h);
}

TEST(an_instance_id_that_nobody_has_is_unknown)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1], *p;

    classic_stable(h, m, 1);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id, .instance = "i"))->error_code,
             KAFKA_UNKNOWN_MEMBER_ID);
    p = joined(JOIN(h));
    CHECK_EQ(joined(JOIN(h, .id = p->member_id, .instance = "i"))->error_code,
             KAFKA_UNKNOWN_SERVER_ERROR);
    fake_host_end(h);
}
