/* tests/sim/env_sim_net.c: the socket calls of base/env.h on the simulated network.
 *
 * BUFFERS  Each direction of a connection has a bounded buffer of a drawn size that holds what is on its way
 *          and what is not read; a send takes what fits. Sends and receives are cut short by a draw.
 * CLOSING  With bytes unread, or on a broken connection, a close is a reset; else the peer gets what was sent
 *          and then the end of the stream. A machine without power says nothing.
 * FAILURE  ERR_CLOSED for the end of the stream, a reset, and a connect that was refused or given up; what
 *          had arrived before can still be received.
 */
#include "tests/sim/sim_net_internal.h"

#include "tests/sim/sim_mem.h"

#include <stdio.h>

enum { HUNDRED = 100, PORT_LOW = 32768 };

static enum err alive(const struct sim_process *p)
{
    return p->dead ? fail(ERR_IO, "the process is dead") : OK;
}

static struct sim_socket *socket_at(struct sim_process *p, int number)
{
    return sim_handle_at(p, number, SIM_HANDLE_SOCKET)->socket;
}

static struct sim_end *end_at(struct sim_process *p, int number)
{
    struct sim_end *end = socket_at(p, number)->end;

    ASSERT(end != NULL); /* a listener can neither send nor receive */
    return end;
}

void sim_socket_stir(struct sim_socket *s)
{
    struct env_poller *poller = sim_handle_at(s->process, s->number, SIM_HANDLE_SOCKET)->poller;

    if (poller != NULL) {
        sim_poller_stir(poller);
    }
}

uint32_t sim_socket_ready(const struct sim_socket *s)
{
    const struct sim_end *end = s->end;
    uint32_t ready = 0;

    if (end == NULL) {
        return list_empty(&s->backlog) ? 0 : ENV_READABLE;
    }
    if (end->state == SIM_END_CONNECTING) {
        return 0;
    }
    if (end->state == SIM_END_BROKEN) {
        return ENV_READABLE | ENV_WRITABLE;
    }
    const struct sim_pipe *in = sim_end_in(end);
    ready |= in->delivered > 0 || end->peer_finished ? ENV_READABLE : 0;
    ready |= sim_pipe_free_bytes(sim_end_out(end)) > 0 ? ENV_WRITABLE : 0;
    return ready;
}

static enum err socket_new(struct sim_process *p, struct sim_socket **out)
{
    struct sim_socket *s = sim_alloc(sizeof(*s));

    s->process = p;
    enum err e =
        sim_handle_new(p, (struct sim_handle){.kind = SIM_HANDLE_SOCKET, .socket = s}, &s->number);
    if (e != OK) {
        sim_release(s);
        return e;
    }
    *out = s;
    return OK;
}

/* Which machine a name means, seen from n; NULL: none. */
static struct sim_node *resolve(struct sim_node *n, const char *host)
{
    static const char *const own[] = {"127.0.0.1", "::1", "localhost"};

    for (size_t i = 0; i < COUNT_OF(own); i++) {
        if (strcmp(host, own[i]) == 0) {
            return n;
        }
    }
    for (uint32_t i = 0; i < n->sim->node_count; i++) {
        if (strcmp(host, n->sim->nodes[i]->host) == 0) {
            return n->sim->nodes[i];
        }
    }
    return NULL;
}

static bool port_is_taken(const struct sim_process *p, uint16_t port)
{
    list_for_each (&p->listeners, l) {
        if (CONTAINER_OF(l, struct sim_socket, link)->port == port) {
            return true;
        }
    }
    return false;
}

static uint16_t port_next(struct sim_process *p)
{
    do {
        p->node->port_next = p->node->port_next < PORT_LOW || p->node->port_next == UINT16_MAX
                                 ? PORT_LOW
                                 : (uint16_t)(p->node->port_next + 1);
    } while (port_is_taken(p, p->node->port_next));
    return p->node->port_next;
}

enum err sim_env_listen(struct env *e, const struct env_address *at, int *out, uint16_t *port)
{
    struct sim_process *p = sim_process_of(e);
    struct sim_socket *s;
    bool any =
        at->host[0] == '\0' || strcmp(at->host, "0.0.0.0") == 0 || strcmp(at->host, "::") == 0;

    TRY(alive(p));
    if (!any && resolve(p->node, at->host) != p->node) {
        return fail(ERR_NOT_FOUND, "%s: not an address of this machine", at->host);
    }
    if (at->port != 0 && port_is_taken(p, at->port)) {
        return fail(ERR_EXISTS, "port %u: EADDRINUSE", at->port);
    }
    TRY(socket_new(p, &s));
    s->port = at->port != 0 ? at->port : port_next(p);
    list_add_last(&p->listeners, &s->link);
    *out = s->number;
    *port = s->port;
    return OK;
}

enum err sim_env_accept(struct env *e, int listener, int *out, struct env_address *peer,
                        struct env_address *local)
{
    struct sim_process *p = sim_process_of(e);
    struct sim_socket *s;

    TRY(alive(p));
    struct sim_socket *l = socket_at(p, listener);
    ASSERT(l->end == NULL);
    struct list_link *first = list_first(&l->backlog);
    if (first == NULL) {
        return ERR_AGAIN;
    }
    TRY(socket_new(p, &s));
    list_remove(&l->backlog, first);
    s->end = CONTAINER_OF(first, struct sim_end, waiting);
    s->end->socket = s;
    *peer = sim_end_peer(s->end)->address;
    *local = s->end->address;
    *out = s->number;
    return OK;
}

static void address_set(struct env_address *a, const char *host, uint16_t port)
{
    *a = (struct env_address){.port = port};
    (void)snprintf(a->host, sizeof(a->host), "%s", host);
}

enum err sim_env_connect(struct env *e, const struct env_address *to, int *out)
{
    struct sim_process *p = sim_process_of(e);
    struct sim_socket *s;

    TRY(alive(p));
    struct sim_node *target = resolve(p->node, to->host);
    if (target == NULL) {
        return fail(ERR_NOT_FOUND, "%s: no such host", to->host);
    }
    TRY(socket_new(p, &s));
    struct sim_connection *c = sim_connection_new(p->node, target);
    s->end = &c->ends[0];
    s->end->socket = s;
    address_set(&c->ends[0].address, p->node->host, port_next(p));
    address_set(&c->ends[1].address, target->host, to->port);
    sim_segment_send(c, 0, SIM_FLIGHT_OPEN, 0);
    *out = s->number;
    return OK;
}

enum err sim_env_connect_result(struct env *e, int socket)
{
    struct sim_process *p = sim_process_of(e);

    TRY(alive(p));
    const struct sim_end *end = end_at(p, socket);
    if (end->state == SIM_END_CONNECTING) {
        return ERR_AGAIN;
    }
    return end->state == SIM_END_OPEN ? OK
                                      : fail(ERR_CLOSED, "%s: ECONNREFUSED", end->address.host);
}

/* All of it, or by a draw less, but not nothing. */
static uint32_t cut_short(struct sim *s, uint64_t len)
{
    ASSERT(len > 0 && len <= UINT32_MAX);
    if (sim_random_below(&s->net_random, HUNDRED) < s->profile.fragment_percent) {
        return (uint32_t)sim_random_range(&s->net_random, 1, len);
    }
    return (uint32_t)len;
}

enum err sim_env_receive(struct env *e, int socket, void *to, size_t len, size_t *got)
{
    struct sim_process *p = sim_process_of(e);

    TRY(alive(p));
    ASSERT(len > 0);
    struct sim_end *end = end_at(p, socket);
    struct sim_pipe *in = sim_end_in(end);
    if (in->delivered == 0) {
        bool over = end->state == SIM_END_BROKEN || end->peer_finished;
        return over ? ERR_CLOSED : ERR_AGAIN;
    }
    uint32_t n = cut_short(p->node->sim, MIN(len, (size_t)in->delivered));
    uint32_t first = MIN(n, in->cap - in->head);
    memcpy(to, in->ring + in->head, first);
    memcpy((uint8_t *)to + first, in->ring, n - first);
    sim_pipe_read(end, n);
    *got = n;
    return OK;
}

/* Copies up to `room` bytes of the slices behind what the pipe holds. */
static uint32_t pipe_fill(struct sim_pipe *p, const struct env_slice *slices, int count,
                          uint32_t room)
{
    uint32_t done = 0;

    for (int i = 0; i < count && done < room; i++) {
        uint32_t part = (uint32_t)MIN(slices[i].len, (size_t)(room - done));

        for (uint32_t copied = 0; copied < part;) {
            uint32_t at = (p->head + p->delivered + p->flying + done) % p->cap;
            uint32_t run = MIN(part - copied, p->cap - at);

            memcpy(p->ring + at, (const uint8_t *)slices[i].at + copied, run);
            copied += run;
            done += run;
        }
    }
    return done;
}

enum err sim_env_send(struct env *e, int socket, const struct env_slice *slices, int count,
                      size_t *sent)
{
    struct sim_process *p = sim_process_of(e);
    uint64_t wanted = 0;

    TRY(alive(p));
    struct sim *s = p->node->sim;
    struct sim_end *end = end_at(p, socket);
    struct sim_pipe *out = sim_end_out(end);
    if (end->state == SIM_END_OPEN && sim_random_chance(&s->net_random, s->profile.reset_ppm)) {
        sim_connection_break(end->connection);
    }
    if (end->state == SIM_END_BROKEN) {
        return fail(ERR_CLOSED, "%s: ECONNRESET", sim_end_peer(end)->address.host);
    }
    for (int i = 0; i < count; i++) {
        wanted += slices[i].len;
    }
    ASSERT(wanted > 0);
    uint64_t room = MIN(wanted, (uint64_t)sim_pipe_free_bytes(out));
    if (end->state == SIM_END_CONNECTING || room == 0) {
        return ERR_AGAIN;
    }
    uint32_t n = pipe_fill(out, slices, count, cut_short(s, room));
    uint32_t first = cut_short(s, n);
    sim_segment_send(end->connection, sim_end_side(end), SIM_FLIGHT_DATA, first);
    if (first < n) {
        sim_segment_send(end->connection, sim_end_side(end), SIM_FLIGHT_DATA, n - first);
    }
    *sent = n;
    return OK;
}

static void listener_close(struct sim_socket *s)
{
    for (struct list_link *l = list_take_first(&s->backlog); l != NULL;
         l = list_take_first(&s->backlog)) {
        struct sim_end *end = CONTAINER_OF(l, struct sim_end, waiting);

        end->state = SIM_END_CLOSED;
        sim_reset_send(end->connection, sim_end_side(end));
    }
    list_remove(&s->process->listeners, &s->link);
}

void sim_socket_close(struct sim_socket *s)
{
    struct sim_end *end = s->end;

    if (end == NULL) {
        listener_close(s);
        sim_release(s);
        return;
    }
    sim_release(s);
    end->socket = NULL;
    bool unread = end->state == SIM_END_CONNECTING || sim_end_in(end)->delivered > 0;
    if (end->state != SIM_END_BROKEN && unread) {
        sim_reset_send(end->connection, sim_end_side(end));
    } else if (end->state == SIM_END_OPEN) {
        sim_segment_send(end->connection, sim_end_side(end), SIM_FLIGHT_FINISH, 0);
    }
    end->state = SIM_END_CLOSED;
    sim_connection_check(end->connection);
}

void sim_socket_vanish(struct sim_socket *s)
{
    struct sim_end *end = s->end;

    if (end == NULL) {
        for (struct list_link *l = list_take_first(&s->backlog); l != NULL;
             l = list_take_first(&s->backlog)) {
            CONTAINER_OF(l, struct sim_end, waiting)->state = SIM_END_GONE;
            sim_connection_check(CONTAINER_OF(l, struct sim_end, waiting)->connection);
        }
        list_remove(&s->process->listeners, &s->link);
    } else {
        int side = sim_end_side(end);
        bool on_the_wire = sim_random_below(&end->connection->sim->net_random, 2) == 0;

        if (!on_the_wire || !sim_way_is_open(end->connection, side)) {
            sim_flights_drop(end->connection, side);
        }
        end->state = SIM_END_GONE;
        end->socket = NULL;
        sim_connection_check(end->connection);
    }
    sim_release(s);
}

void sim_env_close_socket(struct env *e, int socket)
{
    struct sim_process *p = sim_process_of(e);

    if (p->dead) {
        return;
    }
    struct sim_handle *h = sim_handle_at(p, socket, SIM_HANDLE_SOCKET);
    ASSERT(h->poller == NULL); /* unwatch it first */
    struct sim_socket *s = h->socket;
    sim_handle_free(p, socket);
    sim_socket_close(s);
}
