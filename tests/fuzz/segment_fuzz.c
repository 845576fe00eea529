/* tests/fuzz/segment_fuzz.c: any bytes as what stands beside a segment, an index or a checkpoint, and as the
 * segment itself, opened as a log: it opens or says what is wrong, and a read gives verified batches only.
 */
#include "base/log.h"
#include "storage/checkpoint.h"
#include "storage/index.h"
#include "storage/store.h"
#include "tests/sim/env_sim.h"

enum { MEMORY = 1 << 20, TURNS = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char log_path[] = "/data/topics/t/AAAAAAAAAAAAAAAAAAAAAA-0/00000000000000000000.log";

struct opened {
    struct sim *sim;
    struct env *env;
    struct env_poller *poller;
    struct env_lane *lane;
    struct store_recovery *recovery;
    struct store *store;
    struct plog *log;
};

static void read_done(struct plog_read *r)
{
    *(bool *)r->context = true;
}

static void finish_jobs(struct opened *o, const bool *done)
{
    struct env_event events[8];

    for (int i = 0; i < TURNS && !*done; i++) {
        sim_run_until_idle(o->sim);
        int n = env_poll(o->env, o->poller, events, 8, 0);
        for (int k = 0; k < n; k++) {
            ASSERT(store_job_done(o->store, events[k].tag));
        }
    }
    ASSERT(*done);
}

static void look_at(const struct plog_read *r)
{
    for (int i = 0; i < r->range_count; i++) {
        struct bytes rest = r->ranges[i].at;
        struct batch b;

        while (batch_next(&rest, &b) == OK) {
            ASSERT(batch_crc_ok(b.bytes) && !batch_is_internal(&b.header));
        }
        ASSERT(rest.len == 0);
    }
}

static void read_all(struct opened *o)
{
    int64_t at = plog_start(o->log);

    while (at < plog_end(o->log)) {
        bool done = false;
        struct plog_read r = {.log = o->log,
                              .offset = at,
                              .offset_end = INT64_MAX,
                              .bytes_max = MEMORY,
                              .first_whole = true,
                              .done = read_done,
                              .context = &done};

        done = plog_read_start(&r);
        finish_jobs(o, &done);
        look_at(&r);
        at = r.err == OK && r.next_offset > at ? r.next_offset : plog_end(o->log);
        plog_read_release(&r);
    }
}

static enum err open_log(struct opened *o)
{
    struct plog_config log = {.topic = BYTES("t"), .settings = {1 << 20, INT64_MAX, 4096, false}};

    TRY(env_poller_new(o->env, &o->poller));
    TRY(env_lane_new(o->env, "read", 1, &o->lane));
    TRY(store_recover(o->env, "/data", &o->recovery));
    TRY(store_new(&(struct store_config){.env = o->env,
                                         .home = o->poller,
                                         .data_dir = "/data",
                                         .memory_bytes_max = MEMORY,
                                         .recovery = o->recovery,
                                         .read_lane = o->lane},
                  &o->store));
    return plog_open(o->store, &log, &o->log);
}

static void open_as_log(struct bytes content)
{
    struct opened o = {.sim = sim_new(1, NULL)};
    struct sim_node *n = sim_node_add(o.sim, "10.0.0.1");

    o.env = sim_node_env(n);
    sim_disk_put(sim_node_disk(n), log_path, content);
    if (open_log(&o) == OK) {
        read_all(&o);
    }
    sim_node_kill(n);
    store_free(o.store);
    store_recover_free(o.recovery);
    plog_free(o.log);
    env_lane_free(o.env, o.lane);
    env_poller_free(o.env, o.poller);
    sim_free(o.sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    struct checkpoint c;
    struct index x;

    log_level_set(LOG_OFF);
    if (index_read(b, 0, size, &x) == OK) {
        index_deinit(&x);
    }
    if (checkpoint_read(b, &c) == OK) {
        checkpoint_deinit(&c);
    }
    if (size > 0) {
        open_as_log(b);
    }
    return 0;
}
