/* tests/groups/consumer_mixed_test.c: members of the classic protocol in a consumer group: JoinGroup, SyncGroup,
 * Heartbeat and LeaveGroup, each answered at once.
 */
#include "tests/groups/consumer_old_rig.h"
#include "tests/groups/offsets_rig.h"

/* A group of the consumer "a", which has all four partitions in epoch 2. */
static struct fake_host *mixed_host(struct arena *arena)
{
    struct fake_host *h = consumer_host(arena);

    CHECK_BEAT(h, "2 0123", .member = "a", .topic = "t");
    return h;
}

/* Then "o" of the classic protocol has 2 and 3 in epoch 3. */
static const struct join_group_response *old_settled(struct fake_host *h)
{
    const struct join_group_response *r = OLD_JOIN(h, .id = BYTES("o"));

    CHECK_EQ(r->generation_id, 3);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES(""));
    CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2, .owned = "0123");
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 2, .owned = "01");
    CHECK_EQ(classic_beat(h, r->member_id, 3), KAFKA_REBALANCE_IN_PROGRESS);
    r = OLD_JOIN(h, .id = BYTES("o"));
    CHECK_EQ(r->generation_id, 3);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("23"));
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 3/3 a@3 01 -> 01, o@3 23 -> 23"));
    return r;
}

/* ---- joining ---- */

TEST(a_classic_member_joins_a_consumer_group_at_once_and_without_a_leader)
{
    struct fake_host *h = mixed_host(arena);
    const struct join_group_response *r = OLD_JOIN(h, .protocols = "sticky,range");

    CHECK_EQ(r->error_code, KAFKA_MEMBER_ID_REQUIRED);
    CHECK(r->member_id.len > 0);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 2/2 a@2 0123 -> 0123"));
    r = OLD_JOIN(h, .id = r->member_id, .protocols = "sticky,range");
    CHECK_EQ(r->error_code, KAFKA_NONE);
    CHECK_EQ(r->generation_id, 3);
    CHECK_BYTES_EQ(r->protocol_type, BYTES("consumer"));
    CHECK_BYTES_EQ(r->protocol_name, BYTES("sticky"));
    CHECK_BYTES_EQ(r->leader, BYTES(""));
    CHECK_EQ(r->members.len, 0);
    fake_host_end(h);
}

TEST(every_version_of_join_group_is_understood)
{
    for (int16_t v = 0; v <= 9; v++) {
        struct fake_host *h = mixed_host(arena);
        const struct join_group_response *r = OLD_JOIN(h, .version = v == 0 ? VERSION_0 : v);

        CHECK_EQ(r->error_code, v < 4 ? KAFKA_NONE : KAFKA_MEMBER_ID_REQUIRED);
        CHECK(r->member_id.len > 0);
        fake_host_end(h);
    }
}

TEST(who_does_not_fit_is_refused_and_nothing_is_written)
{
    struct fake_host *h = mixed_host(arena);
    int32_t records = fake_record_count(h);
    const struct join_group_response *r = OLD_JOIN(h, .id = BYTES("o"), .type = "connect");

    CHECK_EQ(r->error_code, KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_BYTES_EQ(r->member_id, BYTES(""));
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"), .protocols = "")->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"), .raw = "no subscription")->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"), .raw = "")->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(fake_record_count(h), records);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"), .protocols = "range,sticky")->error_code, KAFKA_NONE);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("q"), .protocols = "roundrobin")->error_code,
             KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("q"), .protocols = "roundrobin,sticky")->error_code,
             KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_full_consumer_group_takes_no_classic_member)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.max.size", "2");
    fake_set(h, "group.consumer.assignment.interval.ms", "0");
    fake_start(h);
    BEAT(h, .member = "a", .topic = "t");
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"))->error_code, KAFKA_NONE);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("q"))->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_EQ(OLD_JOIN(h, .id = BYTES("o"))->error_code, KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_static_classic_member_returns_to_its_place_in_a_full_group)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.max.size", "2");
    fake_set(h, "group.consumer.assignment.interval.ms", "0");
    fake_start(h);
    BEAT(h, .member = "a", .topic = "t");
    CHECK_EQ(OLD_JOIN(h, .instance = "i")->error_code, KAFKA_NONE);
    CHECK_EQ(OLD_JOIN(h, .instance = "j")->error_code, KAFKA_GROUP_MAX_SIZE_REACHED);
    CHECK_EQ(OLD_JOIN(h, .instance = "i")->error_code, KAFKA_NONE); /* it has forgotten its id */
    fake_host_end(h);
}

/* ---- its part ---- */

TEST(a_classic_member_gets_its_partitions_when_their_owner_has_let_go)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    fake_restart(h);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Stable 3/3 a@3 01 -> 01, o@3 23 -> 23"));
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_NONE);
    fake_host_end(h);
}

TEST(a_classic_member_lets_go_before_another_gets_what_it_had)
{
    struct fake_host *h = mixed_host(arena);
    const struct join_group_response *r = old_settled(h);

    CHECK_BEAT(h, "4 ", .member = "b", .topic = "t", .assignor = "range");
    CHECK_EQ(classic_beat(h, r->member_id, 3), KAFKA_REBALANCE_IN_PROGRESS);
    r = OLD_JOIN(h, .id = BYTES("o"), .owned = "23");
    CHECK_EQ(r->generation_id, 3);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("3"));
    CHECK_EQ(classic_beat(h, r->member_id, 3), KAFKA_REBALANCE_IN_PROGRESS);
    /* It may read 2 until it has said that it does not. */
    CHECK_BEAT(h, "4 -", .member = "b", .epoch = 4, .owned = "");
    r = OLD_JOIN(h, .id = BYTES("o"), .owned = "23");
    CHECK_EQ(r->generation_id, 3);
    CHECK_BEAT(h, "4 -", .member = "b", .epoch = 4, .owned = "");
    r = OLD_JOIN(h, .id = BYTES("o"), .owned = "3");
    CHECK_EQ(r->generation_id, 4);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("3"));
    CHECK_BEAT(h, "4 2", .member = "b", .epoch = 4, .owned = "");
    fake_host_end(h);
}

TEST(the_assignment_has_the_version_of_the_subscription)
{
    struct fake_host *h = mixed_host(arena);
    const struct join_group_response *r = OLD_JOIN(h, .id = BYTES("o"), .oldest = true);
    const struct sync_group_response *s = synced(SYNC(h, r));

    CHECK_EQ(s->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(bytes_slice(s->assignment, 0, 2), ((struct bytes){(uint8_t[]){0, 0}, 2}));
    r = OLD_JOIN(h, .id = BYTES("q"));
    s = synced(SYNC(h, r));
    CHECK_BYTES_EQ(bytes_slice(s->assignment, 0, 2), ((struct bytes){(uint8_t[]){0, 3}, 2}));
    fake_host_end(h);
}

TEST(who_subscribes_to_something_else_brings_a_new_epoch)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    fake_topic(h, "u", 1);
    const struct join_group_response *r = OLD_JOIN(h, .id = BYTES("o"), .topic = "u");
    CHECK_EQ(r->generation_id, 4);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("0"));
    fake_host_end(h);
}

/* ---- SyncGroup and Heartbeat ---- */

TEST(a_new_epoch_without_a_target_is_nothing_to_join_again_for)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    CHECK_EQ(BEAT(h, .member = "b", .topic = "none")->error_code, KAFKA_NONE);
    const struct join_group_response *r = OLD_JOIN(h, .id = BYTES("o"), .owned = "23");
    CHECK_EQ(r->generation_id, 4);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("23"));
    CHECK_BEAT(h, "-1 -", .member = "b", .epoch = -1);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("23"));
    CHECK_EQ(classic_beat(h, r->member_id, 4), KAFKA_NONE);
    /* The next heartbeat of the other member computes it. */
    CHECK_EQ(BEAT(h, .member = "a", .epoch = 3, .owned = "01")->member_epoch, 5);
    CHECK_EQ(classic_beat(h, r->member_id, 4), KAFKA_REBALANCE_IN_PROGRESS);
    CHECK_BYTES_EQ(old_sync(h, r), BYTES("error 27"));
    fake_host_end(h);
}

static enum kafka_error sync_as(struct fake_host *h, const char *id, int32_t generation,
                                const char *type, const char *protocol)
{
    struct sync_group_request in;

    sync_group_request_init(&in);
    in.group_id = BYTES("g");
    in.member_id = bytes_of(id);
    in.generation_id = generation;
    in.protocol_type = bytes_of(type);
    in.protocol_name = bytes_of(protocol);
    const struct sync_group_response *out = synced(FAKE_RUN(h, group_sync, sync_group, 5, &in));
    return out->error_code;
}

TEST(sync_group_looks_at_member_generation_and_protocol)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    CHECK_EQ(sync_as(h, "o", 3, "consumer", "range"), KAFKA_NONE);
    CHECK_EQ(sync_as(h, "nobody", 3, "consumer", "range"), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(sync_as(h, "a", 3, "consumer", "range"), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(sync_as(h, "o", 2, "consumer", "range"), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(sync_as(h, "o", 4, "consumer", "range"), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(sync_as(h, "o", 3, "connect", "range"), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    CHECK_EQ(sync_as(h, "o", 3, "consumer", "sticky"), KAFKA_INCONSISTENT_GROUP_PROTOCOL);
    BEAT(h, .member = "b", .topic = "t");
    CHECK_EQ(sync_as(h, "o", 3, "consumer", "range"), KAFKA_REBALANCE_IN_PROGRESS);
    fake_host_end(h);
}

TEST(heartbeat_looks_at_member_and_generation)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_NONE);
    CHECK_EQ(classic_beat(h, BYTES("o"), 2), KAFKA_ILLEGAL_GENERATION);
    CHECK_EQ(classic_beat(h, BYTES("nobody"), 3), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(classic_beat(h, BYTES("a"), 3), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(a_static_classic_member_is_fenced_by_its_instance)
{
    struct fake_host *h = mixed_host(arena);
    const struct join_group_response *first = OLD_JOIN(h, .instance = "i");
    const struct join_group_response *second;
    struct heartbeat_request in;

    CHECK_EQ(first->error_code, KAFKA_NONE);
    CHECK_EQ(first->generation_id, 3);
    second = OLD_JOIN(h, .instance = "i");
    CHECK_EQ(second->error_code, KAFKA_NONE);
    CHECK_EQ(second->generation_id, 3); /* nothing has changed but its id */
    CHECK(!bytes_equal(first->member_id, second->member_id));
    CHECK_EQ(OLD_JOIN(h, .instance = "i", .id = first->member_id)->error_code,
             KAFKA_FENCED_INSTANCE_ID);
    heartbeat_request_init(&in);
    in.group_id = BYTES("g");
    in.member_id = first->member_id;
    in.generation_id = 3;
    in.group_instance_id = BYTES("i");
    const struct heartbeat_response *out =
        fake_answer(FAKE_RUN(h, group_heartbeat, heartbeat, 3, &in));
    CHECK_EQ(out->error_code, KAFKA_FENCED_INSTANCE_ID);
    in.group_instance_id = BYTES("nobody");
    out = fake_answer(FAKE_RUN(h, group_heartbeat, heartbeat, 3, &in));
    CHECK_EQ(out->error_code, KAFKA_UNKNOWN_MEMBER_ID);
    /* A consumer takes its place without asking. */
    CHECK_EQ(BEAT(h, .member = "b", .instance = "i", .topic = "t")->error_code, KAFKA_NONE);
    fake_host_end(h);
}

/* ---- time ---- */

TEST(a_classic_member_that_does_not_ask_for_its_assignment_is_out)
{
    struct fake_host *h = mixed_host(arena);

    OLD_JOIN(h, .id = BYTES("o"));
    fake_wait(h, TEN_SECONDS - 1);
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_NONE);
    fake_wait(h, 2);
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_BEAT(h, "4 -", .member = "a", .epoch = 2, .owned = "0123");
    fake_host_end(h);
}

TEST(a_classic_member_that_does_not_join_again_is_out)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    BEAT(h, .member = "b", .topic = "t");
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_REBALANCE_IN_PROGRESS);
    fake_wait(h, TEN_SECONDS - 1);
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_REBALANCE_IN_PROGRESS);
    fake_wait(h, 2);
    CHECK_EQ(classic_beat(h, BYTES("o"), 3), KAFKA_UNKNOWN_MEMBER_ID);
    fake_host_end(h);
}

TEST(a_classic_member_has_the_session_it_asked_for)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    fake_wait(h, SESSION - 1);
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 3);
    fake_wait(h, REBALANCE_MS - SESSION);
    CHECK_BEAT(h, "3 -", .member = "a", .epoch = 3);
    fake_wait(h, 2);
    CHECK_BEAT(h, "4 0123", .member = "a", .epoch = 3);
    fake_host_end(h);
}

/* ---- leaving ---- */

TEST(several_leave_in_one_epoch)
{
    static const char *const names[] = {"o", "nobody", "q", "o", "a"};
    struct fake_host *h = mixed_host(arena);
    struct leave_group_request in;

    OLD_JOIN(h, .id = BYTES("o"));
    OLD_JOIN(h, .id = BYTES("q"));
    BEAT(h, .member = "b", .topic = "t");
    leave_group_request_init(&in);
    in.group_id = BYTES("g");
    in.members = leave_group_request_members_new(arena, COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        in.members.at[i].member_id = bytes_of(names[i]);
    }
    const struct leave_group_response *out =
        fake_answer(FAKE_RUN(h, group_leave, leave_group, 5, &in));
    CHECK_EQ(out->error_code, KAFKA_NONE);
    CHECK_EQ(out->members.at[0].error_code, KAFKA_NONE);
    CHECK_EQ(out->members.at[1].error_code, KAFKA_UNKNOWN_MEMBER_ID);
    CHECK_EQ(out->members.at[2].error_code, KAFKA_NONE);
    CHECK_EQ(out->members.at[3].error_code, KAFKA_NONE); /* named twice */
    CHECK_EQ(out->members.at[4].error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(consumer_shown(h), BYTES("Assigning 6/5 b@5  -> 1"));
    CHECK_BYTES_EQ(
        fake_header(fake_record_last(h, &consumer_group_metadata_key_message), "weir.reason"),
        BYTES("o and others left"));
    fake_host_end(h);
}

TEST(old_versions_of_leave_group_name_one_member)
{
    for (int16_t v = 0; v <= 2; v++) {
        struct fake_host *h = mixed_host(arena);
        struct leave_group_request in;

        OLD_JOIN(h, .id = BYTES("o"));
        leave_group_request_init(&in);
        in.group_id = BYTES("g");
        in.member_id = BYTES("o");
        const struct leave_group_response *out =
            fake_answer(FAKE_RUN(h, group_leave, leave_group, v, &in));
        CHECK_EQ(out->error_code, KAFKA_NONE);
        out = fake_answer(FAKE_RUN(h, group_leave, leave_group, v, &in));
        CHECK_EQ(out->error_code, KAFKA_UNKNOWN_MEMBER_ID);
        CHECK_BEAT(h, "4 -", .member = "a", .epoch = 2, .owned = "0123");
        fake_host_end(h);
    }
}

/* ---- commits ---- */

TEST(a_classic_member_commits_with_its_generation_in_every_version)
{
    struct fake_host *h = mixed_host(arena);

    (void)old_settled(h);
    for (int16_t v = 2; v <= 9; v++) {
#define BY(generation_)                                                             \
    rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = 2, .member = "o", \
                         .generation = (generation_), .version = v, .offset = 1))
        CHECK_EQ(BY(3), KAFKA_NONE);
        CHECK_EQ(BY(4), KAFKA_ILLEGAL_GENERATION);
        CHECK_EQ(BY(2), KAFKA_ILLEGAL_GENERATION);
#undef BY
    }
    fake_host_end(h);
}
