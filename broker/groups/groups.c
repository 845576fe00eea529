/* broker/groups/groups.c: the frame in which operations run: calls, records, timers, failure.
 *
 * WHY      Whatever a member may rely on must survive the coordinator. So an operation changes state by records
 *          only, the records of an operation are one batch, and answers wait until the batch is on disk.
 * FLOW     groups_run -> operation: groups_put (encode, apply) ..., group_call_end -> operation_end: append one
 *          batch -> its offset is what the ended calls wait for -> groups_durable -> answer
 * READING  An operation sees what others have put but not made durable. If its own batch is empty, its calls wait
 *          for the records of the group they are about: so no answer shows what a crash could take back.
 * FAILURE  No undo: memory that is ahead of the log is thrown away whole, and built again from the log. That is
 *          the same path as a change of leader, so it is not a rare one.
 * OWNER    One core. LIMITS GROUPS_BATCH_BYTES_MAX; scratch SCRATCH_BYTES_MAX.
 */
#include "broker/groups/groups.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/groups/classic.h"
#include "broker/groups/consumer.h"
#include "broker/groups/groups_internal.h"
#include "broker/groups/offsets.h"

enum {
    SCRATCH_BYTES_MAX = 256 << 20,
    BATCH_KEPT_BYTES = 32 << 10, /* a larger buffer is given back when the operation ends */
    ROOM_RETRY_MS = 10,
    MEMBER_ID_RANDOM_BYTES = 16,
};

/* ---- groups ---- */

static uint64_t hash_of(const struct groups *g, struct bytes id)
{
    return bytes_hash(id, g->seed);
}

static bool has_id(const struct map_link *link, const void *id)
{
    const struct group *group = CONTAINER_OF(link, const struct group, link);

    return bytes_equal(group->id, *(const struct bytes *)id);
}

struct group *group_find(const struct groups *g, struct bytes id)
{
    struct map_link *link = map_find(&g->by_id, hash_of(g, id), has_id, &id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct group, link);
}

struct group *group_add(struct groups *g, struct bytes id)
{
    struct group *group = mem_zalloc(1, sizeof(*group));
    struct bytes copy = group_copy(g, id);

    if (group == NULL || copy.at == NULL) {
        mem_free(group);
        group_copy_free(copy);
        groups_break(g);
        return NULL;
    }
    group->id = copy;
    map_add(&g->by_id, hash_of(g, copy), &group->link);
    g->host.stats->groups++;
    return group;
}

struct group *group_find_or_classic(struct groups *g, struct bytes id)
{
    struct group *group = group_find(g, id);

    if (group != NULL) {
        return group;
    }
    group = group_add(g, id);
    if (group != NULL && classic_new(g, group) != OK) {
        groups_break(g);
        group_remove(g, group);
        return NULL;
    }
    return group;
}

static void group_free(struct groups *g, struct group *group)
{
    classic_free(g, group);
    consumer_free(g, group);
    offsets_deinit(group);
    group_copy_free(group->id);
    mem_free(group);
    g->host.stats->groups--;
}

void group_remove(struct groups *g, struct group *group)
{
    if (list_linked(&group->touched)) {
        list_remove(&g->touched, &group->touched);
    }
    map_remove(&g->by_id, &group->link);
    group_free(g, group);
}

size_t groups_count(const struct groups *g)
{
    return g->by_id.len;
}

/* ---- calls ---- */

static void call_answer(struct groups *g, struct group_call *c)
{
    list_remove(&g->calls, &c->link);
    c->answer(c);
}

/* By wait_offset; most come in order. */
static void waiter_add(struct groups *g, struct group_call *c)
{
    struct list behind = {0};

    while (!list_empty(&g->waiters)) {
        struct list_link *last = list_last(&g->waiters);

        if (CONTAINER_OF(last, struct group_call, waiter)->wait_offset <= c->wait_offset) {
            break;
        }
        list_remove(&g->waiters, last);
        list_add_first(&behind, last);
    }
    list_add_last(&g->waiters, &c->waiter);
    while (!list_empty(&behind)) {
        list_add_last(&g->waiters, list_take(&behind));
    }
}

static void waiters_answer(struct groups *g)
{
    while (!list_empty(&g->waiters)) {
        struct list_link *first = list_first(&g->waiters);
        struct group_call *c = CONTAINER_OF(first, struct group_call, waiter);

        if (c->wait_offset > g->durable_offset) {
            break;
        }
        list_remove(&g->waiters, first);
        call_answer(g, c);
    }
}

void group_call_end(struct groups *g, struct group *group, struct group_call *c)
{
    ASSERT(g->running && !list_linked(&c->waiter));
    c->wait_offset = group == NULL ? g->end_offset : group->end_offset;
    list_add_last(&g->ended, &c->waiter);
}

void group_call_refuse(struct groups *g, struct group *group, struct group_call *c,
                       enum kafka_error error)
{
    c->refuse(c, error);
    group_call_end(g, group, c);
}

static void refuse_now(struct group_call *c, enum kafka_error error)
{
    c->refuse(c, error);
    c->answer(c);
}

/* Everybody is told to look for the coordinator again. */
static void calls_refuse(struct groups *g)
{
    while (!list_empty(&g->calls)) {
        struct group_call *c = CONTAINER_OF(list_first(&g->calls), struct group_call, link);

        if (list_linked(&c->waiter)) {
            c->waiter = (struct list_link){0}; /* the lists are emptied as a whole below */
        }
        c->refuse(c, KAFKA_NOT_COORDINATOR);
        call_answer(g, c);
    }
    list_init(&g->waiters);
    list_init(&g->ended);
}

/* ---- operations ---- */

void groups_break(struct groups *g)
{
    g->broken = true;
}

static void lose(struct groups *g, const char *why)
{
    log_warn("group coordinator starts anew from its log",
             "partition=%d groups=%zu calls=%zu why=%s", g->partition, g->by_id.len, g->calls.len,
             why);
    g->state = GROUPS_LOST;
    calls_refuse(g);
    g->host.lost(g->host.context);
}

static void operation_begin(struct groups *g)
{
    ASSERT(!g->running && g->state == GROUPS_ACTIVE);
    g->running = true;
    g->broken = false;
}

/* The batch of the operation, at the log's end. */
static enum err batch_append(struct groups *g)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct buf out;

    buf_init(&out, GROUPS_BATCH_BYTES_MAX + (1 << 20));
    options.codec = CODEC_NONE;
    enum err e = batch_builder_finish(&g->batch, &options, &out);
    if (e == OK) {
        e = g->host.append(g->host.context, buf_view(&out), &g->end_offset);
    }
    buf_deinit(&out);
    return e;
}

static void batch_forget(struct groups *g)
{
    if (g->batch.records.cap > BATCH_KEPT_BYTES) {
        batch_builder_deinit(&g->batch);
        batch_builder_init(&g->batch, GROUPS_BATCH_BYTES_MAX);
    } else {
        batch_builder_reset(&g->batch);
    }
}

static void operation_end(struct groups *g)
{
    bool wrote = g->batch.count > 0;
    enum err e = OK;

    ASSERT(g->running);
    g->running = false;
    if (!g->broken && wrote) {
        e = batch_append(g);
    }
    batch_forget(g);
    while (!list_empty(&g->touched)) {
        CONTAINER_OF(list_take(&g->touched), struct group, touched)->end_offset = g->end_offset;
    }
    bool scratch_short = g->scratch.exhausted;
    arena_reset(&g->scratch);
    if (g->broken || scratch_short || e != OK) {
        lose(g, e != OK ? err_text(e) : err_text(ERR_NOMEM));
        return;
    }
    while (!list_empty(&g->ended)) {
        struct group_call *c = CONTAINER_OF(list_take(&g->ended), struct group_call, waiter);

        c->wait_offset = wrote ? g->end_offset : c->wait_offset;
        waiter_add(g, c);
    }
    waiters_answer(g);
}

void groups_run(struct groups *g, struct group_call *c, group_operation *operation)
{
    c->link = c->waiter = (struct list_link){0};
    if (g->state == GROUPS_LOST) {
        refuse_now(c, KAFKA_NOT_COORDINATOR);
        return;
    }
    if (g->state == GROUPS_LOADING || !g->host.has_room(g->host.context, GROUPS_ROOM_BYTES)) {
        refuse_now(c, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        return;
    }
    list_add_last(&g->calls, &c->link);
    operation_begin(g);
    operation(g, c);
    operation_end(g);
}

/* ---- timers ---- */

static void timer_fired(struct timer *t)
{
    struct group_timer *timer = CONTAINER_OF(t, struct group_timer, timer);
    struct groups *g = timer->home;

    if (g->state != GROUPS_ACTIVE) {
        return;
    }
    if (!g->host.has_room(g->host.context, GROUPS_ROOM_BYTES)) {
        g->host.timer_add(g->host.context, t, ROOM_RETRY_MS * 1000);
        return;
    }
    operation_begin(g);
    timer->fire(g, timer);
    operation_end(g);
}

void group_timer_start(struct groups *g, struct group_timer *t, int64_t delay_ms,
                       void (*fire)(struct groups *g, struct group_timer *t))
{
    group_timer_stop(g, t);
    t->home = g;
    t->fire = fire;
    t->timer.fire = timer_fired;
    g->host.timer_add(g->host.context, &t->timer, (uint64_t)MAX(delay_ms, 0) * 1000);
}

void group_timer_stop(struct groups *g, struct group_timer *t)
{
    if (timer_pending(&t->timer)) {
        g->host.timer_cancel(g->host.context, &t->timer);
    }
}

static void expiry_due(struct groups *g, struct group_timer *t)
{
    group_timer_start(g, t, groups_config(g, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
                      expiry_due);
    groups_expire(g);
}

/* ---- the log ---- */

void groups_durable(struct groups *g, int64_t end_offset)
{
    ASSERT(end_offset >= g->durable_offset);
    g->durable_offset = end_offset;
    if (g->state == GROUPS_ACTIVE) {
        waiters_answer(g);
    }
}

void groups_append_lost(struct groups *g)
{
    if (g->state == GROUPS_ACTIVE) {
        lose(g, "what was written could not be made durable");
    }
}

void groups_image_changed(struct groups *g, const struct image *old)
{
    if (g->state != GROUPS_ACTIVE || g->by_id.len == 0) {
        return;
    }
    operation_begin(g);
    offsets_forget_topics(g, old);
    map_for_each(&g->by_id, link)
    {
        struct group *group = CONTAINER_OF(link, struct group, link);

        if (group->consumer != NULL) {
            consumer_image_changed(g, group, old);
        }
    }
    operation_end(g);
}

/* ---- life ---- */

enum err groups_new(const struct groups_host *host, int32_t partition, struct groups **out)
{
    struct groups *g = mem_zalloc(1, sizeof(*g));

    if (g == NULL) {
        return fail(ERR_NOMEM, "group coordinator of partition %d", partition);
    }
    g->host = *host;
    g->partition = partition;
    g->state = GROUPS_LOADING;
    host->random(host->context, &g->seed, sizeof(g->seed));
    arena_init(&g->scratch, SCRATCH_BYTES_MAX);
    batch_builder_init(&g->batch, GROUPS_BATCH_BYTES_MAX);
    *out = g;
    return OK;
}

void groups_free(struct groups *g)
{
    if (g == NULL) {
        return;
    }
    ASSERT(!g->running);
    g->state = GROUPS_LOST;
    calls_refuse(g);
    group_timer_stop(g, &g->expiry);
    map_for_each(&g->by_id, link)
    {
        group_free(g, CONTAINER_OF(link, struct group, link));
    }
    map_deinit(&g->by_id);
    batch_builder_deinit(&g->batch);
    arena_deinit(&g->scratch);
    mem_free(g);
}

void groups_forget_calls(struct groups *g)
{
    list_init(&g->calls);
    list_init(&g->waiters);
}

void groups_loaded(struct groups *g, int64_t end_offset)
{
    ASSERT(g->state == GROUPS_LOADING);
    g->state = GROUPS_ACTIVE;
    g->end_offset = end_offset;
    operation_begin(g);
    map_for_each(&g->by_id, link)
    {
        struct group *group = CONTAINER_OF(link, struct group, link);

        if (group->consumer != NULL) {
            consumer_loaded(g, group);
        } else if (group->classic != NULL) {
            classic_loaded(g, group);
        }
    }
    group_timer_start(g, &g->expiry, groups_config(g, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS),
                      expiry_due);
    operation_end(g);
}

bool groups_is_loading(const struct groups *g)
{
    return g->state == GROUPS_LOADING;
}

/* ---- small things ---- */

struct bytes group_copy(struct groups *g, struct bytes b)
{
    if (b.at == NULL) {
        return BYTES_NULL;
    }
    uint8_t *at = mem_alloc(b.len + 1);
    if (at == NULL) {
        groups_break(g);
        return BYTES_NULL;
    }
    memcpy(at, b.at, b.len);
    return (struct bytes){at, b.len};
}

void group_copy_free(struct bytes b)
{
    mem_free((void *)(uintptr_t)b.at);
}

struct bytes group_new_member_id(struct groups *g, struct arena *a, struct bytes prefix)
{
    uint8_t r[MEMBER_ID_RANDOM_BYTES];

    g->host.random(g->host.context, r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40); /* a version 4 uuid */
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    return arena_format(a,
                        "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        BYTES_ARG(prefix), r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8],
                        r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

bool group_id_ok(struct bytes id)
{
    return id.len > 0;
}
