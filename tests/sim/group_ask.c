/* tests/sim/group_ask.c: requests on their way to the coordinator and answers on their way back.
 *
 * WAY      write -> (late, lost, repeated) -> read -> coordinator ... answer -> write -> (late, lost) -> read
 * AGAIN    Heartbeats of the consumer protocol acknowledge: they come again only where the coordinator must see
 *          that they are old.
 * SLEEP    A client whose process is stopped gets its answer when it goes on.
 * NO MEMORY A server whose arena for the call is exhausted closes the connection: the answer is lost.
 */
#include "tests/sim/group_world.h"

#include "base/mem.h"
#include "schema/consumer_group_describe.h"
#include "schema/consumer_group_heartbeat.h"
#include "schema/delete_groups.h"
#include "schema/describe_groups.h"
#include "schema/heartbeat.h"
#include "schema/join_group.h"
#include "schema/leave_group.h"
#include "schema/offset_commit.h"
#include "schema/offset_delete.h"
#include "schema/offset_fetch.h"
#include "schema/sync_group.h"
#include "tests/sim/group_check.h"
#include "tests/sim/group_world_internal.h"
#include "tests/sim/sim_mem.h"

enum { ARENA_BYTES = 16 << 20, LOST_US_MAX = 500000 };

/* ---- refusals: what the broker answers in the coordinator's stead ---- */

#define REFUSE_PLAIN(api)                                                  \
    static void refuse_##api(struct group_call *c, enum kafka_error error) \
    {                                                                      \
        struct api##_response *out = c->out;                               \
        message_init(&api##_response_message, out);                        \
        out->error_code = error;                                           \
    }

REFUSE_PLAIN(join_group)
REFUSE_PLAIN(sync_group)
REFUSE_PLAIN(heartbeat)
REFUSE_PLAIN(leave_group)
REFUSE_PLAIN(offset_delete)
REFUSE_PLAIN(consumer_group_heartbeat)

static void refuse_offset_commit(struct group_call *c, enum kafka_error error)
{
    const struct offset_commit_request *in = c->in;
    struct offset_commit_response *out = c->out;

    out->topics = offset_commit_response_topics_new(c->arena, in->topics.len);
    for (int32_t t = 0; t < out->topics.len; t++) {
        struct offset_commit_response_topic *topic = &out->topics.at[t];
        topic->name = in->topics.at[t].name;
        topic->topic_id = in->topics.at[t].topic_id;
        topic->partitions =
            offset_commit_response_partitions_new(c->arena, in->topics.at[t].partitions.len);
        for (int32_t p = 0; p < topic->partitions.len; p++) {
            topic->partitions.at[p].partition_index =
                in->topics.at[t].partitions.at[p].partition_index;
            topic->partitions.at[p].error_code = error;
        }
    }
}

static void refuse_offset_fetch(struct group_call *c, enum kafka_error error)
{
    struct offset_fetch_response *out = c->out;

    if (c->version < 8) {
        message_init(&offset_fetch_response_message, out);
        out->error_code = error;
    } else if (out->groups.len > 0) {
        out->groups.at[0].topics.len = 0;
        out->groups.at[0].error_code = error;
    }
}

static void refuse_describe_groups(struct group_call *c, enum kafka_error error)
{
    struct describe_groups_response *out = c->out;

    if (out->groups.len > 0) {
        out->groups.at[0] = (struct describe_groups_response_group){
            .error_code = error,
            .group_id = out->groups.at[0].group_id,
            .group_state = BYTES(""),
            .protocol_type = BYTES(""),
            .protocol_data = BYTES(""),
        };
    }
}

static void refuse_delete_groups(struct group_call *c, enum kafka_error error)
{
    struct delete_groups_response *out = c->out;

    if (out->results.len > 0) {
        out->results.at[0].error_code = error;
    }
}

static void refuse_consumer_group_describe(struct group_call *c, enum kafka_error error)
{
    struct consumer_group_describe_response *out = c->out;

    if (out->groups.len > 0) {
        struct bytes id = out->groups.at[0].group_id;
        memcpy(&out->groups.at[0], consumer_group_describe_response_group_struct.normal,
               consumer_group_describe_response_group_struct.bytes);
        out->groups.at[0].group_id = id;
        out->groups.at[0].error_code = error;
    }
}

#define API(name, operation)                                                               \
    {                                                                                      \
#name, &name##_request_message, &name##_response_message, operation, refuse_##name \
    }

const struct group_api_info *group_api_info(enum group_api api)
{
    static const struct group_api_info infos[GROUP_API_COUNT] = {
        [GROUP_ASK_JOIN] = API(join_group, group_join),
        [GROUP_ASK_SYNC] = API(sync_group, group_sync),
        [GROUP_ASK_HEARTBEAT] = API(heartbeat, group_heartbeat),
        [GROUP_ASK_LEAVE] = API(leave_group, group_leave),
        [GROUP_ASK_COMMIT] = API(offset_commit, group_offset_commit),
        [GROUP_ASK_FETCH] = API(offset_fetch, group_offset_fetch),
        [GROUP_ASK_OFFSET_DELETE] = API(offset_delete, group_offset_delete),
        [GROUP_ASK_DESCRIBE] = API(describe_groups, group_describe),
        [GROUP_ASK_DELETE] = API(delete_groups, group_delete),
        [GROUP_ASK_CONSUMER_HEARTBEAT] = API(consumer_group_heartbeat, group_consumer_heartbeat),
        [GROUP_ASK_CONSUMER_DESCRIBE] = API(consumer_group_describe, group_consumer_describe),
    };

    return &infos[api];
}

/* ---- life ---- */

struct group_ask *group_ask_new(struct group_world *w, enum group_api api, int16_t version)
{
    const struct group_api_info *info = group_api_info(api);
    struct group_ask *a = sim_alloc(sizeof(*a));

    a->world = w;
    a->api = api;
    a->version = version;
    a->written = -1;
    arena_init(&a->arena, ARENA_BYTES);
    arena_init(&a->server_arena, ARENA_BYTES);
    a->in = arena_alloc(&a->arena, info->request->body->bytes);
    message_init(info->request, a->in);
    list_add_last(&w->asks, &a->link);
    return a;
}

void group_ask_free(struct group_ask *a)
{
    if (a->on_its_way != NULL) {
        sim_cancel(a->world->sim, a->on_its_way);
    }
    list_remove(&a->world->asks, &a->link);
    arena_deinit(&a->arena);
    arena_deinit(&a->server_arena);
    sim_release(a);
}

static uint64_t draw_delay(struct group_world *w, bool in_time)
{
    const struct group_trouble *t = &w->trouble;
    uint64_t us = sim_random_below(w->random, t->delay_us_max + 1);

    if (!in_time && sim_random_chance(w->random, t->tail_ppm)) {
        us += sim_random_below(w->random, t->tail_us_max + 1);
    }
    return us;
}

/* ---- back ---- */

static void deliver(void *context)
{
    struct group_ask *a = context;
    uint64_t now = sim_now(a->world->sim);

    a->on_its_way = NULL;
    if (a->done != NULL && a->asleep_until_us != NULL && *a->asleep_until_us > now) {
        a->on_its_way = sim_at(a->world->sim, *a->asleep_until_us, deliver, a);
        return;
    }
    if (a->done != NULL) {
        a->done(a);
    }
    group_ask_free(a);
}

static void send_back(struct group_ask *a, bool lost)
{
    struct group_world *w = a->world;
    const struct message_info *m = group_api_info(a->api)->response;

    ASSERT(a->on_its_way == NULL);
    if (!lost && !a->server_arena.exhausted && !sim_random_chance(w->random, w->trouble.lose_ppm)) {
        struct bytes bytes = message_bytes(&a->arena, m, a->version, a->call.out);
        struct wire_reader r = wire_reader_of(bytes);
        a->answer = arena_alloc(&a->arena, m->body->bytes);
        SCENARIO_CHECK(message_read(&r, &a->arena, m, a->version, a->answer) == OK,
                       "an answer of %s that does not parse", m->name);
    }
    uint64_t delay =
        a->answer != NULL ? draw_delay(w, false) : sim_random_below(w->random, LOST_US_MAX);
    a->on_its_way = sim_after(w->sim, delay, deliver, a);
}

static void call_answered(struct group_call *c)
{
    struct group_ask *a = CONTAINER_OF(c, struct group_ask, call);
    struct group_world *w = a->world;

    SCENARIO_CHECK(!a->answered, "%s is answered twice", group_api_info(a->api)->name);
    a->answered = true;
    w->answer_count[a->api]++;
    if (w->running != a) {
        uint64_t left = mem_fail_nth(0); /* of the coordinator's memory, not of the world's */
        group_check_released(w->check, a);
        send_back(a, w->dying);
        (void)mem_fail_nth(left);
    }
}

/* ---- there ---- */

/* The answer as the broker prepares it for operations that serve one group of several. */
static void prepare_out(struct group_ask *a)
{
    struct group_call *c = &a->call;

    if (a->api == GROUP_ASK_FETCH && a->version >= 8) {
        struct offset_fetch_response *out = c->out;
        out->groups = offset_fetch_response_groups_new(c->arena, 1);
        out->groups.at[0].group_id =
            ((const struct offset_fetch_request *)c->in)->groups.at[0].group_id;
    } else if (a->api == GROUP_ASK_DESCRIBE) {
        struct describe_groups_response *out = c->out;
        out->groups = describe_groups_response_groups_new(c->arena, 1);
        out->groups.at[0].group_id = ((const struct describe_groups_request *)c->in)->groups.at[0];
    } else if (a->api == GROUP_ASK_DELETE) {
        struct delete_groups_response *out = c->out;
        out->results = delete_groups_response_results_new(c->arena, 1);
        out->results.at[0].group_id =
            ((const struct delete_groups_request *)c->in)->groups_names.at[0];
    } else if (a->api == GROUP_ASK_CONSUMER_DESCRIBE) {
        struct consumer_group_describe_response *out = c->out;
        out->groups = consumer_group_describe_response_groups_new(c->arena, 1);
        out->groups.at[0].group_id =
            ((const struct consumer_group_describe_request *)c->in)->group_ids.at[0];
    }
}

static void call_prepare(struct group_ask *a)
{
    const struct group_api_info *info = group_api_info(a->api);
    struct wire_reader r = wire_reader_of(a->bytes);
    void *in = arena_alloc(&a->server_arena, info->request->body->bytes);

    SCENARIO_CHECK(message_read(&r, &a->server_arena, info->request, a->version, in) == OK,
                   "a request that does not parse");
    a->call = (struct group_call){
        .arena = &a->server_arena,
        .in = in,
        .out = arena_alloc(&a->server_arena, info->response->body->bytes),
        .version = a->version,
        .client_id = BYTES("sim"),
        .client_host = BYTES("/10.0.0.9"),
        .refuse = info->refuse,
        .answer = call_answered,
    };
    message_init(info->response, a->call.out);
    prepare_out(a);
}

static void write_request(struct group_ask *a)
{
    const struct message_info *m = group_api_info(a->api)->request;

    a->bytes = message_bytes(&a->arena, m, a->version, a->in);
    ASSERT(a->bytes.at != NULL);
}

void group_ask_run(struct group_ask *a, struct groups *g)
{
    struct group_world *w = a->world;
    struct group_ask *outer = w->running;

    write_request(a);
    call_prepare(a);
    w->running = a;
    groups_run(g, &a->call, group_api_info(a->api)->operation);
    w->running = outer;
}

void group_ask_ran(struct group_ask *a)
{
    a->at_server = true;
    if (a->answered) {
        group_check_released(a->world->check, a);
        send_back(a, false);
    }
}

static void arrive(void *context)
{
    struct group_ask *a = context;
    struct group_world *w = a->world;

    a->on_its_way = NULL;
    if (w->groups == NULL) {
        send_back(a, true);
        return;
    }
    int64_t end = w->log_end;
    call_prepare(a);
    if (a->is_repeat && a->in_time && !group_check_must_fence(w->check, a)) {
        group_ask_free(a); /* one that could not have come again over a connection */
        return;
    }
    a->at_server = true;
    a->run_us = sim_now(w->sim);
    group_check_arrived(w->check, a);
    w->running = a;
    group_world_turn_begin(w);
    groups_run(w->groups, &a->call, group_api_info(a->api)->operation);
    group_world_turn_end(w);
    w->running = NULL;
    a->written = w->log_end > end ? w->log_end : -1;
    group_check_ran(w->check, a);
    if (a->answered) {
        group_check_released(w->check, a);
        send_back(a, false);
    }
}

/* The same bytes again, later, with nobody waiting. */
static void repeat(struct group_ask *a)
{
    struct group_world *w = a->world;
    struct group_ask *again = group_ask_new(w, a->api, a->version);

    again->is_repeat = true;
    again->in_time = a->in_time;
    again->who = a->who;
    again->bytes = arena_copy(&again->arena, a->bytes);
    again->on_its_way =
        sim_after(w->sim, sim_random_below(w->random, w->trouble.repeat_us_max + 1), arrive, again);
}

void group_ask_send(struct group_ask *a, void (*done)(struct group_ask *a), void *who)
{
    struct group_world *w = a->world;

    write_request(a);
    a->done = done;
    a->who = who;
    if (sim_random_chance(w->random, w->trouble.repeat_ppm)) {
        repeat(a);
    }
    if (sim_random_chance(w->random, w->trouble.lose_ppm)) {
        a->on_its_way = sim_after(w->sim, sim_random_below(w->random, LOST_US_MAX), deliver, a);
    } else {
        a->on_its_way = sim_after(w->sim, draw_delay(w, a->in_time), arrive, a);
    }
}

void group_ask_forget(struct group_ask *a)
{
    a->done = NULL;
}
