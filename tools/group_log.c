/* tools/group_log.c: the log of the group coordinators, record by record.
 *
 * WHY      Two things about groups are told by no request: when an offset was committed, and what happened before now.
 * OWNER    One thread. A record's memory is an arena that is reset for the next.
 * FAILURE  A record that is not understood is passed over: later kinds are none of our business. Reading needs the right
 *          to read the topic; without it the command says so.
 */
#include "tools/group_log.h"

#include "tools/cluster.h"
#include "tools/consumer.h"

enum { RECORD_BYTES_MAX = 256 << 20 };

struct group_log {
    struct cli *cli;
    struct metadata_response_topic topic;
    struct consumer_partition *partitions;
    int32_t count;
    struct arena record;
    group_log_fn *fn;
    void *context;
};

/* From start to end, those that are not empty. */
static int choose(struct group_log *l, struct bytes group)
{
    struct cli *c = l->cli;
    int32_t all = l->topic.partitions.len;
    int32_t only = group.at == NULL ? -1 : group_record_partition(group, all);
    struct cluster_offset *starts = cluster_offsets_of(c->arena, &l->topic, CLUSTER_OFFSET_START);
    struct cluster_offset *ends = cluster_offsets_of(c->arena, &l->topic, CLUSTER_OFFSET_END);

    l->partitions = ARENA_ARRAY(c->arena, struct consumer_partition, all);
    if (starts == NULL || ends == NULL || l->partitions == NULL) {
        return cli_fail(c, CLI_REFUSED, "no memory for %d partitions", all);
    }
    enum err e = cluster_offsets(c->client, c->arena, starts, all, CLUSTER_READ_ALL);
    e = e == OK ? cluster_offsets(c->client, c->arena, ends, all, CLUSTER_READ_ALL) : e;
    if (e != OK) {
        return cli_fail_err(c, e, "__consumer_offsets");
    }
    for (int32_t i = 0; i < all; i++) {
        enum kafka_error error = starts[i].error != KAFKA_NONE ? starts[i].error : ends[i].error;
        if (only >= 0 && starts[i].partition != only) {
            continue;
        }
        if (error != KAFKA_NONE) {
            return cli_fail_kafka(c, BYTES("__consumer_offsets"), error, BYTES_NULL);
        }
        if (ends[i].offset > starts[i].offset) {
            l->partitions[l->count++] = (struct consumer_partition){.index = starts[i].partition,
                                                                    .leader = starts[i].leader,
                                                                    .start = starts[i].offset,
                                                                    .end = ends[i].offset,
                                                                    .at = starts[i].offset,
                                                                    .to = ends[i].offset};
        }
    }
    return CLI_OK;
}

static enum err take(struct group_log *l, const struct consumed *in)
{
    struct group_record r;

    arena_reset(&l->record);
    if (in->key.at == NULL || group_record_key(&l->record, in->key, &r) != OK ||
        group_record_value(&l->record, in->value, in->headers, &r) != OK) {
        return OK;
    }
    r.timestamp_ms = in->timestamp_ms;
    return l->fn(l->context, &r);
}

static enum err read_all(struct group_log *l, struct consumer *consumer)
{
    struct consumed in;
    enum err e;

    do {
        e = topic_reader_next(consumer, &in);
        if (e == OK) {
            e = take(l, &in);
        }
    } while (e == OK || e == ERR_AGAIN);
    return e == ERR_NOT_FOUND ? OK : e;
}

static int read_partitions(struct group_log *l)
{
    struct consumer_options o = {.client = l->cli->client,
                                 .topic = l->topic.name,
                                 .topic_id = l->topic.topic_id,
                                 .partitions = l->partitions,
                                 .partition_count = l->count};
    struct consumer *consumer;
    enum err e = topic_reader_new(&o, &consumer);

    if (e == OK) {
        arena_init(&l->record, RECORD_BYTES_MAX);
        e = read_all(l, consumer);
        arena_deinit(&l->record);
        if (e == ERR_USAGE) {
            enum kafka_error refused = topic_reader_refused(consumer)->error;
            topic_reader_free(consumer);
            return cli_fail_kafka(l->cli, l->topic.name, refused, BYTES_NULL);
        }
        topic_reader_free(consumer);
    }
    return e == OK ? CLI_OK : cli_fail_err(l->cli, e, "__consumer_offsets");
}

int group_log_read(struct cli *c, struct bytes group, group_log_fn *fn, void *context)
{
    struct group_log l = {.cli = c, .fn = fn, .context = context};
    struct bytes name = BYTES("__consumer_offsets");
    struct metadata_response m;
    int exit = cluster_topics(c, c->arena, &name, 1, &m);

    if (exit != CLI_OK) {
        return exit;
    }
    if (m.topics.len != 1 || m.topics.at[0].error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
        m.topics.at[0].partitions.len == 0) {
        return CLI_OK;
    }
    if (m.topics.at[0].error_code != KAFKA_NONE) {
        return cli_fail_kafka(c, name, m.topics.at[0].error_code, BYTES_NULL);
    }
    l.topic = m.topics.at[0];
    exit = choose(&l, group);
    return exit == CLI_OK && l.count > 0 ? read_partitions(&l) : exit;
}
