/* tests/sim/node_reader.c: a consumer of one partition that remembers everything it saw.
 *
 * HOW      Fetch without a session, from the next offset it has not seen, with odd limits. Versions 4 to 12, which
 *          name topics.
 * WRONG    A batch whose checksum does not fit; offsets that do not follow; a value that is none; an
 *          offset out of range (nothing is ever deleted here); a high watermark below what was read.
 */
#include "tests/sim/node_clients.h"

#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "schema/fetch.h"
#include "tests/sim/kafka_link.h"
#include "tests/sim/sim_mem.h"
#include "tests/sim/sim_random.h"

#include <stdio.h>

enum { STEP_US = 100000, ARENA_BYTES = 64 << 20, NOTHING_NEW_US = 50000 };

struct node_reader {
    struct kafka_link link;
    struct env_thread *thread;
    struct node_reader_options options;
    struct sim_random random;
    struct arena arena;
    int16_t fetch_version;
    bool asked, stopping;
    struct node_value values[NODE_READER_VALUES_MAX];
    int64_t end, high_watermark;
    enum kafka_error error; /* of the last answer */
    uint64_t ask_us;        /* not before */
    const char *wrong;
    char wrong_text[160];
};

static void is_wrong(struct node_reader *r, const char *what, int64_t a, int64_t b)
{
    if (r->wrong == NULL) {
        (void)snprintf(r->wrong_text, sizeof(r->wrong_text), "reader of %d: %s (%lld, %lld)",
                       r->options.partition, what, (long long)a, (long long)b);
        r->wrong = r->wrong_text;
    }
}

static void ask(struct node_reader *r)
{
    struct fetch_request rq;

    arena_reset(&r->arena);
    fetch_request_init(&rq);
    rq.max_wait_ms = (int32_t)sim_random_below(&r->random, 800);
    rq.min_bytes = (int32_t)sim_random_range(&r->random, 0, 2);
    rq.max_bytes = (int32_t)sim_random_range(&r->random, 1, 20000);
    rq.session_epoch = -1;
    rq.topics = fetch_request_topics_new(&r->arena, 1);
    rq.topics.at[0].topic = BYTES(NODE_TOPIC);
    rq.topics.at[0].partitions = fetch_request_partitions_new(&r->arena, 1);
    rq.topics.at[0].partitions.at[0].partition = r->options.partition;
    rq.topics.at[0].partitions.at[0].fetch_offset = r->end;
    rq.topics.at[0].partitions.at[0].partition_max_bytes =
        (int32_t)sim_random_range(&r->random, 1, 20000);
    kafka_link_send(&r->link, API_FETCH, r->fetch_version, &rq, 0);
    r->asked = true;
}

static void saw(struct node_reader *r, int64_t offset, struct bytes value)
{
    ptrdiff_t colon = bytes_find(value, ':');
    struct bytes rest = bytes_slice(value, (size_t)(colon + 1), value.len);
    ptrdiff_t second = bytes_find(rest, ':');
    int64_t writer, n;

    if (colon < 0 || second < 0 ||
        bytes_to_i64(bytes_slice(value, 0, (size_t)colon), &writer) != OK ||
        bytes_to_i64(bytes_slice(rest, 0, (size_t)second), &n) != OK) {
        is_wrong(r, "a value that nobody wrote at", offset, (int64_t)value.len);
        return;
    }
    ASSERT(offset < NODE_READER_VALUES_MAX);
    r->values[offset] = (struct node_value){(int32_t)writer, (int32_t)n};
    r->end = offset + 1;
}

static void take_batch(struct node_reader *r, const struct batch *b)
{
    struct record_reader reader;
    struct record record;
    enum err e;

    if (!batch_crc_ok(b->bytes)) {
        is_wrong(r, "a bad checksum at", b->header.base_offset, r->end);
        return;
    }
    if (b->header.base_offset > r->end) {
        is_wrong(r, "a gap: batch, expected", b->header.base_offset, r->end);
        return;
    }
    record_reader_init(&reader, batch_records(b->bytes), b->header.record_count);
    while ((e = record_next(&reader, &record)) == OK) {
        int64_t offset = b->header.base_offset + record.offset_delta;
        if (offset >= r->end) {
            saw(r, offset, record.value);
        }
    }
    if (e != ERR_NOT_FOUND) {
        is_wrong(r, "records that do not parse at", b->header.base_offset, 0);
    }
}

static void take_records(struct node_reader *r, struct bytes records)
{
    struct batch b;
    enum err e = OK;

    while (r->wrong == NULL && (e = batch_next(&records, &b)) == OK) {
        take_batch(r, &b);
    }
    if (e != OK && e != ERR_NOT_FOUND) {
        is_wrong(r, "batches that do not parse after", r->end, 0);
    }
}

static void answer(void *context, const struct kafka_link_waiting *asked, struct bytes body)
{
    struct node_reader *r = context;
    struct fetch_response rs;

    arena_reset(&r->arena);
    r->asked = false;
    ASSERT(fetch_response_read(&r->arena, body, asked->version, &rs) == OK);
    if (rs.error_code != KAFKA_NONE || rs.responses.len != 1 ||
        rs.responses.at[0].partitions.len != 1) {
        is_wrong(r, "an answer of another form: error, topics", rs.error_code, rs.responses.len);
        return;
    }
    const struct fetch_response_partition *p = &rs.responses.at[0].partitions.at[0];
    r->error = p->error_code;
    if (p->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        is_wrong(r, "out of range: what was read is gone", r->end, p->high_watermark);
    }
    if (p->error_code != KAFKA_NONE) {
        r->ask_us = env_now_us(r->link.env) + NOTHING_NEW_US;
        return; /* no such topic yet, no leader yet */
    }
    if (p->records.len == 0) {
        r->ask_us = env_now_us(r->link.env) + NOTHING_NEW_US;
    }
    take_records(r, p->records);
    r->high_watermark = p->high_watermark;
    if (p->high_watermark < r->end) {
        is_wrong(r, "read past the high watermark", r->end, p->high_watermark);
    }
}

static void nothing(void *context)
{
    struct node_reader *r = context;

    r->asked = false;
}

static bool step(void *context)
{
    struct node_reader *r = context;

    kafka_link_poll(&r->link, STEP_US);
    if (r->link.connected && !r->asked && r->wrong == NULL &&
        env_now_us(r->link.env) >= r->ask_us) {
        ask(r);
    }
    return r->wrong == NULL && !r->stopping;
}

struct node_reader *node_reader_new(struct env *e, const struct node_reader_options *options)
{
    struct node_reader *r = sim_alloc(sizeof(*r));

    r->options = *options;
    r->random = sim_random_of(options->seed, (uint64_t)options->partition + 500);
    r->fetch_version = (int16_t)sim_random_range(&r->random, 4, 12);
    r->high_watermark = -1;
    arena_init(&r->arena, ARENA_BYTES);
    kafka_link_init(&r->link, e, options->server, options->port);
    r->link.up = nothing;
    r->link.down = nothing;
    r->link.answer = answer;
    r->link.context = r;
    ASSERT(env_thread_start(e, "reader", step, r, &r->thread) == OK);
    return r;
}

void node_reader_free(struct node_reader *r)
{
    r->stopping = true;
    env_wake(r->link.env, r->link.poller);
    env_thread_join(r->link.env, r->thread);
    kafka_link_deinit(&r->link);
    arena_deinit(&r->arena);
    sim_release(r);
}

int64_t node_reader_end(const struct node_reader *r)
{
    return r->end;
}

struct node_value node_reader_value(const struct node_reader *r, int64_t offset)
{
    ASSERT(offset >= 0 && offset < r->end);
    return r->values[offset];
}

int64_t node_reader_high_watermark(const struct node_reader *r)
{
    return r->high_watermark;
}

const char *node_reader_wrong(const struct node_reader *r)
{
    return r->wrong;
}

enum kafka_error node_reader_error(const struct node_reader *r)
{
    return r->error;
}
