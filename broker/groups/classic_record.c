/* broker/groups/classic_record.c: the GroupMetadata record: a generation as it is kept, and as it comes back.
 *
 * WHAT     One record is a whole generation: its number, leader and protocol, and every member with what it said in
 *          that protocol and what it was assigned. Kafka 4.4 writes value version 3; all versions are read.
 * WHEN     A group is made, becomes Stable or Empty, or a static member takes over. Between these, members are in
 *          memory only: after a restart the last generation holds, and whoever is not in it joins again.
 * BACK     Members come back with the one protocol that was chosen; their sessions begin when loading ends. A group
 *          with more members than group.max.size then prepares the next generation at once.
 */
#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer.h"

enum { VALUE_VERSION = 3 };

/* ---- out ---- */

static void member_fill(const struct classic_member *m, struct group_metadata_value_member *out)
{
    out->member_id = m->id;
    out->group_instance_id = m->instance_id;
    out->client_id = m->client_id;
    out->client_host = m->client_host;
    out->rebalance_timeout = m->rebalance_timeout_ms;
    out->session_timeout = m->session_timeout_ms;
    out->subscription = classic_metadata(m);
    out->assignment = m->assignment.at == NULL ? BYTES("") : m->assignment;
}

bool classic_put(struct groups *g, struct group *group, struct bytes reason, int64_t pause_ms)
{
    const struct classic_group *cg = group->classic;
    const struct group_metadata_key key = {.group = group->id};
    struct group_metadata_value value;
    int32_t at = 0;

    group_metadata_value_init(&value);
    value.protocol_type = cg->protocol_type.at == NULL ? BYTES("") : cg->protocol_type;
    value.generation = cg->generation;
    value.protocol = classic_protocol_name(cg);
    value.leader = cg->leader == NULL ? BYTES_NULL : cg->leader->id;
    value.current_state_timestamp = cg->state_since_ms;
    value.members = group_metadata_value_members_new(&g->scratch, (int32_t)cg->members.len);
    list_for_each (&cg->members, link) {
        if (at < value.members.len) { /* else the arena is exhausted */
            member_fill(CONTAINER_OF(link, const struct classic_member, link),
                        &value.members.at[at++]);
        }
    }
    if (group_metadata_value_size(&value, VALUE_VERSION) > CLASSIC_RECORD_BYTES_MAX) {
        return false;
    }
    struct group_record r = GROUP_RECORD(group_metadata, VALUE_VERSION, &key, &value);
    r.reason = reason;
    r.pause_ms = pause_ms;
    groups_put(g, group, &r);
    return true;
}

void classic_put_tombstone(struct groups *g, struct group *group)
{
    const struct group_metadata_key key = {.group = group->id};

    groups_put(g, group, &GROUP_RECORD(group_metadata, VALUE_VERSION, &key, NULL));
}

/* ---- in ---- */

static void member_load(struct groups *g, struct group *group,
                        const struct group_metadata_value *value,
                        const struct group_metadata_value_member *in)
{
    struct join_group_request_protocol offer = {.name = value->protocol,
                                                .metadata = in->subscription};
    struct classic_member *m =
        classic_member_new(g, group,
                           &(struct classic_identity){in->member_id, in->group_instance_id,
                                                      in->client_id, in->client_host});

    if (m == NULL) {
        return;
    }
    m->session_timeout_ms = in->session_timeout;
    m->rebalance_timeout_ms =
        in->rebalance_timeout == -1 ? in->session_timeout : in->rebalance_timeout;
    m->assignment = in->assignment.len == 0 ? BYTES_NULL : group_copy(g, in->assignment);
    classic_member_add(g, m, value->protocol_type);
    classic_offers_set(g, m, &(struct join_group_request_protocols){&offer, 1});
}

static enum err group_load(struct groups *g, struct group *group,
                           const struct group_metadata_value *value)
{
    struct classic_group *cg = group->classic;

    cg->generation = value->generation;
    cg->state_since_ms = value->current_state_timestamp;
    cg->protocol_type =
        value->protocol_type.len == 0 ? BYTES_NULL : group_copy(g, value->protocol_type);
    for (int32_t i = 0; i < value->members.len; i++) {
        const struct group_metadata_value_member *in = &value->members.at[i];

        if (classic_find(g, group, in->member_id) != NULL ||
            (in->group_instance_id.at != NULL &&
             classic_find_instance(g, group, in->group_instance_id) != NULL)) {
            return fail(ERR_CORRUPT, "a group's member %.*s twice", BYTES_ARG(in->member_id));
        }
        member_load(g, group, value, in);
    }
    if (!list_empty(&cg->members)) {
        struct classic_member *leader =
            value->leader.at == NULL ? NULL : classic_find(g, group, value->leader);

        cg->leader = leader == NULL ? cg->leader : leader;
        cg->state = CLASSIC_STABLE;
        classic_protocol_choose(cg, classic_vote(cg));
    }
    return OK;
}

/* No generation is kept of it any more. */
static void forget(struct groups *g, struct group *group)
{
    if (group == NULL || group->classic == NULL) {
        return; /* a consumer group took its place */
    }
    classic_free(g, group);
    if (group->offsets.count == 0) {
        group_remove(g, group);
    } else if (classic_new(g, group) != OK) {
        groups_break(g);
    }
}

enum err classic_apply(struct groups *g, const struct group_metadata_key *key,
                       const struct group_metadata_value *value)
{
    if (!groups_is_loading(g)) {
        return OK;
    }
    struct group *group = group_find(g, key->group);
    if (value == NULL) {
        forget(g, group);
        return OK;
    }
    if (group == NULL) {
        group = group_add(g, key->group);
    } else {
        classic_free(g, group);
        consumer_free(g, group);
    }
    if (group == NULL) {
        return ERR_NOMEM;
    }
    TRY(classic_new(g, group));
    return group_load(g, group, value);
}

static void sessions_start(struct groups *g, struct classic_group *cg)
{
    list_for_each (&cg->members, link) {
        classic_session_start(g, CONTAINER_OF(link, struct classic_member, link));
    }
}

void classic_become(struct groups *g, struct group *group, const struct group_metadata_value *value)
{
    if (classic_new(g, group) != OK || group_load(g, group, value) != OK) {
        groups_break(g);
        return;
    }
    sessions_start(g, group->classic);
    if (!classic_put(g, group, BYTES_NULL, PAUSE_NONE)) {
        classic_prepare(g, group, BYTES("the assignments were too large to keep"));
    }
}

void classic_loaded(struct groups *g, struct group *group)
{
    struct classic_group *cg = group->classic;

    list_for_each (&cg->members, link) {
        classic_session_start(g, CONTAINER_OF(link, struct classic_member, link));
    }
    if ((int64_t)cg->members.len > groups_config(g, CONFIG_GROUP_MAX_SIZE)) {
        classic_prepare(g, group, BYTES("more members than group.max.size"));
    }
}
