/* tests/groups/classic_join_test.c: JoinGroup: who comes in, who does not, and what waits for what. */
#include "broker/groups/classic_internal.h"
#include "tests/groups/classic_rig.h"

TEST(the_first_member_waits_for_more_and_leads)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *c = JOIN(h, .version = 3, .protocols = "range,roundrobin");

    CHECK(!fake_answered(c));
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_wait(h, DELAY_MS - 1);
    CHECK(!fake_answered(c));
    fake_wait(h, 2);
    const struct join_group_response *r = joined(c);
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->generation_id, 1);
    CHECK_BYTES_EQ(r->protocol_name, BYTES("range"));
    CHECK_BYTES_EQ(r->leader, r->member_id);
    CHECK(bytes_starts_with(r->member_id, BYTES("client-")));
    CHECK_EQ(r->member_id.len, strlen("client-") + 36);
    CHECK_EQ(r->members.len, 1);
    CHECK_BYTES_EQ(r->members.at[0].metadata, BYTES("m"));
    CHECK_BYTES_EQ(classic_state(h), BYTES("CompletingRebalance"));
    fake_host_end(h);
}

TEST(a_dynamic_member_is_given_an_id_to_come_back_with)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *r = joined(JOIN(h, .version = 4, .client_id = "a"));

    CHECK_EQ(r->error_code, KAFKA_MEMBER_ID_REQUIRED);
    CHECK(bytes_starts_with(r->member_id, BYTES("a-")));
    CHECK_EQ(r->generation_id, -1);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    struct fake_call *c = JOIN(h, .version = 4, .id = r->member_id);
    CHECK(!fake_answered(c));
    fake_wait(h, DELAY_MS + 1);
    CHECK_EQ(joined(c)->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(joined(c)->member_id, r->member_id);
    fake_host_end(h);
}

TEST(an_id_that_nobody_comes_back_with_goes_after_the_session_timeout)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *r = joined(JOIN(h, .session_ms = 6000));

    fake_wait(h, 6001);
    r = joined(JOIN(h, .id = r->member_id));
    CHECK_EQ(r->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(members_that_come_one_by_one_extend_the_initial_wait)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = 3), *b, *c;

    fake_wait(h, DELAY_MS - 10);
    b = JOIN(h, .version = 3);
    fake_wait(h, DELAY_MS - 1);
    CHECK(!fake_answered(a));
    c = JOIN(h, .version = 3);
    fake_wait(h, 3 * DELAY_MS);
    CHECK_EQ(joined(a)->members.len, 3);
    CHECK_EQ(joined(b)->members.len, 0);
    CHECK_BYTES_EQ(joined(c)->leader, joined(a)->member_id);
    CHECK_EQ(joined(c)->generation_id, 1);
    fake_host_end(h);
}

TEST(the_initial_wait_ends_with_the_rebalance_timeout)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = 3, .rebalance_ms = 2 * DELAY_MS);

    for (int i = 0; i < 3; i++) {
        CHECK(!fake_answered(a));
        fake_wait(h, DELAY_MS - 100);
        JOIN(h, .version = 3, .rebalance_ms = 2 * DELAY_MS);
    }
    CHECK(fake_answered(a));
    fake_host_end(h);
}

TEST(requests_that_make_no_sense_are_refused)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *r = joined(JOIN(h, .group = "", .id = BYTES("x")));

    CHECK_EQ(r->error_code, KAFKA_INVALID_GROUP_ID);
    CHECK_BYTES_EQ(r->member_id, BYTES("x"));
    r = joined(JOIN(h, .session_ms = 5999, .id = BYTES("x")));
    CHECK_EQ(r->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    CHECK_EQ(joined(JOIN(h, .session_ms = 1800001))->error_code, KAFKA_INVALID_SESSION_TIMEOUT);
    r = joined(JOIN(h, .id = BYTES("x")));
    CHECK_EQ(r->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(r->member_id, BYTES("x"));
    CHECK_EQ(groups_count(h->groups), 0);
    CHECK_EQ(joined(JOIN(h, .type = ""))->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(joined(JOIN(h, .protocols = ""))->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty")); /* it is there, as Kafka has it */
    fake_host_end(h);
}

TEST(who_has_no_protocol_in_common_does_not_come_in)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = 3, .protocols = "range,sticky");
    const struct join_group_response *r = joined(JOIN(h, .version = 3, .protocols = "other"));

    CHECK_EQ(r->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_BYTES_EQ(r->member_id, BYTES(""));
    CHECK_EQ(joined(JOIN(h, .version = 3, .type = "connect"))->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    JOIN(h, .version = 3, .protocols = "sticky,other");
    /* Each of the two has range; only sticky is common. */
    CHECK_EQ(joined(JOIN(h, .version = 3, .protocols = "range"))->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    fake_wait(h, 3 * DELAY_MS);
    CHECK_BYTES_EQ(joined(a)->protocol_name, BYTES("sticky"));
    fake_host_end(h);
}

/* A JoinGroup with so many protocols of so many bytes of metadata each. */
static enum kafka_error join_offering(struct fake_host *h, int32_t count, size_t bytes)
{
    struct join_group_request in;

    join_group_request_init(&in);
    in.group_id = BYTES("g");
    in.session_timeout_ms = SESSION_MS;
    in.protocol_type = BYTES("consumer");
    in.protocols = join_group_request_protocols_new(h->arena, count);
    for (int32_t i = 0; i < count; i++) {
        in.protocols.at[i].name = arena_format(h->arena, "p%d", i);
        in.protocols.at[i].metadata = (struct bytes){arena_alloc(h->arena, bytes), bytes};
    }
    return joined(FAKE_RUN(h, group_join, join_group, 4, &in))->error_code;
}

TEST(nobody_offers_without_end)
{
    struct fake_host *h = classic_host(arena);

    CHECK_EQ(join_offering(h, CLASSIC_OFFERS_MAX, 0), KAFKA_MEMBER_ID_REQUIRED);
    CHECK_EQ(join_offering(h, CLASSIC_OFFERS_MAX + 1, 0), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(join_offering(h, 9, CLASSIC_OFFER_BYTES_MAX / 9), KAFKA_MEMBER_ID_REQUIRED);
    CHECK_EQ(join_offering(h, 9, CLASSIC_OFFER_BYTES_MAX / 9 + 1),
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    fake_host_end(h);
}

TEST(the_protocol_that_most_members_want_is_taken)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = 3, .protocols = "a,b,b,a");

    JOIN(h, .version = 3, .protocols = "x,b,a");
    JOIN(h, .version = 3, .protocols = "b,a");
    fake_wait(h, 3 * DELAY_MS);
    CHECK_BYTES_EQ(joined(a)->protocol_name, BYTES("b"));
    fake_host_end(h);
}

TEST(a_second_member_makes_the_first_join_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];
    struct fake_call *a, *b;

    classic_stable(h, m, 1);
    b = JOIN(h, .version = 3);
    CHECK(!fake_answered(b));
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    a = JOIN(h, .id = m[0]->member_id);
    CHECK_EQ(joined(a)->generation_id, 2);
    CHECK_EQ(joined(a)->members.len, 2);
    CHECK_EQ(joined(b)->generation_id, 2);
    CHECK_EQ(joined(b)->members.len, 0);
    CHECK_BYTES_EQ(joined(b)->leader, m[0]->member_id);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(classic_beat(h, m[0]->member_id, 2), KAFKA_NONE);
    fake_host_end(h);
}

TEST(who_does_not_join_again_in_time_is_left_out)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[3];
    struct fake_call *c;

    classic_stable(h, m, 3);
    c = JOIN(h, .id = m[1]->member_id, .metadata = "other");
    CHECK(!fake_answered(c));
    /* The others live, but do not join. */
    for (int i = 0; i < 11; i++) {
        fake_wait(h, REBALANCE_MS / 12);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
        CHECK_EQ(classic_beat(h, m[2]->member_id, 1), KAFKA_REBALANCE_IN_PROGRESS);
    }
    CHECK(!fake_answered(c));
    fake_wait(h, REBALANCE_MS / 12 + 1);
    CHECK_EQ(joined(c)->generation_id, 2);
    CHECK_BYTES_EQ(joined(c)->leader, m[1]->member_id);
    CHECK_EQ(joined(c)->members.len, 1);
    CHECK_BYTES_EQ(joined(c)->members.at[0].metadata, BYTES("other"));
    CHECK_EQ(classic_beat(h, m[0]->member_id, 1), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(a_follower_that_offers_the_same_is_told_the_generation)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2], *r;

    classic_stable(h, m, 2);
    r = joined(JOIN(h, .id = m[1]->member_id));
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->generation_id, 1);
    CHECK_EQ(r->members.len, 0);
    CHECK_BYTES_EQ(r->leader, m[0]->member_id);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    /* The leader wants a rebalance. */
    CHECK(!fake_answered(JOIN(h, .id = m[0]->member_id)));
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_host_end(h);
}

TEST(a_member_that_missed_its_answer_gets_it_again_before_the_division)
{
    struct fake_host *h = classic_host(arena);
    struct fake_call *a = JOIN(h, .version = 3), *b = JOIN(h, .version = 3);
    const struct join_group_response *r;

    fake_wait(h, 2 * DELAY_MS + 1);
    r = joined(JOIN(h, .id = joined(a)->member_id));
    CHECK_EQ(r->generation_id, 1);
    CHECK_EQ(r->members.len, 2);
    r = joined(JOIN(h, .id = joined(b)->member_id));
    CHECK_EQ(r->members.len, 0);
    CHECK_BYTES_EQ(classic_state(h), BYTES("CompletingRebalance"));
    CHECK(!fake_answered(JOIN(h, .id = joined(b)->member_id, .metadata = "other")));
    CHECK_BYTES_EQ(classic_state(h), BYTES("PreparingRebalance"));
    fake_host_end(h);
}

TEST(a_second_join_of_a_member_takes_the_place_of_the_first)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct fake_call *first, *second;

    classic_stable(h, m, 2);
    first = JOIN(h, .id = m[1]->member_id, .metadata = "x");
    second = JOIN(h, .id = m[1]->member_id, .metadata = "y");
    CHECK_EQ(joined(first)->error_code, KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_BYTES_EQ(joined(first)->member_id, m[1]->member_id);
    CHECK(!fake_answered(second));
    JOIN(h, .id = m[0]->member_id);
    CHECK_EQ(joined(second)->generation_id, 2);
    fake_host_end(h);
}

TEST(a_full_group_takes_nobody_in)
{
    struct fake_host *h = fake_host_new(arena);
    const struct join_group_response *m[2], *r;

    fake_set(h, "group.max.size", "2");
    fake_start(h);
    classic_stable(h, m, 2);
    r = joined(JOIN(h, .version = 3));
    CHECK_EQ(r->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_BYTES_EQ(r->member_id, BYTES(""));
    CHECK_EQ(joined(JOIN(h, .version = 5))->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    fake_host_end(h);
}

TEST(while_a_rebalance_is_prepared_the_last_to_come_back_are_out)
{
    struct fake_host *h = fake_host_new(arena);
    const struct join_group_response *m[2];
    struct fake_call *a, *b, *c;

    fake_set(h, "group.max.size", "2");
    fake_start(h);
    classic_stable(h, m, 2);
    a = JOIN(h, .id = m[0]->member_id);
    b = JOIN(h, .version = 3);
    CHECK(!fake_answered(a) && !fake_answered(b));
    c = JOIN(h, .id = m[1]->member_id);
    CHECK_EQ(joined(c)->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_EQ(joined(a)->members.len, 2);
    CHECK_EQ(joined(b)->generation_id, 2);
    fake_host_end(h);
}

TEST(a_new_member_that_waits_too_long_is_told_to_try_again)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];
    struct fake_call *c;
    const int32_t hour = 3600 * 1000;

    classic_stable(h, m, 1);
    JOIN(h, .id = m[0]->member_id, .rebalance_ms = hour);
    CHECK_BYTES_EQ(classic_state(h), BYTES("CompletingRebalance"));
    c = JOIN(h, .version = 3, .rebalance_ms = hour);
    for (int i = 0; i < 59; i++) {
        fake_wait(h, 5000);
        CHECK_EQ(classic_beat(h, m[0]->member_id, 2), KAFKA_REBALANCE_IN_PROGRESS);
        CHECK(!fake_answered(c));
    }
    fake_wait(h, 5001);
    CHECK_EQ(joined(c)->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BYTES_EQ(joined(c)->member_id, BYTES(""));
    fake_host_end(h);
}

TEST(ids_fit_the_protocol_however_long_the_client_s_name)
{
    struct fake_host *h = classic_host(arena);
    char *name = arena_alloc(arena, INT16_MAX + 1);
    const struct join_group_response *r;

    memset(name, 'n', INT16_MAX);
    r = joined(JOIN(h, .client_id = name));
    CHECK_EQ(r->error_code, KAFKA_MEMBER_ID_REQUIRED);
    CHECK(r->member_id.len <= INT16_MAX && r->member_id.len > INT16_MAX - 64);
    struct fake_call *a = JOIN(h, .id = r->member_id, .client_id = name),
                     *b = JOIN(h, .instance = name);
    fake_wait(h, 2 * DELAY_MS + 1);
    CHECK_EQ(joined(b)->generation_id, 1);
    CHECK_EQ(synced(classic_sync(h, joined(a), &joined(a)->members))->error_code, KAFKA_NONE);
    fake_restart(h);
    CHECK_EQ(classic_beat(h, joined(b)->member_id, 1), KAFKA_NONE);
    fake_host_end(h);
}
