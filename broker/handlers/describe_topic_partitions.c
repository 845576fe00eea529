/* broker/handlers/describe_topic_partitions.c: DescribeTopicPartitions (KIP-966): topics page by page.
 *
 * Topics come in order of name, partitions in order of number, at most response_partition_limit of them
 * (max.request.partition.size.limit bounds that); next_cursor says where the next page begins. Without topics in
 * the request all are meant.
 */
#include "schema/describe_topic_partitions.h"
#include "broker/handler.h"

#include "broker/cluster_view.h"
#include "broker/names.h"
#include "broker/topic_plan.h"

#include <stdlib.h>

struct page {
    struct request *rq;
    struct describe_topic_partitions_response *out;
    int32_t left; /* partitions that still fit */
};

static void fill_partition(const struct image_partition *from, int32_t index,
                           struct describe_topic_partitions_response_partition *to)
{
    to->partition_index = index;
    to->leader_id = from->leader;
    to->leader_epoch = from->leader_epoch;
    to->replica_nodes.at = (int32_t *)(uintptr_t)from->replicas; /* only read */
    to->replica_nodes.len = from->replica_count;
    to->isr_nodes = to->replica_nodes;
    to->eligible_leader_replicas = (struct int32_array){NULL, 0};
    to->last_known_elr = (struct int32_array){NULL, 0};
}

static void set_cursor(struct page *p, struct bytes topic, int32_t partition)
{
    struct describe_topic_partitions_response_cursor *cursor =
        ARENA_NEW(p->rq->arena, struct describe_topic_partitions_response_cursor);

    if (cursor != NULL) {
        cursor->topic_name = topic;
        cursor->partition_index = partition;
        p->out->next_cursor = cursor;
    }
}

/* False: the page is full. */
static bool add_topic(struct page *p, const struct image_topic *topic, int32_t from)
{
    if (p->left == 0) {
        set_cursor(p, topic->name, from);
        return false;
    }
    struct describe_topic_partitions_response_topic *out = &p->out->topics.at[p->out->topics.len++];
    from = MIN(from, topic->partition_count);
    int32_t count = MIN(topic->partition_count - from, p->left);
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->topic_authorized_operations = TOPIC_OPERATIONS;
    out->partitions = describe_topic_partitions_response_partitions_new(p->rq->arena, count);
    for (int32_t i = 0; i < out->partitions.len; i++) {
        fill_partition(&topic->partitions[from + i], from + i, &out->partitions.at[i]);
    }
    p->left -= count;
    if (from + count < topic->partition_count) {
        set_cursor(p, topic->name, from + count);
        return false;
    }
    return true;
}

static void add_missing(struct page *p, struct bytes name)
{
    struct describe_topic_partitions_response_topic *out = &p->out->topics.at[p->out->topics.len++];
    struct bytes why;

    out->name = name;
    out->error_code = topic_name_ok(name, p->rq->arena, &why) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                                              : KAFKA_INVALID_TOPIC_EXCEPTION;
}

static int by_name(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The names asked for, sorted, each once, from the cursor on. */
static struct string_array names_asked(struct request *rq,
                                       const struct describe_topic_partitions_request *in)
{
    struct string_array names = string_array_new(rq->arena, in->topics.len);
    int32_t kept = 0;

    for (int32_t i = 0; i < names.len; i++) {
        names.at[i] = in->topics.at[i].name;
    }
    if (names.len > 1) {
        qsort(names.at, (size_t)names.len, sizeof(*names.at), by_name);
    }
    for (int32_t i = 0; i < names.len; i++) {
        bool before = in->cursor != NULL && bytes_compare(names.at[i], in->cursor->topic_name) < 0;
        if (!before && (kept == 0 || !bytes_equal(names.at[kept - 1], names.at[i]))) {
            names.at[kept++] = names.at[i];
        }
    }
    names.len = kept;
    return names;
}

static int32_t first_partition(const struct describe_topic_partitions_request *in,
                               struct bytes name)
{
    return in->cursor != NULL && bytes_equal(in->cursor->topic_name, name)
               ? in->cursor->partition_index
               : 0;
}

static void page_of_asked(struct page *p, const struct describe_topic_partitions_request *in)
{
    struct string_array names = names_asked(p->rq, in);

    p->out->topics = describe_topic_partitions_response_topics_new(p->rq->arena, names.len);
    int32_t room = p->out->topics.len;
    p->out->topics.len = 0;
    for (int32_t i = 0; i < room; i++) {
        const struct image_topic *topic = image_topic_by_name(p->rq->image, names.at[i]);
        if (topic == NULL) {
            add_missing(p, names.at[i]);
        } else if (!add_topic(p, topic, first_partition(in, topic->name))) {
            return;
        }
    }
}

static void page_of_all(struct page *p, const struct describe_topic_partitions_request *in)
{
    const struct image *image = p->rq->image;
    int32_t at = in->cursor == NULL ? 0 : image_topic_lower_bound(image, in->cursor->topic_name);
    int32_t room = MIN(image_topic_count(image) - at, p->left);

    p->out->topics = describe_topic_partitions_response_topics_new(p->rq->arena, room);
    room = p->out->topics.len;
    p->out->topics.len = 0;
    for (; at < image_topic_count(image); at++) {
        const struct image_topic *topic = image_topic_at(image, at);
        if (p->left > 0 && p->out->topics.len == room) {
            return; /* the arena is exhausted */
        }
        if (!add_topic(p, topic, first_partition(in, topic->name))) {
            return;
        }
    }
}

/* The cursor must be one that an answer to this request could have given. */
static bool cursor_ok(const struct describe_topic_partitions_request *in)
{
    bool there = in->topics.len <= 0;

    if (in->cursor == NULL) {
        return true;
    }
    for (int32_t i = 0; i < in->topics.len; i++) {
        there = there || bytes_equal(in->topics.at[i].name, in->cursor->topic_name);
    }
    return there && in->cursor->partition_index >= 0;
}

static void refuse_all(struct request *rq, const struct describe_topic_partitions_request *in,
                       struct describe_topic_partitions_response *out)
{
    out->topics = describe_topic_partitions_response_topics_new(rq->arena, in->topics.len);
    for (int32_t i = 0; i < out->topics.len; i++) {
        out->topics.at[i].name = in->topics.at[i].name;
        out->topics.at[i].error_code = KAFKA_INVALID_REQUEST;
    }
}

void handle_describe_topic_partitions(struct request *rq,
                                      const struct describe_topic_partitions_request *in,
                                      struct describe_topic_partitions_response *out)
{
    int64_t limit = config_i64(rq->core->config, CONFIG_MAX_REQUEST_PARTITION_SIZE_LIMIT);
    struct page p = {
        .rq = rq, .out = out, .left = (int32_t)MIN(limit, MAX(in->response_partition_limit, 1))};

    if (!cursor_ok(in)) {
        refuse_all(rq, in, out);
        return;
    }
    if (in->topics.len > 0) {
        page_of_asked(&p, in);
    } else {
        page_of_all(&p, in);
    }
}
