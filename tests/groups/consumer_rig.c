/* tests/groups/consumer_rig.c: heartbeats made from a few words, and answers as text.
 *
 * A test says what a member sends and what it is told: CHECK_BEAT(h, "2 01", .member = "a", .epoch = 2) is a heartbeat
 * of epoch 2 that is answered with epoch 2 and partitions 0 and 1. "-" is no assignment in the answer.
 */
#include "tests/groups/consumer_rig.h"

enum { DIGITS_MAX = 16 };

static struct bytes word(const char *s)
{
    return s == NULL ? BYTES_NULL : bytes_of(s);
}

static void owned_set(struct fake_host *h, const char *digits,
                      struct consumer_group_heartbeat_request *in)
{
    in->topic_partitions = consumer_group_heartbeat_request_topic_partitions_new(h->arena, 1);
    if (digits[0] == '\0') {
        in->topic_partitions.len = 0;
        return;
    }
    in->topic_partitions.at[0].topic_id = fake_topic_id(h, "t");
    in->topic_partitions.at[0].partitions = int32_array_new(h->arena, DIGITS_MAX);
    in->topic_partitions.at[0].partitions.len = 0;
    for (const char *at = digits; *at != '\0'; at++) {
        struct int32_array *list = &in->topic_partitions.at[0].partitions;

        CHECK(list->len < DIGITS_MAX);
        list->at[list->len++] = *at - '0';
    }
}

struct fake_call *consumer_beat_start(struct fake_host *h, const struct beat *b)
{
    struct consumer_group_heartbeat_request in;
    int16_t version = b->old ? 0 : 1;

    consumer_group_heartbeat_request_init(&in);
    in.group_id = bytes_of(b->group == NULL ? "g" : b->group);
    in.member_id = bytes_of(b->member);
    in.member_epoch = b->epoch;
    in.instance_id = word(b->instance);
    in.rack_id = word(b->rack);
    in.server_assignor = word(b->assignor);
    in.subscribed_topic_regex = word(b->regex);
    in.rebalance_timeout_ms = b->timeout_ms;
    if (b->timeout_ms == 0) {
        in.rebalance_timeout_ms = b->epoch == 0 ? TEN_SECONDS : -1;
    }
    if (b->topic != NULL) {
        in.subscribed_topic_names = string_array_new(h->arena, 1);
        in.subscribed_topic_names.at[0] = bytes_of(b->topic);
    }
    if (b->owned != NULL) {
        owned_set(h, b->owned, &in);
    } else if (b->epoch == 0) {
        in.topic_partitions.len = 0;
    }
    return FAKE_RUN(h, group_consumer_heartbeat, consumer_group_heartbeat, version, &in);
}

const struct consumer_group_heartbeat_response *consumer_beat(struct fake_host *h,
                                                              const struct beat *b)
{
    return fake_answer(consumer_beat_start(h, b));
}

struct bytes consumer_said(struct fake_host *h, const struct consumer_group_heartbeat_response *r)
{
    struct bytes text;

    if (r->error_code != KAFKA_NONE) {
        return arena_format(h->arena, "%d %.*s", r->error_code, BYTES_ARG(r->error_message));
    }
    text = arena_format(h->arena, "%d ", r->member_epoch);
    if (r->assignment == NULL) {
        return arena_format(h->arena, "%.*s-", BYTES_ARG(text));
    }
    for (int32_t i = 0; i < r->assignment->topic_partitions.len; i++) {
        const struct int32_array *list = &r->assignment->topic_partitions.at[i].partitions;

        for (int32_t k = 0; k < list->len; k++) {
            text = arena_format(h->arena, "%.*s%d", BYTES_ARG(text), list->at[k]);
        }
    }
    return text;
}

static struct bytes digits_of(struct fake_host *h,
                              const struct consumer_group_describe_response_assignment *a)
{
    struct bytes text = BYTES("");

    for (int32_t i = 0; i < a->topic_partitions.len; i++) {
        const struct int32_array *list = &a->topic_partitions.at[i].partitions;

        for (int32_t k = 0; k < list->len; k++) {
            text = arena_format(h->arena, "%.*s%d", BYTES_ARG(text), list->at[k]);
        }
    }
    return text;
}

struct bytes consumer_shown(struct fake_host *h)
{
    struct consumer_group_describe_request in;
    struct bytes text;

    consumer_group_describe_request_init(&in);
    in.group_ids = string_array_new(h->arena, 1);
    in.group_ids.at[0] = BYTES("g");
    const struct consumer_group_describe_response *out =
        fake_answer(FAKE_RUN(h, group_consumer_describe, consumer_group_describe, 1, &in));
    const struct consumer_group_describe_response_group *group = &out->groups.at[0];
    if (group->error_code != KAFKA_NONE) {
        return arena_format(h->arena, "error %d", group->error_code);
    }
    text = arena_format(h->arena, "%.*s %d/%d", BYTES_ARG(group->group_state), group->group_epoch,
                        group->assignment_epoch);
    for (int32_t i = 0; i < group->members.len; i++) {
        const struct consumer_group_describe_response_member *m = &group->members.at[i];

        text = arena_format(h->arena, "%.*s%s %.*s@%d %.*s -> %.*s", BYTES_ARG(text),
                            i == 0 ? "" : ",", BYTES_ARG(m->member_id), m->member_epoch,
                            BYTES_ARG(digits_of(h, &m->assignment)),
                            BYTES_ARG(digits_of(h, &m->target_assignment)));
    }
    return text;
}

struct fake_host *consumer_host(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_set(h, "group.consumer.assignment.interval.ms", "0");
    fake_start(h);
    return h;
}
