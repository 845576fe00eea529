/* broker/groups/consumer_put.c: the records of a consumer group, written as Kafka 4.4 writes them.
 *
 * All values have version 0. In a record, partitions stand under their topic; sets are sorted by topic, so equal sets
 * give equal bytes. A new member or epoch is news for `weir group events`, so these say why.
 */
#include "broker/groups/consumer_internal.h"

/* ---- sets as arrays under topics ---- */

static int32_t topics_in(struct consumer_parts parts)
{
    int32_t count = 0;

    for (int32_t i = 0; i < parts.len; i++) {
        count += i == 0 || !uuid_equal(parts.at[i].topic_id, parts.at[i - 1].topic_id);
    }
    return count;
}

/* How many parts from `from` on are of the same topic. */
static int32_t run_at(struct consumer_parts parts, int32_t from)
{
    int32_t to = from;

    while (to < parts.len && uuid_equal(parts.at[to].topic_id, parts.at[from].topic_id)) {
        to++;
    }
    return to - from;
}

static struct int32_array numbers_of(struct arena *a, struct consumer_parts parts, int32_t from,
                                     int32_t count)
{
    struct int32_array out = int32_array_new(a, count);

    for (int32_t i = 0; i < out.len; i++) {
        out.at[i] = parts.at[from + i].partition;
    }
    return out;
}

typedef struct consumer_group_current_member_assignment_value_topic_partitions current_topics;

static current_topics current_of(struct arena *a, struct consumer_parts parts)
{
    current_topics out =
        consumer_group_current_member_assignment_value_topic_partitions_new(a, topics_in(parts));
    int32_t from = 0;

    for (int32_t i = 0; i < out.len; i++) {
        int32_t count = run_at(parts, from);

        out.at[i].topic_id = parts.at[from].topic_id;
        out.at[i].partitions = numbers_of(a, parts, from, count);
        out.at[i].assignment_epochs = int32_array_new(a, count);
        for (int32_t k = 0; k < out.at[i].assignment_epochs.len; k++) {
            out.at[i].assignment_epochs.at[k] = parts.at[from + k].epoch;
        }
        from += count;
    }
    return out;
}

/* ---- the group ---- */

void consumer_put_epoch(struct groups *g, struct group *group, int32_t epoch, int64_t hash,
                        struct bytes reason)
{
    const struct consumer_group_metadata_key key = {.group_id = group->id};
    const struct consumer_group_metadata_value value = {.epoch = epoch, .metadata_hash = hash};
    struct group_record r = GROUP_RECORD(consumer_group_metadata, 0, &key, &value);

    r.reason = reason;
    g->host.stats->group_rebalances_consumer++;
    groups_put(g, group, &r);
}

void consumer_put_target_epoch(struct groups *g, struct group *group, int32_t epoch, int64_t ms)
{
    const struct consumer_group_target_assignment_metadata_key key = {.group_id = group->id};
    const struct consumer_group_target_assignment_metadata_value value = {
        .assignment_epoch = epoch, .assignment_timestamp = ms};

    groups_put(g, group, &GROUP_RECORD(consumer_group_target_assignment_metadata, 0, &key, &value));
}

void consumer_put_regex(struct groups *g, struct group *group, struct bytes text,
                        const struct bytes *topics, int32_t count)
{
    const struct consumer_group_regular_expression_key key = {.group_id = group->id,
                                                              .regular_expression = text};
    struct string_array list = string_array_new(&g->scratch, count);
    struct consumer_group_regular_expression_value value = {
        .topics = list,
        .version = image_version(groups_image(g)),
        .timestamp = groups_wall_ms(g),
    };

    if (list.len > 0) {
        memcpy(list.at, topics, (size_t)count * sizeof(list.at[0]));
    }
    groups_put(g, group, &GROUP_RECORD(consumer_group_regular_expression, 0, &key, &value));
}

static void put_regex_tombstone(struct groups *g, struct group *group, struct bytes text)
{
    const struct consumer_group_regular_expression_key key = {.group_id = group->id,
                                                              .regular_expression = text};

    groups_put(g, group, &GROUP_RECORD(consumer_group_regular_expression, 0, &key, NULL));
}

static void put_group_tombstones(struct groups *g, struct group *group)
{
    const struct consumer_group_partition_metadata_key topics = {.group_id = group->id};
    const struct consumer_group_metadata_key epoch = {.group_id = group->id};

    groups_put(g, group, &GROUP_RECORD(consumer_group_partition_metadata, 0, &topics, NULL));
    groups_put(g, group, &GROUP_RECORD(consumer_group_metadata, 0, &epoch, NULL));
}

/* ---- members ---- */

struct consumer_profile consumer_profile_of(const struct consumer_member *m)
{
    return (struct consumer_profile){
        .instance_id = m->instance_id,
        .rack_id = m->rack_id,
        .client_id = m->client_id,
        .client_host = m->client_host,
        .regex = m->regex,
        .assignor = m->assignor,
        .names = m->names.at,
        .name_count = m->names.len,
        .rebalance_timeout_ms = m->rebalance_timeout_ms,
        .offers = m->offers,
        .offer_count = m->offer_count,
        .session_timeout_ms = m->session_timeout_ms,
    };
}

typedef struct consumer_group_member_metadata_value_classic_member_metadata classic_metadata;

static const classic_metadata *classic_of(struct arena *a, const struct consumer_profile *p)
{
    classic_metadata *c = p->offers == NULL ? NULL : ARENA_NEW(a, classic_metadata);

    if (c == NULL) {
        return NULL;
    }
    c->session_timeout_ms = p->session_timeout_ms;
    c->supported_protocols =
        consumer_group_member_metadata_value_supported_protocols_new(a, p->offer_count);
    for (int32_t i = 0; i < c->supported_protocols.len; i++) {
        c->supported_protocols.at[i].name = p->offers[i].name;
        c->supported_protocols.at[i].metadata = p->offers[i].metadata;
    }
    return c;
}

/* The record's strings may be the member's own, which applying it replaces: they are copied first. */
void consumer_put_member(struct groups *g, struct group *group, struct bytes member_id,
                         const struct consumer_profile *p)
{
    struct arena *a = &g->scratch;
    const struct consumer_group_member_metadata_key key = {.group_id = group->id,
                                                           .member_id = arena_copy(a, member_id)};
    struct consumer_names names = consumer_names_unique(a, p->names, p->name_count);
    struct consumer_profile offers = *p;

    for (int32_t i = 0; i < names.len; i++) {
        names.at[i] = arena_copy(a, names.at[i]);
    }
    offers.offers =
        p->offers == NULL ? NULL : ARENA_ARRAY(a, struct consumer_offer, p->offer_count);
    for (int32_t i = 0; offers.offers != NULL && i < p->offer_count; i++) {
        ((struct consumer_offer *)(uintptr_t)offers.offers)[i] = (struct consumer_offer){
            arena_copy(a, p->offers[i].name), arena_copy(a, p->offers[i].metadata)};
    }
    const struct consumer_group_member_metadata_value value = {
        .instance_id = arena_copy(a, p->instance_id),
        .rack_id = arena_copy(a, p->rack_id),
        .client_id = arena_copy(a, p->client_id),
        .client_host = arena_copy(a, p->client_host),
        .subscribed_topic_names = {names.at, names.len},
        .subscribed_topic_regex = p->regex.at == NULL ? BYTES("") : arena_copy(a, p->regex),
        .rebalance_timeout_ms = p->rebalance_timeout_ms,
        .server_assignor = arena_copy(a, p->assignor),
        .classic_member_metadata = classic_of(a, &offers),
    };

    if (a->exhausted) {
        groups_break(g);
        return;
    }
    groups_put(g, group, &GROUP_RECORD(consumer_group_member_metadata, 0, &key, &value));
}

void consumer_put_target(struct groups *g, struct group *group, struct bytes member_id,
                         struct consumer_parts target)
{
    const struct consumer_group_target_assignment_member_key key = {.group_id = group->id,
                                                                    .member_id = member_id};
    struct consumer_group_target_assignment_member_value value = {
        .topic_partitions = consumer_group_target_assignment_member_value_topic_partitions_new(
            &g->scratch, topics_in(target))};
    int32_t from = 0;

    for (int32_t i = 0; i < value.topic_partitions.len; i++) {
        int32_t count = run_at(target, from);

        value.topic_partitions.at[i].topic_id = target.at[from].topic_id;
        value.topic_partitions.at[i].partitions = numbers_of(&g->scratch, target, from, count);
        from += count;
    }
    groups_put(g, group, &GROUP_RECORD(consumer_group_target_assignment_member, 0, &key, &value));
}

void consumer_put_current(struct groups *g, struct group *group, struct bytes member_id,
                          const struct consumer_current *c)
{
    const struct consumer_group_current_member_assignment_key key = {.group_id = group->id,
                                                                     .member_id = member_id};
    const struct consumer_group_current_member_assignment_value value = {
        .member_epoch = c->epoch,
        .previous_member_epoch = c->previous_epoch,
        .state = (int8_t)c->state,
        .assigned_partitions = current_of(&g->scratch, c->assigned),
        .partitions_pending_revocation = current_of(&g->scratch, c->revoking),
    };

    groups_put(g, group, &GROUP_RECORD(consumer_group_current_member_assignment, 0, &key, &value));
}

static int32_t regex_uses(const struct group *group, struct bytes text)
{
    int32_t uses = 0;

    list_for_each (&group->consumer->members, link) {
        uses += bytes_equal(CONTAINER_OF(link, const struct consumer_member, link)->regex, text);
    }
    return uses;
}

/* The keys of a member's records have the same fields. */
enum member_record { RECORD_CURRENT, RECORD_TARGET, RECORD_MEMBER };

static void put_member_tombstone(struct groups *g, struct group *group, struct bytes id,
                                 enum member_record kind)
{
    const struct consumer_group_current_member_assignment_key current = {.group_id = group->id,
                                                                         .member_id = id};
    const struct consumer_group_target_assignment_member_key target = {.group_id = group->id,
                                                                       .member_id = id};
    const struct consumer_group_member_metadata_key member = {.group_id = group->id,
                                                              .member_id = id};

    switch (kind) {
    case RECORD_CURRENT:
        groups_put(g, group,
                   &GROUP_RECORD(consumer_group_current_member_assignment, 0, &current, NULL));
        break;
    case RECORD_TARGET:
        groups_put(g, group,
                   &GROUP_RECORD(consumer_group_target_assignment_member, 0, &target, NULL));
        break;
    case RECORD_MEMBER:
        groups_put(g, group, &GROUP_RECORD(consumer_group_member_metadata, 0, &member, NULL));
        break;
    }
}

void consumer_put_member_tombstones(struct groups *g, struct consumer_member *m)
{
    struct group *group = m->group;
    struct bytes id = arena_copy(&g->scratch, m->id);

    put_member_tombstone(g, group, id, RECORD_CURRENT);
    put_member_tombstone(g, group, id, RECORD_TARGET);
    put_member_tombstone(g, group, id, RECORD_MEMBER);
}

void consumer_put_regex_if_unused(struct groups *g, struct group *group, struct bytes text)
{
    if (text.len > 0 && !g->broken && regex_uses(group, text) == 0) {
        put_regex_tombstone(g, group, text);
    }
}

/* One kind of record of every member; the last kind takes the members away. */
static void put_all_tombstones(struct groups *g, struct group *group, enum member_record kind)
{
    list_for_each (&group->consumer->members, link) {
        const struct consumer_member *m = CONTAINER_OF(link, const struct consumer_member, link);

        if (!g->broken) {
            put_member_tombstone(g, group, arena_copy(&g->scratch, m->id), kind);
        }
    }
}

/* In Kafka's order. */
void consumer_put_tombstones(struct groups *g, struct group *group)
{
    const struct consumer_group_target_assignment_metadata_key target = {.group_id = group->id};

    put_all_tombstones(g, group, RECORD_CURRENT);
    put_all_tombstones(g, group, RECORD_TARGET);
    groups_put(g, group,
               &GROUP_RECORD(consumer_group_target_assignment_metadata, 0, &target, NULL));
    put_all_tombstones(g, group, RECORD_MEMBER);
    map_for_each(&group->consumer->regexes, link)
    {
        const struct consumer_regex *r = CONTAINER_OF(link, const struct consumer_regex, link);

        if (!g->broken && r->resolved) {
            put_regex_tombstone(g, group, arena_copy(&g->scratch, r->text));
        }
    }
    put_group_tombstones(g, group);
}
