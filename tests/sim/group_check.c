/* tests/sim/group_check.c: the checker's door: what passes goes to the parts that know about it.
 *
 * Two moments of a call count: when the coordinator has run its operation (ran: what it took, and how far the log
 * went with it), and when the answer leaves (released: what a client may rely on from now on).
 */
#include "tests/sim/group_check.h"

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
#include "tests/sim/group_check_internal.h"
#include "tests/sim/sim_mem.h"

struct group_check *group_check_new(struct group_world *w)
{
    struct group_check *c = sim_alloc(sizeof(*c));

    c->world = w;
    c->retention_ms = -1;
    return c;
}

void group_check_free(struct group_check *c)
{
    offsets_check_free(c);
    classic_check_free(c);
    sim_release(c->consumers);
    sim_release(c->statics);
    sim_release(c);
}

void group_check_members(struct group_check *c, const struct group_members *members)
{
    c->members = members;
}

void group_check_mixed(struct group_check *c, bool mixed)
{
    c->mixed = mixed;
}

void group_check_swept(struct group_check *c, bool swept)
{
    c->swept = swept;
}

void group_check_expiry(struct group_check *c, int64_t retention_ms)
{
    c->retention_ms = retention_ms;
}

void group_check_wall(struct group_check *c)
{
    c->wall_ms_max = MAX(c->wall_ms_max, group_world_wall_ms(c->world));
    offsets_check_wall(c);
}

void *group_check_grow(void *at, int32_t count, int32_t *max, size_t bytes)
{
    if (count == *max) {
        *max = MAX(2 * *max, 16);
        at = sim_resize(at, (size_t)*max * bytes);
    }
    memset((uint8_t *)at + (size_t)count * bytes, 0, bytes);
    return at;
}

int32_t group_check_group(struct bytes id)
{
    for (int32_t g = 0; g < GROUP_COUNT; g++) {
        if (bytes_equal(id, group_text(g))) {
            return g;
        }
    }
    SCENARIO_CHECK(false, "a group %.*s", BYTES_ARG(id));
    return -1;
}

static enum kafka_error fetch_error(const struct group_ask *a)
{
    const struct offset_fetch_response *out = a->call.out;

    if (a->version < 8) {
        return out->error_code;
    }
    return out->groups.len == 1 ? out->groups.at[0].error_code : KAFKA_UNKNOWN_SERVER_ERROR;
}

static enum kafka_error commit_error(const struct group_ask *a)
{
    const struct offset_commit_response *out = a->call.out;

    return out->topics.len > 0 && out->topics.at[0].partitions.len > 0
               ? out->topics.at[0].partitions.at[0].error_code
               : KAFKA_UNKNOWN_SERVER_ERROR;
}

enum kafka_error group_check_error(const struct group_ask *a)
{
    const void *out = a->call.out;

    switch (a->api) {
    case GROUP_ASK_JOIN:
        return ((const struct join_group_response *)out)->error_code;
    case GROUP_ASK_SYNC:
        return ((const struct sync_group_response *)out)->error_code;
    case GROUP_ASK_HEARTBEAT:
        return ((const struct heartbeat_response *)out)->error_code;
    case GROUP_ASK_LEAVE:
        return ((const struct leave_group_response *)out)->error_code;
    case GROUP_ASK_COMMIT:
        return commit_error(a);
    case GROUP_ASK_FETCH:
        return fetch_error(a);
    case GROUP_ASK_OFFSET_DELETE:
        return ((const struct offset_delete_response *)out)->error_code;
    case GROUP_ASK_DESCRIBE:
        return ((const struct describe_groups_response *)out)->groups.at[0].error_code;
    case GROUP_ASK_DELETE:
        return ((const struct delete_groups_response *)out)->results.at[0].error_code;
    case GROUP_ASK_CONSUMER_HEARTBEAT:
        return ((const struct consumer_group_heartbeat_response *)out)->error_code;
    case GROUP_ASK_CONSUMER_DESCRIBE:
        return ((const struct consumer_group_describe_response *)out)->groups.at[0].error_code;
    case GROUP_API_COUNT:
        break;
    }
    SCENARIO_CHECK(false, "api %d", a->api);
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

void group_check_arrived(struct group_check *c, struct group_ask *a)
{
    (void)c;
    SCENARIO_CHECK(!a->answered, "it is answered before it is asked");
}

void group_check_ran(struct group_check *c, struct group_ask *a)
{
    SCENARIO_CHECK(!(a->answered && a->written >= 0 && !a->server_arena.exhausted &&
                     group_check_error(a) != KAFKA_NOT_COORDINATOR &&
                     c->world->durable < a->written),
                   "%s is answered before its records are durable", group_api_info(a->api)->name);
    offsets_check_ran(c, a);
    classic_check_ran(c, a);
    consumer_check_ran(c, a);
}

void group_check_released(struct group_check *c, struct group_ask *a)
{
    SCENARIO_CHECK(!a->released, "%s leaves twice", group_api_info(a->api)->name);
    a->released = true;
    if (a->server_arena.exhausted || group_check_error(a) == KAFKA_NOT_COORDINATOR) {
        return;
    }
    SCENARIO_CHECK(a->written <= c->world->durable, "%s: durable to %lld, its records end at %lld",
                   group_api_info(a->api)->name, (long long)c->world->durable,
                   (long long)a->written);
    classic_check_released(c, a);
    consumer_check_released(c, a);
}

void group_check_cut(struct group_check *c, int64_t end)
{
    c->counts.cuts++;
    offsets_check_cut(c, end);
    classic_check_cut(c, end);
    consumer_check_cut(c, end);
}

void group_check_loaded(struct group_check *c)
{
    for (int32_t g = 0; g < GROUP_COUNT; g++) {
        c->classic[g].joined = c->classic[g].first = c->classic[g].led = 0;
    }
    c->static_from = c->static_count;
    memset(c->beat_us, 0, sizeof(c->beat_us));
    memset(c->calm_us, 0, sizeof(c->calm_us));
}

void group_check_topic_gone(struct group_check *c, int32_t slot)
{
    ASSERT(c->world->topics[slot].there ==
           false); /* its offsets may go; see group_check_offsets.c */
}

struct group_check_counts group_check_counts(const struct group_check *c)
{
    return c->counts;
}
