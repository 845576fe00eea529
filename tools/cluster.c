/* tools/cluster.c: metadata with patience, and offsets of many partitions with one request per leader.
 *
 * WHY      A topic has no leader for a moment after it was made or a broker went; people should not see that.
 * OWNER    One thread; answers live in the arena that is given.
 * FAILURE  Questions to one leader fail together and say so; those to others are answered.
 */
#include "tools/cluster.h"

#include <stdlib.h>

/* ---- topics ---- */

static bool passes(enum kafka_error e)
{
    return e != KAFKA_NONE && e != KAFKA_UNKNOWN_TOPIC_OR_PARTITION &&
           e != KAFKA_UNKNOWN_TOPIC_ID && kafka_error_info(e)->retriable;
}

static bool is_settling(const struct metadata_response *m)
{
    for (int32_t i = 0; i < m->topics.len; i++) {
        if (passes(m->topics.at[i].error_code)) {
            return true;
        }
    }
    return false;
}

int cluster_topics(struct cli *c, struct arena *arena, const struct bytes *names, int32_t count,
                   struct metadata_response *out)
{
    struct client_retry retry = {0};
    enum err e;

    do {
        e = client_metadata(c->client, arena, names, count, out);
    } while ((e == ERR_CLOSED || (e == OK && is_settling(out))) && client_retry(c->client, &retry));
    return e == OK ? CLI_OK : cli_fail_err(c, e, "metadata");
}

static int by_number(const void *a, const void *b)
{
    const struct metadata_response_partition *x = a, *y = b;

    return (x->partition_index > y->partition_index) - (x->partition_index < y->partition_index);
}

int cluster_topic(struct cli *c, struct arena *arena, struct bytes name,
                  struct metadata_response_topic *out)
{
    struct metadata_response m;
    int exit = cluster_topics(c, arena, &name, 1, &m);

    if (exit != CLI_OK) {
        return exit;
    }
    if (m.topics.len != 1) {
        return cli_fail(c, CLI_REFUSED, "%.*s: the answer names %d topics", BYTES_ARG(name),
                        m.topics.len);
    }
    *out = m.topics.at[0];
    if (out->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
        return cli_fail(
            c, CLI_NOT_FOUND,
            "there is no topic %.*s\n"
            "  'weir topic list' shows those there are, 'weir topic create %.*s' makes it",
            BYTES_ARG(name), BYTES_ARG(name));
    }
    if (out->error_code != KAFKA_NONE) {
        return cli_fail_kafka(c, name, out->error_code, BYTES_NULL);
    }
    if (out->partitions.len == 0) {
        return cli_fail(c, CLI_REFUSED, "%.*s: the answer names no partitions", BYTES_ARG(name));
    }
    qsort(out->partitions.at, (size_t)out->partitions.len, sizeof(*out->partitions.at), by_number);
    return CLI_OK;
}

int32_t cluster_replicas(const struct metadata_response_topic *t)
{
    return t->partitions.len > 0 ? t->partitions.at[0].replica_nodes.len : 0;
}

/* ---- offsets ---- */

struct cluster_offset *cluster_offsets_of(struct arena *arena,
                                          const struct metadata_response_topic *t, int64_t at)
{
    struct cluster_offset *q = ARENA_ARRAY(arena, struct cluster_offset, t->partitions.len);

    for (int32_t i = 0; q != NULL && i < t->partitions.len; i++) {
        q[i] = (struct cluster_offset){.topic = t->name,
                                       .partition = t->partitions.at[i].partition_index,
                                       .leader = t->partitions.at[i].leader_id,
                                       .at = at};
    }
    return q;
}

/* Questions from `i` on that have the topic of the one there, as far as they stand together. */
static int32_t run_of(const struct cluster_offset *q, int32_t count, int32_t i)
{
    int32_t end = i + 1;

    while (end < count && bytes_equal(q[end].topic, q[i].topic)) {
        end++;
    }
    return end;
}

/* Those of a run that this leader is asked. */
static void add_run(struct arena *arena, struct list_offsets_request_topic *out,
                    const struct cluster_offset *q, int32_t count, int32_t leader)
{
    int32_t len = 0;

    out->name = q[0].topic;
    out->partitions = list_offsets_request_partitions_new(arena, count);
    for (int32_t i = 0; i < count && out->partitions.len > 0; i++) {
        if (q[i].leader == leader) {
            out->partitions.at[len].partition_index = q[i].partition;
            out->partitions.at[len++].timestamp = q[i].at;
        }
    }
    out->partitions.len = len;
}

/* Questions of one leader as a request: topics in the order they come in. */
static struct list_offsets_request_topics
topics_of(struct arena *arena, const struct cluster_offset *q, int32_t count, int32_t leader)
{
    struct list_offsets_request_topics topics;
    int32_t runs = 0, len = 0;

    for (int32_t i = 0; i < count; i = run_of(q, count, i)) {
        runs++;
    }
    topics = list_offsets_request_topics_new(arena, runs);
    for (int32_t i = 0, end; i < count && topics.len > 0; i = end) {
        end = run_of(q, count, i);
        add_run(arena, &topics.at[len], q + i, end - i, leader);
        len += topics.at[len].partitions.len > 0;
    }
    topics.len = len;
    return topics;
}

/* Answers come in the order of the questions, as a rule: `from` is where the search begins, so that many of them
 * are found at once. Returns where the next begins. */
static int32_t take_answer(struct cluster_offset *q, int32_t count, int32_t from,
                           const struct list_offsets_response_topic *t)
{
    for (int32_t j = 0; j < t->partitions.len; j++) {
        const struct list_offsets_response_partition *p = &t->partitions.at[j];
        int32_t tries = 0;
        while (tries < count &&
               (q[from].partition != p->partition_index || !bytes_equal(q[from].topic, t->name))) {
            from = (from + 1) % count;
            tries++;
        }
        if (tries < count) {
            q[from].error = p->error_code;
            q[from].offset = p->offset;
            q[from].timestamp = p->timestamp;
            from = (from + 1) % count;
        }
    }
    return from;
}

static enum err ask_leader(struct client *c, struct arena *arena, struct cluster_offset *q,
                           int32_t count, int8_t isolation)
{
    struct list_offsets_request rq;
    struct list_offsets_response rs;
    struct client_call call = {
        .broker = q[0].leader, .api = API_LIST_OFFSETS, .request = &rq, .response = &rs};
    int16_t version = client_version(c, q[0].leader, API_LIST_OFFSETS);

    list_offsets_request_init(&rq);
    rq.replica_id = -1;
    rq.isolation_level = version >= 2 ? isolation : CLUSTER_READ_ALL;
    if (version >= 10) {
        rq.timeout_ms = (int32_t)MIN(client_timeout_ms(c), INT32_MAX);
    }
    rq.topics = topics_of(arena, q, count, q[0].leader);
    TRY(client_do(c, &call, arena));
    for (int32_t i = 0, from = 0; i < rs.topics.len; i++) {
        from = take_answer(q, count, from, &rs.topics.at[i]);
    }
    return OK;
}

/* The next larger number of a leader, and the first question to it; `count` when there is none. */
static int32_t next_leader(const struct cluster_offset *q, int32_t count, int32_t *leader)
{
    int32_t at = count;

    for (int32_t i = 0; i < count; i++) {
        if (q[i].leader > *leader && (at == count || q[i].leader < q[at].leader)) {
            at = i;
        }
    }
    if (at < count) {
        *leader = q[at].leader;
    }
    return at;
}

enum err cluster_offsets(struct client *c, struct arena *arena, struct cluster_offset *questions,
                         int32_t count, int8_t isolation)
{
    enum err result = OK;

    for (int32_t i = 0; i < count; i++) {
        questions[i].error = KAFKA_LEADER_NOT_AVAILABLE;
        questions[i].offset = questions[i].timestamp = -1;
    }
    int32_t leader = CLIENT_ANY_BROKER;
    for (int32_t at = next_leader(questions, count, &leader); at < count;
         at = next_leader(questions, count, &leader)) {
        enum err e = ask_leader(c, arena, questions + at, count - at, isolation);
        result = result == OK ? e : result;
    }
    return result;
}
