/* tests/sim/sim_storage.c: stores driven turn by turn, and the model they are held against.
 *
 * HOW      The calls a core would make in its step are made here in turns, with the world run in between, so that
 *          jobs are in flight between turns as they are in a node. Batches hold real records, so that searches by
 *          time can be compared too.
 * CRASH    When a process ended, its objects are freed without I/O. What the next one opens must end at a batch
 *          boundary not before what was reported durable and be the model's bytes up to there; the model is then cut
 *          to it, because what was not promised and is gone must never come back.
 */
#include "tests/sim/sim_storage.h"

#include "base/mem.h"
#include "protocol/record.h"
#include "storage/storage_internal.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum {
    MODEL_BYTES_MAX = 512 << 20,
    EVENTS = 32,
    SETTLE_TURNS_MAX = 20000,
    TURN_US = 1000,
    MEMORY_BYTES = 4 << 20,
    CHECK_BYTES = 100000,
    BATCH_BYTES_MAX = 8 << 20,
    VALUE_BYTES_MAX = 8 << 10,
};

#define DATA_DIR "/data"

/* -- model -- */

static void model_add(struct model *m, const struct model_batch *b, struct bytes bytes)
{
    uint64_t fail_in = mem_fail_nth(0); /* the model's memory does not fail */

    if (m->count == m->cap) {
        m->cap = MAX(m->cap * 2, (size_t)64);
        m->batches = sim_resize(m->batches, m->cap * sizeof(*m->batches));
    }
    m->batches[m->count] = *b;
    m->batches[m->count].at = m->bytes.len;
    m->batches[m->count].len = bytes.len;
    m->count++;
    m->maybe = 0;
    STORAGE_CHECK(buf_add(&m->bytes, bytes) == OK, "the model has no memory");
    m->end = b->next_offset;
    (void)mem_fail_nth(fail_in);
}

/* Batches that were taken back are there after all. */
static void model_find_again(struct model *m, int64_t end)
{
    while (m->count < m->maybe && m->batches[m->count].next_offset <= end) {
        const struct model_batch *b = &m->batches[m->count++];

        m->bytes.len = b->at + b->len;
        m->end = b->next_offset;
        if (b->producer >= 0) {
            m->sequence_next[b->producer] =
                b->sequence + (int32_t)(b->next_offset - b->base_offset);
            m->kept[b->producer] = MIN(m->kept[b->producer] + 1, (int)PRODUCER_BATCHES_KEPT);
        }
    }
}

static void model_cut(struct model *m, int64_t end)
{
    while (m->count > 0 && m->batches[m->count - 1].next_offset > end) {
        const struct model_batch *b = &m->batches[--m->count];

        m->bytes.len = b->at;
        if (b->producer >= 0) {
            m->sequence_next[b->producer] = b->sequence;
            m->kept[b->producer] = MAX(m->kept[b->producer] - 1, 0);
        }
    }
    m->end = m->count == 0 ? 0 : m->batches[m->count - 1].next_offset;
    m->acked = MIN(m->acked, m->end);
}

static const struct model_batch *model_at(const struct model *m, int64_t offset)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (m->batches[middle].next_offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == m->count ? NULL : &m->batches[low];
}

/* -- life -- */

static void on_durable(void *context, struct plog *l, enum err e)
{
    struct storage_log *g = context;

    STORAGE_CHECK(g->log == l, "on_durable of a log that is gone");
    if (e != OK) {
        g->failed = true;
        STORAGE_CHECK(plog_end(l) == plog_durable_end(l), "pending appends were not taken back");
        if (!g->settings.relaxed) {
            STORAGE_CHECK(plog_end(l) >= g->model.acked, "%s: durable appends were taken back",
                          g->topic);
        }
        g->model.maybe = MAX(g->model.maybe, g->model.count);
        model_cut(&g->model, plog_end(l));
        return;
    }
    STORAGE_CHECK(plog_durable_end(l) >= g->model.acked, "the durable end went back");
    g->model.acked = plog_durable_end(l);
}

struct storage_host *storage_host_new(struct sim *sim, struct sim_node *node)
{
    struct storage_host *h = sim_alloc(sizeof(*h));

    h->sim = sim;
    h->node = node;
    h->memory_bytes = MEMORY_BYTES;
    sim_disk_put_dir(sim_node_disk(node), DATA_DIR);
    for (int i = 0; i < STORAGE_LOGS; i++) {
        struct storage_log *g = &h->logs[i];

        (void)snprintf(g->topic, sizeof(g->topic), "topic-%d", i / 2);
        if (i > 0) { /* the first one is the node's own */
            g->key.topic_id = uuid_random(0x1234567890abcdefu + (uint64_t)i / 2, 42);
        }
        g->key.partition = i;
        g->settings = (struct plog_settings){
            .segment_bytes = 64 << 10, .segment_ms = INT64_MAX, .index_interval_bytes = 4096};
        buf_init(&g->model.bytes, MODEL_BYTES_MAX);
    }
    return h;
}

void storage_forget(struct storage_host *h)
{
    for (int i = 0; i < STORAGE_CORES_MAX; i++) {
        if (h->stores[i] != NULL) {
            store_free(h->stores[i]);
            h->stores[i] = NULL;
        }
    }
    for (int i = 0; i < STORAGE_LOGS; i++) {
        plog_free(h->logs[i].log);
        h->logs[i].log = NULL;
    }
    if (h->read_lane != NULL) {
        env_lane_free(h->env, h->read_lane);
        h->read_lane = NULL;
    }
    for (int i = 0; i < STORAGE_CORES_MAX; i++) {
        if (h->pollers[i] != NULL) {
            env_poller_free(h->env, h->pollers[i]);
            h->pollers[i] = NULL;
        }
    }
    h->up = false;
}

void storage_host_free(struct storage_host *h)
{
    if (h->up) {
        sim_node_kill(h->node);
        storage_forget(h);
    }
    for (int i = 0; i < STORAGE_LOGS; i++) {
        buf_deinit(&h->logs[i].model.bytes);
        sim_release(h->logs[i].model.batches);
    }
    sim_release(h);
}

static enum err open_logs(struct storage_host *h)
{
    for (int i = 0; i < STORAGE_LOGS; i++) {
        struct storage_log *g = &h->logs[i];
        struct plog_config c = {.key = g->key,
                                .topic = bytes_of(g->topic),
                                .settings = g->settings,
                                .on_durable = on_durable,
                                .context = g};

        g->core = (int)(i % h->cores);
        g->failed = false;
        TRY(plog_open(h->stores[g->core], &c, &g->log));
    }
    return OK;
}

static enum err start_stores(struct storage_host *h, struct store_recovery *r)
{
    TRY(env_lane_new(h->env, "read", 2, &h->read_lane));
    for (int i = 0; i < h->cores; i++) {
        TRY(env_poller_new(h->env, &h->pollers[i]));
        struct store_config c = {.env = h->env,
                                 .home = h->pollers[i],
                                 .data_dir = DATA_DIR,
                                 .core = i,
                                 .memory_bytes_max = h->memory_bytes,
                                 .journal_file_bytes = h->journal_file_bytes,
                                 .recovery = r,
                                 .read_lane = h->read_lane};
        TRY(store_new(&c, &h->stores[i]));
    }
    return open_logs(h);
}

/* What was opened against what was promised. */
static void compare_opened(struct storage_host *h, struct storage_log *g)
{
    struct model *m = &g->model;
    int64_t end = plog_end(g->log), start = plog_start(g->log);

    if (h->expect_loss && end < m->acked) {
        h->losses++;
        g->damaged = true;
    }
    if (g->damaged) {
        return;
    }
    model_find_again(m, end);
    if (h->expect_damage && plog_state(g->log) != OK) {
        g->damaged = true;
        return;
    }
    STORAGE_CHECK(plog_state(g->log) == OK, "%s: opened as %s", g->topic,
                  err_name(plog_state(g->log)));
    STORAGE_CHECK(end >= m->acked, "%s-%d: %" PRId64 " was durable, the log ends at %" PRId64,
                  g->topic, g->key.partition, m->acked, end);
    STORAGE_CHECK(end <= m->end,
                  "%s-%d: the log ends at %" PRId64 ", nothing past %" PRId64 " was appended",
                  g->topic, g->key.partition, end, m->end);
    STORAGE_CHECK(plog_durable_end(g->log) == end, "opened and not durable");
    STORAGE_CHECK(start >= m->start_acked && start <= m->start,
                  "%s: the log starts at %" PRId64 ", not between %" PRId64 " and %" PRId64,
                  g->topic, start, m->start_acked, m->start);
    model_cut(m, end);
    STORAGE_CHECK(m->end == end, "%s: the log ends at %" PRId64 ", in the middle of a batch",
                  g->topic, end);
    m->acked = end;
    m->start = m->start_acked = start;
}

enum err storage_start(struct storage_host *h, int cores)
{
    struct store_recovery *r = NULL;

    h->env = sim_node_env(h->node);
    h->cores = cores;
    h->up = true;
    enum err e = store_recover(h->env, DATA_DIR, &r);
    if (e == OK) {
        STORAGE_CHECK(r->damaged_count == 0 || h->expect_damage, "a journal is called damaged");
        e = start_stores(h, r);
        if (e == OK) {
            e = store_recover_end(r);
        } else {
            store_recover_free(r);
        }
    }
    if (e != OK) {
        return e;
    }
    for (int i = 0; i < h->cores; i++) {
        STORAGE_CHECK(h->stores[i]->stats.corrupt_ranges == 0 || h->expect_damage,
                      "a log is called damaged");
    }
    for (int i = 0; i < STORAGE_LOGS; i++) {
        compare_opened(h, &h->logs[i]);
    }
    return OK;
}

enum err storage_stop(struct storage_host *h)
{
    enum err first = OK;

    for (int i = 0; i < h->cores; i++) {
        enum err e = store_close(h->stores[i]);

        h->stores[i] = NULL;
        first = first == OK ? e : first;
    }
    storage_forget(h);
    return first;
}

enum err storage_crash_and_restart(struct storage_host *h, int cores, bool power_off)
{
    if (sim_node_up(h->node)) {
        if (power_off) {
            sim_node_power_off(h->node);
        } else {
            sim_node_kill(h->node);
        }
    }
    storage_forget(h);
    (void)sim_node_restart(h->node);
    return storage_start(h, cores);
}

/* -- turns -- */

bool storage_turn(struct storage_host *h)
{
    struct env_event events[EVENTS];
    bool any = false;

    if (!sim_node_up(h->node) || sim_node_crashed(h->node)) {
        return false;
    }
    for (int i = 0; i < h->cores; i++) {
        int n = env_poll(h->env, h->pollers[i], events, EVENTS, 0);

        for (int k = 0; k < n; k++) {
            STORAGE_CHECK(events[k].kind == ENV_EVENT_JOB &&
                              store_job_done(h->stores[i], events[k].tag),
                          "an event of nobody");
        }
        any = any || n > 0;
        store_commit(h->stores[i], env_now_us(h->env));
    }
    for (int i = 0; i < STORAGE_LOGS; i++) {
        struct model *m = &h->logs[i].model;

        if (m->start > m->start_acked &&
            store_durable_ticket(h->stores[h->logs[i].core]) >= m->start_ticket &&
            !h->logs[i].failed) {
            m->start_acked = m->start;
        }
    }
    return any;
}

void storage_settle(struct storage_host *h)
{
    int quiet = 0;

    for (int i = 0;
         i < SETTLE_TURNS_MAX && quiet < 3 && sim_node_up(h->node) && !sim_node_crashed(h->node);
         i++) {
        quiet = storage_turn(h) ? 0 : quiet + 1;
        sim_run_for(h->sim, TURN_US * 20);
    }
    STORAGE_CHECK(quiet == 3 || !sim_node_up(h->node) || sim_node_crashed(h->node),
                  "it never settles");
}

/* -- operations -- */

static enum err build(const struct storage_sent *s, int32_t sequence, struct buf *out)
{
    uint8_t value[VALUE_BYTES_MAX];
    struct batch_header h = {.magic = BATCH_MAGIC,
                             .last_offset_delta = s->records - 1,
                             .base_timestamp = s->timestamp,
                             .max_timestamp = s->timestamp + s->records - 1,
                             .producer_id =
                                 s->producer < 0 ? BATCH_NO_PRODUCER_ID : 1000 + s->producer,
                             .producer_epoch = s->producer < 0 ? -1 : 0,
                             .base_sequence = s->producer < 0 ? BATCH_NO_SEQUENCE : sequence,
                             .record_count = s->records};
    size_t value_len = MIN((size_t)s->value_bytes, sizeof(value));

    for (size_t i = 0; i < value_len; i++) {
        value[i] = (uint8_t)((uint64_t)s->timestamp * 31 + i * 7 + (size_t)sequence);
    }
    TRY(buf_reserve(out, BATCH_HEADER_BYTES));
    out->len = BATCH_HEADER_BYTES;
    for (int i = 0; i < s->records; i++) {
        struct record r = {.timestamp_delta = i, .offset_delta = i, .value = {value, value_len}};

        TRY(record_write(out, &r));
    }
    h.length = (int32_t)(out->len - BATCH_OVERHEAD_BYTES);
    batch_header_write(out->at, &h);
    h.crc = batch_crc(buf_view(out));
    batch_header_write(out->at, &h);
    return OK;
}

enum err storage_append(struct storage_host *h, int log, const struct storage_sent *sent)
{
    struct storage_log *g = &h->logs[log];
    struct model *m = &g->model;
    struct plog_appended appended = {0};
    int32_t sequence = sent->producer < 0 ? 0 : m->sequence_next[sent->producer];
    struct buf batch;

    buf_init(&batch, BATCH_BYTES_MAX);
    uint64_t fail_in = mem_fail_nth(0);
    enum err e = build(sent, sequence, &batch);
    (void)mem_fail_nth(fail_in);
    if (e == OK) {
        e = plog_append(g->log, buf_view(&batch), sent->epoch, env_wall_ms(h->env), &appended);
    }
    if (e == OK) {
        struct model_batch b = {.base_offset = m->end,
                                .next_offset = m->end + sent->records,
                                .max_timestamp = sent->timestamp + sent->records - 1,
                                .epoch = sent->epoch,
                                .producer = sent->producer,
                                .sequence = sequence};

        STORAGE_CHECK(appended.base_offset == m->end && appended.last_offset == b.next_offset - 1,
                      "offset %" PRId64 " was given where %" PRId64 " is next",
                      appended.base_offset, m->end);
        batch_stamp(batch.at, m->end, sent->epoch);
        model_add(m, &b, buf_view(&batch));
        if (sent->producer >= 0) {
            m->sequence_next[sent->producer] += sent->records;
            m->kept[sent->producer] = MIN(m->kept[sent->producer] + 1, (int)PRODUCER_BATCHES_KEPT);
        }
        if (g->settings.relaxed) {
            STORAGE_CHECK(plog_durable_end(g->log) == m->end, "relaxed and not answered at once");
        }
    }
    STORAGE_CHECK(plog_end(g->log) == m->end, "the log ends at %" PRId64 ", the model at %" PRId64,
                  plog_end(g->log), m->end);
    buf_deinit(&batch);
    return e;
}

enum err storage_truncate(struct storage_host *h, int log, int64_t offset)
{
    struct storage_log *g = &h->logs[log];
    uint64_t ticket;

    TRY(plog_truncate(g->log, offset, &ticket));
    model_cut(&g->model, offset);
    STORAGE_CHECK(plog_end(g->log) == g->model.end, "cut to %" PRId64 ", ends at %" PRId64, offset,
                  plog_end(g->log));
    return OK;
}

enum err storage_start_set(struct storage_host *h, int log, int64_t offset)
{
    struct storage_log *g = &h->logs[log];
    uint64_t ticket;

    TRY(plog_start_set(g->log, offset, &ticket));
    g->model.start = offset;
    g->model.start_ticket = ticket;
    STORAGE_CHECK(plog_start(g->log) == offset, "the start did not move");
    return OK;
}

int64_t storage_boundary(struct storage_host *h, int log, int64_t from)
{
    const struct model *m = &h->logs[log].model;
    const struct model_batch *first = model_at(m, from);

    if (first == NULL) {
        return m->end;
    }
    size_t left = (size_t)(m->batches + m->count - first);
    size_t i = (size_t)sim_random_below(sim_random(h->sim), left + 1);
    if (i == left) {
        return m->end;
    }
    return MAX(first[i].base_offset, from) == first[i].base_offset ? first[i].base_offset
                                                                   : first[i].next_offset;
}

/* -- reading -- */

struct waiting {
    bool done;
};

static void read_done(struct plog_read *r)
{
    ((struct waiting *)r->context)->done = true;
}

static void wait_for(struct storage_host *h, const struct waiting *w)
{
    for (int i = 0; i < SETTLE_TURNS_MAX && !w->done && !sim_node_crashed(h->node); i++) {
        (void)storage_turn(h);
        sim_run_for(h->sim, TURN_US);
    }
    STORAGE_CHECK(w->done || sim_node_crashed(h->node), "it never ends");
}

static void compare_read(const struct storage_log *g, const struct plog_read *r)
{
    const struct model *m = &g->model;
    const struct model_batch *b = model_at(m, r->offset);
    int64_t at = r->offset;

    for (int i = 0; i < r->range_count; i++) {
        struct bytes rest = r->ranges[i].at;

        while (rest.len > 0) {
            STORAGE_CHECK(b != NULL && b < m->batches + m->count, "more than was appended");
            struct bytes want = bytes_slice(buf_view(&m->bytes), b->at, b->len);
            STORAGE_CHECK(rest.len >= want.len && bytes_equal(bytes_slice(rest, 0, want.len), want),
                          "%s-%d: offset %" PRId64 " reads differently", g->topic, g->key.partition,
                          b->base_offset);
            rest = bytes_slice(rest, want.len, SIZE_MAX);
            at = b->next_offset;
            b++;
        }
    }
    STORAGE_CHECK(at == r->next_offset, "next offset %" PRId64 " after %" PRId64, r->next_offset,
                  at);
}

enum err storage_read(struct storage_host *h, int log, int64_t offset, size_t bytes_max,
                      int64_t *next)
{
    struct storage_log *g = &h->logs[log];
    struct waiting w = {false};
    struct plog_read r = {.log = g->log,
                          .offset = offset,
                          .offset_end = INT64_MAX,
                          .bytes_max = bytes_max,
                          .first_whole = true,
                          .done = read_done,
                          .context = &w};

    if (!plog_read_start(&r)) {
        wait_for(h, &w);
    } else {
        w.done = true;
    }
    enum err e = w.done ? r.err : ERR_CLOSED;
    if (e == OK) {
        compare_read(g, &r);
        *next = r.next_offset;
    }
    plog_read_release(&r);
    return e;
}

static void check_producers(const struct storage_log *g)
{
    const struct model *m = &g->model;
    int kept[STORAGE_PRODUCERS] = {0};

    for (size_t i = m->count; i > 0; i--) {
        const struct model_batch *b = &m->batches[i - 1];
        struct producer_duplicate d;
        struct batch_header h;

        if (b->producer < 0 || kept[b->producer]++ >= m->kept[b->producer] ||
            b->base_offset < m->start) {
            continue;
        }
        STORAGE_CHECK(batch_header_read(bytes_slice(buf_view(&m->bytes), b->at, b->len), &h) == OK,
                      "model");
        enum producer_verdict v = producers_check(plog_producers(g->log), &h, &d);
        STORAGE_CHECK(v == PRODUCER_DUPLICATE && d.base_offset == b->base_offset,
                      "%s: a retry of offset %" PRId64 " gets verdict %d", g->topic, b->base_offset,
                      (int)v);
    }
    for (int p = 0; p < STORAGE_PRODUCERS; p++) {
        struct batch_header h = {.producer_id = 1000 + p,
                                 .last_offset_delta = 0,
                                 .record_count = 1,
                                 .base_sequence = m->sequence_next[p]};
        struct producer_duplicate d;

        STORAGE_CHECK(producers_check(plog_producers(g->log), &h, &d) == PRODUCER_APPEND,
                      "%s: the next batch of a producer is refused", g->topic);
    }
}

void storage_check_log(struct storage_host *h, int log)
{
    struct storage_log *g = &h->logs[log];
    int64_t at = g->model.start, next = 0;

    if (g->damaged) {
        return;
    }
    while (at < g->model.end) {
        enum err e = storage_read(h, log, at, CHECK_BYTES, &next);

        if (e != OK && sim_node_crashed(h->node)) {
            return;
        }
        STORAGE_CHECK(e == OK, "%s-%d: offset %" PRId64 " reads as %s: %s", g->topic,
                      g->key.partition, at, err_name(e), err_crumb());
        STORAGE_CHECK(next > at, "%s: nothing at offset %" PRId64, g->topic, at);
        at = next;
    }
    check_producers(g);
}

void storage_check(struct storage_host *h)
{
    for (int i = 0; i < STORAGE_LOGS; i++) {
        storage_check_log(h, i);
    }
}

/* -- times -- */

bool storage_model_find(const struct model *m, int64_t t, int64_t *offset)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct model_batch *b = &m->batches[i];
        int64_t first = b->max_timestamp - (b->next_offset - b->base_offset) + 1;

        for (int64_t o = b->base_offset; o < b->next_offset; o++) {
            if (o >= m->start && first + (o - b->base_offset) >= t) {
                *offset = o;
                return true;
            }
        }
    }
    return false;
}

static void find_done(struct plog_find *f)
{
    ((struct waiting *)f->context)->done = true;
}

enum err storage_find_until(struct storage_host *h, struct plog_find *f)
{
    struct waiting w = {false};

    f->done = find_done;
    f->context = &w;
    if (!plog_find_start(f)) {
        wait_for(h, &w);
        return w.done ? f->err : ERR_CLOSED;
    }
    return f->err;
}

enum err storage_find(struct storage_host *h, int log, enum plog_find_kind kind, int64_t t,
                      int64_t *offset)
{
    struct plog_find f = {
        .log = h->logs[log].log, .kind = kind, .timestamp_ms = t, .offset_end = INT64_MAX};
    enum err e = storage_find_until(h, &f);

    if (e == OK) {
        *offset = f.offset;
    }
    return e;
}
