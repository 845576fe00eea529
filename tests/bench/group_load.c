/* tests/bench/group_load.c: load on a group coordinator.
 *
 *     weir_group_load HOST:PORT commits CONNECTIONS SECONDS   each connection commits for a group of its own
 *     weir_group_load HOST:PORT members COUNT                 one group of COUNT members, all join at once
 *     weir_group_load HOST:PORT groups COUNT                  COUNT groups with one member and one commit each
 *
 * Prints one line of JSON. The topic "load" with enough partitions must be there; the first group asked for makes
 * the offsets topic.
 */
#include "base/mem.h"
#include "schema/consumer_protocol.h"
#include "schema/find_coordinator.h"
#include "schema/join_group.h"
#include "schema/offset_commit.h"
#include "schema/sync_group.h"
#include "tests/bench/load_link.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FIND_VERSION = 3,
    JOIN_VERSION = 9,
    SYNC_VERSION = 5,
    COMMIT_VERSION = 9,
    PARTITIONS = 100,
    SESSION_MS = 60000,
    RETRY_US = 50000,
    PATIENCE_US = 120 * 1000 * 1000,
    GROUP_LINKS = 64,
};

struct member {
    int group;
    struct bytes id; /* owned; "" at first */
    int32_t generation;
    bool found, assigned;
};

enum program { COMMITS, MEMBERS, GROUPS };

struct run {
    struct load load;
    enum program program;
    struct member *members;
    int count;       /* members, groups */
    int ready, next; /* assigned; the next group to make */
    uint64_t begin_us, end_us;
    int64_t commits;
};

static struct run run;

static struct member *member_of(const struct load_link *l)
{
    return l->state;
}

static struct bytes group_name(const struct load_link *l)
{
    if (run.program == MEMBERS) {
        return BYTES("load-members");
    }
    /* A group with members refuses commits by hand. */
    return arena_format(&run.load.arena, run.program == COMMITS ? "load-by-hand-%d" : "load-%d",
                        member_of(l)->group);
}

static void find(struct load_link *l)
{
    struct find_coordinator_request in;

    find_coordinator_request_init(&in);
    in.key = group_name(l);
    load_send(l, API_FIND_COORDINATOR, FIND_VERSION, &in);
}

static void join(struct load_link *l)
{
    struct join_group_request in;
    struct join_group_request_protocol protocol = {.name = BYTES("range")};
    struct bytes topic = BYTES("load");
    struct consumer_protocol_subscription subscription = {
        .topics = {&topic, 1}, .user_data = BYTES_NULL, .generation_id = -1, .rack_id = BYTES_NULL};
    uint8_t version[2] = {0, 3};
    struct bytes body =
        message_bytes(&run.load.arena, &consumer_protocol_subscription_message, 3, &subscription);
    uint8_t *metadata = arena_alloc(&run.load.arena, body.len + 2);

    memcpy(metadata, version, 2);
    memcpy(metadata + 2, body.at, body.len);
    protocol.metadata = (struct bytes){metadata, body.len + 2};
    join_group_request_init(&in);
    in.group_id = group_name(l);
    in.session_timeout_ms = SESSION_MS;
    in.rebalance_timeout_ms = SESSION_MS;
    in.member_id = member_of(l)->id;
    in.group_instance_id = BYTES_NULL;
    in.protocol_type = BYTES("consumer");
    in.protocols.at = &protocol;
    in.protocols.len = 1;
    load_send(l, API_JOIN_GROUP, JOIN_VERSION, &in);
}

/* The leader gives member i partition i. */
static struct bytes assignment_of(int32_t i)
{
    struct bytes topic = BYTES("load");
    struct consumer_protocol_assignment_assigned_partition one = {.topic = topic,
                                                                  .partitions = {&i, 1}};
    struct consumer_protocol_assignment a = {.assigned_partitions = {&one, 1},
                                             .user_data = BYTES_NULL};
    struct bytes body =
        message_bytes(&run.load.arena, &consumer_protocol_assignment_message, 3, &a);
    uint8_t *at = arena_alloc(&run.load.arena, body.len + 2);

    at[0] = 0;
    at[1] = 3;
    memcpy(at + 2, body.at, body.len);
    return (struct bytes){at, body.len + 2};
}

static void sync_group(struct load_link *l, const struct join_group_response *joined)
{
    struct sync_group_request in;
    bool leads = bytes_equal(joined->leader, joined->member_id);

    sync_group_request_init(&in);
    in.group_id = group_name(l);
    in.generation_id = joined->generation_id;
    in.member_id = joined->member_id;
    in.group_instance_id = BYTES_NULL;
    in.protocol_type = joined->protocol_type;
    in.protocol_name = joined->protocol_name;
    in.assignments =
        sync_group_request_assignments_new(&run.load.arena, leads ? joined->members.len : 0);
    for (int32_t i = 0; i < in.assignments.len; i++) {
        in.assignments.at[i].member_id = joined->members.at[i].member_id;
        in.assignments.at[i].assignment = assignment_of(i);
    }
    load_send(l, API_SYNC_GROUP, SYNC_VERSION, &in);
}

static void commit(struct load_link *l)
{
    struct offset_commit_request in;
    struct offset_commit_request_partition partition = {.partition_index =
                                                            member_of(l)->group % PARTITIONS,
                                                        .committed_offset = 0,
                                                        .committed_leader_epoch = -1,
                                                        .committed_metadata = BYTES("")};
    struct offset_commit_request_topic topic = {.name = BYTES("load"),
                                                .partitions = {&partition, 1}};

    offset_commit_request_init(&in);
    in.group_id = group_name(l);
    in.generation_id_or_member_epoch = member_of(l)->generation;
    in.member_id = run.program == COMMITS ? BYTES("") : member_of(l)->id;
    in.group_instance_id = BYTES_NULL;
    in.topics.at = &topic;
    in.topics.len = 1;
    load_send(l, API_OFFSET_COMMIT, COMMIT_VERSION, &in);
}

/* ---- answers ---- */

static void id_set(struct member *m, struct bytes id)
{
    uint8_t *copy = mem_alloc(id.len + 1);

    memcpy(copy, id.at, id.len);
    if (m->id.len > 0) {
        mem_free((void *)(uintptr_t)m->id.at);
    }
    m->id = (struct bytes){copy, id.len};
}

static void assigned(struct load_link *l)
{
    member_of(l)->assigned = true;
    if (++run.ready == run.count) {
        run.end_us = run.load.now_us;
        run.load.stop = true;
    }
}

/* The link goes on with the next group that nobody has made. */
static void next_group(struct load_link *l)
{
    if (run.next == run.count) {
        return;
    }
    l->state = &run.members[run.next++];
    find(l);
}

static void begin(struct load_link *l)
{
    if (run.program == COMMITS) {
        commit(l);
    } else {
        join(l);
    }
}

static void on_find(struct load_link *l, const struct find_coordinator_response *r)
{
    if (r->error_code != KAFKA_NONE) {
        l->wake_us = run.load.now_us + RETRY_US;
        return;
    }
    member_of(l)->found = true;
    /* Members wait for each other, so that all join at once. */
    if (run.program != MEMBERS) {
        begin(l);
    } else if (++run.ready == run.count) {
        run.ready = 0;
        run.begin_us = run.load.now_us;
        for (int i = 0; i < run.count; i++) {
            begin(&run.load.links[i]);
        }
    }
}

static void on_join(struct load_link *l, const struct join_group_response *r)
{
    if (r->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        id_set(member_of(l), r->member_id);
        join(l);
        return;
    }
    if (r->error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
        r->error_code == KAFKA_NOT_COORDINATOR) {
        l->wake_us = run.load.now_us + RETRY_US;
        return;
    }
    if (r->error_code != KAFKA_NONE) {
        load_fail("join: %s", kafka_error_info(r->error_code)->name);
    }
    member_of(l)->generation = r->generation_id;
    sync_group(l, r);
}

static void on_sync(struct load_link *l, const struct sync_group_response *r)
{
    if (r->error_code == KAFKA_REBALANCE_IN_PROGRESS) {
        join(l);
        return;
    }
    if (r->error_code != KAFKA_NONE || r->assignment.len == 0) {
        load_fail("sync: %s, %zu bytes", kafka_error_info(r->error_code)->name, r->assignment.len);
    }
    if (run.program == GROUPS) {
        commit(l);
    } else if (!member_of(l)->assigned) {
        assigned(l);
    }
}

static void on_commit(struct load_link *l, const struct offset_commit_response *r)
{
    enum kafka_error error = r->topics.at[0].partitions.at[0].error_code;

    if (error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS || error == KAFKA_NOT_COORDINATOR) {
        l->wake_us = run.load.now_us + RETRY_US;
        return;
    }
    if (error != KAFKA_NONE) {
        load_fail("commit: %s", kafka_error_info(error)->name);
    }
    if (run.program == GROUPS) {
        assigned(l);
        next_group(l);
        return;
    }
    run.commits += run.load.now_us >= run.begin_us && run.load.now_us < run.end_us;
    commit(l);
}

static void answer(struct load_link *l, int16_t api, const void *response)
{
    switch (api) {
    case API_FIND_COORDINATOR:
        on_find(l, response);
        break;
    case API_JOIN_GROUP:
        on_join(l, response);
        break;
    case API_SYNC_GROUP:
        on_sync(l, response);
        break;
    default:
        on_commit(l, response);
        break;
    }
}

static void due(struct load_link *l)
{
    if (!member_of(l)->found) {
        find(l);
    } else if (run.program == GROUPS && member_of(l)->generation > 0) {
        commit(l);
    } else {
        begin(l);
    }
}

static void up(struct load_link *l)
{
    if (run.program == GROUPS) {
        next_group(l);
        return;
    }
    l->state = &run.members[l->index];
    find(l);
}

/* ---- programs ---- */

static void prepare(enum program program, const char *server, int count, int links)
{
    run.program = program;
    run.count = count;
    run.members = mem_zalloc((size_t)count, sizeof(*run.members));
    for (int i = 0; run.members != NULL && i < count; i++) {
        run.members[i] =
            (struct member){.group = i, .id = BYTES(""), .generation = program == COMMITS ? -1 : 0};
    }
    run.load.up = up;
    run.load.answer = answer;
    run.load.due = due;
    load_open(&run.load, server, links);
    run.begin_us = env_now_us(run.load.env);
}

static void commits(const char *server, int links, int seconds)
{
    prepare(COMMITS, server, links, links);
    /* The first second warms up. */
    run.begin_us += 1000 * 1000;
    run.end_us = run.begin_us + (uint64_t)seconds * 1000 * 1000;
    (void)load_run(&run.load, run.end_us);
    printf("{\"commits_per_s\": %.0f}\n", (double)run.commits / seconds);
}

static void joins(enum program program, const char *server, int count, int links)
{
    prepare(program, server, count, links);
    if (!load_run(&run.load, run.begin_us + PATIENCE_US)) {
        load_fail("%d of %d are assigned", run.ready, run.count);
    }
    printf("{\"count\": %d, \"assigned_ms\": %.1f}\n", count,
           (double)(run.end_us - run.begin_us) / 1000);
}

static int number(const char *text)
{
    long n = strtol(text, NULL, 10);

    if (n < 1 || n > 1000000) {
        load_fail("%s is not a count", text);
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[2], "commits") == 0) {
        commits(argv[1], MIN(number(argv[3]), LOAD_LINKS_MAX), number(argv[4]));
    } else if (argc >= 4 && strcmp(argv[2], "members") == 0) {
        int count = MIN(number(argv[3]), LOAD_LINKS_MAX);
        joins(MEMBERS, argv[1], count, count);
    } else if (argc >= 4 && strcmp(argv[2], "groups") == 0) {
        joins(GROUPS, argv[1], number(argv[3]), GROUP_LINKS);
    } else {
        load_fail("HOST:PORT commits CONNECTIONS SECONDS | members COUNT | groups COUNT");
    }
    load_close(&run.load);
    return 0;
}
