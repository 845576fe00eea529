/* tests/sim/group_peace.c: requests that a group with members must refuse, and the death of a member, by the clock.
 *
 * WHY      In trouble nobody knows whether a member is in the group, so hardly any answer is wrong. A session that is
 *          twice too long, or an administrator who deletes a group that works, can only be seen where nothing else
 *          happens.
 */
#include "tests/sim/group_peace.h"

#include "schema/consumer_group_describe.h"
#include "schema/delete_groups.h"
#include "schema/describe_groups.h"
#include "schema/offset_commit.h"
#include "schema/offset_delete.h"

enum { ANSWERS_US = 1000000, SESSION_OVER_MS = 500, DELETE_VERSION = 2, COMMIT_VERSION_LAST = 9 };

/* ---- refusals ---- */

static void commit_refused(struct group_ask *a)
{
    const struct offset_commit_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL, "an answer is lost in peace");
    for (int32_t t = 0; t < rs->topics.len; t++) {
        for (int32_t p = 0; p < rs->topics.at[t].partitions.len; p++) {
            SCENARIO_CHECK(rs->topics.at[t].partitions.at[p].error_code != KAFKA_NONE,
                           "somebody commits in the stead of the members");
        }
    }
}

static void commit_by_hand(struct group_world *w, int32_t group)
{
    struct group_ask *a = group_ask_new(
        w, GROUP_ASK_COMMIT, (int16_t)sim_random_range(w->random, 2, COMMIT_VERSION_LAST));
    struct offset_commit_request *rq = a->in;

    rq->group_id = group_text(group);
    rq->generation_id_or_member_epoch = -1;
    group_commit_fill(a, UINT32_MAX);
    group_ask_send(a, commit_refused, NULL);
}

static void delete_refused(struct group_ask *a)
{
    const struct delete_groups_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL && rs->results.at[0].error_code == KAFKA_NON_EMPTY_GROUP,
                   "a group with members is deleted");
}

static void delete_group(struct group_world *w, int32_t group)
{
    struct group_ask *a = group_ask_new(w, GROUP_ASK_DELETE, DELETE_VERSION);
    struct delete_groups_request *rq = a->in;

    rq->groups_names = string_array_new(&a->arena, 1);
    rq->groups_names.at[0] = group_text(group);
    group_ask_send(a, delete_refused, NULL);
}

static void delete_offsets_refused(struct group_ask *a)
{
    const struct offset_delete_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL && rs->error_code == KAFKA_NONE, "an answer is lost in peace");
    for (int32_t t = 0; t < rs->topics.len; t++) {
        SCENARIO_CHECK(rs->topics.at[t].partitions.at[0].error_code != KAFKA_NONE,
                       "offsets of a topic that members read are deleted");
    }
}

static void delete_offsets(struct group_world *w, int32_t group, uint32_t names)
{
    struct group_ask *a = group_ask_new(w, GROUP_ASK_OFFSET_DELETE, 0);
    struct offset_delete_request *rq = a->in;
    int32_t n = 0;

    rq->group_id = group_text(group);
    rq->topics = offset_delete_request_topics_new(&a->arena, __builtin_popcount(names));
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        if ((names >> name & 1) != 0) {
            rq->topics.at[n].name = group_topic_text(name);
            rq->topics.at[n++].partitions = offset_delete_request_partitions_new(&a->arena, 1);
        }
    }
    group_ask_send(a, delete_offsets_refused, NULL);
}

void group_peace_refuses(struct group_members *all)
{
    for (int32_t group = 0; group < GROUP_COUNT; group++) {
        uint32_t names = 0;
        for (int32_t i = 0; i < all->count; i++) {
            const struct group_member *m = all->at[i];
            names |= m->alive && m->options.group == group ? m->options.topics : 0;
        }
        if (names != 0) {
            commit_by_hand(all->world, group);
            delete_offsets(all->world, group, names);
            delete_group(all->world, group);
        }
    }
    sim_run_for(all->world->sim, ANSWERS_US);
}

/* ---- a death ---- */

static void must_not_be(const struct group_member *m, struct bytes id)
{
    SCENARIO_CHECK(!bytes_equal(id, group_member_id(m)),
                   "member %d is dead for longer than its session of %d ms, and in the group",
                   m->number, m->options.session_ms);
}

static void described(struct group_ask *a)
{
    const struct describe_groups_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL, "an answer is lost in peace");
    for (int32_t i = 0; i < rs->groups.at[0].members.len; i++) {
        must_not_be(a->who, rs->groups.at[0].members.at[i].member_id);
    }
}

static void consumer_described(struct group_ask *a)
{
    const struct consumer_group_describe_response *rs = a->answer;

    SCENARIO_CHECK(rs != NULL, "an answer is lost in peace");
    for (int32_t i = 0; i < rs->groups.at[0].members.len; i++) {
        must_not_be(a->who, rs->groups.at[0].members.at[i].member_id);
    }
}

void group_peace_bury(struct group_member *m)
{
    struct group_world *w = m->world;

    group_member_kill(m);
    sim_run_for(w->sim, (uint64_t)(m->options.session_ms + SESSION_OVER_MS) * 1000);

    struct group_ask *a = group_ask_new(w, GROUP_ASK_DESCRIBE, 0);
    struct describe_groups_request *classic = a->in;
    classic->groups = string_array_new(&a->arena, 1);
    classic->groups.at[0] = group_text(m->options.group);
    group_ask_send(a, described, m);

    a = group_ask_new(w, GROUP_ASK_CONSUMER_DESCRIBE, 0);
    struct consumer_group_describe_request *consumer = a->in;
    consumer->group_ids = string_array_new(&a->arena, 1);
    consumer->group_ids.at[0] = group_text(m->options.group);
    group_ask_send(a, consumer_described, m);
    sim_run_for(w->sim, ANSWERS_US);
}
