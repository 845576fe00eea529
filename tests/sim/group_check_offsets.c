/* tests/sim/group_check_offsets.c: what OffsetFetch must give.
 *
 * HISTORY  Of every group, topic name and partition: what the coordinator took, in its order, each with the end
 *          of the log behind it. A crash takes from the history exactly what it takes from the log. So an answer
 *          has one right value: the last. Two where an answer was lost inside the coordinator (`maybe`).
 * GONE     The offset of a topic that is deleted, or made anew since, may be there or not; one that is
 *          older than the retention, too.
 */
#include "tests/sim/group_check_internal.h"

#include "schema/delete_groups.h"
#include "schema/offset_commit.h"
#include "schema/offset_delete.h"
#include "schema/offset_fetch.h"
#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { NONE = -1, LEADER_EPOCH_FROM = 5 };

static int32_t name_of(const struct group_check *c, struct bytes topic, struct uuid id)
{
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT && topic.len > 0; name++) {
        if (bytes_equal(topic, group_topic_text(name))) {
            return name;
        }
    }
    int32_t slot = group_world_slot_by_id(c->world, id);
    return slot < 0 ? -1 : slot % GROUP_TOPIC_COUNT;
}

static void took(struct group_check *c, int32_t group, int32_t name, int32_t partition,
                 struct offset_write write)
{
    struct offset_history *h = &c->offsets[group][name][partition];

    write.slot = group_world_slot(c->world, name);
    write.wall_ms = group_world_wall_ms(c->world);
    h->at = group_check_grow(h->at, h->count, &h->max, sizeof(*h->at));
    h->at[h->count++] = write;
    c->counts.commits++;
}

/* ---- writes ---- */

/* What the answer says of that partition. False: nothing. */
static bool commit_said(const struct group_check *c, const struct group_ask *a, int32_t name,
                        int32_t partition, enum kafka_error *out)
{
    const struct offset_commit_response *rs = a->call.out;

    for (int32_t t = 0; t < rs->topics.len; t++) {
        if (name_of(c, rs->topics.at[t].name, rs->topics.at[t].topic_id) != name) {
            continue;
        }
        for (int32_t p = 0; p < rs->topics.at[t].partitions.len; p++) {
            if (rs->topics.at[t].partitions.at[p].partition_index == partition) {
                *out = rs->topics.at[t].partitions.at[p].error_code;
                return true;
            }
        }
    }
    return false;
}

static void commit_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_commit_request *rq = a->call.in;
    bool unsure = a->server_arena.exhausted || group_check_error(a) == KAFKA_NOT_COORDINATOR;
    int32_t group = group_check_group(rq->group_id);

    for (int32_t t = 0; t < rq->topics.len; t++) {
        int32_t name = name_of(c, rq->topics.at[t].name, rq->topics.at[t].topic_id);
        for (int32_t p = 0; name >= 0 && p < rq->topics.at[t].partitions.len; p++) {
            const struct offset_commit_request_partition *at = &rq->topics.at[t].partitions.at[p];
            enum kafka_error e = KAFKA_UNKNOWN_SERVER_ERROR;
            bool said = commit_said(c, a, name, at->partition_index, &e);
            SCENARIO_CHECK(said || unsure, "OffsetCommit says nothing of partition %d",
                           at->partition_index);
            SCENARIO_CHECK(unsure || e != KAFKA_NONE || a->written >= 0,
                           "OffsetCommit is answered with NONE and wrote nothing");
            if ((unsure || e == KAFKA_NONE) && a->written >= 0) {
                took(c, group, name, at->partition_index,
                     (struct offset_write){.by_hand = rq->generation_id_or_member_epoch < 0,
                                           .number = at->committed_offset,
                                           .leader_epoch = at->committed_leader_epoch,
                                           .end_offset = a->written,
                                           .maybe = unsure});
            }
        }
    }
}

static void delete_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_delete_request *rq = a->call.in;
    const struct offset_delete_response *rs = a->call.out;
    bool unsure = a->server_arena.exhausted || group_check_error(a) == KAFKA_NOT_COORDINATOR;

    for (int32_t t = 0; a->written >= 0 && t < rq->topics.len; t++) {
        int32_t name = name_of(c, rq->topics.at[t].name, (struct uuid){{0}});
        for (int32_t p = 0; p < rq->topics.at[t].partitions.len; p++) {
            bool none = unsure || (t < rs->topics.len && p < rs->topics.at[t].partitions.len &&
                                   rs->topics.at[t].partitions.at[p].error_code == KAFKA_NONE);
            int32_t partition = rq->topics.at[t].partitions.at[p].partition_index;
            if (none) {
                took(c, group_check_group(rq->group_id), name, partition,
                     (struct offset_write){
                         .number = NONE, .end_offset = a->written, .maybe = unsure});
            }
        }
    }
}

static void delete_group_ran(struct group_check *c, const struct group_ask *a)
{
    const struct delete_groups_request *rq = a->call.in;
    bool unsure = a->server_arena.exhausted || group_check_error(a) == KAFKA_NOT_COORDINATOR;
    int32_t group = group_check_group(rq->groups_names.at[0]);

    if (a->written < 0 || (!unsure && group_check_error(a) != KAFKA_NONE)) {
        return;
    }
    for (int32_t name = 0; name < GROUP_TOPIC_COUNT; name++) {
        for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
            took(c, group, name, p,
                 (struct offset_write){.number = NONE, .end_offset = a->written, .maybe = unsure});
        }
    }
}

/* ---- reads ---- */

static bool may_be_gone(const struct group_check *c, const struct offset_write *w, int32_t name)
{
    int64_t age_ms = MAX(c->wall_ms_max, group_world_wall_ms(c->world)) - w->wall_ms;
    bool expired = c->retention_ms >= 0 && (w->by_hand || age_ms >= c->retention_ms);

    return (expired && !w->stays) || w->slot != group_world_slot(c->world, name);
}

/* One partition of an answer. */
struct fetched {
    int32_t group, name, partition;
    int64_t number;
    int32_t leader_epoch; /* -1 in versions without */
    struct bytes metadata;
};

static void check_fetched(const struct group_check *c, const struct fetched *f, int16_t version)
{
    const struct offset_history *h = &c->offsets[f->group][f->name][f->partition];
    char text[32];

    for (int32_t i = h->count - 1; i >= 0; i--) {
        struct offset_write *w = &h->at[i];
        if (w->number == f->number && (c->reads[f->group] >> f->name & 1) != 0) {
            w->stays = true;
        }
        if (w->number == f->number || (f->number == NONE && may_be_gone(c, w, f->name))) {
            break;
        }
        SCENARIO_CHECK(w->maybe,
                       "OffsetFetch of group %d topic %d partition %d gives %lld, the last commit "
                       "that the log has is %lld",
                       f->group, f->name, f->partition, (long long)f->number, (long long)w->number);
    }
    SCENARIO_CHECK(f->number == NONE || h->count > 0, "OffsetFetch gives what nobody committed");
    if (f->number == NONE) {
        SCENARIO_CHECK(f->metadata.len == 0, "metadata without an offset");
        return;
    }
    (void)snprintf(text, sizeof(text), "number %" PRId64, f->number);
    SCENARIO_CHECK(bytes_equal(f->metadata, bytes_of(text)), "metadata %.*s of %s",
                   BYTES_ARG(f->metadata), text);
    for (int32_t i = h->count - 1; i >= 0; i--) {
        const struct offset_write *w = &h->at[i];
        int32_t slot = group_world_slot(c->world, f->name);
        if (w->number == f->number) {
            SCENARIO_CHECK(version < LEADER_EPOCH_FROM || f->leader_epoch == w->leader_epoch,
                           "leader epoch %d of %s, committed with %d", f->leader_epoch, text,
                           w->leader_epoch);
            SCENARIO_CHECK(w->slot == slot || (!c->swept && slot < 0),
                           "%s was committed for topic %d, and is given for topic %d", text,
                           w->slot, slot);
            break;
        }
    }
}

static void fetch_old_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_fetch_request *rq = a->call.in;
    const struct offset_fetch_response *rs = a->call.out;

    for (int32_t t = 0; t < rs->topics.len; t++) {
        const struct offset_fetch_response_topic *topic = &rs->topics.at[t];
        for (int32_t p = 0; p < topic->partitions.len; p++) {
            const struct offset_fetch_response_partition *at = &topic->partitions.at[p];
            if (at->error_code == KAFKA_NONE) {
                struct fetched f = {group_check_group(rq->group_id),
                                    name_of(c, topic->name, (struct uuid){{0}}),
                                    at->partition_index,
                                    at->committed_offset,
                                    at->committed_leader_epoch,
                                    at->metadata};
                check_fetched(c, &f, a->version);
                c->counts.fetches++;
            }
        }
    }
}

static void fetch_new_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_fetch_response *rs = a->call.out;
    const struct offset_fetch_response_group *g = &rs->groups.at[0];

    for (int32_t t = 0; t < g->topics.len; t++) {
        const struct offset_fetch_response_group_topic *topic = &g->topics.at[t];
        for (int32_t p = 0; p < topic->partitions.len; p++) {
            const struct offset_fetch_response_group_partition *at = &topic->partitions.at[p];
            if (at->error_code == KAFKA_NONE) {
                struct fetched f = {group_check_group(g->group_id),
                                    name_of(c, topic->name, topic->topic_id),
                                    at->partition_index,
                                    at->committed_offset,
                                    at->committed_leader_epoch,
                                    at->metadata};
                check_fetched(c, &f, a->version);
                c->counts.fetches++;
            }
        }
    }
}

/* All that was committed is in an answer for all topics. */
static void fetch_all_ran(struct group_check *c, const struct group_ask *a)
{
    const struct offset_fetch_request *rq = a->call.in;
    const struct offset_fetch_response *rs = a->call.out;
    bool all = a->version >= 8 ? rq->groups.at[0].topics.len < 0 : rq->topics.len < 0;
    int32_t group = group_check_group(a->version >= 8 ? rq->groups.at[0].group_id : rq->group_id);
    int32_t there = 0, got = 0;

    for (int32_t name = 0; all && name < GROUP_TOPIC_COUNT; name++) {
        for (int32_t p = 0; p < GROUP_TOPIC_PARTITIONS_MAX; p++) {
            const struct offset_history *h = &c->offsets[group][name][p];
            const struct offset_write *w = h->count == 0 ? NULL : &h->at[h->count - 1];
            there += w != NULL && !w->maybe && w->number != NONE && !may_be_gone(c, w, name);
        }
    }
    for (int32_t t = 0; a->version < 8 && t < rs->topics.len; t++) {
        got += rs->topics.at[t].partitions.len;
    }
    for (int32_t t = 0; a->version >= 8 && t < rs->groups.at[0].topics.len; t++) {
        got += rs->groups.at[0].topics.at[t].partitions.len;
    }
    SCENARIO_CHECK(got >= there, "OffsetFetch of all topics gives %d of %d", got, there);
}

void offsets_check_ran(struct group_check *c, struct group_ask *a)
{
    if (a->api == GROUP_ASK_COMMIT) {
        commit_ran(c, a);
    } else if (a->api == GROUP_ASK_OFFSET_DELETE) {
        delete_ran(c, a);
    } else if (a->api == GROUP_ASK_DELETE) {
        delete_group_ran(c, a);
    } else if (a->api == GROUP_ASK_FETCH && !a->server_arena.exhausted &&
               group_check_error(a) == KAFKA_NONE) {
        if (a->version < 8) {
            fetch_old_ran(c, a);
        } else {
            fetch_new_ran(c, a);
        }
        fetch_all_ran(c, a);
    }
}

void offsets_check_cut(struct group_check *c, int64_t end)
{
    struct offset_history *h = &c->offsets[0][0][0];

    for (size_t i = 0; i < sizeof(c->offsets) / sizeof(*h); i++) {
        while (h[i].count > 0 && h[i].at[h[i].count - 1].end_offset > end) {
            h[i].count--;
        }
    }
}

void group_check_reads(struct group_check *c, int32_t group, uint32_t names)
{
    struct offset_history *h = &c->offsets[group][0][0];

    c->reads[group] = names;
    for (size_t i = 0; i < sizeof(c->offsets[group]) / sizeof(*h); i++) {
        for (int32_t k = 0; k < h[i].count; k++) {
            h[i].at[k].stays = false;
        }
    }
}

void offsets_check_wall(struct group_check *c)
{
    struct offset_history *h = &c->offsets[0][0][0];
    int64_t now_ms = group_world_wall_ms(c->world);

    for (size_t i = 0; i < sizeof(c->offsets) / sizeof(*h); i++) {
        for (int32_t k = 0; k < h[i].count; k++) {
            h[i].at[k].wall_ms = MIN(h[i].at[k].wall_ms, now_ms);
        }
    }
}

void offsets_check_free(struct group_check *c)
{
    struct offset_history *h = &c->offsets[0][0][0];

    for (size_t i = 0; i < sizeof(c->offsets) / sizeof(*h); i++) {
        sim_release(h[i].at);
    }
}
