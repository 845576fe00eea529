/* tests/unit/connection_test.c: what clients may do to a connection, and what becomes of it. */
#include "tests/harness/test.h"
#include "tests/sim/engine.h"

#include "base/mem.h"

enum { A_WHILE_US = 20 * 1000, SECOND_US = 1000 * 1000, MIB = 1 << 20 };

static void check_all_gone(struct engine *e)
{
    struct core_stats s = engine_stats(e);

    CHECK_EQ(s.connections_open, 0);
    CHECK_EQ(s.requests_running, 0);
    CHECK_EQ(engine_charged(e), 0);
}

TEST(a_request_is_answered_with_its_correlation_id)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);

    client_send(&c, engine_now(&e, 4711));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 1);
    CHECK_EQ(client_id_of(&c, 0), 4711);
    client_close(&c);
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_burst_of_requests_is_answered_in_order_by_one_send)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);
    struct buf burst;

    buf_init(&burst, MIB);
    for (int i = 0; i < 16; i++) {
        CHECK_OK(buf_add(&burst, engine_now(&e, i)));
    }
    client_send(&c, buf_view(&burst));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 16);
    for (int i = 0; i < 16; i++) {
        CHECK_EQ(client_id_of(&c, i), i);
    }
    CHECK_EQ(engine_stats(&e).sends, 1);
    buf_deinit(&burst);
    client_close(&c);
    engine_stop(&e);
}

TEST(many_pipelined_requests_are_all_answered_in_order)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);
    struct buf burst;
    enum { MANY = 20000 };

    buf_init(&burst, 4 * MIB);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(buf_add(&burst, engine_now(&e, i)));
    }
    client_send(&c, buf_view(&burst));
    for (int i = 0; i < 1000 && client_replies(&c) < MANY; i++) {
        engine_run(&e, A_WHILE_US);
    }
    struct bytes rest = buf_view(&c.got);
    for (uint32_t i = 0; i < MANY; i++) {
        CHECK_EQ(wire_load_u32(rest.at + FRAME_LENGTH_BYTES), i);
        rest = bytes_slice(rest, FRAME_LENGTH_BYTES + wire_load_u32(rest.at), rest.len);
    }
    CHECK_EQ(rest.len, 0);
    buf_deinit(&burst);
    client_close(&c);
    engine_stop(&e);
}

TEST(replies_keep_the_order_of_requests_that_are_done_in_another)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);
    enum { HELD = 5 };

    for (int i = 0; i < HELD; i++) {
        client_send(&c, engine_later(&e, 2 * i));
        client_send(&c, engine_now(&e, 2 * i + 1));
    }
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_seen()->served, 2 * HELD);
    for (int i = HELD - 1; i > 0; i--) {
        engine_release(&e, i);
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 0);
    }
    CHECK_EQ(engine_seen()->sent, 0);
    engine_release(&e, 0);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 2 * HELD);
    for (int i = 0; i < 2 * HELD; i++) {
        CHECK_EQ(client_id_of(&c, i), i);
    }
    CHECK_EQ(engine_seen()->sent, HELD);
    client_close(&c);
    engine_stop(&e);
}

TEST(requests_may_come_in_pieces_of_any_size)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct bytes frame = engine_produce_frame(&e, 1, -1, 100);

    for (size_t piece = 1; piece <= frame.len; piece += piece < 8 ? 1 : 13) {
        struct client c = client_connect(&e);
        for (size_t at = 0; at < 3 * frame.len; at += piece) {
            for (size_t i = at; i < MIN(at + piece, 3 * frame.len); i++) {
                client_send(&c, bytes_slice(frame, i % frame.len, 1));
            }
            engine_run(&e, 500);
        }
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 3);
        client_close(&c);
    }
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(every_prefix_of_a_request_then_a_close_leaves_nothing_behind)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    struct bytes frame = engine_produce_frame(&e, 1, -1, 40);

    for (size_t len = 0; len < frame.len; len++) {
        struct client c = client_connect(&e);
        client_send(&c, bytes_slice(frame, 0, len));
        engine_run(&e, 2000);
        client_close(&c);
    }
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    CHECK_EQ(engine_stats(&e).connections_closed, frame.len);
    engine_stop(&e);
}

TEST(a_frame_size_that_cannot_be_ends_the_connection)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    static const uint32_t sizes[] = {0,         1,           3,         7, (100 << 20) + 1,
                                     INT32_MAX, 0x80000000U, UINT32_MAX};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct client c = client_connect(&e);
        uint8_t size[4];
        wire_store_u32(size, sizes[i]);
        client_send(&c, engine_now(&e, 1)); /* this one is answered */
        client_send(&c, (struct bytes){size, sizeof(size)});
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 1);
        CHECK(c.closed);
        client_close(&c);
    }
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(random_bytes_end_connections_and_nothing_else)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    uint8_t noise[600];

    for (int i = 0; i < 300; i++) {
        struct client c = client_connect(&e);
        size_t len = 1 + (size_t)test_random_below(sizeof(noise));
        for (size_t at = 0; at < len; at++) {
            noise[at] = (uint8_t)test_random();
        }
        wire_store_u32(noise, (uint32_t)test_random_below(len + 8)); /* often a size that fits */
        noise[4] = 0;
        client_send(&c, (struct bytes){noise, len});
        engine_run(&e, 2000);
        client_close(&c);
    }
    engine_run(&e, 10 * SECOND_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_large_frame_has_memory_of_its_own)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);

    client_send(&c, engine_produce_frame(&e, 1, -1, 3 * MIB));
    client_send(&c, engine_now(&e, 2));
    engine_run(&e, SECOND_US);
    CHECK_EQ(client_replies(&c), 2);
    CHECK_EQ(client_id_of(&c, 1), 2);
    CHECK(engine_stats(&e).frames_big >= 1);
    client_close(&c);
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_client_that_takes_no_replies_is_not_read_for_long)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e), other = client_connect(&e);
    struct buf burst;
    size_t sent = 0;

    buf_init(&burst, 4 * MIB);
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(buf_add(&burst, engine_now(&e, 7)));
    }
    for (int i = 0; i < 2000; i++) {
        size_t at = sent % burst.len;
        sent += client_send_some(&c, bytes_slice(buf_view(&burst), at, burst.len));
        engine_run(&e, 1000);
        CHECK(engine_charged(&e) <= 8 * MIB);
    }
    client_send(&other, engine_now(&e, 8)); /* the others do not notice */
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&other), 1);
    size_t frame_bytes = burst.len / 1000, whole = sent / frame_bytes;
    for (int i = 0; i < 5000 && (size_t)client_replies(&c) < whole; i++) {
        engine_run(&e, 5000);
    }
    CHECK_EQ(client_replies(&c), whole);
    buf_deinit(&burst);
    client_close(&c);
    client_close(&other);
    engine_stop(&e);
}

TEST(no_more_than_so_many_requests_of_a_connection_are_served_at_once)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);
    enum { ASKED = 3 * CONNECTION_REQUESTS_MAX };

    for (int i = 0; i < ASKED; i++) {
        client_send(&c, engine_later(&e, i));
    }
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_seen()->held_count, CONNECTION_REQUESTS_MAX);
    for (int i = 0; i < ASKED; i++) {
        engine_release(&e, i);
        engine_run(&e, 3000);
    }
    CHECK_EQ(client_replies(&c), ASKED);
    for (int i = 0; i < ASKED; i++) {
        CHECK_EQ(client_id_of(&c, i), i);
    }
    client_close(&c);
    engine_stop(&e);
}

/* ---- memory ---- */

/* A request of 3 MiB whose size alone is sent: it holds its share of a budget of 4 MiB. */
static struct client client_holding(struct engine *e, struct bytes *rest)
{
    struct client c = client_connect(e);
    struct bytes frame = engine_produce_frame(e, 1, -1, 3 * MIB);

    client_send(&c, bytes_slice(frame, 0, 100));
    engine_run(e, A_WHILE_US);
    *rest = bytes_slice(frame, 100, frame.len);
    return c;
}

TEST(a_frame_waits_until_the_budget_has_room)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct bytes rest;
    struct client first = client_holding(&e, &rest), second = client_connect(&e);

    client_send_some(&second, engine_produce_frame(&e, 2, -1, 3 * MIB));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_stats(&e).budget_waits, 1);
    struct client third = client_connect(&e);
    client_send(&third, engine_now(&e, 3)); /* nobody overtakes */
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&third), 0);
    client_send(&first, rest);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&first), 1);
    CHECK_EQ(client_replies(&third), 1);
    client_close(&second);
    client_close(&first);
    client_close(&third);
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(who_holds_memory_and_does_not_move_gives_way)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct bytes rest;
    struct client stalled = client_holding(&e, &rest), next = client_connect(&e);
    struct bytes frame = engine_produce_frame(&e, 2, -1, 3 * MIB);

    engine_run(&e, 60 * SECOND_US);
    client_receive(&stalled);
    CHECK(!stalled.closed); /* nobody minds */
    size_t sent = client_send_some(&next, frame);
    engine_run(&e, 2 * CONNECTION_STALL_US);
    client_receive(&stalled);
    CHECK(stalled.closed);
    client_send(&next, bytes_slice(frame, sent, frame.len));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&next), 1);
    CHECK_EQ(engine_stats(&e).connections_stalled_closed, 1);
    client_close(&stalled);
    client_close(&next);
    engine_stop(&e);
}

TEST(a_request_larger_than_the_budget_is_served_when_alone)
{
    struct engine e =
        engine_start(arena, &(struct engine_options){.cores = 2, .memory_bytes = 48 * MIB});
    struct client first = client_connect(&e), elsewhere = client_connect(&e);
    struct client large = client_connect(&e);
    struct bytes small_frame = engine_produce_frame(&e, 1, -1, 3 * MIB);
    struct bytes frame = engine_produce_frame(&e, 2, -1, 9 * MIB);

    client_send(&first, bytes_slice(small_frame, 0, 100));
    engine_run(&e, A_WHILE_US);
    size_t sent = client_send_some(&large, frame);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_stats(&e).budget_waits, 1);
    client_send(&first, bytes_slice(small_frame, 100, small_frame.len));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&first), 1);
    client_send(&large, bytes_slice(frame, sent, frame.len));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&large), 1);
    client_close(&first);
    client_close(&elsewhere);
    client_close(&large);
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_request_that_no_memory_is_there_for_is_refused)
{
    struct engine e = engine_start(arena, &(struct engine_options){.memory_bytes = 48 * MIB});
    struct client c = client_connect(&e);

    client_send(&c, bytes_slice(engine_produce_frame(&e, 1, -1, 13 * MIB), 0, 10));
    engine_run(&e, A_WHILE_US);
    client_receive(&c);
    CHECK(c.closed);
    client_close(&c);
    engine_stop(&e);
}

/* Every allocation in turn fails once; connections may end, the node goes on. */
TEST(a_failed_allocation_ends_a_connection_at_most)
{
    uint64_t at = 0;

    for (bool reached = true; reached; at++) {
        struct arena scratch;
        arena_init(&scratch, 64 * MIB);
        struct engine e = engine_start(&scratch, &(struct engine_options){0});
        struct bytes frame = engine_produce_frame(&e, 1, -1, 100 << 10);
        struct bytes now = engine_now(&e, 2);
        struct bytes later = engine_later(&e, 3);
        struct client c = client_connect(&e);
        (void)mem_fail_nth(at + 1);
        size_t sent = client_send_some(&c, now);
        sent = sent + client_send_some(&c, later);
        sent = sent + client_send_some(&c, frame);
        engine_run(&e, A_WHILE_US);
        client_send_some(&c, now);
        engine_run(&e, A_WHILE_US);
        if (engine_seen()->held_count > 0) {
            engine_release(&e, 0);
        }
        engine_run(&e, A_WHILE_US);
        reached = mem_fail_nth(0) == 0;
        client_close(&c);
        c = client_connect(&e);
        client_send(&c, now);
        engine_run(&e, A_WHILE_US);
        CHECK_EQ(client_replies(&c), 1);
        client_close(&c);
        engine_run(&e, 6 * SECOND_US);
        check_all_gone(&e);
        engine_stop(&e);
        arena_deinit(&scratch);
        CHECK(at < 1000);
    }
    CHECK(at > 5);
}

/* ---- ending ---- */

TEST(a_connection_may_die_while_its_requests_are_served)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    enum { CLIENTS = 10 };
    struct client c[CLIENTS];

    for (int i = 0; i < CLIENTS; i++) {
        c[i] = client_connect(&e);
        client_send(&c[i], engine_later(&e, 1));
        client_send(&c[i], engine_now(&e, 2));
    }
    engine_run(&e, A_WHILE_US);
    sim_net_reset(e.server, e.clients);
    engine_run(&e, 2 * CONNECTION_HALF_CLOSED_US);
    CHECK_EQ(engine_stats(&e).connections_open, 0);
    CHECK_EQ(engine_stats(&e).requests_running, CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK(request_abandoned(engine_seen()->held[i]));
        engine_release(&e, i);
        client_close(&c[i]);
    }
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_seen()->sent, CLIENTS);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_node_may_be_freed_while_requests_are_served)
{
    struct engine e = engine_start(arena, &(struct engine_options){.cores = 2});
    struct client c = client_connect(&e);

    client_send(&c, engine_later(&e, 1));
    client_send(&c, engine_now(&e, 2));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(engine_seen()->held_count, 1);
    sim_node_kill(e.server);
    node_free(e.node);
    CHECK_EQ(engine_seen()->sent, 1); /* so that it lets go what it holds */
    client_close(&c);
    config_free(e.config);
    sim_free(e.sim);
}

TEST(a_silent_connection_ends_but_not_while_it_waits_for_us)
{
    struct engine e = engine_start(
        arena, &(struct engine_options){.settings = {{"connections.max.idle.ms", "10000"}}});
    struct client silent = client_connect(&e), busy = client_connect(&e),
                  waits = client_connect(&e);

    client_send(&waits, engine_later(&e, 1));
    for (int i = 0; i < 3; i++) {
        engine_run(&e, 6 * SECOND_US);
        client_send(&busy, engine_now(&e, 2));
    }
    engine_run(&e, SECOND_US);
    client_receive(&silent);
    client_receive(&busy);
    client_receive(&waits);
    CHECK(silent.closed);
    CHECK(!busy.closed);
    CHECK(!waits.closed);
    CHECK_EQ(engine_stats(&e).connections_idle_closed, 1);
    engine_release(&e, 0);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&waits), 1);
    client_close(&silent);
    client_close(&busy);
    client_close(&waits);
    engine_stop(&e);
}

TEST(acks_0_has_no_reply_and_the_next_request_has)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);

    client_send(&c, engine_produce_frame(&e, 1, 0, 10));
    client_send(&c, engine_later(&e, 2));
    client_send(&c, engine_produce_frame(&e, 3, 0, 10));
    client_send(&c, engine_now(&e, 4));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 0);
    engine_release(&e, 0);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 2);
    CHECK_EQ(client_id_of(&c, 0), 2);
    CHECK_EQ(client_id_of(&c, 1), 4);
    client_close(&c);
    engine_run(&e, A_WHILE_US);
    check_all_gone(&e);
    engine_stop(&e);
}

TEST(a_handler_may_close_the_connection_after_the_answers_before)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client c = client_connect(&e);

    client_send(&c, engine_later(&e, 1));
    client_send(&c, engine_produce_frame(&e, 2, 1, 10)); /* closes */
    client_send(&c, engine_now(&e, 3));
    engine_run(&e, A_WHILE_US);
    client_receive(&c);
    CHECK(!c.closed);
    engine_release(&e, 0);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 1);
    CHECK(c.closed);
    client_close(&c);
    check_all_gone(&e);
    engine_stop(&e);
}

/* ---- limits of the node ---- */

TEST(past_max_connections_clients_wait_for_one_to_end)
{
    struct engine e =
        engine_start(arena, &(struct engine_options){.settings = {{"max.connections", "2"}}});
    struct client a = client_connect(&e), b = client_connect(&e), c = client_connect(&e);

    client_send(&c, engine_now(&e, 1));
    engine_run(&e, SECOND_US);
    CHECK_EQ(client_replies(&c), 0);
    CHECK_EQ(engine_stats(&e).connections_open, 2);
    client_close(&a);
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 1);
    client_close(&b);
    client_close(&c);
    engine_stop(&e);
}

TEST(past_max_connections_per_ip_a_client_is_closed)
{
    struct engine e = engine_start(
        arena, &(struct engine_options){.cores = 2, .settings = {{"max.connections.per.ip", "2"}}});
    struct client a = client_connect(&e), b = client_connect(&e), c = client_connect(&e);

    engine_run(&e, A_WHILE_US);
    client_receive(&c);
    CHECK(c.closed);
    client_close(&c);
    client_close(&b);
    engine_run(&e, A_WHILE_US);
    c = client_connect(&e);
    client_send(&c, engine_now(&e, 1));
    engine_run(&e, A_WHILE_US);
    CHECK_EQ(client_replies(&c), 1);
    client_close(&a);
    client_close(&c);
    engine_stop(&e);
}

TEST(without_descriptors_accepting_pauses_and_goes_on)
{
    struct engine e = engine_start(arena, &(struct engine_options){0});
    struct client a = client_connect(&e);

    sim_node_handles_max_set(e.server, sim_node_handle_count(e.server));
    struct client b = client_connect(&e);
    client_send(&b, engine_now(&e, 1));
    engine_run(&e, SECOND_US);
    CHECK_EQ(client_replies(&b), 0);
    CHECK(engine_stats(&e).accepts_paused > 0);
    client_close(&a);
    engine_run(&e, SECOND_US);
    CHECK_EQ(client_replies(&b), 1);
    client_close(&b);
    engine_stop(&e);
}
