/* tools/group_plan.c: moving a group's offsets: one OffsetCommit, and one OffsetDelete for those that go away.
 *
 * WHY      Offsets of a group without members belong to whoever commits them with generation -1; a coordinator refuses
 *          that as soon as somebody has joined, so nothing is pulled away from under a consumer.
 * OWNER    The command's arena.
 * LIMITS   OffsetCommit up to version 9, which names topics.
 */
#include "tools/group_plan.h"

#include "schema/find_coordinator.h"
#include "schema/offset_commit.h"
#include "schema/offset_delete.h"

enum { OFFSET_COMMIT_LAST = 9, FIND_MANY_FIRST = 4, ROOM_FIRST = 64 };

enum err group_plan_add(struct arena *arena, struct group_plan *p, const struct group_move *m)
{
    if (p->count == p->room) {
        int32_t room = MAX(2 * p->room, ROOM_FIRST);
        struct group_move *moves = ARENA_ARRAY(arena, struct group_move, room);
        if (moves == NULL) {
            return fail(ERR_NOMEM, "no memory for %d partitions", room);
        }
        if (p->count > 0) {
            memcpy(moves, p->moves, (size_t)p->count * sizeof(*moves));
        }
        p->moves = moves;
        p->room = room;
    }
    p->moves[p->count++] = *m;
    return OK;
}

/* ---- whom to ask ---- */

static bool passes(enum kafka_error e)
{
    return e != KAFKA_NONE && kafka_error_info(e)->retriable;
}

static enum err ask_coordinator(struct cli *c, struct bytes group, int32_t *out,
                                enum kafka_error *error)
{
    struct find_coordinator_request rq;
    struct find_coordinator_response rs;
    struct client_call call = {
        .broker = CLIENT_ANY_BROKER, .api = API_FIND_COORDINATOR, .request = &rq, .response = &rs};
    bool many =
        client_version(c->client, CLIENT_ANY_BROKER, API_FIND_COORDINATOR) >= FIND_MANY_FIRST;

    find_coordinator_request_init(&rq);
    if (many) {
        rq.coordinator_keys = string_array_new(c->arena, 1);
        if (rq.coordinator_keys.len == 1) {
            rq.coordinator_keys.at[0] = group;
        }
    } else {
        rq.key = group;
    }
    TRY(client_do(c->client, &call, c->arena));
    if (many && rs.coordinators.len != 1) {
        return fail(ERR_MALFORMED, "the answer names %d coordinators", rs.coordinators.len);
    }
    *error = many ? rs.coordinators.at[0].error_code : rs.error_code;
    *out = many ? rs.coordinators.at[0].node_id : rs.node_id;
    return OK;
}

enum err group_find_coordinator(struct cli *c, struct bytes group, int32_t *out)
{
    struct client_retry retry = {0};
    enum kafka_error error = KAFKA_NONE;
    enum err e;

    do {
        e = ask_coordinator(c, group, out, &error);
    } while ((e == ERR_CLOSED || (e == OK && passes(error))) && client_retry(c->client, &retry));
    if (e == OK && error != KAFKA_NONE) {
        return fail(ERR_UNSUPPORTED, "no coordinator: %s", kafka_error_info(error)->name);
    }
    return e;
}

/* ---- committing ---- */

/* Moves from `i` on of the same topic. */
static int32_t run_of(const struct group_plan *p, int32_t i)
{
    int32_t end = i + 1;

    while (end < p->count && bytes_equal(p->moves[end].topic, p->moves[i].topic)) {
        end++;
    }
    return end;
}

static struct group_move *move_of(struct group_plan *p, struct bytes topic, int32_t partition)
{
    for (int32_t i = 0; i < p->count; i++) {
        if (p->moves[i].partition == partition && bytes_equal(p->moves[i].topic, topic)) {
            return &p->moves[i];
        }
    }
    return NULL;
}

static void note(struct group_plan *p, struct bytes topic, int32_t partition,
                 enum kafka_error error)
{
    struct group_move *m = move_of(p, topic, partition);

    if (m != NULL) {
        m->error = error;
    }
}

static struct offset_commit_request_topics commits_of(struct arena *arena,
                                                      const struct group_plan *p)
{
    struct offset_commit_request_topics topics = offset_commit_request_topics_new(arena, p->count);
    int32_t len = 0;

    for (int32_t i = 0, end; i < p->count && topics.len > 0; i = end) {
        end = run_of(p, i);
        struct offset_commit_request_topic *t = &topics.at[len];
        t->name = p->moves[i].topic;
        t->partitions = offset_commit_request_partitions_new(arena, end - i);
        int32_t count = 0;
        for (int32_t j = i; j < end && t->partitions.len > 0; j++) {
            if (p->moves[j].to >= 0) {
                t->partitions.at[count].partition_index = p->moves[j].partition;
                t->partitions.at[count].committed_offset = p->moves[j].to;
                t->partitions.at[count++].committed_metadata = p->moves[j].to_metadata;
            }
        }
        t->partitions.len = count;
        len += count > 0;
    }
    topics.len = len;
    return topics;
}

static enum err commit(struct cli *c, struct group_plan *p)
{
    struct offset_commit_request rq;
    struct offset_commit_response rs;
    struct client_call call = {.broker = p->coordinator,
                               .api = API_OFFSET_COMMIT,
                               .version_max = OFFSET_COMMIT_LAST,
                               .request = &rq,
                               .response = &rs};

    offset_commit_request_init(&rq);
    rq.group_id = p->group;
    rq.member_id = BYTES("");
    rq.topics = commits_of(c->arena, p);
    if (rq.topics.len == 0) {
        return OK;
    }
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < rs.topics.len; i++) {
        for (int32_t j = 0; j < rs.topics.at[i].partitions.len; j++) {
            note(p, rs.topics.at[i].name, rs.topics.at[i].partitions.at[j].partition_index,
                 rs.topics.at[i].partitions.at[j].error_code);
        }
    }
    return OK;
}

static struct offset_delete_request_topics deletes_of(struct arena *arena,
                                                      const struct group_plan *p, bool all)
{
    struct offset_delete_request_topics topics = offset_delete_request_topics_new(arena, p->count);
    int32_t len = 0;

    for (int32_t i = 0, end; i < p->count && topics.len > 0; i = end) {
        end = run_of(p, i);
        struct offset_delete_request_topic *t = &topics.at[len];
        t->name = p->moves[i].topic;
        t->partitions = offset_delete_request_partitions_new(arena, end - i);
        int32_t count = 0;
        for (int32_t j = i; j < end && t->partitions.len > 0; j++) {
            if (all || (p->moves[j].to < 0 && p->moves[j].old >= 0)) {
                t->partitions.at[count++].partition_index = p->moves[j].partition;
            }
        }
        t->partitions.len = count;
        len += count > 0;
    }
    topics.len = len;
    return topics;
}

enum err group_plan_delete(struct cli *c, struct group_plan *p, bool all)
{
    struct offset_delete_request rq;
    struct offset_delete_response rs;
    struct client_call call = {
        .broker = p->coordinator, .api = API_OFFSET_DELETE, .request = &rq, .response = &rs};

    offset_delete_request_init(&rq);
    rq.group_id = p->group;
    rq.topics = deletes_of(c->arena, p, all);
    if (rq.topics.len == 0) {
        return OK;
    }
    TRY(client_do(c->client, &call, c->arena));
    for (int32_t i = 0; i < p->count && rs.error_code != KAFKA_NONE; i++) {
        if (all || (p->moves[i].to < 0 && p->moves[i].old >= 0)) {
            p->moves[i].error = rs.error_code;
        }
    }
    for (int32_t i = 0; i < rs.topics.len; i++) {
        for (int32_t j = 0; j < rs.topics.at[i].partitions.len; j++) {
            note(p, rs.topics.at[i].name, rs.topics.at[i].partitions.at[j].partition_index,
                 rs.topics.at[i].partitions.at[j].error_code);
        }
    }
    return OK;
}

static bool is_settling(const struct group_plan *p)
{
    for (int32_t i = 0; i < p->count; i++) {
        if (passes(p->moves[i].error) && p->moves[i].error != KAFKA_UNKNOWN_TOPIC_OR_PARTITION) {
            return true;
        }
    }
    return false;
}

/* A coordinator that has just become it may not know yet: then it is asked again, and who it is. Committing twice is
 * the same as once. */
enum err group_plan_apply(struct cli *c, struct group_plan *p)
{
    struct client_retry retry = {0};
    enum err e;

    for (;;) {
        e = commit(c, p);
        e = e == OK ? group_plan_delete(c, p, false) : e;
        if ((e != ERR_CLOSED && (e != OK || !is_settling(p))) || !client_retry(c->client, &retry)) {
            return e;
        }
        for (int32_t i = 0; i < p->count; i++) {
            p->moves[i].error = KAFKA_NONE;
        }
        TRY(group_find_coordinator(c, p->group, &p->coordinator));
    }
}
