/* tests/unit/metrics_page_test.c: pages of a node that has topics and groups; memory that lacks, ends at any moment. */
#include "broker/metrics_page.h"

#include "base/mem.h"
#include "schema/create_topics.h"
#include "schema/find_coordinator.h"
#include "schema/offset_commit.h"
#include "tests/harness/test.h"
#include "tests/sim/engine.h"

enum { CORES = 2, PARTITIONS = 5, SECOND_US = 1000 * 1000, STEP_US = 20 };

static void set(struct engine *e, struct bytes key, struct bytes value)
{
    CHECK_OK(config_set(e->config, key, value, CONFIG_FROM_SET));
}

static struct engine start(struct arena *arena)
{
    struct engine e = {.sim = sim_new(1, NULL), .arena = arena};
    struct node_options options = {
        .data_dir = BYTES("/data"), .core_count = CORES, .memory_bytes = 64 << 20};

    log_level_set(LOG_ERROR);
    e.server = sim_node_add(e.sim, "10.0.0.1");
    e.clients = sim_node_add(e.sim, "10.0.0.2");
    CHECK_OK(config_new(&e.config));
    set(&e, BYTES("listeners"), BYTES("PLAINTEXT://10.0.0.1:9092"));
    set(&e, BYTES("offsets.topic.num.partitions"), BYTES("3"));
    options.env = sim_node_env(e.server);
    options.config = e.config;
    CHECK_OK(node_new(&options, &e.node));
    CHECK_OK(node_start(e.node));
    return e;
}

static void call(struct engine *e, int16_t key, int16_t version, struct bytes body)
{
    struct client c = client_connect(e);

    client_send(&c, engine_frame(e->arena, key, version, 1, body));
    engine_run(e, 2 * SECOND_US);
    CHECK_EQ(client_replies(&c), 1);
    client_close(&c);
}

static void make_topic(struct engine *e)
{
    struct create_topics_request in;

    create_topics_request_init(&in);
    in.topics = create_topics_request_topics_new(e->arena, 1);
    in.topics.at[0].name = BYTES("t");
    in.topics.at[0].num_partitions = PARTITIONS;
    in.topics.at[0].replication_factor = 1;
    call(e, API_CREATE_TOPICS, 2, create_topics_request_bytes(e->arena, &in, 2));
}

static void make_coordinators(struct engine *e)
{
    struct find_coordinator_request in;

    find_coordinator_request_init(&in);
    in.key = BYTES("g");
    call(e, API_FIND_COORDINATOR, 0, find_coordinator_request_bytes(e->arena, &in, 0));
}

static void commit(struct engine *e, struct bytes group, int64_t offset)
{
    struct offset_commit_request in;

    offset_commit_request_init(&in);
    in.group_id = group;
    in.topics = offset_commit_request_topics_new(e->arena, 1);
    in.topics.at[0].name = BYTES("t");
    in.topics.at[0].partitions = offset_commit_request_partitions_new(e->arena, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        in.topics.at[0].partitions.at[i].partition_index = i;
        in.topics.at[0].partitions.at[i].committed_offset = offset;
    }
    call(e, API_OFFSET_COMMIT, 2, offset_commit_request_bytes(e->arena, &in, 2));
}

static struct engine start_with_groups(struct arena *arena)
{
    struct engine e = start(arena);

    make_topic(&e);
    make_coordinators(&e);
    commit(&e, BYTES("g"), 0);
    commit(&e, BYTES("h"), 3); /* past the end */
    return e;
}

struct ask {
    struct metrics_page *page;
    bool done;
};

static void page_done(void *context, struct metrics_page *page)
{
    struct ask *a = context;

    CHECK(a->page == page && !a->done);
    a->done = true;
}

/* False: there was no memory to begin with. */
static bool begin(struct engine *e, struct ask *a)
{
    struct core *zero = node_core(e->node, 0);

    *a = (struct ask){0};
    (void)core_act_as(zero);
    enum err result = metrics_page_start(zero, page_done, a, &a->page);
    (void)core_act_as(NULL);
    env_wake(zero->env, zero->poller);
    CHECK(result == OK || result == ERR_NOMEM);
    return result == OK;
}

static bool has(struct bytes text, const char *line)
{
    size_t len = strlen(line);

    for (size_t i = 0; i + len < text.len; i++) {
        if (memcmp(text.at + i, line, len) == 0 && text.at[i + len] == '\n') {
            return true;
        }
    }
    return false;
}

TEST(a_page_shows_groups_and_partitions_wherever_they_live)
{
    struct engine e = start_with_groups(arena);
    struct ask a;

    CHECK(begin(&e, &a));
    engine_run(&e, SECOND_US);
    CHECK(a.done);
    CHECK_OK(metrics_page_result(a.page));
    struct bytes text = metrics_page_text(a.page);
    CHECK(has(text, "weir_groups 2"));
    CHECK(has(text, "weir_group_coordinators_loading 0"));
    CHECK(has(text, "kafka_topic_partitions{topic=\"t\"} 5"));
    CHECK(has(text, "kafka_consumergroup_members{consumergroup=\"g\"} 0"));
    CHECK(has(text, "kafka_consumergroup_lag_sum{consumergroup=\"h\",topic=\"t\"} 0"));
    CHECK(has(text, "kafka_consumergroup_current_offset_sum{consumergroup=\"h\",topic=\"t\"} 15"));
    for (int i = 0; i < PARTITIONS; i++) {
        char line[128];
        (void)snprintf(
            line, sizeof(line),
            "kafka_consumergroup_lag{consumergroup=\"g\",topic=\"t\",partition=\"%d\"} 0", i);
        CHECK(has(text, line));
        (void)snprintf(line, sizeof(line),
                       "kafka_topic_partition_current_offset{topic=\"t\",partition=\"%d\"} 0", i);
        CHECK(has(text, line));
    }
    metrics_page_free(a.page);
    engine_stop(&e);
}

TEST(a_page_without_memory_has_no_text_and_leaves_nothing_behind)
{
    struct engine e = start_with_groups(arena);
    bool reached = true;
    uint64_t nth = 1, failed = 0;

    for (; reached; nth++) {
        struct ask a;

        CHECK(nth < 1000);
        (void)mem_fail_nth(nth);
        bool begun = begin(&e, &a);
        for (int i = 0; i < 1000 && begun && !a.done; i++) {
            engine_run(&e, STEP_US);
        }
        reached = mem_fail_nth(0) == 0;
        CHECK_EQ(a.done, begun);
        if (begun) {
            failed += metrics_page_result(a.page) == ERR_NOMEM;
            CHECK(reached || metrics_page_result(a.page) == OK);
            metrics_page_free(a.page);
        }
    }
    CHECK(failed > 2);
    engine_stop(&e);
}

TEST(a_page_that_is_not_done_when_the_node_ends_is_freed_afterwards)
{
    bool done = false;
    uint64_t us = 0;

    for (; !done; us += STEP_US) {
        struct engine e = start_with_groups(arena);
        struct ask a;

        CHECK(us < SECOND_US / 10);
        CHECK(begin(&e, &a));
        engine_run(&e, us);
        done = a.done;
        CHECK_OK(node_stop(e.node));
        metrics_page_free(a.page);
        node_free(e.node);
        config_free(e.config);
        sim_free(e.sim);
    }
    CHECK(us > 2 * STEP_US);
}
