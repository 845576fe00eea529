/* tests/groups/group_admin_test.c: groups described, listed and deleted.
 */
#include "schema/consumer_group_describe.h"
#include "schema/delete_groups.h"
#include "schema/describe_groups.h"
#include "tests/groups/offsets_rig.h"

#include <stdio.h>

enum { ALL_OPERATIONS = 3400, NOT_ASKED = INT32_MIN };

static struct fake_host *host_with_topic(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_start(h);
    return h;
}

static const struct describe_groups_response_group *describe(struct fake_host *h, int16_t version,
                                                             const char *group)
{
    struct describe_groups_request r;

    message_init(&describe_groups_request_message, &r);
    r.groups = string_array_new(h->arena, 2);
    r.groups.at[0] = BYTES("another");
    r.groups.at[1] = bytes_of(group);
    r.include_authorized_operations = version >= 3;
    const struct describe_groups_response *out =
        fake_answer(FAKE_RUN_AT(h, group_describe, describe_groups, version, 1, &r));
    return &out->groups.at[1];
}

TEST(a_group_that_is_not_there_is_dead_and_from_version_6_on_an_error)
{
    struct fake_host *h = host_with_topic(arena);

    for (int16_t v = 0; v <= 6; v++) {
        const struct describe_groups_response_group *d = describe(h, v, "nobody");

        CHECK_EQ(d->error_code, v < 6 ? KAFKA_NONE : KAFKA_GROUP_ID_NOT_FOUND);
        CHECK_BYTES_EQ(d->group_id, BYTES("nobody"));
        CHECK_BYTES_EQ(d->group_state, BYTES("Dead"));
        CHECK_EQ(d->authorized_operations, v >= 3 && v < 6 ? ALL_OPERATIONS : NOT_ASKED);
    }
    CHECK_BYTES_EQ(describe(h, 6, "nobody")->error_message, BYTES("Group nobody not found."));
    fake_host_end(h);
}

TEST(a_group_that_only_keeps_offsets_is_an_empty_classic_group)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t"));
    for (int16_t v = 0; v <= 6; v++) {
        const struct describe_groups_response_group *d = describe(h, v, "g");

        CHECK_EQ(d->error_code, KAFKA_NONE);
        CHECK_BYTES_EQ(d->group_state, BYTES("Empty"));
        CHECK_BYTES_EQ(d->protocol_type, BYTES(""));
        CHECK_EQ(d->members.len, 0);
        CHECK_EQ(d->authorized_operations, v >= 3 ? ALL_OPERATIONS : NOT_ASKED);
    }
    fake_host_end(h);
}

TEST(a_group_with_members_is_described_with_them)
{
    struct fake_host *h = host_with_topic(arena);

    rig_members(h, "g", "consumer", "t");
    const struct describe_groups_response_group *d = describe(h, 5, "g");
    CHECK_BYTES_EQ(d->group_state, BYTES("Stable"));
    CHECK_BYTES_EQ(d->protocol_type, BYTES("consumer"));
    CHECK_BYTES_EQ(d->protocol_data, BYTES("range"));
    CHECK_EQ(d->members.len, 1);
    CHECK_BYTES_EQ(d->members.at[0].member_id, BYTES("m"));
    fake_host_end(h);
}

static const struct consumer_group_describe_response_group *describe_consumer(struct fake_host *h,
                                                                              const char *group)
{
    struct consumer_group_describe_request r;

    message_init(&consumer_group_describe_request_message, &r);
    r.group_ids = string_array_new(h->arena, 1);
    r.group_ids.at[0] = bytes_of(group);
    const struct consumer_group_describe_response *out =
        fake_answer(FAKE_RUN(h, group_consumer_describe, consumer_group_describe, 1, &r));
    return &out->groups.at[0];
}

TEST(what_is_not_a_consumer_group_is_not_found_as_one)
{
    struct fake_host *h = host_with_topic(arena);

    (void)rig_commit(h, COMMIT(.group = "g", .topic = "t"));
    CHECK_EQ(describe_consumer(h, "g")->error_code, KAFKA_GROUP_ID_NOT_FOUND);
    CHECK_BYTES_EQ(describe_consumer(h, "g")->error_message,
                   BYTES("Group g is not a consumer group."));
    CHECK_BYTES_EQ(describe_consumer(h, "x")->error_message, BYTES("Group x not found."));
    CHECK_BYTES_EQ(describe_consumer(h, "x")->group_id, BYTES("x"));
    CHECK_EQ(describe_consumer(h, "")->error_code, KAFKA_INVALID_GROUP_ID);
    fake_host_end(h);
}

TEST(a_consumer_group_is_not_found_as_a_classic_one)
{
    struct fake_host *h = host_with_topic(arena);

    CHECK(rig_heartbeat(h, "c", 0, "t") > 0);
    CHECK_EQ(describe(h, 6, "c")->error_code, KAFKA_GROUP_ID_NOT_FOUND);
    CHECK_BYTES_EQ(describe(h, 6, "c")->error_message, BYTES("Group c is not a classic group."));
    CHECK_EQ(describe(h, 5, "c")->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(describe(h, 5, "c")->group_state, BYTES("Dead"));
    CHECK_EQ(describe_consumer(h, "c")->error_code, KAFKA_NONE);
    CHECK_BYTES_EQ(describe_consumer(h, "c")->group_state, BYTES("Stable"));
    CHECK_EQ(describe_consumer(h, "c")->members.len, 1);
    fake_host_end(h);
}

static enum kafka_error delete_group(struct fake_host *h, const char *group)
{
    struct delete_groups_request r;

    message_init(&delete_groups_request_message, &r);
    r.groups_names = string_array_new(h->arena, 1);
    r.groups_names.at[0] = bytes_of(group);
    struct fake_call *c = FAKE_RUN(h, group_delete, delete_groups, 2, &r);
    const struct delete_groups_response *out = fake_answer(c);
    if (c->refused != KAFKA_NONE) {
        return c->refused;
    }
    CHECK_BYTES_EQ(out->results.at[0].group_id, bytes_of(group));
    return out->results.at[0].error_code;
}

TEST(a_deleted_group_is_gone_with_its_offsets_for_good)
{
    struct fake_host *h = host_with_topic(arena);

    for (int32_t i = 0; i < 4; i++) {
        (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = i));
        (void)rig_commit(h, COMMIT(.group = "other", .topic = "t", .partition = i));
    }
    int32_t batches = h->batch_count;
    CHECK_EQ(delete_group(h, "g"), KAFKA_NONE);
    CHECK_EQ(h->batch_count, batches + 1); /* all or nothing */
    CHECK_EQ(delete_group(h, "g"), KAFKA_GROUP_ID_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(groups_count(h->groups), 1);
        CHECK_BYTES_EQ(rig_all(h, "g"), BYTES(""));
        CHECK(rig_all(h, "other").len > 0);
        fake_restart(h);
    }
    fake_host_end(h);
}

TEST(a_group_with_members_is_not_deleted)
{
    struct fake_host *h = host_with_topic(arena);

    rig_members(h, "g", "consumer", "t");
    CHECK_EQ(delete_group(h, "g"), KAFKA_NON_EMPTY_GROUP);
    CHECK_EQ(delete_group(h, ""), KAFKA_GROUP_ID_NOT_FOUND);
    rig_members(h, "g", "consumer", NULL);
    CHECK_EQ(delete_group(h, "g"), KAFKA_NONE);
    (void)rig_heartbeat(h, "c", 0, "t");
    CHECK_EQ(delete_group(h, "c"), KAFKA_NON_EMPTY_GROUP);
    (void)rig_heartbeat(h, "c", -1, NULL);
    CHECK_EQ(delete_group(h, "c"), KAFKA_NONE);
    fake_restart(h);
    CHECK_EQ(groups_count(h->groups), 0);
    fake_host_end(h);
}

TEST(without_memory_or_disk_a_group_is_deleted_whole_or_stays_whole)
{
    enum { TRIES_MAX = 100 };
    struct fake_host *h = host_with_topic(arena);
    enum kafka_error error = KAFKA_NOT_COORDINATOR;
    int n = 0;

    for (int32_t i = 0; i < 4; i++) {
        (void)rig_commit(h, COMMIT(.group = "g", .topic = "t", .partition = i));
    }
    for (; n < TRIES_MAX && error != KAFKA_NONE; n++) {
        h->fail_allocation = (uint64_t)n;
        h->fail_append = n == 0 ? 1 : 0;
        error = delete_group(h, "g");
        h->fail_allocation = 0;
        if (error != KAFKA_NONE) {
            CHECK_EQ(error, KAFKA_NOT_COORDINATOR);
            fake_restart(h);
            CHECK_BYTES_EQ(rig_all(h, "g"), BYTES("t:0=0/0'' t:1=0/0'' t:2=0/0'' t:3=0/0''"));
        }
    }
    CHECK(n > 2 && n < TRIES_MAX);
    CHECK_EQ(groups_count(h->groups), 0);
    fake_host_end(h);
}

static void note(void *context, const struct group_listing *l)
{
    struct bytes *text = context;
    static char at[400];
    int len =
        snprintf(at + text->len, sizeof(at) - text->len, "[%.*s %.*s %.*s %.*s]", BYTES_ARG(l->id),
                 BYTES_ARG(l->protocol_type), BYTES_ARG(l->state), BYTES_ARG(l->type));

    *text = (struct bytes){(uint8_t *)at, text->len + (size_t)len};
}

TEST(every_group_is_listed_with_type_and_state)
{
    struct fake_host *h = host_with_topic(arena);
    struct bytes text = BYTES("");

    groups_list(h->groups, note, &text);
    CHECK_EQ(text.len, 0);
    (void)rig_commit(h, COMMIT(.group = "by hand", .topic = "t"));
    groups_list(h->groups, note, &text);
    CHECK_BYTES_EQ(text, BYTES("[by hand  Empty classic]"));
    CHECK_EQ(delete_group(h, "by hand"), KAFKA_NONE);
    rig_members(h, "g", "consumer", "t");
    text = BYTES("");
    groups_list(h->groups, note, &text);
    CHECK_BYTES_EQ(text, BYTES("[g consumer Stable classic]"));
    rig_members(h, "g", "consumer", NULL);
    CHECK_EQ(delete_group(h, "g"), KAFKA_NONE);
    (void)rig_heartbeat(h, "c", 0, "t");
    text = BYTES("");
    groups_list(h->groups, note, &text);
    CHECK_BYTES_EQ(text, BYTES("[c consumer Stable consumer]"));
    fake_host_end(h);
}
