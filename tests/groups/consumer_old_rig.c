/* tests/groups/consumer_old_rig.c: subscriptions and assignments in bytes, from a few words.
 *
 * Members of the classic protocol say what they read and own in bytes of their own (ConsumerProtocolSubscription); tests
 * write "topic:012" instead.
 */
#include "tests/groups/consumer_old_rig.h"

#include "broker/groups/consumer_protocol.h"

enum { DIGITS_MAX = 16, PROTOCOLS_MAX = 4, NEWEST = 3, VERSION_DEFAULT = 7 };

static struct int32_array numbers_of(struct fake_host *h, const char *digits)
{
    struct int32_array list = int32_array_new(h->arena, DIGITS_MAX);

    list.len = 0;
    for (const char *at = digits; *at != '\0'; at++) {
        CHECK(list.len < DIGITS_MAX);
        list.at[list.len++] = *at - '0';
    }
    return list;
}

static struct bytes with_version(struct fake_host *h, int16_t version, struct bytes body)
{
    uint8_t *at = arena_alloc(h->arena, body.len + 2);

    at[0] = 0;
    at[1] = (uint8_t)version;
    memcpy(at + 2, body.at, body.len);
    return (struct bytes){at, body.len + 2};
}

struct bytes old_subscription(struct fake_host *h, const struct old_joiner *j)
{
    struct consumer_protocol_subscription s;
    int16_t version = j->oldest ? 0 : NEWEST;

    if (j->raw != NULL) {
        return bytes_of(j->raw);
    }
    consumer_protocol_subscription_init(&s);
    s.topics = string_array_new(h->arena, 1);
    s.topics.at[0] = bytes_of(j->topic == NULL ? "t" : j->topic);
    if (j->owned != NULL) {
        s.owned_partitions = consumer_protocol_subscription_owned_partitions_new(h->arena, 1);
        s.owned_partitions.at[0].topic = BYTES("t");
        s.owned_partitions.at[0].partitions = numbers_of(h, j->owned);
    }
    return with_version(h, version, consumer_protocol_subscription_bytes(h->arena, &s, version));
}

struct bytes old_assignment(struct fake_host *h, const char *digits)
{
    struct consumer_protocol_assignment a = {.user_data = BYTES_NULL};

    a.assigned_partitions = consumer_protocol_assignment_assigned_partitions_new(h->arena, 1);
    a.assigned_partitions.at[0].topic = BYTES("t");
    a.assigned_partitions.at[0].partitions = numbers_of(h, digits);
    return with_version(h, NEWEST, consumer_protocol_assignment_bytes(h->arena, &a, NEWEST));
}

static struct join_group_request_protocols protocols_of(struct fake_host *h,
                                                        const struct old_joiner *j)
{
    struct join_group_request_protocols list =
        join_group_request_protocols_new(h->arena, PROTOCOLS_MAX);
    struct bytes rest = bytes_of(j->protocols == NULL ? "range" : j->protocols);

    list.len = 0;
    while (rest.len > 0) {
        ptrdiff_t comma = bytes_find(rest, ',');
        size_t len = comma < 0 ? rest.len : (size_t)comma;

        CHECK(list.len < PROTOCOLS_MAX);
        list.at[list.len].name = bytes_slice(rest, 0, len);
        list.at[list.len++].metadata = old_subscription(h, j);
        rest = bytes_slice(rest, len + 1, rest.len);
    }
    return list;
}

struct fake_call *old_join_start(struct fake_host *h, const struct old_joiner *j)
{
    struct join_group_request in;

    join_group_request_init(&in);
    in.group_id = BYTES("g");
    in.session_timeout_ms = REBALANCE_MS;
    in.rebalance_timeout_ms = j->rebalance_ms == 0 ? TEN_SECONDS : j->rebalance_ms;
    in.member_id = j->id.at == NULL ? BYTES("") : j->id;
    in.group_instance_id = j->instance == NULL ? BYTES_NULL : bytes_of(j->instance);
    in.protocol_type = bytes_of(j->type == NULL ? "consumer" : j->type);
    in.protocols = protocols_of(h, j);
    return FAKE_RUN(h, group_join, join_group,
                    (int16_t)(j->version == 0 ? VERSION_DEFAULT : MAX(j->version, 0)), &in);
}

const struct join_group_response *old_join(struct fake_host *h, const struct old_joiner *j)
{
    return fake_answer(old_join_start(h, j));
}

struct bytes old_assigned(struct fake_host *h, const struct sync_group_response *r)
{
    struct consumer_protocol_assignment a;
    struct bytes text = BYTES("");

    if (r->error_code != KAFKA_NONE) {
        return arena_format(h->arena, "error %d", r->error_code);
    }
    CHECK_OK(consumer_protocol_take_assignment(h->arena, r->assignment, &a));
    for (int32_t i = 0; i < a.assigned_partitions.len; i++) {
        const struct int32_array *list = &a.assigned_partitions.at[i].partitions;

        for (int32_t k = 0; k < list->len; k++) {
            text = arena_format(h->arena, "%.*s%d", BYTES_ARG(text), list->at[k]);
        }
    }
    return text;
}

struct bytes old_sync(struct fake_host *h, const struct join_group_response *as)
{
    return old_assigned(h, synced(SYNC(h, as)));
}

struct old_pair old_group(struct fake_host *h)
{
    struct fake_call *joins[2], *follower;
    struct sync_group_request in;

    for (int i = 0; i < 2; i++) {
        joins[i] = old_join_start(h, &(struct old_joiner){.version = 3});
    }
    fake_wait(h, 2 * DELAY_MS);
    const struct join_group_response *first = joined(joins[0]), *second = joined(joins[1]);
    CHECK_EQ(first->generation_id, 1);
    follower = SYNC(h, second);
    sync_group_request_init(&in);
    in.group_id = BYTES("g");
    in.generation_id = 1;
    in.member_id = first->member_id;
    in.assignments = sync_group_request_assignments_new(h->arena, 2);
    in.assignments.at[0].member_id = first->member_id;
    in.assignments.at[0].assignment = old_assignment(h, "01");
    in.assignments.at[1].member_id = second->member_id;
    in.assignments.at[1].assignment = old_assignment(h, "23");
    CHECK_BYTES_EQ(old_assigned(h, synced(FAKE_RUN(h, group_sync, sync_group, 3, &in))),
                   BYTES("01"));
    CHECK_BYTES_EQ(old_assigned(h, synced(follower)), BYTES("23"));
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
    return (struct old_pair){first->member_id, second->member_id};
}

static struct bytes replaced(struct fake_host *h, struct bytes text, struct bytes what,
                             const char *by)
{
    struct bytes out = BYTES("");

    for (size_t at = 0; at < text.len; at++) {
        struct bytes rest = bytes_slice(text, at, text.len);

        if (bytes_equal(bytes_slice(rest, 0, what.len), what)) {
            out = arena_format(h->arena, "%.*s%s", BYTES_ARG(out), by);
            at += what.len - 1;
        } else {
            out = arena_format(h->arena, "%.*s%c", BYTES_ARG(out), text.at[at]);
        }
    }
    return out;
}

struct bytes old_named(struct fake_host *h, struct bytes text, struct old_pair p)
{
    return replaced(h, replaced(h, text, p.first, "F"), p.second, "S");
}
