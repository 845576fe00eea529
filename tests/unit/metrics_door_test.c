/* tests/unit/metrics_door_test.c: what scrapers may do to the listener of metrics, and what becomes of it. */
#include "broker/metrics_door.h"

#include "base/mem.h"
#include "broker/metrics_http.h"
#include "tests/harness/test.h"
#include "tests/sim/engine.h"

enum { PORT = 9644, A_WHILE_US = 20 * 1000, SECOND_US = 1000 * 1000 };

#define ASK BYTES("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")

static struct engine start(struct arena *arena, int cores)
{
    return engine_start(
        arena, &(struct engine_options){.cores = cores,
                                        .settings = {{"weir.metrics.listener", "10.0.0.1:9644"}}});
}

static struct client scraper(struct engine *e)
{
    struct client c = {.engine = e, .env = sim_node_env(e->clients)};
    struct env_address to = {.host = "10.0.0.1", .port = PORT};

    buf_init(&c.got, CLIENT_BYTES_MAX);
    CHECK_OK(env_connect(c.env, &to, &c.socket));
    engine_run(e, 5000);
    return c;
}

/* Everything the server says until it closes, or for so long. */
static struct bytes said(struct client *c, uint64_t us)
{
    for (uint64_t left = us; left > 0 && !c->closed; left -= MIN(left, (uint64_t)A_WHILE_US)) {
        engine_run(c->engine, A_WHILE_US);
        client_receive(c);
    }
    CHECK_OK(buf_add_u8(&c->got, 0));
    c->got.len--;
    return buf_view(&c->got);
}

static bool begins(struct bytes text, const char *with)
{
    return bytes_starts_with(text, bytes_of(with));
}

static void ask(struct engine *e, struct bytes request, const char *status)
{
    struct client c = scraper(e);

    client_send(&c, request);
    struct bytes text = said(&c, SECOND_US);
    CHECK_SAYS(begins(text, status), "%s: %.*s", status, BYTES_ARG(text));
    CHECK(c.closed);
    client_close(&c);
}

TEST(every_question_gets_one_answer_and_the_connection_ends)
{
    struct engine e = start(arena, 3);

    ask(&e, ASK, "HTTP/1.1 200 OK\r\n");
    ask(&e, BYTES("GET /healthz HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 OK\r\n");
    ask(&e, BYTES("GET /other HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 ");
    ask(&e, BYTES("PUT /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 ");
    ask(&e, BYTES("nonsense\r\n\r\n"), "HTTP/1.1 400 ");
    engine_stop(&e);
}

TEST(a_page_sums_the_counters_of_all_cores)
{
    struct engine e = start(arena, 3);
    struct client clients[5], c = scraper(&e);

    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = client_connect(&e);
        client_send(&clients[i], engine_now(&e, 1));
    }
    engine_run(&e, A_WHILE_US);
    client_send(&c, ASK);
    const char *text = (const char *)said(&c, SECOND_US).at;
    CHECK(strstr(text, "\nweir_connections_open 5\n") != NULL);
    CHECK(strstr(text, "\nweir_requests_total{api=\"ApiVersions\"} 5\n") != NULL);
    CHECK(strstr(text,
                 "\n# TYPE weir_connections_accepted_total counter\n"
                 "weir_connections_accepted_total 5\n") != NULL);
    client_close(&c);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        client_close(&clients[i]);
    }
    engine_stop(&e);
}

TEST(a_question_may_come_in_pieces)
{
    struct engine e = start(arena, 1);
    struct client c = scraper(&e);

    for (size_t i = 0; i < ASK.len; i++) {
        client_send(&c, bytes_slice(ASK, i, 1));
        engine_run(&e, 1000);
    }
    CHECK(begins(said(&c, SECOND_US), "HTTP/1.1 200 OK\r\n"));
    client_close(&c);
    engine_stop(&e);
}

TEST(a_head_that_does_not_end_is_refused)
{
    struct engine e = start(arena, 1);
    uint8_t *at = arena_alloc(arena, HTTP_HEAD_BYTES_MAX);

    memset(at, 'a', HTTP_HEAD_BYTES_MAX);
    ask(&e, (struct bytes){at, HTTP_HEAD_BYTES_MAX}, "HTTP/1.1 431 ");
    engine_stop(&e);
}

TEST(who_asks_for_nothing_is_sent_away_after_its_time)
{
    struct engine e = start(arena, 1);
    struct client c = scraper(&e);

    client_send(&c, BYTES("GET /met"));
    CHECK_EQ(said(&c, METRICS_CLIENT_US - SECOND_US).len, 0);
    CHECK(!c.closed);
    CHECK_EQ(said(&c, 2 * SECOND_US).len, 0);
    CHECK(c.closed);
    client_close(&c);
    engine_stop(&e);
}

TEST(too_many_scrapers_wait_their_turn)
{
    struct engine e = start(arena, 2);
    struct client c[METRICS_CLIENTS_MAX + 4];

    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = scraper(&e);
    }
    size_t last = COUNT_OF(c) - 1;
    client_send(&c[last], ASK);
    CHECK_EQ(said(&c[last], SECOND_US).len, 0);
    for (size_t i = 0; i < last; i++) {
        client_send(&c[i], ASK);
    }
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        CHECK(begins(said(&c[i], SECOND_US), "HTTP/1.1 200 OK\r\n"));
        client_close(&c[i]);
    }
    engine_stop(&e);
}

TEST(a_scraper_that_leaves_at_any_moment_leaves_nothing_behind)
{
    for (uint64_t us = 0; us < 3000; us += 50) {
        struct engine e = start(arena, 2);
        struct client c = scraper(&e), other = scraper(&e);

        client_send(&c, ASK);
        client_send(&other, ASK);
        engine_run(&e, us);
        client_close(&c);
        CHECK(begins(said(&other, SECOND_US), "HTTP/1.1 200 OK\r\n"));
        client_close(&other);
        engine_stop(&e);
    }
}

TEST(a_node_may_stop_or_crash_at_any_moment_of_a_page)
{
    for (uint64_t us = 0; us < 3000; us += 50) {
        struct engine e = start(arena, 3);
        struct client c = scraper(&e);

        client_send(&c, ASK);
        engine_run(&e, us);
        if (us / 50 % 2 == 0) {
            engine_stop_in(&e);
        } else {
            sim_node_kill(e.server);
            node_free(e.node);
            config_free(e.config);
        }
        client_close(&c);
        sim_free(e.sim);
    }
}

TEST(without_memory_a_scraper_gets_an_error_or_nothing_and_the_next_one_a_page)
{
    bool reached = true;
    uint64_t nth = 1;

    for (; reached; nth++) {
        struct arena scratch;

        CHECK(nth < 1000);
        arena_init(&scratch, 64 << 20);
        struct engine e = start(&scratch, 2);
        struct client c = scraper(&e);
        (void)mem_fail_nth(nth);
        (void)client_send_some(&c, ASK);
        engine_run(&e, A_WHILE_US);
        reached = mem_fail_nth(0) == 0;
        struct bytes text = said(&c, SECOND_US);
        CHECK(text.len == 0 || begins(text, "HTTP/1.1 200 ") || begins(text, "HTTP/1.1 503 "));
        CHECK(reached || begins(text, "HTTP/1.1 200 "));
        client_close(&c);
        ask(&e, ASK, "HTTP/1.1 200 OK\r\n");
        engine_stop(&e);
        arena_deinit(&scratch);
    }
    CHECK(nth > 4);
}

TEST(an_address_that_is_none_is_refused)
{
    static const char *const bad[] = {"nothing", "host:", "host:99999", "a:1,b:2", ":x"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct engine e = start(arena, 1);
        struct metrics_door *own = e.node->cores[0]->metrics_door;

        (void)core_act_as(e.node->cores[0]);
        e.node->cores[0]->metrics_door = NULL;
        CHECK_SAYS(metrics_door_open(e.node->cores[0], bytes_of(bad[i])) == ERR_USAGE, "%s",
                   bad[i]);
        metrics_door_free(e.node->cores[0]);
        CHECK_OK(metrics_door_open(e.node->cores[0], BYTES("")));
        CHECK_EQ(metrics_door_port(e.node->cores[0]), 0);
        e.node->cores[0]->metrics_door = own;
        CHECK_EQ(metrics_door_port(e.node->cores[0]), PORT);
        (void)core_act_as(NULL);
        engine_stop(&e);
    }
}
