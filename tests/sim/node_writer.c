/* tests/sim/node_writer.c: an idempotent producer that does not give up.
 *
 * HOW      After each connect: CreateTopics (it may be there already), then InitProducerId if it has no id yet.
 *          Values are cut into batches once and for all; batch k has the sequence number of its first value.
 *          At most FLIGHT batches are unanswered; when the connection breaks, all unanswered ones are sent
 *          again in order. Retriable errors end the connection, as the simplest way to keep the order.
 * WRONG    An error that an idempotent producer must never see here (gaps, fencing, corruption), an offset that
 *          differs between two acknowledgements of one batch or does not rise.
 */
#include "tests/sim/node_clients.h"

#include "protocol/batch_builder.h"
#include "schema/create_topics.h"
#include "schema/init_producer_id.h"
#include "schema/produce.h"
#include "tests/sim/kafka_link.h"
#include "tests/sim/sim_mem.h"
#include "tests/sim/sim_random.h"

#include <stdio.h>

enum { FLIGHT = 5, BATCH_VALUES_MAX = 7, STEP_US = 50000, ARENA_BYTES = 64 << 20 };

struct node_writer {
    struct kafka_link link;
    struct env_thread *thread;
    struct node_writer_options options;
    struct sim_random random;
    struct arena arena;  /* of one request or response */
    int64_t producer_id; /* -1: none yet */
    int32_t *batch_from; /* batch k holds values batch_from[k] .. batch_from[k + 1] - 1 */
    int64_t *batch_offset;
    int32_t batch_count, acked, sent; /* batches */
    bool topic_there, asked, stopping;
    int16_t produce_version;
    const char *wrong;
    char wrong_text[160];
};

static void is_wrong(struct node_writer *w, const char *what, int64_t a, int64_t b)
{
    if (w->wrong == NULL) {
        (void)snprintf(w->wrong_text, sizeof(w->wrong_text), "writer %d: %s (%lld, %lld)",
                       w->options.id, what, (long long)a, (long long)b);
        w->wrong = w->wrong_text;
    }
}

static void ask_topic(struct node_writer *w)
{
    struct create_topics_request rq;

    create_topics_request_init(&rq);
    rq.topics = create_topics_request_topics_new(&w->arena, 1);
    rq.topics.at[0].name = BYTES(NODE_TOPIC);
    rq.topics.at[0].num_partitions = NODE_TOPIC_PARTITIONS;
    rq.topics.at[0].replication_factor = 1;
    kafka_link_send(&w->link, API_CREATE_TOPICS, 5, &rq, 0);
    w->asked = true;
}

static void ask_producer_id(struct node_writer *w)
{
    struct init_producer_id_request rq;

    init_producer_id_request_init(&rq);
    rq.transactional_id = BYTES_NULL;
    rq.transaction_timeout_ms = 60000;
    kafka_link_send(&w->link, API_INIT_PRODUCER_ID, 4, &rq, 0);
    w->asked = true;
}

static struct bytes batch_bytes(struct node_writer *w, int32_t k)
{
    struct batch_builder b;
    struct batch_builder_options o = batch_builder_options_default();
    struct buf out;

    batch_builder_init(&b, 1 << 20);
    for (int32_t n = w->batch_from[k]; n < w->batch_from[k + 1]; n++) {
        struct bytes value = arena_format(&w->arena, "%d:%d:%*s", w->options.id, n, n % 50, "");
        struct batch_builder_record r = {.timestamp_ms = 1000 + n, .value = value};
        ASSERT(batch_builder_add(&b, &r) == OK);
    }
    o.producer_id = w->producer_id;
    o.producer_epoch = 0;
    o.base_sequence = w->batch_from[k];
    buf_init(&out, 1 << 20);
    ASSERT(batch_builder_finish(&b, &o, &out) == OK);
    struct bytes copy = arena_copy(&w->arena, buf_view(&out));
    buf_deinit(&out);
    batch_builder_deinit(&b);
    return copy;
}

static void send_batch(struct node_writer *w, int32_t k)
{
    struct produce_request rq;

    arena_reset(&w->arena);
    produce_request_init(&rq);
    rq.acks = -1;
    rq.timeout_ms = 5000;
    rq.topic_data = produce_request_topics_new(&w->arena, 1);
    rq.topic_data.at[0].name = BYTES(NODE_TOPIC);
    rq.topic_data.at[0].partition_data = produce_request_partitions_new(&w->arena, 1);
    rq.topic_data.at[0].partition_data.at[0].index = w->options.partition;
    rq.topic_data.at[0].partition_data.at[0].records = batch_bytes(w, k);
    kafka_link_send(&w->link, API_PRODUCE, w->produce_version, &rq, (uint64_t)k);
}

static bool retriable(enum kafka_error e)
{
    return kafka_error_info(e)->retriable && e != KAFKA_CORRUPT_MESSAGE;
}

static void produced(struct node_writer *w, int32_t k, const struct produce_response *rs)
{
    if (rs->responses.len != 1 || rs->responses.at[0].partition_responses.len != 1) {
        is_wrong(w, "an answer for another number of partitions", rs->responses.len, k);
        return;
    }
    enum kafka_error error = rs->responses.at[0].partition_responses.at[0].error_code;
    int64_t offset = rs->responses.at[0].partition_responses.at[0].base_offset;
    if (error != KAFKA_NONE) {
        if (!retriable(error)) {
            is_wrong(w, "an error that may not be: code, batch", error, k);
        }
        kafka_link_drop(&w->link);
        return;
    }
    if (k != w->acked) {
        is_wrong(w, "batches acknowledged out of order", k, w->acked);
    }
    if (offset < 0 || (k > 0 && offset <= w->batch_offset[k - 1])) {
        is_wrong(w, "an offset that does not rise", offset, k);
    }
    w->batch_offset[k] = offset;
    w->acked = k + 1;
}

static void up(void *context)
{
    struct node_writer *w = context;

    w->sent = w->acked;
    w->asked = false;
}

static void down(void *context)
{
    struct node_writer *w = context;

    w->sent = w->acked;
    w->asked = false;
}

static void answer(void *context, const struct kafka_link_waiting *asked, struct bytes body)
{
    struct node_writer *w = context;
    struct create_topics_response created;
    struct init_producer_id_response id;
    struct produce_response rs;

    arena_reset(&w->arena);
    if (asked->api == API_CREATE_TOPICS) {
        ASSERT(create_topics_response_read(&w->arena, body, asked->version, &created) == OK);
        enum kafka_error e = created.topics.at[0].error_code;
        w->topic_there = e == KAFKA_NONE || e == KAFKA_TOPIC_ALREADY_EXISTS;
        w->asked = false;
    } else if (asked->api == API_INIT_PRODUCER_ID) {
        ASSERT(init_producer_id_response_read(&w->arena, body, asked->version, &id) == OK);
        w->producer_id = id.error_code == KAFKA_NONE ? id.producer_id : -1;
        w->asked = false;
    } else {
        ASSERT(produce_response_read(&w->arena, body, asked->version, &rs) == OK);
        produced(w, (int32_t)asked->tag, &rs);
    }
}

static void go_on(struct node_writer *w)
{
    arena_reset(&w->arena);
    if (!w->link.connected || w->asked || w->wrong != NULL) {
        return;
    }
    if (!w->topic_there) {
        ask_topic(w);
    } else if (w->producer_id < 0) {
        ask_producer_id(w);
    } else {
        while (w->sent < w->batch_count && w->sent - w->acked < FLIGHT &&
               kafka_link_can_send(&w->link)) {
            send_batch(w, w->sent++);
        }
    }
}

static bool step(void *context)
{
    struct node_writer *w = context;

    kafka_link_poll(&w->link, STEP_US);
    if (sim_random_chance(&w->random, 2000)) {
        kafka_link_drop(&w->link); /* out of patience, for no reason */
    }
    go_on(w);
    return w->acked < w->batch_count && w->wrong == NULL && !w->stopping;
}

struct node_writer *node_writer_new(struct env *e, const struct node_writer_options *options)
{
    struct node_writer *w = sim_alloc(sizeof(*w));

    w->options = *options;
    w->random = sim_random_of(options->seed, (uint64_t)options->id + 100);
    w->producer_id = -1;
    w->produce_version = (int16_t)sim_random_range(&w->random, 3, 12);
    w->batch_from = sim_alloc(((size_t)options->value_count + 1) * sizeof(*w->batch_from));
    w->batch_offset = sim_alloc((size_t)options->value_count * sizeof(*w->batch_offset));
    while (w->batch_from[w->batch_count] < options->value_count) {
        int32_t from = w->batch_from[w->batch_count];
        int32_t more = (int32_t)sim_random_range(&w->random, 1, BATCH_VALUES_MAX);
        w->batch_from[++w->batch_count] = MIN(from + more, options->value_count);
    }
    arena_init(&w->arena, ARENA_BYTES);
    kafka_link_init(&w->link, e, options->server, options->port);
    w->link.up = up;
    w->link.down = down;
    w->link.answer = answer;
    w->link.context = w;
    ASSERT(env_thread_start(e, "writer", step, w, &w->thread) == OK);
    return w;
}

void node_writer_free(struct node_writer *w)
{
    w->stopping = true;
    env_wake(w->link.env, w->link.poller);
    env_thread_join(w->link.env, w->thread);
    kafka_link_deinit(&w->link);
    arena_deinit(&w->arena);
    sim_release(w->batch_from);
    sim_release(w->batch_offset);
    sim_release(w);
}

int32_t node_writer_acked(const struct node_writer *w)
{
    return w->batch_from[w->acked];
}

int64_t node_writer_offset(const struct node_writer *w, int32_t n)
{
    int32_t k = 0;

    while (w->batch_from[k + 1] <= n) {
        k++;
    }
    return w->batch_offset[k] + n - w->batch_from[k];
}

const char *node_writer_wrong(const struct node_writer *w)
{
    return w->wrong;
}
