/* broker/groups/offsets_commit.c: OffsetCommit: where a member, or somebody without a group, has got to.
 *
 * FLOW     1. mark what does not exist: partitions one by one, by the newest metadata
 *          2. may the caller commit in this group? If not, that is the answer for all that exists
 *          3. one record for each partition that is left; the answer leaves when they are on disk
 * GROUPS   A commit without generation to a group that nobody knows makes one that only keeps offsets. If there is
 *          nothing to commit, the group is not even looked at.
 * VERSIONS Up to 4 a retention may be asked for: the record then has version 1, which knows expire_timestamp and
 *          neither leader epoch nor topic id. Up to 9 topics are named, from 10 on they are ids.
 * LIMITS   offset.metadata.max.bytes counts UTF-16 units, as Kafka does; REQUEST_RECORDS_BYTES_MAX for all records
 *          of a request, INVALID_COMMIT_OFFSET_SIZE beyond.
 */
#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/offsets_internal.h"
#include "schema/offset_commit.h"

enum {
    IDS_FROM = 10,
    GROUP_ID_NOT_FOUND_FROM = 9,
    VALUE_VERSION = 4,
    VALUE_VERSION_EXPIRY = 1, /* the only one that has expire_timestamp */
    RECORD_OVERHEAD_BYTES = 128,
    REQUEST_RECORDS_BYTES_MAX = 32 << 20,
};
static_assert((int)REQUEST_RECORDS_BYTES_MAX < (int)GROUPS_BATCH_BYTES_MAX,
              "an operation is one batch");

struct commit {
    struct groups *g;
    struct group *group; /* NULL: not there yet */
    const struct offset_commit_request *in;
    struct offset_commit_response *out; /* NONE: to be committed */
    const struct image_topic **topics;  /* of in->topics; NULL: unknown */
    struct group_committer by;
    int64_t now_ms;
    size_t valid;         /* partitions that exist */
    size_t records_bytes; /* at most */
    int32_t metadata_max;
};

/* ---- 1. what exists ---- */

static void partition_mark(struct commit *c, int32_t topic, int32_t at)
{
    const struct image_topic *t = c->topics[topic];
    const struct offset_commit_request_partition *in = &c->in->topics.at[topic].partitions.at[at];
    struct offset_commit_response_partition *out = &c->out->topics.at[topic].partitions.at[at];

    out->partition_index = in->partition_index;
    if (t == NULL) {
        out->error_code =
            c->by.version >= IDS_FROM ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else if (in->partition_index < 0 || in->partition_index >= t->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    } else {
        c->valid++;
        c->records_bytes +=
            RECORD_OVERHEAD_BYTES + c->in->group_id.len + t->name.len + in->committed_metadata.len;
    }
}

/* False: the arena is exhausted. */
static bool answer_begin(struct commit *c, struct arena *a)
{
    const struct image *image = groups_image(c->g);
    int32_t count = c->in->topics.len;

    c->topics = ARENA_ARRAY(a, const struct image_topic *, count);
    c->out->topics = offset_commit_response_topics_new(a, count);
    for (int32_t i = 0; i < c->out->topics.len && c->topics != NULL; i++) {
        const struct offset_commit_request_topic *in = &c->in->topics.at[i];
        struct offset_commit_response_topic *out = &c->out->topics.at[i];

        c->topics[i] = c->by.version >= IDS_FROM ? image_topic_by_id(image, in->topic_id)
                                                 : image_topic_by_name(image, in->name);
        out->name = in->name;
        out->topic_id = in->topic_id;
        out->partitions = offset_commit_response_partitions_new(a, in->partitions.len);
        for (int32_t k = 0; k < out->partitions.len; k++) {
            partition_mark(c, i, k);
        }
    }
    return !a->exhausted;
}

/* ---- 2. may they? ---- */

static size_t utf16_units(struct bytes text)
{
    size_t units = 0;

    for (size_t i = 0; i < text.len; i++) {
        units += (text.at[i] & 0xc0) != 0x80; /* not in the middle of a character */
        units += text.at[i] >= 0xf0;          /* one that needs two units */
    }
    return units;
}

static bool is_too_large(const struct commit *c, struct bytes metadata)
{
    size_t max = (size_t)MAX(c->metadata_max, 0);

    return metadata.len > max && utf16_units(metadata) > max;
}

/* Calls fn for each partition that exists, until one is in error. */
static enum kafka_error
each_valid(struct commit *c, enum kafka_error (*fn)(struct commit *c, int32_t topic, int32_t at))
{
    for (int32_t i = 0; i < c->out->topics.len; i++) {
        for (int32_t k = 0; k < c->out->topics.at[i].partitions.len; k++) {
            enum kafka_error error = KAFKA_NONE;

            if (c->out->topics.at[i].partitions.at[k].error_code == KAFKA_NONE) {
                error = fn(c, i, k);
            }
            if (error != KAFKA_NONE) {
                return error;
            }
        }
    }
    return KAFKA_NONE;
}

static enum kafka_error check_partition(struct commit *c, int32_t topic, int32_t at)
{
    const struct offset_commit_request_partition *in = &c->in->topics.at[topic].partitions.at[at];

    return is_too_large(c, in->committed_metadata)
               ? KAFKA_NONE
               : consumer_check_commit(c->g, c->group, &c->by, c->topics[topic]->name,
                                       in->partition_index);
}

static enum kafka_error check_group(struct commit *c)
{
    if (c->records_bytes > REQUEST_RECORDS_BYTES_MAX) {
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    }
    if (c->group == NULL) {
        return c->by.generation < 0                       ? KAFKA_NONE
               : c->by.version >= GROUP_ID_NOT_FOUND_FROM ? KAFKA_GROUP_ID_NOT_FOUND
                                                          : KAFKA_ILLEGAL_GENERATION;
    }
    if (c->group->consumer == NULL) {
        return classic_check_commit(c->g, c->group, &c->by);
    }
    enum kafka_error error = consumer_check_commit(c->g, c->group, &c->by, BYTES_NULL, -1);
    return error == KAFKA_NONE ? each_valid(c, check_partition) : error;
}

static void refuse_valid(struct commit *c, enum kafka_error error)
{
    for (int32_t i = 0; i < c->out->topics.len; i++) {
        for (int32_t k = 0; k < c->out->topics.at[i].partitions.len; k++) {
            struct offset_commit_response_partition *p = &c->out->topics.at[i].partitions.at[k];

            if (p->error_code == KAFKA_NONE) {
                p->error_code = error;
            }
        }
    }
}

/* ---- 3. records ---- */

static enum kafka_error put(struct commit *c, int32_t topic, int32_t at)
{
    const struct offset_commit_request_partition *in = &c->in->topics.at[topic].partitions.at[at];
    const struct image_topic *t = c->topics[topic];
    const struct offset_commit_key key = {
        .group = c->in->group_id, .topic = t->name, .partition = in->partition_index};
    struct offset_commit_value value = {
        .offset = in->committed_offset,
        .leader_epoch = OFFSET_NO_EPOCH,
        .metadata = in->committed_metadata.at == NULL ? BYTES("") : in->committed_metadata,
        .commit_timestamp = c->now_ms,
        .expire_timestamp = OFFSET_NO_EXPIRY,
    };
    bool expires = c->in->retention_time_ms != OFFSET_NO_EXPIRY;

    if (is_too_large(c, value.metadata)) {
        c->out->topics.at[topic].partitions.at[at].error_code = KAFKA_OFFSET_METADATA_TOO_LARGE;
        return KAFKA_NONE;
    }
    if (c->group == NULL) {
        c->group = group_find_or_classic(c->g, c->in->group_id);
    }
    if (c->group == NULL) {
        return KAFKA_NONE; /* no memory: the operation's end says so */
    }
    if (expires) {
        if (__builtin_add_overflow(c->now_ms, c->in->retention_time_ms, &value.expire_timestamp)) {
            value.expire_timestamp = INT64_MAX;
        }
    } else {
        value.leader_epoch = in->committed_leader_epoch;
        value.topic_id = t->id;
    }
    groups_put(
        c->g, c->group,
        &GROUP_RECORD(offset_commit, expires ? VALUE_VERSION_EXPIRY : VALUE_VERSION, &key, &value));
    return KAFKA_NONE;
}

/* A topic without partitions is not answered. */
static void drop_empty_topics(struct offset_commit_response_topics *topics)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < topics->len; i++) {
        if (topics->at[i].partitions.len > 0) {
            topics->at[kept++] = topics->at[i];
        }
    }
    topics->len = kept;
}

void group_offset_commit(struct groups *g, struct group_call *call)
{
    const struct offset_commit_request *in = call->in;
    struct commit c = {
        .g = g,
        .group = group_find(g, in->group_id),
        .in = in,
        .out = call->out,
        .by = {.member_id = in->member_id,
               .instance_id = in->group_instance_id,
               .generation = in->generation_id_or_member_epoch,
               .version = call->version},
        .now_ms = groups_wall_ms(g),
        .metadata_max = (int32_t)groups_config(g, CONFIG_OFFSET_METADATA_MAX_BYTES),
    };

    if (answer_begin(&c, call->arena) && c.valid > 0) {
        enum kafka_error error = check_group(&c);

        if (error == KAFKA_NONE) {
            (void)each_valid(&c, put);
        } else {
            refuse_valid(&c, error);
        }
    }
    drop_empty_topics(&c.out->topics);
    group_call_end(g, c.group, call);
}
