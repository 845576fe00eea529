/* tests/groups/offsets_rig.c: requests for one partition, and what came of them.
 *
 * Members are made by a record and a restart: how they join is tested elsewhere, and a group that was loaded is the
 * one to which offsets matter most.
 */
#include "tests/groups/offsets_rig.h"

#include "broker/groups/classic.h"
#include "schema/consumer_group_heartbeat.h"
#include "schema/consumer_protocol.h"
#include "schema/heartbeat.h"

enum { COMMIT_VERSION = 9, IDS_FROM = 10, GROUPS_FROM = 8, SESSION_MS = 10000 };

struct fake_call *rig_commit_start(struct fake_host *h, const struct rig_commit *in)
{
    struct offset_commit_request r;
    int16_t version = in->version == 0 ? COMMIT_VERSION : in->version;

    message_init(&offset_commit_request_message, &r);
    r.group_id = bytes_of(in->group);
    r.generation_id_or_member_epoch =
        in->member == NULL && in->generation == 0 ? -1 : in->generation;
    r.member_id = bytes_of(in->member == NULL ? "" : in->member);
    r.retention_time_ms = in->retention_ms == 0 ? -1 : in->retention_ms;
    r.topics = offset_commit_request_topics_new(h->arena, 1);
    r.topics.at[0].name = bytes_of(in->topic);
    if (version >= IDS_FROM) {
        r.topics.at[0].topic_id = fake_topic_id(h, in->topic);
    }
    r.topics.at[0].partitions = offset_commit_request_partitions_new(h->arena, 1);
    r.topics.at[0].partitions.at[0] = (struct offset_commit_request_partition){
        .partition_index = in->partition,
        .committed_offset = in->offset,
        .committed_leader_epoch = in->epoch,
        .committed_metadata = in->metadata == NULL ? BYTES_NULL : bytes_of(in->metadata)};
    return FAKE_RUN(h, group_offset_commit, offset_commit, version, &r);
}

enum kafka_error rig_commit(struct fake_host *h, const struct rig_commit *in)
{
    struct fake_call *c = rig_commit_start(h, in);
    const struct offset_commit_response *out = fake_answer(c);

    return c->refused != KAFKA_NONE ? c->refused : out->topics.at[0].partitions.at[0].error_code;
}

struct fake_call *rig_fetch_start(struct fake_host *h, int16_t version, const char *group,
                                  const char *topic, int32_t partition)
{
    struct offset_fetch_request r;
    struct int32_array partitions = int32_array_new(h->arena, 1);

    message_init(&offset_fetch_request_message, &r);
    partitions.at[0] = partition;
    if (version < GROUPS_FROM) {
        r.group_id = bytes_of(group);
        r.topics = offset_fetch_request_topics_new(h->arena, 1);
        r.topics.at[0].name = bytes_of(topic);
        r.topics.at[0].partition_indexes = partitions;
    } else {
        r.groups = offset_fetch_request_groups_new(h->arena, 1);
        r.groups.at[0].group_id = bytes_of(group);
        r.groups.at[0].topics = offset_fetch_request_group_topics_new(h->arena, 1);
        r.groups.at[0].topics.at[0].name = bytes_of(topic);
        r.groups.at[0].topics.at[0].partition_indexes = partitions;
        if (version >= IDS_FROM) {
            r.groups.at[0].topics.at[0].topic_id = fake_topic_id(h, topic);
        }
    }
    return FAKE_RUN(h, group_offset_fetch, offset_fetch, version, &r);
}

struct rig_offset rig_fetched(struct fake_call *c)
{
    const struct offset_fetch_response *out = fake_answer(c);

    if (c->refused != KAFKA_NONE) {
        return (struct rig_offset){.error = c->refused};
    }
    if (c->version < GROUPS_FROM) {
        const struct offset_fetch_response_partition *p = &out->topics.at[0].partitions.at[0];

        return (struct rig_offset){p->committed_offset, p->committed_leader_epoch, p->metadata,
                                   p->error_code};
    }
    const struct offset_fetch_response_group_partition *p =
        &out->groups.at[0].topics.at[0].partitions.at[0];
    return (struct rig_offset){p->committed_offset, p->committed_leader_epoch, p->metadata,
                               p->error_code};
}

struct rig_offset rig_fetch(struct fake_host *h, int16_t version, const char *group,
                            const char *topic, int32_t partition)
{
    return rig_fetched(rig_fetch_start(h, version, group, topic, partition));
}

struct bytes rig_all(struct fake_host *h, const char *group)
{
    struct offset_fetch_request r;
    struct bytes text = BYTES("");

    message_init(&offset_fetch_request_message, &r);
    r.groups = offset_fetch_request_groups_new(h->arena, 1);
    r.groups.at[0].group_id = bytes_of(group);
    r.groups.at[0].topics.len = -1;
    const struct offset_fetch_response *out =
        fake_answer(FAKE_RUN(h, group_offset_fetch, offset_fetch, 9, &r));
    CHECK_EQ(out->groups.at[0].error_code, KAFKA_NONE);
    for (int32_t i = 0; i < out->groups.at[0].topics.len; i++) {
        const struct offset_fetch_response_group_topic *t = &out->groups.at[0].topics.at[i];

        for (int32_t k = 0; k < t->partitions.len; k++) {
            const struct offset_fetch_response_group_partition *p = &t->partitions.at[k];

            text = arena_format(h->arena, "%.*s%s%.*s:%d=%" PRId64 "/%d'%.*s'", BYTES_ARG(text),
                                text.len == 0 ? "" : " ", BYTES_ARG(t->name), p->partition_index,
                                p->committed_offset, p->committed_leader_epoch,
                                BYTES_ARG(p->metadata));
        }
    }
    return text;
}

/* ---- members ---- */

static struct bytes subscription_of(struct arena *a, const char *topic)
{
    struct consumer_protocol_subscription s;

    message_init(&consumer_protocol_subscription_message, &s);
    s.topics = string_array_new(a, 1);
    s.topics.at[0] = bytes_of(topic);
    struct bytes body = message_bytes(a, &consumer_protocol_subscription_message, 0, &s);
    uint8_t *at = arena_alloc(a, body.len + 2); /* version 0 in front */
    memcpy(at + 2, body.at, body.len);
    return (struct bytes){at, body.len + 2};
}

/* c->in is a heartbeat: group_id the group, member_id the protocol type, group_instance_id the topic. */
static void put_members(struct groups *g, struct group_call *c)
{
    const struct heartbeat_request *in = c->in;
    struct group *group = group_find_or_classic(g, in->group_id);
    const struct group_metadata_key key = {.group = in->group_id};
    struct group_metadata_value value;
    bool some = in->group_instance_id.at != NULL;

    message_init(&group_metadata_value_message, &value);
    value.protocol_type = in->member_id;
    value.generation = 1;
    value.current_state_timestamp = groups_wall_ms(g);
    value.protocol = some ? BYTES("range") : BYTES_NULL;
    value.leader = some ? BYTES("m") : BYTES_NULL;
    value.members = group_metadata_value_members_new(c->arena, some ? 1 : 0);
    if (some) {
        struct group_metadata_value_member *m = &value.members.at[0];

        m->member_id = BYTES("m");
        m->client_id = BYTES("client");
        m->client_host = BYTES("/127.0.0.1");
        m->rebalance_timeout = m->session_timeout = SESSION_MS;
        m->subscription = in->group_instance_id;
        m->assignment = BYTES("");
    }
    groups_put(g, group, &GROUP_RECORD(group_metadata, 3, &key, &value));
    group_call_end(g, group, c);
}

void rig_members(struct fake_host *h, const char *group, const char *type, const char *topic)
{
    struct heartbeat_request r;

    message_init(&heartbeat_request_message, &r);
    r.group_id = bytes_of(group);
    r.member_id = bytes_of(type);
    r.group_instance_id = topic == NULL ? BYTES_NULL : subscription_of(h->arena, topic);
    (void)fake_answer(FAKE_RUN(h, put_members, heartbeat, 4, &r));
    fake_restart(h);
}

int32_t rig_heartbeat(struct fake_host *h, const char *group, int32_t epoch, const char *topic)
{
    struct consumer_group_heartbeat_request r;

    consumer_group_heartbeat_request_init(&r);
    r.group_id = bytes_of(group);
    r.member_id = BYTES("m");
    r.member_epoch = epoch;
    if (topic != NULL) {
        r.rebalance_timeout_ms = SESSION_MS;
        r.subscribed_topic_names = string_array_new(h->arena, 1);
        r.subscribed_topic_names.at[0] = bytes_of(topic);
        r.topic_partitions.len = 0;
    }
    const struct consumer_group_heartbeat_response *out =
        fake_answer(FAKE_RUN(h, group_consumer_heartbeat, consumer_group_heartbeat, 1, &r));
    CHECK_EQ(out->error_code, KAFKA_NONE);
    return out->member_epoch;
}
