/* broker/groups/consumer_migrate.c: a group changes its protocol while it works.
 *
 * UP       The first member of the consumer protocol comes to a classic group of protocol type "consumer": its
 *          generation becomes the epoch of group, target and members, the assignments that its leader made become
 *          targets and present assignments. Members who wait are told to join again, and go on speaking the classic
 *          protocol (consumer_classic.c).
 * DOWN     When only members of the classic protocol are left: the targets become assignments, the epoch the
 *          generation, and they rebalance among themselves.
 * EMPTY    A group without members has nothing to carry over but its offsets, which are nobody's business here.
 * POLICY   group.consumer.migration.policy says which way is open.
 */
#include "broker/groups/consumer_internal.h"

#include "broker/groups/classic_internal.h"
#include "broker/groups/consumer_protocol.h"

#include <strings.h>

enum migration { MIGRATE_UP = 1, MIGRATE_DOWN = 2 };

static int policy(const struct groups *g)
{
    static const struct {
        const char *name;
        int ways;
    } policies[] = {{"bidirectional", MIGRATE_UP | MIGRATE_DOWN},
                    {"upgrade", MIGRATE_UP},
                    {"downgrade", MIGRATE_DOWN}};
    struct bytes text = config_text(g->host.config, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY);

    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        if (text.len == strlen(policies[i].name) &&
            strncasecmp((const char *)text.at, policies[i].name, text.len) == 0) {
            return policies[i].ways;
        }
    }
    return 0;
}

/* ---- up ---- */

/* A classic member as it will be, in the scratch arena. */
struct newcomer {
    struct bytes id;
    struct consumer_profile profile;
    struct consumer_parts assigned;
};

static struct consumer_refusal not_upgraded(const struct group *group, struct arena *a,
                                            const char *why)
{
    return (struct consumer_refusal){
        KAFKA_GROUP_ID_NOT_FOUND,
        arena_format(a, "Cannot upgrade classic group %.*s to consumer group because %s.",
                     BYTES_ARG(group->id), why)};
}

static struct consumer_parts
parts_by_name(struct groups *g, const struct consumer_protocol_assignment *from, int32_t epoch)
{
    struct consumer_parts parts;
    int32_t room = 0;

    for (int32_t i = 0; i < from->assigned_partitions.len; i++) {
        room += MAX(from->assigned_partitions.at[i].partitions.len, 0);
    }
    parts = consumer_parts_new(&g->scratch, room);
    parts.len = 0;
    for (int32_t i = 0; parts.at != NULL && i < from->assigned_partitions.len; i++) {
        const struct int32_array *numbers = &from->assigned_partitions.at[i].partitions;
        const struct image_topic *t =
            image_topic_by_name(groups_image(g), from->assigned_partitions.at[i].topic);

        for (int32_t k = 0; t != NULL && k < numbers->len; k++) {
            parts.at[parts.len++] = (struct consumer_part){
                .topic_id = t->id, .partition = numbers->at[k], .epoch = epoch};
        }
    }
    consumer_parts_sort(parts);
    return parts;
}

/* ERR_MALFORMED: what the member said is not the consumer protocol. */
static enum err newcomer_make(struct groups *g, const struct classic_member *m,
                              struct bytes metadata, struct newcomer *out)
{
    struct arena *a = &g->scratch;
    struct consumer_protocol_subscription subscription;
    struct consumer_protocol_assignment assignment = {0};
    struct consumer_offer *offers = ARENA_ARRAY(a, struct consumer_offer, m->offer_count);

    TRY(consumer_protocol_take_subscription(a, arena_copy(a, metadata), &subscription));
    if (m->assignment.len > 0) {
        TRY(consumer_protocol_take_assignment(a, arena_copy(a, m->assignment), &assignment));
    }
    for (int32_t i = 0; offers != NULL && i < m->offer_count; i++) {
        offers[i].name = arena_copy(a, m->offers[i].protocol->name);
        offers[i].metadata = arena_copy(a, m->offers[i].metadata);
    }
    *out = (struct newcomer){
        .id = arena_copy(a, m->id),
        .profile = {.instance_id = arena_copy(a, m->instance_id),
                    .rack_id = arena_copy(a, subscription.rack_id),
                    .client_id = arena_copy(a, m->client_id),
                    .client_host = arena_copy(a, m->client_host),
                    .names = subscription.topics.at,
                    .name_count = MAX(subscription.topics.len, 0),
                    .rebalance_timeout_ms = m->rebalance_timeout_ms,
                    .offers = offers,
                    .offer_count = m->offer_count,
                    .session_timeout_ms = m->session_timeout_ms},
        .assigned = parts_by_name(g, &assignment, m->group->classic->generation),
    };
    return a->exhausted ? ERR_NOMEM : OK;
}

static void upgrade_put(struct groups *g, struct group *group, const struct newcomer *list,
                        int32_t count, int32_t generation)
{
    for (int32_t i = 0; i < count; i++) {
        consumer_put_member(g, group, list[i].id, &list[i].profile);
    }
    if (!g->broken) {
        consumer_put_epoch(g, group, generation, consumer_hash(g, group),
                           BYTES("upgraded to the consumer protocol"));
    }
    for (int32_t i = 0; i < count; i++) {
        consumer_put_target(g, group, list[i].id, list[i].assigned);
    }
    consumer_put_target_epoch(g, group, generation, 0);
    for (int32_t i = 0; i < count; i++) {
        consumer_put_current(g, group, list[i].id,
                             &(struct consumer_current){.epoch = generation,
                                                        .previous_epoch = generation,
                                                        .state = MEMBER_STABLE,
                                                        .assigned = list[i].assigned});
    }
}

static void sessions_start(struct groups *g, struct group *group)
{
    list_for_each (&group->consumer->members, link) {
        consumer_session_start(g, CONTAINER_OF(link, struct consumer_member, link));
    }
}

/* The protocol that members are read in; NULL: they have none in common. */
static struct classic_protocol *protocol_of(struct classic_group *cg)
{
    return cg->protocol != NULL ? cg->protocol : classic_vote(cg);
}

static struct bytes metadata_in(const struct classic_member *m, const struct classic_protocol *p)
{
    for (int32_t i = 0; i < m->offer_count; i++) {
        if (m->offers[i].protocol == p) {
            return m->offers[i].metadata;
        }
    }
    return BYTES("");
}

struct consumer_refusal consumer_upgrade(struct groups *g, struct group *group, struct arena *a)
{
    struct classic_group *cg = group->classic;
    int32_t count = (int32_t)cg->members.len, generation = cg->generation, at = 0;

    if ((policy(g) & MIGRATE_UP) == 0) {
        return not_upgraded(group, a, "the online upgrade is disabled");
    }
    if (!classic_is_consumer(group)) {
        return not_upgraded(group, a, "the group does not use the consumer embedded protocol");
    }
    if (count > groups_config(g, CONFIG_GROUP_CONSUMER_MAX_SIZE)) {
        return not_upgraded(group, a, "the group size exceeds the consumer group maximum size");
    }
    if (count == groups_config(g, CONFIG_GROUP_CONSUMER_MAX_SIZE)) {
        return (struct consumer_refusal){
            KAFKA_GROUP_MAX_SIZE_REACHED,
            arena_format(
                a, "The consumer group has reached its maximum capacity of %" PRId32 " members.",
                count)};
    }
    classic_refuse_waiting(g, group, KAFKA_REBALANCE_IN_PROGRESS);
    struct newcomer *list = ARENA_ARRAY(&g->scratch, struct newcomer, count);
    const struct classic_protocol *protocol = protocol_of(cg);
    list_for_each (&cg->members, link) {
        const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, link);

        enum err e =
            list == NULL ? ERR_NOMEM : newcomer_make(g, m, metadata_in(m, protocol), &list[at++]);
        if (e == ERR_NOMEM) {
            groups_break(g);
            return (struct consumer_refusal){0};
        }
        if (e != OK) {
            return not_upgraded(group, a, "the embedded consumer protocol is malformed");
        }
    }
    classic_put_tombstone(g, group);
    classic_free(g, group);
    if (consumer_new(g, group) == OK) {
        group->consumer->epoch = generation;
        upgrade_put(g, group, list, count, generation);
        sessions_start(g, group);
    }
    return (struct consumer_refusal){0};
}

/* ---- down ---- */

static bool is_leaving(const struct consumer_downgrade *d, const struct consumer_member *m)
{
    for (int32_t i = 0; i < d->leaving_count; i++) {
        if (d->leaving[i] == m) {
            return true;
        }
    }
    return false;
}

bool consumer_may_downgrade(const struct groups *g, const struct group *group,
                            struct consumer_member *const *leaving, int32_t count)
{
    const struct consumer_group *cg = group->consumer;
    int64_t left = (int64_t)cg->members.len - count;
    int32_t classic = cg->classic_count;

    for (int32_t i = 0; i < count; i++) {
        classic -= consumer_member_is_classic(leaving[i]);
    }
    return left > 0 && classic == left && (policy(g) & MIGRATE_DOWN) != 0 &&
           left <= groups_config(g, CONFIG_GROUP_MAX_SIZE);
}

static struct bytes offer_of(const struct consumer_member *m, struct bytes protocol)
{
    for (int32_t i = 0; i < m->offer_count; i++) {
        if (bytes_equal(m->offers[i].name, protocol)) {
            return m->offers[i].metadata;
        }
    }
    return BYTES_NULL;
}

/* The first of the first one's offers that all have; its first if there is none. */
static struct bytes common_protocol(struct consumer_member *const *stay, int32_t count)
{
    const struct consumer_member *first = stay[0];

    for (int32_t i = 0; i < first->offer_count; i++) {
        bool all = true;

        for (int32_t k = 1; k < count && all; k++) {
            all = offer_of(stay[k], first->offers[i].name).at != NULL;
        }
        if (all) {
            return first->offers[i].name;
        }
    }
    return first->offer_count > 0 ? first->offers[0].name : BYTES("");
}

struct bytes consumer_assignment_bytes(struct groups *g, struct arena *a,
                                       struct consumer_parts parts, struct bytes subscription)
{
    struct consumer_protocol_assignment assignment = {.user_data = BYTES_NULL};
    int32_t topics = 0;

    for (int32_t i = 0; i < parts.len; i++) {
        topics += i == 0 || !uuid_equal(parts.at[i].topic_id, parts.at[i - 1].topic_id);
    }
    assignment.assigned_partitions.at =
        ARENA_ARRAY(a, struct consumer_protocol_assignment_assigned_partition, topics);
    for (int32_t from = 0, to; assignment.assigned_partitions.at != NULL && from < parts.len;
         from = to) {
        const struct image_topic *t = image_topic_by_id(groups_image(g), parts.at[from].topic_id);

        for (to = from;
             to < parts.len && uuid_equal(parts.at[to].topic_id, parts.at[from].topic_id);) {
            to++;
        }
        if (t == NULL) {
            continue;
        }
        struct consumer_protocol_assignment_assigned_partition *row =
            &assignment.assigned_partitions.at[assignment.assigned_partitions.len++];
        row->topic = t->name;
        row->partitions = int32_array_new(a, to - from);
        for (int32_t i = 0; i < row->partitions.len; i++) {
            row->partitions.at[i] = parts.at[from + i].partition;
        }
    }
    return consumer_protocol_put_assignment(a, consumer_protocol_version(subscription),
                                            &assignment);
}

static void member_show(struct groups *g, const struct consumer_member *m, struct bytes protocol,
                        struct group_metadata_value_member *out)
{
    struct arena *a = &g->scratch;
    struct bytes subscription = offer_of(m, protocol);

    out->member_id = arena_copy(a, m->id);
    out->group_instance_id = arena_copy(a, m->instance_id);
    out->client_id = arena_copy(a, m->client_id);
    out->client_host = arena_copy(a, m->client_host);
    out->rebalance_timeout = m->rebalance_timeout_ms;
    out->session_timeout = m->session_timeout_ms;
    out->subscription = subscription.at == NULL ? BYTES("") : arena_copy(a, subscription);
    out->assignment = consumer_assignment_bytes(g, a, m->target, out->subscription);
}

void consumer_downgrade(struct groups *g, struct group *group, const struct consumer_downgrade *d)
{
    struct consumer_group *cg = group->consumer;
    struct consumer_member **stay =
        ARENA_ARRAY(&g->scratch, struct consumer_member *, cg->members.len);
    struct group_metadata_value value;
    int32_t count = 0;

    list_for_each (&cg->members, link) {
        struct consumer_member *m = CONTAINER_OF(link, struct consumer_member, link);

        if (stay != NULL && !is_leaving(d, m)) {
            stay[count++] = m;
        }
    }
    if (count == 0) {
        groups_break(g); /* no memory: somebody stays */
        return;
    }
    group_metadata_value_init(&value);
    value.protocol_type = BYTES("consumer");
    value.generation = cg->epoch;
    value.protocol = arena_copy(&g->scratch, common_protocol(stay, count));
    value.current_state_timestamp = groups_wall_ms(g);
    value.members = group_metadata_value_members_new(&g->scratch, count);
    for (int32_t i = 0; i < value.members.len; i++) {
        member_show(g, stay[i], value.protocol, &value.members.at[i]);
    }
    if (g->scratch.exhausted) {
        groups_break(g);
        return;
    }
    value.leader = value.members.at[0].member_id;
    consumer_put_tombstones(g, group);
    consumer_free(g, group);
    if (g->broken) {
        return;
    }
    classic_become(g, group, &value);
    if (!d->stable && !g->broken && group->classic->state != CLASSIC_PREPARING) {
        classic_prepare(g, group, d->reason);
    }
}

/* ---- empty ---- */

bool consumer_from_empty(struct groups *g, struct group *group)
{
    classic_put_tombstone(g, group);
    classic_free(g, group);
    return !g->broken && consumer_new(g, group) == OK;
}

bool consumer_to_empty_classic(struct groups *g, struct group *group)
{
    consumer_put_tombstones(g, group);
    consumer_free(g, group);
    if (g->broken || classic_new(g, group) != OK) {
        groups_break(g);
        return false;
    }
    (void)classic_put(g, group, BYTES_NULL, PAUSE_NONE); /* without members it is small */
    return !g->broken;
}
