/* tests/sim/group_world.c: the host: log, clock, timers, topics, and the life of the coordinator in it.
 *
 * LIFE     start -> load (some batches per event, calls are refused meanwhile) -> serve -> crash, move or lost
 *          -> start. Only when the whole log is durable is loading complete: a new leader serves what cannot go.
 * SYNC     One at a time; it covers what was appended before it began.
 * CRASH    The log is cut at a drawn batch that was not durable; group_check is told where.
 * MEMORY   The coordinator's own (base/mem.h) may be made to fail; the world's (sim_mem.h) never is.
 */
#include "tests/sim/group_world.h"

#include "base/mem.h"
#include "broker/image_edit.h"
#include "protocol/record_batch.h"
#include "tests/sim/group_check.h"
#include "tests/sim/group_world_internal.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum {
    WALL_START_S = 1700000000,
    START_US_MAX = 300000,
    LOAD_STEP_US_MAX = 20000,
    LOAD_BATCHES_MAX = 50,
    RESTART_US_MAX = 3000000,
    TIMERS_PER_TURN = 64,
    NO_MEMORY_WITHIN = 40, /* allocations of one call */
};

static void load_step(void *context);
static void sync_plan(struct group_world *w);

/* ---- turns ---- */

static void tick_due(void *context)
{
    struct group_world *w = context;

    w->tick = NULL;
    group_world_turn_begin(w);
    (void)timer_wheel_run(&w->wheel, sim_now(w->sim), TIMERS_PER_TURN);
    group_world_turn_end(w);
}

static void tick_plan(struct group_world *w)
{
    uint64_t next = timer_wheel_next_us(&w->wheel);

    if (w->tick != NULL) {
        sim_cancel(w->sim, w->tick);
        w->tick = NULL;
    }
    if (next != UINT64_MAX) {
        w->tick = sim_at(w->sim, MAX(next, sim_now(w->sim)), tick_due, w);
    }
}

void group_world_turn_begin(struct group_world *w)
{
    if (sim_random_chance(w->random, w->trouble.no_memory_ppm)) {
        (void)mem_fail_nth(sim_random_range(w->random, 1, NO_MEMORY_WITHIN));
    }
}

static void restart(struct group_world *w, uint64_t us)
{
    if (w->start == NULL) {
        w->start = sim_after(w->sim, us, load_step, w);
    }
}

void group_world_turn_end(struct group_world *w)
{
    (void)mem_fail_nth(0);
    tick_plan(w);
    sync_plan(w);
    if (w->lost) {
        restart(w, sim_random_below(w->random, START_US_MAX));
    }
}

/* ---- what the coordinator asks for ---- */

int64_t group_world_wall_ms(const struct group_world *w)
{
    return (int64_t)WALL_START_S * 1000 + (int64_t)(sim_now(w->sim) / 1000) + w->wall_ahead_ms;
}

void group_world_wall_jump(struct group_world *w, int64_t ms)
{
    sim_note(w->sim, "the clock jumps by %d s", (int)(ms / 1000));
    group_check_wall(w->check);
    w->wall_ahead_ms += ms;
    group_check_wall(w->check);
    w->wall_ahead_ms_max = MAX(w->wall_ahead_ms_max, w->wall_ahead_ms);
}

static uint64_t host_now_us(void *context)
{
    return sim_now(((struct group_world *)context)->sim);
}

static int64_t host_wall_ms(void *context)
{
    return group_world_wall_ms(context);
}

static const struct image *host_image(void *context)
{
    return ((struct group_world *)context)->image;
}

static void host_random(void *context, void *at, size_t bytes)
{
    const struct group_world *w = context;

    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)at)[i] = (uint8_t)sim_random_next(w->random);
    }
}

static void host_timer_add(void *context, struct timer *t, uint64_t delay_us)
{
    struct group_world *w = context;

    timer_wheel_add(&w->wheel, t, sim_now(w->sim) + delay_us);
}

static void host_timer_cancel(void *context, struct timer *t)
{
    timer_wheel_cancel(&((struct group_world *)context)->wheel, t);
}

static void log_add(struct group_world *w, struct bytes batch)
{
    struct batch_header header;
    uint8_t *copy = sim_copy(batch.at, batch.len);

    SCENARIO_CHECK(batch_header_read(batch, &header) == OK && batch_size(&header) == batch.len &&
                       batch_crc_ok(batch) && header.record_count > 0,
                   "a batch that is none");
    if (w->log_count == w->log_max) {
        w->log_max = MAX(2 * w->log_max, 64);
        w->log = sim_resize(w->log, (size_t)w->log_max * sizeof(*w->log));
    }
    batch_stamp(copy, w->log_end, 0);
    w->log_end += header.record_count;
    w->log[w->log_count++] = (struct group_batch){{copy, batch.len}, w->log_end};
}

static enum err host_append(void *context, struct bytes batch, int64_t *end_offset)
{
    struct group_world *w = context;

    if (sim_random_chance(w->random, w->trouble.append_fail_ppm)) {
        return ERR_IO;
    }
    log_add(w, batch);
    *end_offset = w->log_end;
    return OK;
}

static bool host_has_room(void *context, size_t bytes)
{
    const struct group_world *w = context;

    ASSERT(bytes > 0);
    return sim_now(w->sim) >= w->no_room_until_us;
}

static void host_lost(void *context)
{
    struct group_world *w = context;

    SCENARIO_CHECK(!w->lost, "the coordinator says twice that it is lost");
    w->lost = true;
    sim_note(w->sim, "the coordinator lost its state");
}

/* ---- durability ---- */

static void sync_done(void *context)
{
    struct group_world *w = context;

    w->sync = NULL;
    w->durable = w->syncing;
    if (w->groups != NULL && !groups_is_loading(w->groups)) {
        group_world_turn_begin(w);
        groups_durable(w->groups, w->durable);
        group_world_turn_end(w);
    }
    sync_plan(w);
}

static void sync_plan(struct group_world *w)
{
    if (w->sync == NULL && w->durable < w->log_end) {
        w->syncing = w->log_end;
        w->sync = sim_after(w->sim, sim_random_below(w->random, w->trouble.sync_us_max + 1),
                            sync_done, w);
    }
}

/* All behind `end`, which is the end of a batch, never was. */
static void log_cut(struct group_world *w, int64_t end)
{
    ASSERT(end >= w->durable);
    if (w->sync != NULL) {
        sim_cancel(w->sim, w->sync);
        w->sync = NULL;
    }
    while (w->log_count > 0 && w->log[w->log_count - 1].end_offset > end) {
        sim_release((void *)(uintptr_t)w->log[--w->log_count].bytes.at);
    }
    w->log_end = w->log_count == 0 ? 0 : w->log[w->log_count - 1].end_offset;
    ASSERT(w->log_end == end);
    group_check_cut(w->check, end);
}

static void log_cut_somewhere(struct group_world *w)
{
    int32_t keep = w->log_count;

    while (keep > 0 && w->log[keep - 1].end_offset > w->durable &&
           sim_random_below(w->random, 3) > 0) {
        keep--;
    }
    log_cut(w, keep == 0 ? 0 : w->log[keep - 1].end_offset);
    w->durable = w->log_end;
}

/* ---- life ---- */

static struct groups_host host_of(struct group_world *w)
{
    return (struct groups_host){
        .context = w,
        .config = w->config,
        .stats = &w->stats,
        .now_us = host_now_us,
        .wall_ms = host_wall_ms,
        .image = host_image,
        .random = host_random,
        .timer_add = host_timer_add,
        .timer_cancel = host_timer_cancel,
        .append = host_append,
        .has_room = host_has_room,
        .lost = host_lost,
    };
}

static void coordinator_free(struct group_world *w)
{
    groups_free(w->groups);
    w->groups = NULL;
    SCENARIO_CHECK(w->wheel.len == 0, "%zu timers outlive their coordinator", w->wheel.len);
    SCENARIO_CHECK(w->stats.groups == 0, "%" PRIu64 " groups outlive their coordinator",
                   w->stats.groups);
    list_for_each (&w->asks, link) {
        const struct group_ask *a = CONTAINER_OF(link, struct group_ask, link);
        SCENARIO_CHECK(!a->at_server || a->answered, "%s has no answer",
                       group_api_info(a->api)->name);
    }
    w->lost = false;
    tick_plan(w);
}

/* True when the coordinator is complete. */
static bool load_some(struct group_world *w)
{
    int32_t upto = w->loaded + (int32_t)sim_random_range(w->random, 1, LOAD_BATCHES_MAX);

    for (; w->loaded < upto && w->loaded < w->log_count; w->loaded++) {
        enum err e = groups_load(w->groups, w->log[w->loaded].bytes);
        SCENARIO_CHECK(e == OK || e == ERR_NOMEM, "batch %d does not load: %s: %s", w->loaded,
                       err_name(e), err_crumb());
        if (e != OK) {
            coordinator_free(w); /* and all over again */
            return false;
        }
    }
    return w->loaded == w->log_count && w->durable == w->log_end;
}

static void load_step(void *context)
{
    struct group_world *w = context;

    w->start = NULL;
    if (w->lost) {
        coordinator_free(w);
    }
    group_world_turn_begin(w);
    if (w->groups == NULL) {
        struct groups_host host = host_of(w);
        w->loaded = 0;
        if (groups_new(&host, 7, &w->groups) != OK) {
            w->groups = NULL;
        }
    } else if (load_some(w)) {
        group_check_loaded(w->check);
        int64_t end = w->log_end;
        groups_durable(w->groups, end);
        groups_loaded(w->groups, end);
        w->start_count++;
        sim_note(w->sim, "the coordinator serves from %d on", (int)end);
    }
    group_world_turn_end(w);
    if (!group_world_serves(w)) {
        restart(w, sim_random_below(w->random, LOAD_STEP_US_MAX));
    }
}

void group_world_start(struct group_world *w)
{
    restart(w, 0);
}

bool group_world_serves(const struct group_world *w)
{
    return w->groups != NULL && !groups_is_loading(w->groups) && !w->lost;
}

static void go_down(struct group_world *w)
{
    if (w->start != NULL) {
        sim_cancel(w->sim, w->start);
        w->start = NULL;
    }
    coordinator_free(w);
    log_cut_somewhere(w);
    restart(w, sim_random_below(w->random, RESTART_US_MAX));
}

void group_world_crash(struct group_world *w)
{
    sim_note(w->sim, "crash");
    w->dying = true;
    go_down(w);
    w->dying = false;
}

void group_world_move(struct group_world *w)
{
    sim_note(w->sim, "another leader");
    go_down(w);
}

void group_world_append_lost(struct group_world *w)
{
    if (!group_world_serves(w) || w->durable == w->log_end) {
        return;
    }
    sim_note(w->sim, "what was appended is gone");
    log_cut(w, w->durable);
    group_world_turn_begin(w);
    groups_append_lost(w->groups);
    group_world_turn_end(w);
    SCENARIO_CHECK(w->lost, "a coordinator whose records are gone goes on");
}

void group_world_no_room(struct group_world *w, uint64_t us)
{
    w->no_room_until_us = sim_now(w->sim) + us;
}

struct group_world *group_world_new(struct scenario_run *run)
{
    struct group_world *w = sim_alloc(sizeof(*w));
    struct image_edit *e = NULL;

    w->sim = run->sim;
    w->random = sim_random(run->sim);
    w->check = group_check_new(w);
    timer_wheel_init(&w->wheel, sim_now(w->sim));
    SCENARIO_CHECK(config_new(&w->config) == OK, "config");
    SCENARIO_CHECK(image_edit_new(NULL, &e) == OK, "image");
    image_edit_broker_put(e, &(struct image_broker){.id = 1, .port = 9092, .rack = BYTES_NULL});
    SCENARIO_CHECK(image_edit_finish(e, ++w->image_version, &w->image) == OK, "image");
    return w;
}

void group_world_set(struct group_world *w, const char *key, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    SCENARIO_CHECK(config_set(w->config, bytes_of(key), bytes_of(text), CONFIG_FROM_SET) == OK,
                   "%s=%s: %s", key, text, err_crumb());
}

void group_world_free(struct group_world *w)
{
    w->dying = true;
    if (w->start != NULL) {
        sim_cancel(w->sim, w->start);
    }
    coordinator_free(w);
    if (w->sync != NULL) {
        sim_cancel(w->sim, w->sync);
    }
    while (!list_empty(&w->asks)) {
        group_ask_free(CONTAINER_OF(list_first(&w->asks), struct group_ask, link));
    }
    for (int32_t i = 0; i < w->log_count; i++) {
        sim_release((void *)(uintptr_t)w->log[i].bytes.at);
    }
    sim_release(w->log);
    image_unref(w->image);
    config_free(w->config);
    group_check_free(w->check);
    sim_release(w);
}

/* ---- topics ---- */

struct bytes group_text(int32_t group)
{
    ASSERT(group >= 0 && group < GROUP_COUNT);
    return group == 0 ? BYTES("g0") : BYTES("g1");
}

struct bytes group_topic_text(int32_t slot)
{
    static const char *const names[GROUP_TOPIC_COUNT] = {"t0", "t1", "t2", "t3"};

    return bytes_of(names[slot % GROUP_TOPIC_COUNT]);
}

int32_t group_world_slot(const struct group_world *w, int32_t name)
{
    for (int32_t slot = name; slot < GROUP_SLOT_COUNT; slot += GROUP_TOPIC_COUNT) {
        if (w->topics[slot].there) {
            return slot;
        }
    }
    return -1;
}

int32_t group_world_slot_by_id(const struct group_world *w, struct uuid id)
{
    for (int32_t slot = 0; slot < GROUP_SLOT_COUNT; slot++) {
        if (uuid_equal(w->topics[slot].id, id) && !uuid_is_zero(id)) {
            return slot;
        }
    }
    return -1;
}

uint64_t group_world_partitions(const struct group_world *w, uint32_t names)
{
    uint64_t bits = 0;

    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        int32_t slot = group_world_slot(w, name);
        if (slot >= 0 && (names & (1u << name)) != 0) {
            uint64_t all = (UINT64_C(1) << w->topics[slot].partition_count) - 1;
            bits |= all << (slot * GROUP_TOPIC_PARTITIONS_MAX);
        }
    }
    return bits;
}

/* The new image is the coordinator's at once. */
static void take_image(struct group_world *w, struct image_edit *e)
{
    const struct image *old = w->image;

    SCENARIO_CHECK(image_edit_finish(e, ++w->image_version, &w->image) == OK, "image");
    if (w->groups != NULL && !w->lost) {
        group_world_turn_begin(w);
        groups_image_changed(w->groups, old);
        group_world_turn_end(w);
    }
    image_unref(old);
}

bool group_world_topic_make(struct group_world *w, int32_t name, int32_t partition_count)
{
    static const int32_t replicas[] = {1};
    struct image_partition p[GROUP_TOPIC_PARTITIONS_MAX];
    struct image_edit *e = NULL;
    int32_t slot = group_world_slot(w, name);

    ASSERT(partition_count <= GROUP_TOPIC_PARTITIONS_MAX);
    for (int32_t at = name; slot < 0 && at < GROUP_SLOT_COUNT; at += GROUP_TOPIC_COUNT) {
        slot = uuid_is_zero(w->topics[at].id) ? at : -1;
    }
    if (slot < 0) {
        return false;
    }
    struct group_topic *t = &w->topics[slot];
    if (!t->there) {
        *t = (struct group_topic){
            true, uuid_random(sim_random_next(w->random), sim_random_next(w->random)), 0};
    }
    t->partition_count = MAX(t->partition_count, partition_count);
    for (int32_t i = 0; i < t->partition_count; i++) {
        p[i] = (struct image_partition){.leader = 1, .replicas = replicas, .replica_count = 1};
    }
    sim_note(w->sim, "topic %d has %d partitions", slot, t->partition_count);
    SCENARIO_CHECK(image_edit_new(w->image, &e) == OK, "image");
    image_edit_topic_put(e, &(struct image_topic){.id = t->id,
                                                  .name = group_topic_text(slot),
                                                  .partitions = p,
                                                  .partition_count = t->partition_count});
    take_image(w, e);
    return true;
}

void group_world_topic_delete(struct group_world *w, int32_t name)
{
    int32_t slot = group_world_slot(w, name);
    struct image_edit *e = NULL;

    if (slot < 0) {
        return;
    }
    sim_note(w->sim, "topic %d is deleted", slot);
    w->topics[slot].there = false;
    group_check_topic_gone(w->check, slot);
    SCENARIO_CHECK(image_edit_new(w->image, &e) == OK, "image");
    image_edit_topic_remove(e, w->topics[slot].id);
    take_image(w, e);
}
