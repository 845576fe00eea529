/* tests/unit/sim_net_test.c: connections in the simulated world behave as TCP does for programs: in order, late,
 * cut short, frozen, broken, silent.
 */
#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"

enum { SECOND_US = 1000000, PORT = 900, BYTES_MAX = 1 << 20 };

struct pair {
    struct sim *sim;
    struct sim_node *a, *b;
    struct env *ae, *be;
    int listener, client, server;
};

static struct env_address address(const char *host, uint16_t port)
{
    struct env_address a = {.port = port};

    memcpy(a.host, host, strlen(host) + 1);
    return a;
}

static void pair_new(struct pair *p, uint64_t seed, const struct sim_profile *profile)
{
    struct env_address at = address("10.0.0.2", PORT);
    uint16_t port;

    *p = (struct pair){.sim = sim_new(seed, profile), .server = -1};
    p->a = sim_node_add(p->sim, "10.0.0.1");
    p->b = sim_node_add(p->sim, "10.0.0.2");
    p->ae = sim_node_env(p->a);
    p->be = sim_node_env(p->b);
    CHECK_OK(env_listen(p->be, &at, &p->listener, &port));
    CHECK_EQ(port, PORT);
}

static void pair_connect(struct pair *p)
{
    struct env_address to = address("10.0.0.2", PORT), peer, local;

    CHECK_OK(env_connect(p->ae, &to, &p->client));
    CHECK_ERR(env_connect_result(p->ae, p->client), ERR_AGAIN);
    sim_run_until_idle(p->sim);
    CHECK_OK(env_connect_result(p->ae, p->client));
    CHECK_OK(env_accept(p->be, p->listener, &p->server, &peer, &local));
    CHECK_STR_EQ(peer.host, "10.0.0.1");
    CHECK_STR_EQ(local.host, "10.0.0.2");
    CHECK_EQ(local.port, PORT);
    CHECK_ERR(env_accept(p->be, p->listener, &p->server, &peer, &local), ERR_AGAIN);
}

static enum err send_text(struct env *e, int socket, const char *text, size_t *sent)
{
    return env_send(e, socket, &(struct env_slice){(void *)(uintptr_t)text, strlen(text)}, 1, sent);
}

TEST(a_stream_arrives_whole_and_in_order_whatever_its_pieces)
{
    struct sim_profile profile = sim_profile_calm();
    static uint8_t bytes[BYTES_MAX], got[BYTES_MAX];

    profile.fragment_percent = 50;
    profile.buffer_bytes_min = profile.buffer_bytes_max = 4096;
    for (size_t i = 0; i < BYTES_MAX; i++) {
        bytes[i] = (uint8_t)(i * 31 >> 3);
    }
    struct pair p;
    pair_new(&p, 1, &profile);
    pair_connect(&p);
    size_t sent = 0, received = 0, n, shorts = 0;
    for (int turn = 0; received < BYTES_MAX; turn++) {
        struct env_slice two[] = {{bytes + sent, MIN((size_t)100, BYTES_MAX - sent)},
                                  {bytes + MIN(sent + 100, (size_t)BYTES_MAX), 0}};

        CHECK(turn < BYTES_MAX);
        two[1].len = MIN((size_t)8000, (size_t)(bytes + BYTES_MAX - (uint8_t *)two[1].at));
        if (sent < BYTES_MAX && env_send(p.ae, p.client, two, 2, &n) == OK) {
            CHECK(n > 0 && n <= two[0].len + two[1].len);
            shorts += n < two[0].len + two[1].len;
            sent += n;
        }
        (void)sim_step(p.sim);
        if (env_receive(p.be, p.server, got + received, BYTES_MAX - received, &n) == OK) {
            received += n;
        }
        CHECK(received <= sent);
    }
    CHECK_EQ(memcmp(bytes, got, BYTES_MAX), 0);
    CHECK(shorts > 100);
    sim_free(p.sim);
}

TEST(a_full_buffer_refuses_until_the_peer_reads)
{
    struct sim_profile profile = sim_profile_calm();
    static uint8_t bytes[8192];
    struct pair p;
    size_t n, room = 0;

    profile.buffer_bytes_min = profile.buffer_bytes_max = 4096;
    pair_new(&p, 2, &profile);
    pair_connect(&p);
    while (env_send(p.ae, p.client, &(struct env_slice){bytes, 8192}, 1, &n) == OK) {
        room += n;
    }
    CHECK_EQ(room, 4096);
    sim_run_until_idle(p.sim);
    CHECK_ERR(env_send(p.ae, p.client, &(struct env_slice){bytes, 1}, 1, &n), ERR_AGAIN);
    CHECK_OK(env_receive(p.be, p.server, bytes, 10, &n));
    CHECK_OK(env_send(p.ae, p.client, &(struct env_slice){bytes, 100}, 1, &n));
    CHECK_EQ(n, 10);
    sim_free(p.sim);
}

TEST(a_close_comes_after_the_bytes_and_with_unread_bytes_is_a_reset)
{
    for (int unread = 0; unread < 2; unread++) {
        struct pair p;
        uint8_t got[16];
        size_t n;

        pair_new(&p, 3, NULL);
        pair_connect(&p);
        if (unread == 1) {
            CHECK_OK(send_text(p.be, p.server, "unread", &n));
            sim_run_until_idle(p.sim);
        }
        CHECK_OK(send_text(p.ae, p.client, "bye", &n));
        sim_run_until_idle(p.sim);
        env_close_socket(p.ae, p.client);
        sim_run_until_idle(p.sim);
        CHECK_OK(env_receive(p.be, p.server, got, sizeof(got), &n));
        CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("bye"));
        CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_CLOSED);
        if (unread == 1) {
            CHECK_ERR(send_text(p.be, p.server, "x", &n), ERR_CLOSED);
        } else { /* the first goes out, and a reset comes back */
            CHECK_OK(send_text(p.be, p.server, "x", &n));
            sim_run_until_idle(p.sim);
            CHECK_ERR(send_text(p.be, p.server, "x", &n), ERR_CLOSED);
        }
        env_close_socket(p.be, p.server);
        sim_run_until_idle(p.sim);
        CHECK_EQ(sim_node_handle_count(p.a), 0);
        CHECK_EQ(sim_node_handle_count(p.b), 1);
        sim_free(p.sim);
    }
}

TEST(nobody_listening_is_refused_and_an_unknown_host_is_not_found)
{
    struct pair p;
    struct env_address closed = address("10.0.0.2", PORT + 1), nowhere = address("10.9.9.9", 1);
    struct env_address taken = address("0.0.0.0", PORT);
    uint16_t port;
    int socket;

    pair_new(&p, 4, NULL);
    CHECK_OK(env_connect(p.ae, &closed, &socket));
    sim_run_until_idle(p.sim);
    CHECK_ERR(env_connect_result(p.ae, socket), ERR_CLOSED);
    CHECK_ERR(env_connect(p.ae, &nowhere, &socket), ERR_NOT_FOUND);
    CHECK_ERR(env_listen(p.be, &taken, &socket, &port), ERR_EXISTS);
    taken.port = 0;
    CHECK_OK(env_listen(p.be, &taken, &socket, &port));
    CHECK(port >= 32768);
    sim_free(p.sim);
}

TEST(a_cut_freezes_and_heals_and_a_long_one_breaks_the_connection)
{
    for (int healed = 0; healed < 2; healed++) {
        struct pair p;
        uint8_t got[16];
        size_t n;

        pair_new(&p, 5, NULL);
        pair_connect(&p);
        sim_net_cut(p.a, p.b);
        CHECK_OK(send_text(p.ae, p.client, "one", &n));
        sim_run_for(p.sim, 10 * SECOND_US);
        CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_AGAIN);
        if (healed == 1) {
            sim_net_heal(p.a, p.b);
        }
        sim_run_for(p.sim, 100 * SECOND_US);
        if (healed == 1) {
            CHECK_OK(env_receive(p.be, p.server, got, sizeof(got), &n));
            CHECK_EQ(n, 3);
            CHECK_OK(send_text(p.ae, p.client, "two", &n));
        } else {
            CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_CLOSED);
            CHECK_ERR(send_text(p.ae, p.client, "two", &n), ERR_CLOSED);
        }
        sim_free(p.sim);
    }
}

TEST(while_the_way_back_is_cut_the_sender_learns_nothing)
{
    struct sim_profile profile = sim_profile_calm();
    static uint8_t bytes[4096];
    struct pair p;
    size_t n;

    profile.buffer_bytes_min = profile.buffer_bytes_max = 4096;
    pair_new(&p, 6, &profile);
    pair_connect(&p);
    sim_net_cut(p.b, p.a);
    CHECK_OK(env_send(p.ae, p.client, &(struct env_slice){bytes, 4096}, 1, &n));
    sim_run_for(p.sim, SECOND_US);
    CHECK_OK(env_receive(p.be, p.server, bytes, 4096, &n));
    CHECK_EQ(n, 4096);
    CHECK_ERR(env_send(p.ae, p.client, &(struct env_slice){bytes, 1}, 1, &n), ERR_AGAIN);
    sim_net_heal_all(p.sim);
    CHECK_OK(env_send(p.ae, p.client, &(struct env_slice){bytes, 1}, 1, &n));
    sim_free(p.sim);
}

TEST(a_clog_delays_and_a_reset_breaks)
{
    struct pair p;
    uint8_t got[16];
    size_t n;

    pair_new(&p, 7, NULL);
    pair_connect(&p);
    sim_net_clog(p.a, p.b, 5 * SECOND_US);
    CHECK_OK(send_text(p.ae, p.client, "late", &n));
    sim_run_for(p.sim, 4 * SECOND_US);
    CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_AGAIN);
    sim_run_for(p.sim, 2 * SECOND_US);
    CHECK_OK(env_receive(p.be, p.server, got, sizeof(got), &n));
    sim_net_reset(p.b, p.a);
    CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_CLOSED);
    CHECK_ERR(send_text(p.ae, p.client, "x", &n), ERR_CLOSED);
    sim_free(p.sim);
}

TEST(peers_see_a_killed_process_at_once_and_a_dark_machine_only_when_it_is_back)
{
    for (int dark = 0; dark < 2; dark++) {
        struct pair p;
        uint8_t got[16];
        size_t n;

        pair_new(&p, 8, NULL);
        pair_connect(&p);
        if (dark == 1) {
            sim_node_power_off(p.b);
        } else {
            sim_node_kill(p.b);
        }
        sim_run_for(p.sim, 3600 * (uint64_t)SECOND_US);
        CHECK_ERR(env_receive(p.ae, p.client, got, sizeof(got), &n),
                  dark == 1 ? ERR_AGAIN : ERR_CLOSED);
        CHECK_ERR(env_receive(p.be, p.server, got, sizeof(got), &n), ERR_IO);
        env_close_socket(p.be, p.server);
        if (dark == 1) {
            CHECK_OK(send_text(p.ae, p.client, "anybody?", &n));
            sim_run_for(p.sim, SECOND_US);
            CHECK_ERR(env_receive(p.ae, p.client, got, sizeof(got), &n), ERR_AGAIN);
            CHECK(sim_node_restart(p.b) != NULL);
            sim_run_for(p.sim, 10 * SECOND_US);
            CHECK_ERR(env_receive(p.ae, p.client, got, sizeof(got), &n), ERR_CLOSED);
        }
        sim_free(p.sim);
    }
}

TEST(a_poller_tells_what_is_ready_as_long_as_it_is)
{
    struct pair p;
    struct env_poller *poller;
    struct env_event events[4];
    uint8_t got[16];
    size_t n;

    pair_new(&p, 9, NULL);
    CHECK_OK(env_poller_new(p.be, &poller));
    CHECK_OK(env_watch(p.be, poller, p.listener, ENV_READABLE, &p.listener));
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 0);
    struct env_address to = address("10.0.0.2", PORT), peer, local;
    CHECK_OK(env_connect(p.ae, &to, &p.client));
    sim_run_until_idle(p.sim);
    for (int i = 0; i < 2; i++) { /* level-triggered */
        CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 1);
        CHECK(events[0].kind == ENV_EVENT_SOCKET && events[0].tag == &p.listener);
        CHECK_EQ(events[0].ready, ENV_READABLE);
    }
    CHECK_OK(env_accept(p.be, p.listener, &p.server, &peer, &local));
    CHECK_OK(env_watch(p.be, poller, p.server, ENV_READABLE | ENV_WRITABLE, &p.server));
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 1);
    CHECK_EQ(events[0].ready, ENV_WRITABLE);
    CHECK_OK(env_watch(p.be, poller, p.server, ENV_READABLE, &p.server));
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 0);
    CHECK_OK(send_text(p.ae, p.client, "x", &n));
    sim_run_until_idle(p.sim);
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 1);
    CHECK_EQ(events[0].ready, ENV_READABLE);
    CHECK_OK(env_receive(p.be, p.server, got, sizeof(got), &n));
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 0);
    CHECK_OK(env_watch(p.be, poller, p.server, 0, &p.server));
    sim_net_reset(p.a, p.b);
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 0); /* nobody wants to know */
    CHECK_OK(env_watch(p.be, poller, p.server, ENV_READABLE, &p.server));
    CHECK_EQ(env_poll(p.be, poller, events, 4, 0), 1);
    CHECK_EQ(events[0].ready, ENV_READABLE | ENV_WRITABLE);
    env_unwatch(p.be, poller, p.server);
    env_unwatch(p.be, poller, p.listener);
    env_poller_free(p.be, poller);
    sim_free(p.sim);
}

TEST(a_file_is_sent_to_a_socket_and_handles_have_a_limit)
{
    struct pair p;
    uint8_t got[16];
    size_t n;
    int file, more;

    pair_new(&p, 10, NULL);
    pair_connect(&p);
    sim_disk_put(sim_node_disk(p.a), "/f", BYTES("0123456789"));
    CHECK_OK(env_open(p.ae, "/f", ENV_OPEN_READ, &file));
    CHECK_OK(env_send_file(p.ae, p.client, file, 2, 5, &n));
    CHECK_EQ(n, 5);
    sim_run_until_idle(p.sim);
    CHECK_OK(env_receive(p.be, p.server, got, sizeof(got), &n));
    CHECK_BYTES_EQ(((struct bytes){got, n}), BYTES("23456"));
    sim_node_handles_max_set(p.a, 2);
    CHECK_ERR(env_open(p.ae, "/f", ENV_OPEN_READ, &more), ERR_LIMIT);
    struct env_address to = address("10.0.0.2", PORT);
    CHECK_ERR(env_connect(p.ae, &to, &more), ERR_LIMIT);
    CHECK_OK(env_close(p.ae, file));
    CHECK_OK(env_open(p.ae, "/f", ENV_OPEN_READ, &more));
    CHECK(more != file);
    sim_free(p.sim);
}
