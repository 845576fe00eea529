/* tests/groups/classic_record_test.c: what is written of a group, and what comes back of it.
 *
 * And what happens when it cannot be written, or memory runs out: nobody is told of a state that is not kept.
 */
#include "base/mem.h"
#include "broker/groups/classic_internal.h"
#include "tests/groups/classic_rig.h"

static const struct group_metadata_value *last_value(struct fake_host *h)
{
    const struct fake_record *r = fake_record_last(h, &group_metadata_key_message);

    CHECK(r != NULL);
    CHECK_EQ(r->record.value_version, 3);
    return r->record.value;
}

TEST(a_new_group_is_written_empty)
{
    struct fake_host *h = classic_host(arena);

    JOIN(h);
    CHECK_EQ(fake_record_count(h), 1);
    const struct group_metadata_value *v = last_value(h);
    CHECK_BYTES_EQ(v->protocol_type, BYTES(""));
    CHECK_EQ(v->generation, 0);
    CHECK_BYTES_EQ(v->protocol, BYTES_NULL);
    CHECK_BYTES_EQ(v->leader, BYTES_NULL);
    CHECK_EQ(v->members.len, 0);
    CHECK_EQ(v->current_state_timestamp, groups_wall_ms(h->groups));
    fake_host_end(h);
}

TEST(a_generation_is_one_record_with_why_and_how_long)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = VERSION_0, .client_id = "a", .reason = "begin");

    fake_wait(h, DELAY_MS + 1);
    CHECK_EQ(synced(classic_sync(h, joined(a), &joined(a)->members))->error_code, KAFKA_NONE);
    CHECK_EQ(fake_record_count(h), 2);
    const struct group_metadata_value *v = last_value(h);
    CHECK_BYTES_EQ(v->protocol_type, BYTES("consumer"));
    CHECK_BYTES_EQ(v->protocol, BYTES("range"));
    CHECK_EQ(v->generation, 1);
    CHECK_BYTES_EQ(v->leader, joined(a)->member_id);
    CHECK_EQ(v->members.len, 1);
    CHECK_BYTES_EQ(v->members.at[0].member_id, joined(a)->member_id);
    CHECK_BYTES_EQ(v->members.at[0].group_instance_id, BYTES_NULL);
    CHECK_BYTES_EQ(v->members.at[0].client_id, BYTES("a"));
    CHECK_BYTES_EQ(v->members.at[0].client_host, BYTES("/127.0.0.1"));
    CHECK_EQ(v->members.at[0].session_timeout, SESSION_MS);
    CHECK_EQ(v->members.at[0].rebalance_timeout, SESSION_MS); /* version 0 has no other */
    CHECK_BYTES_EQ(v->members.at[0].subscription, BYTES("m"));
    CHECK(bytes_starts_with(v->members.at[0].assignment, BYTES("for a-")));
    const struct fake_record *r = fake_record_last(h, &group_metadata_key_message);
    CHECK_BYTES_EQ(fake_header(r, "weir.reason"),
                   arena_format(arena, "%.*s joined", BYTES_ARG(joined(a)->member_id)));
    CHECK_BYTES_EQ(fake_header(r, "weir.pause_ms"), BYTES("3001"));
    fake_host_end(h);
}

TEST(an_empty_group_is_written_with_the_reason)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];

    classic_stable(h, m, 1);
    classic_leave(h, m[0]->member_id, NULL, "the consumer is being closed");
    const struct group_metadata_value *v = last_value(h);
    CHECK_EQ(v->generation, 2);
    CHECK_BYTES_EQ(v->protocol_type, BYTES("consumer"));
    CHECK_BYTES_EQ(v->protocol, BYTES_NULL);
    CHECK_BYTES_EQ(v->leader, BYTES_NULL);
    CHECK_EQ(v->members.len, 0);
    const struct fake_record *r = fake_record_last(h, &group_metadata_key_message);
    CHECK_BYTES_EQ(
        fake_header(r, "weir.reason"),
        arena_format(arena, "%.*s left: the consumer is being closed", BYTES_ARG(m[0]->member_id)));
    CHECK_BYTES_EQ(fake_header(r, "weir.pause_ms"), BYTES_NULL);
    fake_host_end(h);
}

/* The reason of the generation after m[0] of two has joined again. */
static struct bytes next_reason(struct fake_host *h, const struct join_group_response *m)
{
    const struct join_group_response *r = joined(JOIN(h, .id = m->member_id));

    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(synced(classic_sync(h, r, &r->members))->error_code, KAFKA_NONE);
    return fake_header(fake_record_last(h, &group_metadata_key_message), "weir.reason");
}

TEST(the_reason_says_who_did_what)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];

    classic_stable(h, m, 2);
    fake_wait(h, SESSION_MS - 1);
    classic_beat(h, m[0]->member_id, 1);
    fake_wait(h, 2);
    CHECK_BYTES_EQ(next_reason(h, m[0]), arena_format(arena, "%.*s did not heartbeat for %d ms",
                                                      BYTES_ARG(m[1]->member_id), SESSION_MS));
    CHECK_BYTES_EQ(next_reason(h, m[0]),
                   arena_format(arena, "%.*s leads and joined again", BYTES_ARG(m[0]->member_id)));
    struct fake_call *c = JOIN(h, .version = 9, .instance = "i", .reason = "need more hands");
    struct bytes reason = next_reason(h, m[0]);
    CHECK_BYTES_EQ(reason, arena_format(arena, "%.*s joined as a static member: need more hands",
                                        BYTES_ARG(joined(c)->member_id)));
    fake_host_end(h);
}

TEST(a_long_reason_is_cut_between_characters)
{
    struct fake_host *h = classic_host(arena);
    char words[2 * CLASSIC_REASON_BYTES_MAX + 2] = "x";

    for (int i = 0; i < CLASSIC_REASON_BYTES_MAX; i++) {
        memcpy(words + 1 + 2 * i, "\xc3\xa4", 2);
    }
    words[sizeof(words) - 1] = 0;
    struct fake_call *c = JOIN(h, .version = 9, .instance = "i", .reason = words);
    fake_wait(h, DELAY_MS + 1);
    classic_sync(h, joined(c), &joined(c)->members);
    struct bytes reason =
        fake_header(fake_record_last(h, &group_metadata_key_message), "weir.reason");
    CHECK(reason.len <= CLASSIC_REASON_BYTES_MAX && reason.len >= CLASSIC_REASON_BYTES_MAX - 1);
    CHECK_EQ(reason.at[reason.len - 1], 0xa4);
    fake_host_end(h);
}

TEST(a_generation_comes_back_with_its_members)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2], *r;

    classic_stable(h, m, 2);
    fake_restart(h);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    CHECK_EQ(h->stats.group_members_classic, 2);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    CHECK_BYTES_EQ(synced(SYNC(h, m[1]))->assignment,
                   arena_format(arena, "for %.*s", BYTES_ARG(m[1]->member_id)));
    r = joined(JOIN(h, .id = m[1]->member_id));
    CHECK_EQ(r->generation_id, 1);
    CHECK_BYTES_EQ(r->leader, m[0]->member_id);
    /* Sessions began with the load. */
    fake_wait(h, SESSION_MS - 1);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    fake_wait(h, 2);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(between_two_generations_the_last_one_is_kept)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *c;

    classic_stable(h, m, 1);
    c = JOIN(h, .version = 3);
    fake_restart(h);
    CHECK_EQ(joined(c)->error_code, KAFKA_NOT_COORDINATOR);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->generation_id, 2);
    fake_host_end(h);
}

TEST(a_static_member_keeps_its_new_id)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *c = JOIN(h, .instance = "i");
    const struct join_group_response *r;

    fake_wait(h, DELAY_MS + 1);
    classic_sync(h, joined(c), &joined(c)->members);
    r = joined(JOIN(h, .instance = "i", .version = 9));
    fake_restart(h);
    CHECK_EQ(classic_beat(h, joined(c)->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, r->member_id, 1), KAFKA_NONE);
    CHECK_EQ(joined(JOIN(h, .instance = "i", .id = joined(c)->member_id))->error_code,
             KAFKA_FENCED_INSTANCE_ID);
    CHECK_BYTES_EQ(joined(JOIN(h, .instance = "i", .version = 5))->leader, r->member_id);
    fake_host_end(h);
}

TEST(what_is_not_durable_does_not_come_back)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *c, *s;

    classic_stable(h, m, 1);
    h->slow = true;
    c = JOIN(h, .version = 3);
    m[0] = joined(JOIN(h, .id = m[0]->member_id));
    m[1] = joined(c);
    s = classic_sync(h, m[0], &m[0]->members);
    CHECK(!fake_answered(s));
    fake_restart(h);
    CHECK_EQ(synced(s)->error_code, KAFKA_NOT_COORDINATOR);
    h->slow = false;
    CHECK_EQ(classic_beat(h, m[0]->member_id, 2), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(classic_beat(h, m[1]->member_id, 2), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_NONE);
    fake_host_end(h);
}

TEST(an_empty_group_comes_back_and_a_tombstone_ends_it)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];

    classic_stable(h, m, 1);
    classic_leave(h, m[0]->member_id, NULL, NULL);
    int64_t since_ms = classic_empty_since_ms(group_find(h->groups, BYTES("g")));
    CHECK(since_ms > 0);
    fake_wait(h, 12345);
    fake_restart(h);
    struct group *group = group_find(h->groups, BYTES("g"));
    CHECK(classic_is_empty(group) && classic_is_consumer(group));
    CHECK_EQ(classic_empty_since_ms(group), since_ms);
    CHECK(!fake_answered(JOIN(h, .instance = "i", .type = "connect")));
    fake_host_end(h);
}

TEST(a_group_that_has_grown_too_large_for_a_new_limit_begins_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[3];

    classic_stable(h, m, 3);
    fake_set(h, "group.max.size", "2");
    fake_restart(h);
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    JOIN(h, .id = m[1]->member_id);
    struct fake_call *c = JOIN(h, .id = m[2]->member_id);
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_EQ(joined(c)->generation_id, 2);
    fake_host_end(h);
}

/* An operation that makes a group as a consumer group that changes its kind does. */
static void become(struct groups *g, struct group_call *c)
{
    struct group_metadata_value value;
    struct group *group = group_add(g, BYTES("made"));

    group_metadata_value_init(&value);
    value.protocol_type = BYTES("consumer");
    value.generation = 7;
    value.protocol = BYTES("range");
    value.members = group_metadata_value_members_new(c->arena, 2);
    value.members.at[0].member_id = BYTES("a");
    value.members.at[1].member_id = BYTES("b");
    value.members.at[1].session_timeout = value.members.at[0].session_timeout = SESSION_MS;
    value.members.at[1].subscription = BYTES("s");
    classic_become(g, group, &value);
    group_call_end(g, group, c);
}

TEST(a_group_is_made_as_a_record_says)
{
    struct fake_host *h = classic_host(arena);
    struct heartbeat_request in;

    heartbeat_request_init(&in);
    CHECK(fake_answered(FAKE_RUN(h, become, heartbeat, 4, &in)));
    CHECK_EQ(last_value(h)->generation, 7);
    CHECK_EQ(last_value(h)->members.len, 2);
    CHECK_BYTES_EQ(last_value(h)->leader, BYTES("a"));
    in.group_id = BYTES("made");
    in.member_id = BYTES("b");
    in.generation_id = 7;
    const struct heartbeat_response *out =
        fake_answer(FAKE_RUN(h, group_heartbeat, heartbeat, 4, &in));
    CHECK_EQ(out->error_code, KAFKA_NONE);
    CHECK_EQ(joined(JOIN(h, .group = "made", .id = BYTES("b"), .metadata = "s"))->generation_id, 7);
    fake_wait(h, SESSION_MS + 1);
    CHECK_EQ(classic_member_count(group_find(h->groups, BYTES("made"))), 0);
    fake_host_end(h);
}

/* ---- what cannot be written ---- */

TEST(who_waits_for_a_record_that_cannot_be_written_is_told_to_look_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *a, *b;

    a = JOIN(h, .version = 3);
    b = JOIN(h, .version = 3);
    fake_wait(h, 2 * DELAY_MS + 1);
    m[0] = joined(a);
    m[1] = joined(b);
    b = SYNC(h, m[1]);
    h->fail_append = 1;
    a = classic_sync(h, m[0], &m[0]->members);
    CHECK_EQ(synced(a)->error_code, KAFKA_NOT_COORDINATOR);
    CHECK_EQ(synced(b)->error_code, KAFKA_NOT_COORDINATOR);
    CHECK(h->lost);
    fake_restart(h);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK_EQ(joined(JOIN(h, .id = m[0]->member_id))->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

/* ---- memory runs out ---- */

/* A life with everything in it; false when the coordinator was lost on the way. */
static bool live(struct fake_host *h)
{
    struct fake_call *a = JOIN(h, .version = 3, .protocols = "range,sticky"),
                     *b = JOIN(h, .instance = "i", .protocols = "sticky");
    const struct join_group_response *p = joined(JOIN(h, .protocols = "sticky"));

    if (p->error_code != KAFKA_MEMBER_ID_REQUIRED) {
        return false;
    }
    struct fake_call *c = JOIN(h, .id = p->member_id, .protocols = "sticky");
    fake_wait(h, 4 * DELAY_MS);
    if (h->lost || !fake_answered(a) || joined(a)->error_code != KAFKA_NONE) {
        return false;
    }
    struct fake_call *s = classic_sync(h, joined(a), &joined(a)->members);
    SYNC(h, joined(b));
    SYNC(h, joined(c));
    if (synced(s)->error_code != KAFKA_NONE) {
        return false;
    }
    b = JOIN(h, .instance = "i", .protocols = "sticky", .version = 9);
    if (joined(b)->error_code != KAFKA_NONE) {
        return false;
    }
    (void)classic_leave(h, p->member_id, NULL, NULL);
    JOIN(h, .id = joined(a)->member_id, .protocols = "sticky");
    fake_wait(h, SESSION_MS + 1);
    fake_wait(h, REBALANCE_MS + 1);
    return !h->lost;
}

TEST(whenever_memory_runs_out_the_log_has_the_last_word)
{
    bool whole = false;

    for (int nth = 1; nth < 64; nth++) {
        arena_reset(arena);
        struct fake_host *h = classic_host(arena);

        h->fail_allocation = (uint64_t)nth;
        whole = live(h);
        h->fail_allocation = 0;
        if (h->lost || !whole) {
            fake_restart(h);
            CHECK(live(h) || !h->lost);
        }
        fake_host_end(h);
    }
    CHECK(whole); /* the last rounds failed nothing */
}

/* ---- size ---- */

TEST(a_thousand_members_are_joined_in_the_initial_delay)
{
    enum { COUNT = 1000 };
    struct fake_host *h = classic_host(arena);
    struct fake_call **calls = ARENA_ARRAY(arena, struct fake_call *, COUNT);

    for (int i = 0; i < COUNT; i++) {
        calls[i] = JOIN(h, .version = 3, .protocols = "range,sticky");
    }
    fake_wait(h, 2 * DELAY_MS + 1);
    const struct join_group_response *leader = joined(calls[0]);
    CHECK_EQ(leader->members.len, COUNT);
    for (int i = 1; i < COUNT; i++) {
        calls[i] = SYNC(h, joined(calls[i]));
    }
    CHECK_EQ(synced(classic_sync(h, leader, &leader->members))->error_code, KAFKA_NONE);
    for (int i = 1; i < COUNT; i++) {
        CHECK_BYTES_EQ(synced(calls[i])->assignment,
                       arena_format(arena, "for %.*s", BYTES_ARG(leader->members.at[i].member_id)));
    }
    CHECK_EQ(h->stats.group_members_classic, COUNT);
    fake_host_end(h);
}
