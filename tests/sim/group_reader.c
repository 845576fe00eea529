/* tests/sim/group_reader.c: reading and committing of a member of a group at a whole broker.
 *
 * HOW      One connection, one request at a time: what membership wants, then offsets of new partitions, then a
 *          commit now and then, then Fetch of the owned partitions in turn.
 * DOUBT    A commit whose answer does not come may be taken at any later time, even after a later commit of the
 *          same member: its number stays allowed for ever.
 */
#include "tests/sim/group_reader_internal.h"

#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "schema/fetch.h"
#include "schema/offset_commit.h"
#include "schema/offset_fetch.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum {
    STEP_US = 50000,
    ARENA_BYTES = 64 << 20,
    PAUSE_US = 100000,
    SLEEP_PPM = 1500,
    SLEEP_US_MAX = 12000000,
    DROP_PPM = 2000,
    MAX_BYTES = 300, /* a batch at a time: there is to be work for as long as there is trouble */
};

#define GROUP "readers"

static uint64_t now_us(const struct group_reader *r)
{
    return env_now_us(r->link.env);
}

void group_reader_wrong(struct group_reader *r, const char *what, int64_t a, int64_t b)
{
    struct group_tally *t = r->options.tally;

    if (t->wrong == NULL) {
        (void)snprintf(t->wrong_text, sizeof(t->wrong_text), "group reader %d: %s (%lld, %lld)",
                       r->options.id, what, (long long)a, (long long)b);
        t->wrong = t->wrong_text;
    }
}

void group_reader_send(struct group_reader *r, int16_t api, int16_t version, const void *request)
{
    ASSERT(!r->asked);
    kafka_link_send(&r->link, api, version, request, 0);
    r->asked = true;
}

void group_reader_pause(struct group_reader *r)
{
    r->wait_us = now_us(r) + PAUSE_US;
}

void group_reader_own(struct group_reader *r, uint32_t partitions)
{
    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        if ((partitions & ~r->owned & (1u << p)) != 0) {
            r->position[p] = -1;
            r->committed[p] = -1;
        }
    }
    r->owned = r->target = partitions;
}

static bool has(const struct group_reader *r, int32_t p)
{
    return (r->owned >> p & 1) != 0;
}

bool group_reader_must_commit(const struct group_reader *r)
{
    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS && r->leaves_after_commit; p++) {
        if (has(r, p) && r->position[p] > r->committed[p] && r->committed[p] >= 0) {
            return true;
        }
    }
    return false;
}

/* ---- committing ---- */

static void doubt_add(struct group_reader *r, int32_t p, int64_t offset)
{
    struct group_tally_partition *t = &r->options.tally->partitions[p];

    for (int32_t i = 0; i < t->doubt_count; i++) {
        if (t->doubt[i] == offset) {
            return;
        }
    }
    ASSERT(t->doubt_count < GROUP_DOUBT_MAX);
    t->doubt[t->doubt_count++] = offset;
}

static bool is_in_doubt(const struct group_tally_partition *t, int64_t offset)
{
    for (int32_t i = 0; i < t->doubt_count; i++) {
        if (t->doubt[i] == offset) {
            return true;
        }
    }
    return false;
}

static bool commit(struct group_reader *r)
{
    struct offset_commit_request rq;
    struct offset_commit_request_partitions partitions =
        offset_commit_request_partitions_new(&r->arena, NODE_TOPIC_PARTITIONS);
    int32_t n = 0;

    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        r->sent[p] = -1;
        if (has(r, p) && r->committed[p] >= 0 && r->position[p] > r->committed[p]) {
            partitions.at[n].partition_index = p;
            partitions.at[n++].committed_offset = r->position[p];
            r->sent[p] = r->position[p];
        }
    }
    if (n == 0 || (!r->leaves_after_commit && sim_random_below(&r->random, 3) != 0)) {
        memset(r->sent, -1, sizeof(r->sent));
        return false;
    }
    offset_commit_request_init(&rq);
    rq.group_id = BYTES(GROUP);
    rq.member_id = bytes_of(r->member_id);
    rq.generation_id_or_member_epoch = r->epoch;
    rq.retention_time_ms = -1;
    rq.topics = offset_commit_request_topics_new(&r->arena, 1);
    rq.topics.at[0].name = BYTES(NODE_TOPIC);
    partitions.len = n;
    rq.topics.at[0].partitions = partitions;
    group_reader_send(r, API_OFFSET_COMMIT,
                      (int16_t)(r->options.consumer ? 9 : sim_random_range(&r->random, 2, 9)), &rq);
    return true;
}

static void committed(struct group_reader *r, int16_t version, struct bytes body)
{
    struct offset_commit_response rs;

    ASSERT(offset_commit_response_read(&r->arena, body, version, &rs) == OK);
    for (int32_t i = 0; i < rs.topics.at[0].partitions.len; i++) {
        const struct offset_commit_response_partition *at = &rs.topics.at[0].partitions.at[i];
        int32_t p = at->partition_index;
        ASSERT(p >= 0 && p < NODE_TOPIC_PARTITIONS && r->sent[p] >= 0);
        if (at->error_code == KAFKA_NONE) {
            r->committed[p] = r->sent[p];
            r->options.tally->partitions[p].committed = r->sent[p];
            r->options.tally->commits++;
        } else if (i == 0) {
            if (at->error_code == KAFKA_NOT_COORDINATOR) {
                doubt_add(r, p, r->sent[p]); /* it may have been taken, and will be asked again */
            }
            if (at->error_code == KAFKA_REBALANCE_IN_PROGRESS) {
                r->owned = 0; /* too late: others have it */
                r->state = READER_OUT;
            }
            group_reader_member_error(r, at->error_code, "OffsetCommit");
        } else if (at->error_code == KAFKA_NOT_COORDINATOR) {
            doubt_add(r, p, r->sent[p]);
        }
        r->sent[p] = -1;
    }
}

/* ---- where to begin ---- */

static bool fetch_offsets(struct group_reader *r)
{
    struct offset_fetch_request rq;
    struct int32_array partitions = int32_array_new(&r->arena, NODE_TOPIC_PARTITIONS);
    int16_t version = (int16_t)sim_random_range(&r->random, 2, 9);
    int32_t n = 0;

    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        if (r->options.observe || (has(r, p) && r->position[p] < 0)) {
            r->floor[p] = r->options.tally->partitions[p].committed;
            partitions.at[n++] = p;
        }
    }
    if (n == 0) {
        return false;
    }
    partitions.len = n;
    offset_fetch_request_init(&rq);
    if (version < 8) {
        rq.group_id = BYTES(GROUP);
        rq.topics = offset_fetch_request_topics_new(&r->arena, 1);
        rq.topics.at[0].name = BYTES(NODE_TOPIC);
        rq.topics.at[0].partition_indexes = partitions;
    } else {
        rq.groups = offset_fetch_request_groups_new(&r->arena, 1);
        rq.groups.at[0].group_id = BYTES(GROUP);
        rq.groups.at[0].topics = offset_fetch_request_group_topics_new(&r->arena, 1);
        rq.groups.at[0].topics.at[0].name = BYTES(NODE_TOPIC);
        rq.groups.at[0].topics.at[0].partition_indexes = partitions;
    }
    group_reader_send(r, API_OFFSET_FETCH, version, &rq);
    return true;
}

static void begin_at(struct group_reader *r, int32_t p, int64_t offset, enum kafka_error error)
{
    struct group_tally_partition *t = &r->options.tally->partitions[p];
    int64_t at = MAX(offset, 0);

    if (error != KAFKA_NONE) {
        group_reader_pause(r);
        return;
    }
    if (at < r->floor[p] && !is_in_doubt(t, at)) {
        group_reader_wrong(r, "a committed offset is lost: there is, acknowledged was", offset,
                           r->floor[p]);
    }
    if (at > t->prefix) {
        group_reader_wrong(r, "records are skipped: committed, delivered", at, t->prefix);
    }
    t->committed = MAX(t->committed, at); /* somebody was told */
    if (has(r, p)) {
        r->position[p] = r->committed[p] = at;
    }
}

static void offsets_fetched(struct group_reader *r, int16_t version, struct bytes body)
{
    struct offset_fetch_response rs;

    ASSERT(offset_fetch_response_read(&r->arena, body, version, &rs) == OK);
    enum kafka_error e = version < 8 ? rs.error_code : rs.groups.at[0].error_code;
    if (e != KAFKA_NONE) {
        group_reader_member_error(r, e, "OffsetFetch");
        return;
    }
    for (int32_t i = 0; version < 8 && i < rs.topics.at[0].partitions.len; i++) {
        const struct offset_fetch_response_partition *p = &rs.topics.at[0].partitions.at[i];
        begin_at(r, p->partition_index, p->committed_offset, p->error_code);
    }
    for (int32_t i = 0; version >= 8 && i < rs.groups.at[0].topics.at[0].partitions.len; i++) {
        const struct offset_fetch_response_group_partition *p =
            &rs.groups.at[0].topics.at[0].partitions.at[i];
        begin_at(r, p->partition_index, p->committed_offset, p->error_code);
    }
    r->done = r->options.observe;
}

/* ---- reading ---- */

static bool fetch(struct group_reader *r)
{
    struct fetch_request rq;

    for (int32_t i = 0; i < NODE_TOPIC_PARTITIONS; i++) {
        r->next = (r->next + 1) % NODE_TOPIC_PARTITIONS;
        if (has(r, r->next) && r->position[r->next] >= 0) {
            break;
        }
    }
    if (!has(r, r->next) || r->position[r->next] < 0) {
        return false;
    }
    fetch_request_init(&rq);
    rq.max_wait_ms = (int32_t)sim_random_below(&r->random, 100);
    rq.min_bytes = 1;
    rq.max_bytes = (int32_t)sim_random_range(&r->random, 1, MAX_BYTES);
    rq.session_epoch = -1;
    rq.topics = fetch_request_topics_new(&r->arena, 1);
    rq.topics.at[0].topic = BYTES(NODE_TOPIC);
    rq.topics.at[0].partitions = fetch_request_partitions_new(&r->arena, 1);
    rq.topics.at[0].partitions.at[0].partition = r->next;
    rq.topics.at[0].partitions.at[0].fetch_offset = r->position[r->next];
    rq.topics.at[0].partitions.at[0].partition_max_bytes = rq.max_bytes;
    group_reader_send(r, API_FETCH, r->fetch_version, &rq);
    return true;
}

static void deliver(struct group_reader *r, int32_t p, int64_t offset)
{
    struct group_tally_partition *t = &r->options.tally->partitions[p];

    if (offset < r->position[p]) {
        return; /* the batch began before */
    }
    if (offset != r->position[p] || offset >= NODE_READER_VALUES_MAX) {
        group_reader_wrong(r, "a gap: offset, expected", offset, r->position[p]);
        return;
    }
    t->delivered[offset] = true;
    while (t->prefix < NODE_READER_VALUES_MAX && t->delivered[t->prefix]) {
        t->prefix++;
    }
    r->position[p] = offset + 1;
}

static void take_records(struct group_reader *r, int32_t p, struct bytes records)
{
    struct batch b;
    struct record_reader reader;
    struct record record;

    while (batch_next(&records, &b) == OK) {
        record_reader_init(&reader, batch_records(b.bytes), b.header.record_count);
        while (record_next(&reader, &record) == OK) {
            deliver(r, p, b.header.base_offset + record.offset_delta);
        }
    }
}

static void fetched(struct group_reader *r, int16_t version, struct bytes body)
{
    struct fetch_response rs;

    ASSERT(fetch_response_read(&r->arena, body, version, &rs) == OK);
    if (rs.error_code != KAFKA_NONE || rs.responses.len != 1) {
        group_reader_wrong(r, "Fetch", rs.error_code, rs.responses.len);
        return;
    }
    const struct fetch_response_partition *p = &rs.responses.at[0].partitions.at[0];
    if (p->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        group_reader_wrong(r, "a position that the log has not", r->position[p->partition_index],
                           p->high_watermark);
    } else if (p->error_code != KAFKA_NONE) {
        group_reader_pause(r);
    } else {
        take_records(r, p->partition_index, p->records);
    }
}

/* ---- life ---- */

static void up(void *context)
{
    struct group_reader *r = context;

    r->asked = false;
}

static void down(void *context)
{
    struct group_reader *r = context;

    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        if (r->sent[p] >= 0) {
            doubt_add(r, p, r->sent[p]);
            r->sent[p] = -1;
        }
    }
    r->asked = false;
    group_reader_member_down(r);
}

static void answer(void *context, const struct kafka_link_waiting *asked, struct bytes body)
{
    struct group_reader *r = context;

    arena_reset(&r->arena);
    r->asked = false;
    if (group_reader_member_answer(r, asked, body)) {
        return;
    }
    if (asked->api == API_OFFSET_COMMIT) {
        committed(r, asked->version, body);
    } else if (asked->api == API_OFFSET_FETCH) {
        offsets_fetched(r, asked->version, body);
    } else {
        fetched(r, asked->version, body);
    }
}

static void go_on(struct group_reader *r)
{
    uint64_t now = now_us(r);

    if (!r->link.connected || r->asked || now < r->wait_us || now < r->sleep_us || r->done) {
        return;
    }
    if (r->options.tally->trouble && sim_random_chance(&r->random, SLEEP_PPM)) {
        r->sleep_us = now + sim_random_below(&r->random, SLEEP_US_MAX);
        return;
    }
    arena_reset(&r->arena);
    if (group_reader_member_step(r)) {
        return;
    }
    if (!r->options.observe && r->state != READER_STABLE) {
        return;
    }
    if (!commit(r) && !fetch_offsets(r) && !fetch(r)) {
        group_reader_pause(r);
    }
}

static bool step(void *context)
{
    struct group_reader *r = context;

    kafka_link_poll(&r->link, STEP_US);
    if (sim_random_chance(&r->random, DROP_PPM)) {
        kafka_link_drop(&r->link); /* out of patience, for no reason */
    }
    go_on(r);
    return r->options.tally->wrong == NULL && !r->done && !r->stopping;
}

struct group_reader *group_reader_new(struct env *e, const struct group_reader_options *options)
{
    struct group_reader *r = sim_alloc(sizeof(*r));

    r->options = *options;
    r->random = sim_random_of(options->seed, (uint64_t)options->id + 900);
    r->fetch_version = (int16_t)sim_random_range(&r->random, 4, 12);
    r->epoch = options->consumer ? 0 : -1;
    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        r->position[p] = r->committed[p] = r->sent[p] = -1;
    }
    arena_init(&r->arena, ARENA_BYTES);
    kafka_link_init(&r->link, e, options->server, options->port);
    r->link.up = up;
    r->link.down = down;
    r->link.answer = answer;
    r->link.context = r;
    ASSERT(env_thread_start(e, "group reader", step, r, &r->thread) == OK);
    return r;
}

void group_reader_free(struct group_reader *r)
{
    for (int32_t p = 0; p < NODE_TOPIC_PARTITIONS; p++) {
        if (r->sent[p] >= 0) {
            doubt_add(r, p, r->sent[p]);
        }
    }
    r->stopping = true;
    env_wake(r->link.env, r->link.poller);
    env_thread_join(r->link.env, r->thread);
    kafka_link_deinit(&r->link);
    arena_deinit(&r->arena);
    sim_release(r);
}

bool group_reader_done(const struct group_reader *r)
{
    return r->done;
}

struct bytes group_reader_note(const struct group_reader *r, struct arena *a)
{
    return arena_format(a,
                        "group reader %d: state %d, epoch %d, owned %x, asked %d, found %d, "
                        "positions %lld %lld %lld %lld %lld",
                        r->options.id, r->state, r->epoch, r->owned, r->asked, r->found,
                        (long long)r->position[0], (long long)r->position[1],
                        (long long)r->position[2], (long long)r->position[3],
                        (long long)r->position[4]);
}
