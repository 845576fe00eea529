/* tests/unit/env_linux_net_test.c: sockets over 127.0.0.1, seen through a poller. */
#include "base/env_linux.h"
#include "tests/harness/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { POLL_US = 20 * 1000 * 1000, EVENTS = 16 };

/* A listener and a connection through it. */
struct pair {
    struct env *env;
    struct env_poller *poller;
    int listener, client, server;
    uint16_t port;
    struct env_address peer, local;
};

/* Waits until this socket is ready in one of these ways; any other event is a failure. */
static uint32_t wait_for(struct env *e, struct env_poller *p, int socket, uint32_t interest)
{
    struct env_event events[EVENTS];

    CHECK_OK(env_watch(e, p, socket, interest, &events));
    int n = env_poll(e, p, events, EVENTS, POLL_US);
    CHECK_EQ(n, 1);
    CHECK_EQ(events[0].kind, ENV_EVENT_SOCKET);
    CHECK(events[0].tag == &events);
    env_unwatch(e, p, socket);
    return events[0].ready;
}

static struct pair connect_pair(const char *listen_at, const char *connect_to)
{
    struct pair c = {0};
    struct env_address at = {.port = 0};

    CHECK_OK(env_linux_new(&c.env));
    CHECK_OK(env_poller_new(c.env, &c.poller));
    (void)snprintf(at.host, sizeof(at.host), "%s", listen_at);
    CHECK_OK(env_listen(c.env, &at, &c.listener, &c.port));
    CHECK(c.port != 0);
    CHECK_ERR(env_accept(c.env, c.listener, &c.server, &c.peer, &c.local), ERR_AGAIN);
    at.port = c.port;
    (void)snprintf(at.host, sizeof(at.host), "%s", connect_to);
    CHECK_OK(env_connect(c.env, &at, &c.client));
    CHECK_EQ(wait_for(c.env, c.poller, c.listener, ENV_READABLE), ENV_READABLE);
    CHECK_OK(env_accept(c.env, c.listener, &c.server, &c.peer, &c.local));
    CHECK_EQ(wait_for(c.env, c.poller, c.client, ENV_WRITABLE), ENV_WRITABLE);
    CHECK_OK(env_connect_result(c.env, c.client));
    return c;
}

static void close_pair(struct pair *c)
{
    env_close_socket(c->env, c->client);
    env_close_socket(c->env, c->server);
    env_close_socket(c->env, c->listener);
    env_poller_free(c->env, c->poller);
    env_linux_free(c->env);
}

static void send_all(struct pair *c, int socket, struct bytes b)
{
    struct env_slice s = {(void *)(uintptr_t)b.at, b.len};
    size_t sent = 0;

    CHECK_OK(env_send(c->env, socket, &s, 1, &sent));
    CHECK_EQ(sent, b.len);
}

TEST(a_connection_knows_both_its_ends)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");

    CHECK_STR_EQ(c.peer.host, "127.0.0.1");
    CHECK_STR_EQ(c.local.host, "127.0.0.1");
    CHECK_EQ(c.local.port, c.port);
    CHECK(c.peer.port != 0 && c.peer.port != c.port);
    CHECK((fcntl(c.server, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(c.server, F_GETFD) & FD_CLOEXEC) != 0);
    close_pair(&c);
}

TEST(a_listener_at_no_address_is_reached_over_ipv4_and_shows_it_so)
{
    struct pair c = connect_pair("", "127.0.0.1");

    CHECK_STR_EQ(c.peer.host, "127.0.0.1");
    CHECK_STR_EQ(c.local.host, "127.0.0.1");
    close_pair(&c);
}

TEST(a_host_name_is_resolved)
{
    struct pair c = connect_pair("0.0.0.0", "localhost");
    struct env_address nowhere = {.host = "no-such-host.invalid", .port = 1};
    int s = -7;

    CHECK_ERR(env_connect(c.env, &nowhere, &s), ERR_NOT_FOUND);
    CHECK_EQ(s, -7);
    close_pair(&c);
}

TEST(what_is_sent_comes_back_from_an_echo)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    char have[64];
    size_t got = 0;
    struct env_slice slices[3] = {{(void *)(uintptr_t) "one ", 4},
                                  {(void *)(uintptr_t) "", 0},
                                  {(void *)(uintptr_t) "two", 3}};

    CHECK_ERR(env_receive(c.env, c.server, have, sizeof(have), &got), ERR_AGAIN);
    CHECK_OK(env_send(c.env, c.client, slices, 3, &got));
    CHECK_EQ(got, 7);
    CHECK_EQ(wait_for(c.env, c.poller, c.server, ENV_READABLE), ENV_READABLE);
    CHECK_OK(env_receive(c.env, c.server, have, sizeof(have), &got));
    send_all(&c, c.server, (struct bytes){(uint8_t *)have, got});
    CHECK_EQ(wait_for(c.env, c.poller, c.client, ENV_READABLE), ENV_READABLE);
    CHECK_OK(env_receive(c.env, c.client, have, sizeof(have), &got));
    CHECK_BYTES_EQ(((struct bytes){(uint8_t *)have, got}), BYTES("one two"));
    close_pair(&c);
}

/* Fill the socket, then drain it: a prefix is taken, "again" follows, and all bytes arrive in order. */
TEST(a_full_socket_takes_a_prefix_and_becomes_writable_again)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    const size_t bytes = 64 << 20;
    uint8_t *data = arena_alloc(arena, bytes), *have = arena_alloc(arena, 1 << 20);
    size_t sent = 0, received = 0, n = 0;

    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
    while (received < bytes) {
        struct env_slice slices[2] = {
            {data + sent, (bytes - sent) / 2},
            {data + sent + (bytes - sent) / 2, bytes - sent - (bytes - sent) / 2}};
        enum err result = sent == bytes ? ERR_AGAIN : env_send(c.env, c.client, slices, 2, &n);
        sent += result == OK ? n : 0;
        if (result == OK) {
            continue;
        }
        CHECK_EQ(result, ERR_AGAIN);
        CHECK(received < sent);
        (void)wait_for(c.env, c.poller, c.server, ENV_READABLE);
        CHECK_OK(env_receive(c.env, c.server, have, 1 << 20, &n));
        CHECK_EQ(memcmp(have, data + received, n), 0);
        received += n;
    }
    CHECK_EQ(wait_for(c.env, c.poller, c.client, ENV_WRITABLE), ENV_WRITABLE);
    close_pair(&c);
}

TEST(the_end_of_a_stream_is_readable_and_says_closed)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    char have[8];
    size_t got;

    send_all(&c, c.client, BYTES("last"));
    env_close_socket(c.env, c.client);
    CHECK((wait_for(c.env, c.poller, c.server, ENV_READABLE) & ENV_READABLE) != 0);
    CHECK_OK(env_receive(c.env, c.server, have, sizeof(have), &got));
    CHECK_EQ(got, 4);
    CHECK((wait_for(c.env, c.poller, c.server, ENV_READABLE) & ENV_READABLE) != 0);
    CHECK_ERR(env_receive(c.env, c.server, have, sizeof(have), &got), ERR_CLOSED);
    c.client = -1;
    close_pair(&c);
}

/* Closing with unread bytes resets the connection. */
TEST(a_reset_shows_as_both_interests_and_sending_says_closed)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    struct env_slice s = {(void *)(uintptr_t) "x", 1};
    char have[8];
    size_t got;

    send_all(&c, c.server, BYTES("unread"));
    (void)wait_for(c.env, c.poller, c.client, ENV_READABLE);
    env_close_socket(c.env, c.client);
    CHECK_EQ(wait_for(c.env, c.poller, c.server, ENV_READABLE), ENV_READABLE | ENV_WRITABLE);
    CHECK_ERR(env_receive(c.env, c.server, have, sizeof(have), &got), ERR_CLOSED);
    CHECK_ERR(env_send(c.env, c.server, &s, 1, &got), ERR_CLOSED); /* and no SIGPIPE */
    c.client = -1;
    close_pair(&c);
}

TEST(without_interest_not_even_a_hang_up_is_reported)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    struct env_event events[EVENTS];

    CHECK_OK(env_watch(c.env, c.poller, c.server, ENV_READABLE, &c));
    CHECK_OK(env_watch(c.env, c.poller, c.server, 0, &c));
    send_all(&c, c.server, BYTES("unread"));
    (void)wait_for(c.env, c.poller, c.client, ENV_READABLE);
    env_close_socket(c.env, c.client);
    CHECK_EQ(env_poll(c.env, c.poller, events, EVENTS, 0), 0);
    CHECK_OK(env_watch(c.env, c.poller, c.server, ENV_READABLE, &c));
    CHECK_EQ(env_poll(c.env, c.poller, events, EVENTS, POLL_US), 1);
    CHECK_OK(env_watch(c.env, c.poller, c.server, ENV_WRITABLE, &events)); /* a new tag */
    CHECK_EQ(env_poll(c.env, c.poller, events, EVENTS, POLL_US), 1);
    CHECK(events[0].tag == &events);
    c.client = -1;
    close_pair(&c);
}

TEST(a_port_in_use_exists_and_a_closed_port_refuses)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    struct env_address at = {.host = "127.0.0.1", .port = c.port};
    int second;
    uint16_t port;

    CHECK_ERR(env_listen(c.env, &at, &second, &port), ERR_EXISTS);
    CHECK(strstr(err_crumb(), "127.0.0.1:") != NULL);
    env_close_socket(c.env, c.listener);
    enum err result = env_connect(c.env, &at, &second);
    if (result == OK) {
        (void)wait_for(c.env, c.poller, second, ENV_WRITABLE);
        result = env_connect_result(c.env, second);
        env_close_socket(c.env, second);
    }
    CHECK_EQ(result, ERR_CLOSED);
    c.listener = -1;
    close_pair(&c);
}

TEST(an_address_that_is_not_ours_cannot_be_listened_at)
{
    struct env *e;
    int s;
    uint16_t port;

    CHECK_OK(env_linux_new(&e));
    CHECK_ERR(env_listen(e, &(struct env_address){.host = "192.0.2.1"}, &s, &port), ERR_IO);
    CHECK_ERR(env_listen(e, &(struct env_address){.host = "300.1.1.1.invalid"}, &s, &port),
              ERR_NOT_FOUND);
    env_linux_free(e);
}

TEST(a_poller_survives_more_ready_sockets_than_it_may_report)
{
    enum { COUNT = 20 };
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    struct env_address at = {.host = "127.0.0.1", .port = c.port};
    struct env_event events[4];
    int sockets[COUNT], seen[COUNT] = {0}, left = COUNT;

    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(env_connect(c.env, &at, &sockets[i]));
        CHECK_OK(env_watch(c.env, c.poller, sockets[i], ENV_WRITABLE, &seen[i]));
    }
    for (int turn = 0; turn < 1000 && left > 0; turn++) {
        int n = env_poll(c.env, c.poller, events, 4, POLL_US);
        CHECK(n >= 1 && n <= 4);
        for (int i = 0; i < n; i++) {
            left -= (*(int *)events[i].tag)++ == 0;
        }
    }
    CHECK_EQ(left, 0);
    for (int i = 0; i < COUNT; i++) {
        env_close_socket(c.env, sockets[i]);
    }
    close_pair(&c);
}

TEST(no_descriptor_left_is_a_limit_and_the_connection_still_waits)
{
    struct pair c = connect_pair("127.0.0.1", "127.0.0.1");
    struct env_address at = {.host = "127.0.0.1", .port = c.port}, peer, local;
    struct rlimit before, now;
    int client, server, s;
    uint16_t port;

    CHECK_OK(env_connect(c.env, &at, &client));
    (void)wait_for(c.env, c.poller, c.listener, ENV_READABLE);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = (struct rlimit){3, before.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
    CHECK_ERR(env_accept(c.env, c.listener, &server, &peer, &local), ERR_LIMIT);
    CHECK_ERR(env_connect(c.env, &at, &s), ERR_LIMIT);
    CHECK_ERR(env_listen(c.env, &at, &s, &port), ERR_LIMIT);
    struct env_poller *p;
    CHECK_ERR(env_poller_new(c.env, &p), ERR_LIMIT);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_OK(env_accept(c.env, c.listener, &server, &peer, &local));
    env_close_socket(c.env, client);
    env_close_socket(c.env, server);
    close_pair(&c);
}
