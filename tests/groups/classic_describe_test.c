/* tests/groups/classic_describe_test.c: what others see of a classic group: its state, its members, its topics. */
#include "broker/groups/classic_internal.h"
#include "tests/groups/classic_rig.h"

static struct describe_groups_response_group describe(struct fake_host *h)
{
    struct describe_groups_response_group out =
        *describe_groups_response_groups_new(h->arena, 1).at;

    classic_describe(group_find(h->groups, BYTES("g")), h->arena, &out);
    return out;
}

TEST(a_stable_group_shows_what_its_members_said_and_got)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[2];
    struct describe_groups_response_group d;
    struct group_listing l;

    classic_stable(h, m, 2);
    d = describe(h);
    CHECK_BYTES_EQ(d.group_id, BYTES("g"));
    CHECK_BYTES_EQ(d.group_state, BYTES("Stable"));
    CHECK_BYTES_EQ(d.protocol_type, BYTES("consumer"));
    CHECK_BYTES_EQ(d.protocol_data, BYTES("range"));
    CHECK_EQ(d.members.len, 2);
    CHECK_BYTES_EQ(d.members.at[1].member_id, m[1]->member_id);
    CHECK_BYTES_EQ(d.members.at[1].client_id, BYTES("m1"));
    CHECK_BYTES_EQ(d.members.at[1].client_host, BYTES("/127.0.0.1"));
    CHECK_BYTES_EQ(d.members.at[1].member_metadata, BYTES("m"));
    CHECK(bytes_starts_with(d.members.at[1].member_assignment, BYTES("for m1-")));
    classic_list(group_find(h->groups, BYTES("g")), &l);
    CHECK_BYTES_EQ(l.type, BYTES("classic"));
    CHECK_BYTES_EQ(l.protocol_type, BYTES("consumer"));
    fake_host_end(h);
}

TEST(between_generations_a_group_shows_the_last_assignments_only)
{
    struct fake_host *h = classic_host(arena);
    const struct join_group_response *m[1];
    struct describe_groups_response_group d;

    JOIN(h);
    d = describe(h);
    CHECK_BYTES_EQ(d.group_state, BYTES("Empty"));
    CHECK_BYTES_EQ(d.protocol_type, BYTES(""));
    CHECK_EQ(d.members.len, 0);
    fake_wait(h, SESSION_MS + 1);
    classic_stable(h, m, 1);
    JOIN(h, .version = 3);
    d = describe(h);
    CHECK_BYTES_EQ(d.group_state, BYTES("PreparingRebalance"));
    CHECK_BYTES_EQ(d.protocol_data, BYTES(""));
    CHECK_EQ(d.members.len, 2);
    CHECK_BYTES_EQ(d.members.at[0].member_metadata, BYTES(""));
    CHECK(bytes_starts_with(d.members.at[0].member_assignment, BYTES("for m0-")));
    CHECK_BYTES_EQ(d.members.at[1].member_assignment, BYTES(""));
    fake_host_end(h);
}

/* The whole of a subscription cannot be said in the rig's words: it has bytes of zero. */
static void join_reading(struct fake_host *h, struct bytes metadata)
{
    struct join_group_request in;

    join_group_request_init(&in);
    in.group_id = BYTES("g");
    in.session_timeout_ms = SESSION_MS;
    in.rebalance_timeout_ms = REBALANCE_MS;
    in.protocol_type = BYTES("consumer");
    in.protocols = join_group_request_protocols_new(h->arena, 1);
    in.protocols.at[0].name = BYTES("range");
    in.protocols.at[0].metadata = metadata;
    FAKE_RUN(h, group_join, join_group, 3, &in);
}

static bool reads(struct fake_host *h, const char *topic)
{
    return classic_subscribes(group_find(h->groups, BYTES("g")), bytes_of(topic));
}

TEST(topics_of_a_consumer_group_are_known)
{
    struct fake_host *h = classic_host(arena);

    join_reading(h, BYTES("\0\1\0\0\0\2\0\1a\0\2bb\xff\xff\xff\xff"));
    join_reading(h, BYTES("\0\3\0\0\0\1\0\1c\xff\xff\xff\xff\0\0\0\0"));
    fake_wait(h, 2 * DELAY_MS + 1);
    CHECK(reads(h, "a") && reads(h, "bb") && reads(h, "c"));
    CHECK(!reads(h, "b") && !reads(h, ""));
    fake_wait(h, SESSION_MS + REBALANCE_MS);
    CHECK_BYTES_EQ(classic_state(h), BYTES("Empty"));
    CHECK(!reads(h, "a"));
    fake_host_end(h);
}

TEST(where_topics_cannot_be_read_any_may_be_subscribed)
{
    static const char *const bad[] = {"", "\0", "\0\0\0\0", "\0\0\0\0\0\1\0\5a",
                                      "\0\0\0\0\0\1\xff\xff"};
    static const size_t len[] = {0, 1, 4, 9, 8};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fake_host *h = classic_host(arena);

        join_reading(h, (struct bytes){(const uint8_t *)bad[i], len[i]});
        fake_wait(h, DELAY_MS + 1);
        CHECK(reads(h, "a"));
        fake_host_end(h);
    }
    struct fake_host *h = classic_host(arena);
    JOIN(h, .version = 3, .type = "connect");
    fake_wait(h, DELAY_MS + 1);
    CHECK(reads(h, "a"));
    fake_host_end(h);
}
