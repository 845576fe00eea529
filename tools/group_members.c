/* tools/group_members.c: who is in the groups, and what each has.
 *
 * WHY      Each type of group has an API of its own that describes it; here they become one form.
 * FORMAT   A classic consumer's subscription and assignment are bytes to the broker: a version, and then
 *          ConsumerProtocolSubscription or ConsumerProtocolAssignment. Members of other protocol types show nothing.
 * FAILURE  A group that is gone since it was listed has no members. Members that a broker cannot describe (an API that
 *          it does not know) stay untold: member_count -1.
 */
#include "tools/group_view_internal.h"

#include "schema/consumer_group_describe.h"
#include "schema/consumer_protocol.h"
#include "schema/describe_groups.h"
#include "schema/share_group_describe.h"
#include "schema/streams_group_describe.h"

#include <stdlib.h>

enum { PROTOCOL_VERSION_LAST = 3, PROTOCOL_VERSION_BYTES = 2 };

static bool is_memberless(const struct group_view_group *g, uint32_t parts)
{
    return (parts & GROUP_VIEW_EMPTY) == 0 && bytes_equal(g->state, BYTES("Empty"));
}

static bool is_classic(const struct group_view_group *g, uint32_t parts)
{
    return g->type == GROUP_CLASSIC && !is_memberless(g, parts);
}

static bool is_consumer(const struct group_view_group *g, uint32_t parts)
{
    return g->type == GROUP_CONSUMER && !is_memberless(g, parts);
}

static bool is_share(const struct group_view_group *g, uint32_t parts)
{
    return g->type == GROUP_SHARE && !is_memberless(g, parts);
}

static bool is_streams(const struct group_view_group *g, uint32_t parts)
{
    return g->type == GROUP_STREAMS && !is_memberless(g, parts);
}

static struct string_array names_of(struct cli *c, const struct group_batch *b)
{
    struct string_array names = string_array_new(c->arena, b->count);

    for (int32_t i = 0; i < names.len; i++) {
        names.at[i] = b->groups[i]->name;
    }
    return names;
}

/* ---- places ---- */

static struct group_places places_new(struct arena *arena, int32_t room)
{
    struct group_place *at = ARENA_ARRAY(arena, struct group_place, room);

    return (struct group_places){at, 0};
}

static void places_add(struct group_places *p, struct bytes topic, const struct int32_array *from)
{
    for (int32_t i = 0; p->at != NULL && i < from->len; i++) {
        p->at[p->len++] = (struct group_place){topic, from->at[i]};
    }
}

static void places_sort(struct group_places *p)
{
    if (p->len > 0) {
        qsort(p->at, (size_t)p->len, sizeof(*p->at), group_place_compare);
    }
}

/* ---- classic ---- */

/* The version in front, cut to one that is known: later ones only add at the end. -1: there is none. */
static int16_t take_version(struct bytes *b)
{
    if (b->len < PROTOCOL_VERSION_BYTES) {
        return -1;
    }
    int version = b->at[0] << 8 | b->at[1];
    *b = bytes_slice(*b, PROTOCOL_VERSION_BYTES, b->len);
    return (int16_t)MIN(version, PROTOCOL_VERSION_LAST);
}

static struct group_places classic_places(struct arena *arena, struct bytes from)
{
    struct consumer_protocol_assignment a;
    int16_t version = take_version(&from);
    int32_t room = 0;

    if (version < 0 || consumer_protocol_assignment_read(arena, from, version, &a) != OK) {
        return (struct group_places){NULL, 0};
    }
    for (int32_t i = 0; i < a.assigned_partitions.len; i++) {
        room += a.assigned_partitions.at[i].partitions.len;
    }
    struct group_places p = places_new(arena, room);
    for (int32_t i = 0; i < a.assigned_partitions.len; i++) {
        places_add(&p, a.assigned_partitions.at[i].topic, &a.assigned_partitions.at[i].partitions);
    }
    places_sort(&p);
    return p;
}

static struct string_array classic_topics(struct arena *arena, struct bytes from)
{
    struct consumer_protocol_subscription s;
    int16_t version = take_version(&from);

    if (version < 0 || consumer_protocol_subscription_read(arena, from, version, &s) != OK) {
        return (struct string_array){NULL, 0};
    }
    return s.topics;
}

static void take_classic(struct cli *c, struct group_view_group *g,
                         const struct describe_groups_response_group *from)
{
    bool consumers = bytes_equal(from->protocol_type, BYTES("consumer"));

    g->state = from->group_state;
    g->protocol_type = from->protocol_type;
    g->assignor = from->protocol_data;
    g->members = ARENA_ARRAY(c->arena, struct group_member, from->members.len);
    g->member_count = g->members == NULL ? 0 : from->members.len;
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct describe_groups_response_member *m = &from->members.at[i];
        g->members[i] = (struct group_member){.id = m->member_id,
                                              .client_id = m->client_id,
                                              .host = m->client_host,
                                              .instance = m->group_instance_id,
                                              .epoch = -1};
        if (consumers) {
            g->members[i].assigned = classic_places(c->arena, m->member_assignment);
            g->members[i].topics = classic_topics(c->arena, m->member_metadata);
        }
    }
}

static enum err ask_classic(struct cli *c, const struct group_batch *b)
{
    struct describe_groups_request rq;
    struct describe_groups_response rs;
    struct client_call call = {
        .broker = b->coordinator, .api = API_DESCRIBE_GROUPS, .request = &rq, .response = &rs};

    describe_groups_request_init(&rq);
    rq.groups = names_of(c, b);
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.groups.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.groups.at[i].group_id);
        if (g == NULL) {
            continue;
        }
        if (rs.groups.at[i].error_code == KAFKA_NONE) {
            take_classic(c, g, &rs.groups.at[i]);
        } else {
            group_note(b->view, g, rs.groups.at[i].error_code, rs.groups.at[i].error_message);
        }
    }
    return OK;
}

/* ---- consumer ---- */

static struct group_places
consumer_places(struct arena *arena,
                const struct consumer_group_describe_response_topic_partitions *from)
{
    int32_t room = 0;

    for (int32_t i = 0; i < from->len; i++) {
        room += from->at[i].partitions.len;
    }
    struct group_places p = places_new(arena, room);
    for (int32_t i = 0; i < from->len; i++) {
        places_add(&p, from->at[i].topic_name, &from->at[i].partitions);
    }
    places_sort(&p);
    return p;
}

static void take_consumer(struct cli *c, struct group_view_group *g,
                          const struct consumer_group_describe_response_group *from)
{
    g->state = from->group_state;
    g->assignor = from->assignor_name;
    g->epoch = from->group_epoch;
    g->assignment_epoch = from->assignment_epoch;
    g->members = ARENA_ARRAY(c->arena, struct group_member, from->members.len);
    g->member_count = g->members == NULL ? 0 : from->members.len;
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct consumer_group_describe_response_member *m = &from->members.at[i];
        g->members[i] = (struct group_member){
            .id = m->member_id,
            .client_id = m->client_id,
            .host = m->client_host,
            .instance = m->instance_id,
            .epoch = m->member_epoch,
            .topics = m->subscribed_topic_names,
            .pattern = m->subscribed_topic_regex,
            .assigned = consumer_places(c->arena, &m->assignment.topic_partitions),
            .has_target = true,
            .target = consumer_places(c->arena, &m->target_assignment.topic_partitions)};
    }
}

static enum err ask_consumer(struct cli *c, const struct group_batch *b)
{
    struct consumer_group_describe_request rq;
    struct consumer_group_describe_response rs;
    struct client_call call = {.broker = b->coordinator,
                               .api = API_CONSUMER_GROUP_DESCRIBE,
                               .request = &rq,
                               .response = &rs};

    consumer_group_describe_request_init(&rq);
    rq.group_ids = names_of(c, b);
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.groups.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.groups.at[i].group_id);
        if (g == NULL) {
            continue;
        }
        if (rs.groups.at[i].error_code == KAFKA_NONE) {
            take_consumer(c, g, &rs.groups.at[i]);
        } else {
            group_note(b->view, g, rs.groups.at[i].error_code, rs.groups.at[i].error_message);
        }
    }
    return OK;
}

/* ---- share ---- */

static struct group_places
share_places(struct arena *arena, const struct share_group_describe_response_topic_partitions *from)
{
    int32_t room = 0;

    for (int32_t i = 0; i < from->len; i++) {
        room += from->at[i].partitions.len;
    }
    struct group_places p = places_new(arena, room);
    for (int32_t i = 0; i < from->len; i++) {
        places_add(&p, from->at[i].topic_name, &from->at[i].partitions);
    }
    places_sort(&p);
    return p;
}

static void take_share(struct cli *c, struct group_view_group *g,
                       const struct share_group_describe_response_group *from)
{
    g->state = from->group_state;
    g->assignor = from->assignor_name;
    g->epoch = from->group_epoch;
    g->assignment_epoch = from->assignment_epoch;
    g->members = ARENA_ARRAY(c->arena, struct group_member, from->members.len);
    g->member_count = g->members == NULL ? 0 : from->members.len;
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct share_group_describe_response_member *m = &from->members.at[i];
        g->members[i] = (struct group_member){
            .id = m->member_id,
            .client_id = m->client_id,
            .host = m->client_host,
            .epoch = m->member_epoch,
            .topics = m->subscribed_topic_names,
            .assigned = share_places(c->arena, &m->assignment.topic_partitions)};
    }
}

static enum err ask_share(struct cli *c, const struct group_batch *b)
{
    struct share_group_describe_request rq;
    struct share_group_describe_response rs;
    struct client_call call = {
        .broker = b->coordinator, .api = API_SHARE_GROUP_DESCRIBE, .request = &rq, .response = &rs};

    share_group_describe_request_init(&rq);
    rq.group_ids = names_of(c, b);
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.groups.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.groups.at[i].group_id);
        if (g == NULL) {
            continue;
        }
        if (rs.groups.at[i].error_code == KAFKA_NONE) {
            take_share(c, g, &rs.groups.at[i]);
        } else {
            group_note(b->view, g, rs.groups.at[i].error_code, rs.groups.at[i].error_message);
        }
    }
    return OK;
}

/* ---- streams ---- */

/* Tasks are no partitions; what the members have of them is not told. */
static void take_streams(struct cli *c, struct group_view_group *g,
                         const struct streams_group_describe_response_group *from)
{
    g->state = from->group_state;
    g->epoch = from->group_epoch;
    g->assignment_epoch = from->assignment_epoch;
    g->members = ARENA_ARRAY(c->arena, struct group_member, from->members.len);
    g->member_count = g->members == NULL ? 0 : from->members.len;
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct streams_group_describe_response_member *m = &from->members.at[i];
        g->members[i] = (struct group_member){.id = m->member_id,
                                              .client_id = m->client_id,
                                              .host = m->client_host,
                                              .instance = m->instance_id,
                                              .epoch = m->member_epoch};
    }
}

static enum err ask_streams(struct cli *c, const struct group_batch *b)
{
    struct streams_group_describe_request rq;
    struct streams_group_describe_response rs;
    struct client_call call = {.broker = b->coordinator,
                               .api = API_STREAMS_GROUP_DESCRIBE,
                               .request = &rq,
                               .response = &rs};

    streams_group_describe_request_init(&rq);
    rq.group_ids = names_of(c, b);
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.groups.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.groups.at[i].group_id);
        if (g == NULL) {
            continue;
        }
        if (rs.groups.at[i].error_code == KAFKA_NONE) {
            take_streams(c, g, &rs.groups.at[i]);
        } else {
            group_note(b->view, g, rs.groups.at[i].error_code, rs.groups.at[i].error_message);
        }
    }
    return OK;
}

enum err group_view_members(struct cli *c, struct group_view *v, uint32_t parts)
{
    static const struct {
        group_wanted *wanted;
        group_ask *ask;
    } kinds[] = {{is_classic, ask_classic},
                 {is_consumer, ask_consumer},
                 {is_share, ask_share},
                 {is_streams, ask_streams}};

    for (int32_t i = 0; i < v->count; i++) {
        v->groups[i].member_count = is_memberless(&v->groups[i], parts) ? 0 : -1;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        enum err e = group_batches(c, v, kinds[i].wanted, kinds[i].ask, parts);
        if (e != OK && e != ERR_UNSUPPORTED) {
            return e;
        }
    }
    return OK;
}
