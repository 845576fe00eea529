/* broker/groups/offsets_fetch.c: OffsetFetch: where a group has got to.
 *
 * WHY      A partition without an offset is not an error: its offset is -1, and the reader begins where its own
 *          settings say. The same goes for a group that is not there.
 * FORMS    Before version 8 one group, named in the request itself; then any number. Both are answered in the newer
 *          form here, and the older one is made of it. Topics null: all that the group has.
 * COPIES   The answer may wait for the disk while offsets move on, so all of it is copied into the call's arena.
 */
#include "broker/groups/consumer.h"
#include "broker/groups/offsets_internal.h"
#include "schema/offset_fetch.h"

enum { ERROR_FROM = 2, GROUPS_FROM = 8, IDS_FROM = 10 };

struct fetch {
    struct groups *g;
    struct arena *arena;
    struct group *group; /* NULL: not there */
    bool by_id;
};

/* ---- some ---- */

static void answer_offset(const struct fetch *f, const struct committed_offset *o,
                          struct offset_fetch_response_group_partition *out)
{
    out->committed_offset = o == NULL ? OFFSET_NONE : o->offset;
    out->committed_leader_epoch = o == NULL ? OFFSET_NO_EPOCH : o->leader_epoch;
    out->metadata =
        o == NULL || o->metadata_len == 0 ? BYTES("") : arena_copy(f->arena, offsets_metadata(o));
}

static void answer_topic(const struct fetch *f, const struct offset_fetch_request_group_topic *in,
                         struct offset_fetch_response_group_topic *out)
{
    const struct image_topic *t = f->by_id ? image_topic_by_id(groups_image(f->g), in->topic_id)
                                           : image_topic_by_name(groups_image(f->g), in->name);
    bool unknown = f->by_id && t == NULL;

    out->name = in->name;
    out->topic_id = in->topic_id;
    out->partitions =
        offset_fetch_response_group_partitions_new(f->arena, in->partition_indexes.len);
    for (int32_t i = 0; i < out->partitions.len; i++) {
        struct offset_fetch_response_group_partition *p = &out->partitions.at[i];
        const struct committed_offset *o = NULL;

        p->partition_index = in->partition_indexes.at[i];
        p->error_code = unknown ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_NONE;
        if (f->group != NULL && !unknown) {
            o = offsets_find(f->g, f->group, f->by_id ? t->name : in->name, p->partition_index);
        }
        if (o != NULL && t != NULL && offsets_of_other_topic(o, t->id)) {
            o = NULL;
        }
        answer_offset(f, o, p);
    }
}

/* ---- all ---- */

/* `t`: what has that name now, or NULL. An offset of a former topic of the name is nobody's. */
static void answer_whole_topic(const struct fetch *f, const struct offsets_topic *topic,
                               const struct image_topic *t,
                               struct offset_fetch_response_group_topic *out)
{
    const struct committed_offset **offsets = offsets_sorted(f->arena, topic);
    int32_t shown = 0;

    out->name = arena_copy(f->arena, topic->name);
    out->partitions =
        offset_fetch_response_group_partitions_new(f->arena, (int32_t)topic->partitions.len);
    for (int32_t i = 0; i < out->partitions.len && offsets != NULL; i++) {
        if (t == NULL || !offsets_of_other_topic(offsets[i], t->id)) {
            out->partitions.at[shown].partition_index = offsets[i]->partition;
            answer_offset(f, offsets[i], &out->partitions.at[shown++]);
        }
    }
    out->partitions.len = shown;
}

/* A topic without id cannot be named in the newest version: it is left out. */
static void answer_all(const struct fetch *f, struct offset_fetch_response_group *out)
{
    const struct offsets_topic **topics =
        f->group == NULL ? NULL : offsets_topics_sorted(f->arena, f->group);
    int32_t count = topics == NULL ? 0 : (int32_t)f->group->offsets.topics.len;
    int32_t shown = 0;

    out->topics = offset_fetch_response_group_topics_new(f->arena, count);
    for (int32_t i = 0; i < out->topics.len && topics != NULL; i++) {
        const struct image_topic *t = image_topic_by_name(groups_image(f->g), topics[i]->name);

        if (f->by_id && t == NULL) {
            continue;
        }
        out->topics.at[shown].topic_id = t == NULL ? (struct uuid){0} : t->id;
        answer_whole_topic(f, topics[i], t, &out->topics.at[shown]);
        shown += out->topics.at[shown].partitions.len > 0;
    }
    out->topics.len = shown;
}

/* ---- one group, in both forms ---- */

static void answer_group(const struct fetch *f, const struct offset_fetch_request_group *in,
                         struct offset_fetch_response_group *out)
{
    out->group_id = in->group_id;
    if (f->group != NULL && f->group->consumer != NULL) {
        out->error_code = consumer_check_fetch(f->g, f->group, in->member_id, in->member_epoch);
        if (out->error_code != KAFKA_NONE) {
            return;
        }
    }
    if (in->topics.len < 0) {
        answer_all(f, out);
        return;
    }
    out->topics = offset_fetch_response_group_topics_new(f->arena, in->topics.len);
    for (int32_t i = 0; i < out->topics.len; i++) {
        answer_topic(f, &in->topics.at[i], &out->topics.at[i]);
    }
}

static struct offset_fetch_request_group group_of_old(struct arena *a,
                                                      const struct offset_fetch_request *in)
{
    struct offset_fetch_request_group group = {.group_id = in->group_id, .member_epoch = -1};

    group.topics.len = in->topics.len;
    if (in->topics.len < 0) {
        return group;
    }
    group.topics.at = ARENA_ARRAY(a, struct offset_fetch_request_group_topic, in->topics.len);
    for (int32_t i = 0; i < in->topics.len && group.topics.at != NULL; i++) {
        group.topics.at[i].name = in->topics.at[i].name;
        group.topics.at[i].partition_indexes = in->topics.at[i].partition_indexes;
    }
    return group;
}

static void answer_old(struct arena *a, int16_t version,
                       const struct offset_fetch_response_group *in,
                       struct offset_fetch_response *out)
{
    ASSERT(in->topics.len == 0 || in->topics.at != NULL);
    out->error_code = version >= ERROR_FROM ? in->error_code : KAFKA_NONE;
    out->topics = offset_fetch_response_topics_new(a, in->topics.len);
    for (int32_t i = 0; i < MIN(in->topics.len, out->topics.len); i++) {
        const struct offset_fetch_response_group_topic *from = &in->topics.at[i];
        struct offset_fetch_response_topic *to = &out->topics.at[i];

        to->name = from->name;
        to->partitions = offset_fetch_response_partitions_new(a, from->partitions.len);
        for (int32_t k = 0; k < to->partitions.len; k++) {
            const struct offset_fetch_response_group_partition *p = &from->partitions.at[k];

            to->partitions.at[k].partition_index = p->partition_index;
            to->partitions.at[k].committed_offset = p->committed_offset;
            to->partitions.at[k].committed_leader_epoch = p->committed_leader_epoch;
            to->partitions.at[k].metadata = p->metadata;
            to->partitions.at[k].error_code = p->error_code;
        }
    }
}

void group_offset_fetch(struct groups *g, struct group_call *c)
{
    const struct offset_fetch_request *in = c->in;
    struct offset_fetch_response *out = c->out;
    bool old = c->version < GROUPS_FROM;
    struct bytes id = old ? in->group_id : in->groups.at[c->at].group_id;
    struct group *group = group_find(g, id);
    struct fetch f = {.g = g, .arena = c->arena, .group = group, .by_id = c->version >= IDS_FROM};

    if (old) {
        struct offset_fetch_request_group one = group_of_old(c->arena, in);
        struct offset_fetch_response_group answer = {0};

        if (!c->arena->exhausted) {
            answer_group(&f, &one, &answer);
            answer_old(c->arena, c->version, &answer, out);
        }
    } else {
        answer_group(&f, &in->groups.at[c->at], &out->groups.at[c->at]);
    }
    group_call_end(g, group, c);
}
