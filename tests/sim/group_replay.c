/* tests/sim/group_replay.c: what a coordinator made anew from the log would say, next to what the living one says.
 *
 * COMPARED Description (of classic groups when they are between no two generations, which live in memory) and all
 *          offsets, in one order. And the same after the log was compacted: of each key the last record stays.
 */
#include "tests/sim/group_replay.h"

#include "protocol/batch_builder.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "schema/consumer_group_describe.h"
#include "schema/describe_groups.h"
#include "schema/offset_fetch.h"
#include "tests/sim/group_check.h"
#include "tests/sim/group_member.h"
#include "tests/sim/sim_mem.h"

#include <stdlib.h>

enum { BATCH_BYTES_MAX = 64 << 20, FETCH_VERSION = 9 };

/* The host of the second coordinator: the same world, timers that never fire, a log that nobody keeps. */
struct replay {
    struct group_world *world;
    struct timer_wheel wheel;
    struct core_stats stats;
    int64_t end;
    struct groups *groups;
};

static uint64_t replay_now_us(void *context)
{
    return sim_now(((struct replay *)context)->world->sim);
}

static int64_t replay_wall_ms(void *context)
{
    return (int64_t)(sim_now(((struct replay *)context)->world->sim) / 1000);
}

static const struct image *replay_image(void *context)
{
    return ((struct replay *)context)->world->image;
}

static void replay_random(void *context, void *at, size_t bytes)
{
    (void)context;
    memset(at, 5, bytes);
}

static void replay_timer_add(void *context, struct timer *t, uint64_t delay_us)
{
    struct replay *r = context;

    timer_wheel_add(&r->wheel, t, sim_now(r->world->sim) + delay_us);
}

static void replay_timer_cancel(void *context, struct timer *t)
{
    timer_wheel_cancel(&((struct replay *)context)->wheel, t);
}

static enum err replay_append(void *context, struct bytes batch, int64_t *end_offset)
{
    struct replay *r = context;

    ASSERT(batch.len > 0);
    *end_offset = ++r->end;
    return OK;
}

static bool replay_has_room(void *context, size_t bytes)
{
    return context != NULL && bytes > 0;
}

static void replay_lost(void *context)
{
    SCENARIO_CHECK(context == NULL, "a coordinator in peace loses its state");
}

static void replay_start(struct replay *r, struct group_world *w)
{
    struct groups_host host = {
        .context = r,
        .config = w->config,
        .stats = &r->stats,
        .now_us = replay_now_us,
        .wall_ms = replay_wall_ms,
        .image = replay_image,
        .random = replay_random,
        .timer_add = replay_timer_add,
        .timer_cancel = replay_timer_cancel,
        .append = replay_append,
        .has_room = replay_has_room,
        .lost = replay_lost,
    };

    *r = (struct replay){.world = w, .end = w->log_end};
    timer_wheel_init(&r->wheel, sim_now(w->sim));
    SCENARIO_CHECK(groups_new(&host, 8, &r->groups) == OK, "no memory");
}

static void replay_load(struct replay *r, struct bytes batch)
{
    SCENARIO_CHECK(groups_load(r->groups, batch) == OK, "a batch does not load: %s", err_crumb());
}

static void replay_loaded(struct replay *r)
{
    groups_loaded(r->groups, r->world->log_end);
    groups_durable(r->groups, r->end);
}

static void replay_end(struct replay *r)
{
    groups_free(r->groups);
    SCENARIO_CHECK(r->wheel.len == 0 && r->stats.groups == 0, "something outlives its coordinator");
}

/* ---- one order ---- */

static int by_topic_id(const void *a, const void *b)
{
    const struct consumer_group_describe_response_topic_partition *x = a, *y = b;

    return uuid_compare(x->topic_id, y->topic_id);
}

static int by_number(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static int by_classic_member(const void *a, const void *b)
{
    const struct describe_groups_response_member *x = a, *y = b;

    return bytes_compare(x->member_id, y->member_id);
}

static int by_consumer_member(const void *a, const void *b)
{
    const struct consumer_group_describe_response_member *x = a, *y = b;

    return bytes_compare(x->member_id, y->member_id);
}

static int by_topic(const void *a, const void *b)
{
    const struct offset_fetch_response_group_topic *x = a, *y = b;

    return bytes_compare(x->name, y->name);
}

static int by_partition(const void *a, const void *b)
{
    const struct offset_fetch_response_group_partition *x = a, *y = b;

    return x->partition_index < y->partition_index ? -1 : x->partition_index > y->partition_index;
}

#define SORT(array, compare)                                                          \
    do {                                                                              \
        if ((array).len > 1) {                                                        \
            qsort((array).at, (size_t)(array).len, sizeof((array).at[0]), (compare)); \
        }                                                                             \
    } while (0)

static void sort_assignment(struct consumer_group_describe_response_assignment *a)
{
    SORT(a->topic_partitions, by_topic_id);
    for (int32_t i = 0; i < a->topic_partitions.len; i++) {
        SORT(a->topic_partitions.at[i].partitions, by_number);
    }
}

static void sort_answer(const struct group_ask *a)
{
    if (a->api == GROUP_ASK_DESCRIBE) {
        struct describe_groups_response *out = a->call.out;
        SORT(out->groups.at[0].members, by_classic_member);
    } else if (a->api == GROUP_ASK_CONSUMER_DESCRIBE) {
        struct consumer_group_describe_response *out = a->call.out;
        SORT(out->groups.at[0].members, by_consumer_member);
        for (int32_t i = 0; i < out->groups.at[0].members.len; i++) {
            sort_assignment(&out->groups.at[0].members.at[i].assignment);
            sort_assignment(&out->groups.at[0].members.at[i].target_assignment);
        }
    } else {
        struct offset_fetch_response *out = a->call.out;
        SORT(out->groups.at[0].topics, by_topic);
        for (int32_t i = 0; i < out->groups.at[0].topics.len; i++) {
            SORT(out->groups.at[0].topics.at[i].partitions, by_partition);
        }
    }
}

/* ---- comparing ---- */

static struct group_ask *question(struct group_world *w, enum group_api api, int32_t group)
{
    int16_t version = api == GROUP_ASK_DESCRIBE ? 6 : api == GROUP_ASK_FETCH ? FETCH_VERSION : 1;
    struct group_ask *a = group_ask_new(w, api, version);

    if (api == GROUP_ASK_FETCH) {
        group_fetch_fill(a, group, 0);
        return a;
    }
    struct string_array ids = string_array_new(&a->arena, 1);
    ids.at[0] = group_text(group);
    if (api == GROUP_ASK_DESCRIBE) {
        ((struct describe_groups_request *)a->in)->groups = ids;
    } else {
        ((struct consumer_group_describe_request *)a->in)->group_ids = ids;
    }
    return a;
}

static struct bytes said(struct group_ask *a)
{
    sort_answer(a);
    return message_bytes(&a->arena, group_api_info(a->api)->response, a->version, a->call.out);
}

/* A classic group that has members only in memory, or that never had any, says more than its log. */
static bool comparable(const struct group_ask *live, const struct group_ask *again)
{
    if (live->api == GROUP_ASK_DESCRIBE) {
        const struct describe_groups_response *l = live->call.out, *r = again->call.out;
        struct bytes state = l->groups.at[0].group_state;
        SCENARIO_CHECK(l->groups.at[0].error_code == KAFKA_NONE ||
                           r->groups.at[0].error_code != KAFKA_NONE,
                       "a group that is gone is back");
        bool empty = bytes_equal(state, BYTES("Empty")) || bytes_equal(state, BYTES("Dead"));
        if (empty && l->groups.at[0].members.len == 0 && r->groups.at[0].members.len == 0) {
            return false;
        }
        return !bytes_equal(state, BYTES("PreparingRebalance")) &&
               !bytes_equal(state, BYTES("CompletingRebalance"));
    }
    return live->api != GROUP_ASK_CONSUMER_DESCRIBE || group_check_error(live) == KAFKA_NONE ||
           group_check_error(again) == KAFKA_NONE; /* errors differ in their words */
}

static void compare(struct replay *r, enum group_api api, int32_t group, const char *what)
{
    struct group_world *w = r->world;
    struct group_ask *live = question(w, api, group), *again = question(w, api, group);

    group_ask_run(live, w->groups);
    group_ask_run(again, r->groups);
    SCENARIO_CHECK(again->answered, "a coordinator in peace does not answer");
    if (comparable(live, again)) {
        struct bytes a = said(live), b = said(again);
        SCENARIO_CHECK(bytes_equal(a, b), "%s of group %d differs after %s: %zu bytes, %zu bytes",
                       group_api_info(api)->name, group, what, a.len, b.len);
    }
    group_ask_free(again);
    group_ask_ran(live);
}

static void compare_all(struct replay *r, const char *what)
{
    replay_loaded(r);
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        compare(r, GROUP_ASK_DESCRIBE, group, what);
        compare(r, GROUP_ASK_CONSUMER_DESCRIBE, group, what);
        compare(r, GROUP_ASK_FETCH, group, what);
    }
    replay_end(r);
}

/* ---- compaction ---- */

struct key_set {
    struct bytes *at; /* at == NULL: free */
    size_t size;
};

/* True when it is new. */
static bool key_add(struct key_set *s, struct bytes key)
{
    size_t i = (size_t)bytes_hash(key, 1) & (s->size - 1);

    for (; s->at[i].at != NULL; i = (i + 1) & (s->size - 1)) {
        if (bytes_equal(s->at[i], key)) {
            return false;
        }
    }
    s->at[i] = key;
    return true;
}

static void batch_without(struct replay *r, struct bytes batch, const bool *keep, int64_t base)
{
    struct batch_builder b;
    struct batch_builder_options o = batch_builder_options_default();
    struct batch_header header;
    struct record_reader reader;
    struct record record;
    struct buf out;

    ASSERT(batch_header_read(batch, &header) == OK);
    batch_builder_init(&b, BATCH_BYTES_MAX);
    buf_init(&out, BATCH_BYTES_MAX);
    record_reader_init(&reader, batch_records(batch), header.record_count);
    for (int64_t at = base; record_next(&reader, &record) == OK; at++) {
        struct batch_builder_record kept = {.key = record.key, .value = record.value};
        if (keep[at]) {
            ASSERT(batch_builder_add(&b, &kept) == OK);
        }
    }
    if (b.count > 0) {
        ASSERT(batch_builder_finish(&b, &o, &out) == OK);
        replay_load(r, buf_view(&out));
    }
    buf_deinit(&out);
    batch_builder_deinit(&b);
}

static int64_t base_of(const struct group_world *w, int32_t batch)
{
    return batch == 0 ? 0 : w->log[batch - 1].end_offset;
}

/* Which records stay: the last of each key. */
static void compact(const struct group_world *w, struct bytes *keys, bool *keep)
{
    struct key_set set = {NULL, 64};
    struct batch_header header;
    struct record_reader reader;
    struct record record;

    for (int32_t i = 0; i < w->log_count; i++) {
        ASSERT(batch_header_read(w->log[i].bytes, &header) == OK);
        record_reader_init(&reader, batch_records(w->log[i].bytes), header.record_count);
        for (int64_t at = base_of(w, i); record_next(&reader, &record) == OK; at++) {
            keys[at] = record.key;
        }
    }
    while (set.size < 2 * (size_t)w->log_end) {
        set.size *= 2;
    }
    set.at = sim_alloc(set.size * sizeof(*set.at));
    for (int64_t at = w->log_end - 1; at >= 0; at--) {
        keep[at] = key_add(&set, keys[at]);
    }
    sim_release(set.at);
}

void group_replay_check(struct group_world *w)
{
    struct replay r;

    if (!group_world_serves(w) || sim_now(w->sim) < w->no_room_until_us) {
        return;
    }
    replay_start(&r, w);
    for (int32_t i = 0; i < w->log_count; i++) {
        replay_load(&r, w->log[i].bytes);
    }
    compare_all(&r, "a replay");

    struct bytes *keys = sim_alloc((size_t)(w->log_end + 1) * sizeof(*keys));
    bool *keep = sim_alloc((size_t)w->log_end + 1);
    compact(w, keys, keep);
    replay_start(&r, w);
    for (int32_t i = 0; i < w->log_count; i++) {
        batch_without(&r, w->log[i].bytes, keep, base_of(w, i));
    }
    compare_all(&r, "a replay of the compacted log");
    sim_release(keys);
    sim_release(keep);
}

/* ---- for people ---- */

static uint64_t bits_of(const struct group_world *w,
                        const struct consumer_group_describe_response_assignment *assignment)
{
    uint64_t bits = 0;

    for (int32_t i = 0; i < assignment->topic_partitions.len; i++) {
        const struct consumer_group_describe_response_topic_partition *t =
            &assignment->topic_partitions.at[i];
        int32_t slot = group_world_slot_by_id(w, t->topic_id);
        for (int32_t k = 0; slot >= 0 && k < t->partitions.len; k++) {
            bits |= UINT64_C(1) << (slot * GROUP_TOPIC_PARTITIONS_MAX + t->partitions.at[k]);
        }
    }
    return bits;
}

void group_replay_note(struct group_world *w)
{
    for (int32_t group = 0; group < GROUP_COUNT && group_world_serves(w); group++) {
        struct group_ask *a = question(w, GROUP_ASK_CONSUMER_DESCRIBE, group);

        group_ask_run(a, w->groups);
        const struct consumer_group_describe_response_group *g =
            &((const struct consumer_group_describe_response *)a->call.out)->groups.at[0];
        sim_note(w->sim, "group %d: %.*s, epoch %d, target of epoch %d", group,
                 BYTES_ARG(g->group_state), g->group_epoch, g->assignment_epoch);
        for (int32_t i = 0; i < g->members.len; i++) {
            const struct consumer_group_describe_response_member *m = &g->members.at[i];
            sim_note(w->sim, "  %.*s epoch %d has %llx, is to have %llx", BYTES_ARG(m->member_id),
                     m->member_epoch, (unsigned long long)bits_of(w, &m->assignment),
                     (unsigned long long)bits_of(w, &m->target_assignment));
        }
        group_ask_ran(a);
    }
}
