/* tools/group_offsets.c: what groups committed, and where the logs end.
 *
 * WHY      Lag is a subtraction; the work is to ask for a thousand groups as if they were one: all groups of a
 *          coordinator in one OffsetFetch, each partition once in one ListOffsets for its leader.
 * FORMAT   A group's partitions are those it committed and those its members have, each once, by topic and number.
 * FAILURE  A topic that is gone, or a leader that does not answer, leaves the end and the lag of its partitions unknown.
 * LIMITS   OffsetFetch from version 8 on (Kafka 3.0), which names many groups; up to 9, which names topics.
 */
#include "tools/group_view_internal.h"

#include "schema/describe_share_group_offsets.h"
#include "schema/offset_fetch.h"
#include "tools/cluster.h"

#include <stdlib.h>

enum { OFFSET_FETCH_FIRST = 8, OFFSET_FETCH_LAST = 9 };

static bool has_commits(const struct group_view_group *g, uint32_t parts)
{
    (void)parts;
    return g->type != GROUP_SHARE;
}

static bool is_share(const struct group_view_group *g, uint32_t parts)
{
    (void)parts;
    return g->type == GROUP_SHARE;
}

/* ---- the partitions of a group ---- */

static int32_t assigned_count(const struct group_view_group *g)
{
    int32_t count = 0;

    for (int32_t i = 0; i < g->member_count; i++) {
        count += g->members[i].assigned.len;
    }
    return count;
}

/* Room for `committed` ones and those that members have; false: no memory. */
static bool begin_offsets(struct cli *c, struct group_view_group *g, int32_t committed)
{
    g->offset_count = 0;
    g->offsets = ARENA_ARRAY(c->arena, struct group_offset, committed + assigned_count(g));
    return g->offsets != NULL;
}

static struct group_offset *add_offset(struct group_view_group *g, struct bytes topic,
                                       int32_t partition)
{
    struct group_offset *o = &g->offsets[g->offset_count++];

    *o = (struct group_offset){.topic = topic,
                               .partition = partition,
                               .committed = -1,
                               .end = -1,
                               .lag = -1,
                               .lag_time_ms = -1,
                               .leader = CLIENT_ANY_BROKER};
    return o;
}

static int by_place(const void *a, const void *b)
{
    const struct group_offset *x = a, *y = b;
    int order = bytes_compare(x->topic, y->topic);

    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Adds what members have, and makes one of those that were committed, too. */
static void end_offsets(struct group_view_group *g)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < g->member_count; i++) {
        for (int32_t j = 0; j < g->members[i].assigned.len; j++) {
            const struct group_place *p = &g->members[i].assigned.at[j];
            add_offset(g, p->topic, p->partition)->member = &g->members[i];
        }
    }
    if (g->offset_count > 0) {
        qsort(g->offsets, (size_t)g->offset_count, sizeof(*g->offsets), by_place);
    }
    for (int32_t i = 0; i < g->offset_count; i++) {
        struct group_offset *o = &g->offsets[i], *last = kept > 0 ? &g->offsets[kept - 1] : NULL;
        if (last == NULL || by_place(last, o) != 0) {
            g->offsets[kept++] = *o;
            continue;
        }
        const struct group_member *member = o->member != NULL ? o->member : last->member;
        if (o->committed >= 0) {
            *last = *o;
        }
        last->member = member;
    }
    g->offset_count = kept;
}

/* ---- OffsetFetch ---- */

static void take_commits(struct cli *c, struct group_view_group *g,
                         const struct offset_fetch_response_group *from)
{
    int32_t count = 0;

    for (int32_t i = 0; i < from->topics.len; i++) {
        count += from->topics.at[i].partitions.len;
    }
    if (!begin_offsets(c, g, count)) {
        return;
    }
    for (int32_t i = 0; i < from->topics.len; i++) {
        const struct offset_fetch_response_group_topic *t = &from->topics.at[i];
        for (int32_t j = 0; j < t->partitions.len; j++) {
            const struct offset_fetch_response_group_partition *p = &t->partitions.at[j];
            if (p->error_code == KAFKA_NONE && p->committed_offset >= 0) {
                struct group_offset *o = add_offset(g, t->name, p->partition_index);
                o->committed = p->committed_offset;
                o->metadata = p->metadata;
            }
        }
    }
    end_offsets(g);
}

static enum err ask_commits(struct cli *c, const struct group_batch *b)
{
    struct offset_fetch_request rq;
    struct offset_fetch_response rs;
    struct client_call call = {.broker = b->coordinator,
                               .api = API_OFFSET_FETCH,
                               .version_max = OFFSET_FETCH_LAST,
                               .request = &rq,
                               .response = &rs};
    int16_t version = client_version(c->client, b->coordinator, API_OFFSET_FETCH);

    if (version >= 0 && version < OFFSET_FETCH_FIRST) {
        return fail(ERR_UNSUPPORTED,
                    "the broker does not tell of many groups at once; Kafka does from 3.0 on");
    }
    offset_fetch_request_init(&rq);
    rq.groups = offset_fetch_request_groups_new(c->arena, b->count);
    for (int32_t i = 0; i < rq.groups.len; i++) {
        rq.groups.at[i].group_id = b->groups[i]->name;
        rq.groups.at[i].topics.len = -1;
    }
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.groups.len; i++) {
        struct group_view_group *g = group_of_batch(b, rs.groups.at[i].group_id);
        if (g == NULL) {
            continue;
        }
        if (rs.groups.at[i].error_code == KAFKA_NONE) {
            take_commits(c, g, &rs.groups.at[i]);
        } else {
            group_note(b->view, g, rs.groups.at[i].error_code, BYTES_NULL);
        }
    }
    return OK;
}

/* ---- DescribeShareGroupOffsets ---- */

static void take_share(struct cli *c, struct group_view_group *g,
                       const struct describe_share_group_offsets_response_group *from)
{
    int32_t count = 0;

    for (int32_t i = 0; i < from->topics.len; i++) {
        count += from->topics.at[i].partitions.len;
    }
    if (!begin_offsets(c, g, count)) {
        return;
    }
    for (int32_t i = 0; i < from->topics.len; i++) {
        const struct describe_share_group_offsets_response_topic *t = &from->topics.at[i];
        for (int32_t j = 0; j < t->partitions.len; j++) {
            const struct describe_share_group_offsets_response_partition *p = &t->partitions.at[j];
            if (p->error_code == KAFKA_NONE && p->start_offset >= 0) {
                struct group_offset *o = add_offset(g, t->topic_name, p->partition_index);
                o->committed = p->start_offset;
                o->lag = p->lag;
            }
        }
    }
    end_offsets(g);
}

static enum err ask_share(struct cli *c, const struct group_batch *b)
{
    struct describe_share_group_offsets_request rq;
    struct describe_share_group_offsets_response rs;
    struct client_call call = {.broker = b->coordinator,
                               .api = API_DESCRIBE_SHARE_GROUP_OFFSETS,
                               .request = &rq,
                               .response = &rs};

    describe_share_group_offsets_request_init(&rq);
    rq.groups = describe_share_group_offsets_request_groups_new(c->arena, b->count);
    for (int32_t i = 0; i < rq.groups.len; i++) {
        rq.groups.at[i].group_id = b->groups[i]->name;
        rq.groups.at[i].topics.len = -1;
    }
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

enum err group_view_offsets(struct cli *c, struct group_view *v)
{
    TRY(group_batches(c, v, has_commits, ask_commits, 0));
    enum err e = group_batches(c, v, is_share, ask_share, 0);
    return e == ERR_UNSUPPORTED ? OK : e;
}

/* ---- ends ---- */

struct ends {
    struct group_offset **all; /* of all groups, by topic and partition */
    int32_t count;
    struct cluster_offset *questions; /* each partition once */
    int32_t question_count;
};

static int by_place_of(const void *a, const void *b)
{
    return by_place(*(const struct group_offset *const *)a, *(const struct group_offset *const *)b);
}

static enum err collect(struct cli *c, struct group_view *v, struct ends *out)
{
    int32_t count = 0;

    for (int32_t i = 0; i < v->count; i++) {
        count += v->groups[i].offset_count;
    }
    *out = (struct ends){.all = ARENA_ARRAY(c->arena, struct group_offset *, count),
                         .questions = ARENA_ARRAY(c->arena, struct cluster_offset, count)};
    if (out->all == NULL || out->questions == NULL) {
        return fail(ERR_NOMEM, "no memory for %d partitions", count);
    }
    for (int32_t i = 0; i < v->count; i++) {
        for (int32_t j = 0; j < v->groups[i].offset_count; j++) {
            out->all[out->count++] = &v->groups[i].offsets[j];
        }
    }
    if (count > 0) {
        qsort(out->all, (size_t)count, sizeof(struct group_offset *), by_place_of);
    }
    return OK;
}

static int topic_by_name(const void *a, const void *b)
{
    const struct metadata_response_topic *x = a, *y = b;

    return bytes_compare(x->name, y->name);
}

/* Who leads it; -1 with why not in *error. */
static int32_t leader_in(const struct metadata_response *m, const struct group_offset *o,
                         enum kafka_error *error)
{
    struct metadata_response_topic key = {.name = o->topic};
    const struct metadata_response_topic *t =
        m->topics.len == 0
            ? NULL
            : bsearch(&key, m->topics.at, (size_t)m->topics.len, sizeof(*t), topic_by_name);

    *error =
        t != NULL && t->error_code != KAFKA_NONE ? t->error_code : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t i = 0; t != NULL && o->partition >= 0 && i < t->partitions.len; i++) {
        /* They are in order, as a rule. */
        int32_t at = (int32_t)(((int64_t)i + o->partition) % t->partitions.len);
        if (t->partitions.at[at].partition_index == o->partition) {
            *error = t->partitions.at[at].leader_id < 0 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_NONE;
            return t->partitions.at[at].leader_id;
        }
    }
    return CLIENT_ANY_BROKER;
}

static enum err ask_topics(struct cli *c, const struct ends *e, struct metadata_response *out)
{
    struct bytes *names = ARENA_ARRAY(c->arena, struct bytes, e->count);
    int32_t count = 0;

    if (names == NULL) {
        return fail(ERR_NOMEM, "no memory for topics");
    }
    for (int32_t i = 0; i < e->count; i++) {
        if (count == 0 || !bytes_equal(names[count - 1], e->all[i]->topic)) {
            names[count++] = e->all[i]->topic;
        }
    }
    if (cluster_topics(c, c->arena, names, count, out) != CLI_OK) {
        return fail(ERR_CLOSED, "the metadata of %d topics cannot be had", count);
    }
    if (out->topics.len > 0) {
        qsort(out->topics.at, (size_t)out->topics.len, sizeof(*out->topics.at), topic_by_name);
    }
    return OK;
}

static void take_end(struct group_offset *o, const struct cluster_offset *q)
{
    o->leader = q->leader;
    o->error = q->error;
    if (o->error != KAFKA_NONE || q->offset < 0) {
        return;
    }
    o->end = q->offset;
    if (o->committed >= 0 && o->lag < 0) {
        o->lag = MAX(0, o->end - o->committed);
    }
}

/* Each partition once. */
static enum err ask_questions(struct cli *c, const struct metadata_response *m, struct ends *e)
{
    enum kafka_error *errors = ARENA_ARRAY(c->arena, enum kafka_error, e->count);

    if (errors == NULL) {
        return fail(ERR_NOMEM, "no memory for %d partitions", e->count);
    }
    for (int32_t i = 0; i < e->count; i++) {
        const struct group_offset *o = e->all[i];
        if (i == 0 || by_place(o, e->all[i - 1]) != 0) {
            e->questions[e->question_count] =
                (struct cluster_offset){.topic = o->topic,
                                        .partition = o->partition,
                                        .leader = leader_in(m, o, &errors[e->question_count]),
                                        .at = CLUSTER_OFFSET_END};
            e->question_count++;
        }
    }
    (void)cluster_offsets(c->client, c->arena, e->questions, e->question_count, CLUSTER_READ_ALL);
    for (int32_t i = 0; i < e->question_count; i++) {
        if (e->questions[i].leader < 0) {
            e->questions[i].error = errors[i];
        }
    }
    return OK;
}

enum err group_view_ends(struct cli *c, struct group_view *v)
{
    struct metadata_response m;
    struct ends e;

    TRY(collect(c, v, &e));
    if (e.count == 0) {
        return OK;
    }
    TRY(ask_topics(c, &e, &m));
    TRY(ask_questions(c, &m, &e));
    for (int32_t i = 0, at = -1; i < e.count; i++) {
        at += i == 0 || by_place(e.all[i], e.all[i - 1]) != 0;
        take_end(e.all[i], &e.questions[at]);
    }
    return OK;
}
