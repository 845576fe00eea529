/* tests/sim/sim_net.c: segments on their way between simulated machines.
 *
 * WHY      What a program can meet on TCP is not loss or reordering but delay, short sends and receives,
 *          frozen connections, resets at any byte, and silence from a machine without power. So a
 *          connection is two ordered pipes whose segments arrive late, rather than packets.
 * ORDER    Only the first flight of a pipe has a planned event; a cut way or a dark machine makes it try again
 *          with growing pauses, and what is behind it waits. A reset is no part of the order, and is lost
 *          where data would wait.
 * GIVE UP  While something cannot get through (either way), a time-out of the connection runs; when it
 *          ends and the way is still cut, both ends find the connection broken.
 * OWNER    The connection belongs to the world. It goes when both ends are without socket and nothing is
 *          on its way.
 */
#include "tests/sim/sim_net_internal.h"

#include "tests/sim/sim_mem.h"

enum { RETRY_US_MIN = 200000, RETRY_US_MAX = 5000000 };

struct flight {
    struct list_link link; /* pipe.flights or connection.resets */
    struct sim_connection *connection;
    struct sim_event *event; /* resets only */
    enum sim_flight_kind kind;
    int side;
    uint32_t bytes;
    uint64_t due_us, retry_us;
};

static void flight_arrives(void *context);

static struct sim_what what(const struct sim_end *at, const char *name)
{
    return (struct sim_what){name, at->node->index, false};
}

static struct sim_link *link_from(const struct sim_connection *c, int side)
{
    return &c->sim->links[c->ends[side].node->index][c->ends[!side].node->index];
}

static uint64_t latency(const struct sim_connection *c, int side)
{
    const struct sim_link *l = link_from(c, side);
    const struct sim_profile *p = &c->sim->profile;
    uint64_t us = sim_random_range(&c->sim->net_random, l->latency_us_min, l->latency_us_max);

    return us + (sim_random_chance(&c->sim->net_random, p->tail_ppm)
                     ? sim_random_range(&c->sim->net_random, 0, p->tail_us_max)
                     : 0);
}

struct sim_connection *sim_connection_new(struct sim_node *from, struct sim_node *to)
{
    struct sim *s = from->sim;
    struct sim_connection *c = sim_alloc(sizeof(*c));

    c->sim = s;
    c->ends[0].node = from;
    c->ends[1].node = to;
    for (int side = 0; side < 2; side++) {
        struct sim_pipe *p = &c->pipes[side];

        c->ends[side].connection = c;
        c->ends[side].state = SIM_END_CONNECTING;
        p->cap = (uint32_t)sim_random_range(&s->net_random, s->profile.buffer_bytes_min,
                                            s->profile.buffer_bytes_max);
        p->ring = sim_alloc(p->cap);
    }
    list_add_last(&s->connections, &c->link);
    return c;
}

void sim_flights_drop(struct sim_connection *c, int side)
{
    struct sim_pipe *p = &c->pipes[side];

    if (p->event != NULL) {
        sim_sched_cancel(&c->sim->sched, p->event);
        p->event = NULL;
    }
    for (struct list_link *l = list_take_first(&p->flights); l != NULL;
         l = list_take_first(&p->flights)) {
        sim_release(CONTAINER_OF(l, struct flight, link));
    }
    p->flying = 0;
}

static void connection_free(struct sim_connection *c)
{
    for (int side = 0; side < 2; side++) {
        sim_flights_drop(c, side);
        sim_release(c->pipes[side].ring);
    }
    for (struct list_link *l = list_take_first(&c->resets); l != NULL;
         l = list_take_first(&c->resets)) {
        struct flight *f = CONTAINER_OF(l, struct flight, link);

        sim_sched_cancel(&c->sim->sched, f->event);
        sim_release(f);
    }
    if (c->give_up != NULL) {
        sim_sched_cancel(&c->sim->sched, c->give_up);
    }
    list_remove(&c->sim->connections, &c->link);
    sim_release(c);
}

void sim_connection_check(struct sim_connection *c)
{
    for (int side = 0; side < 2; side++) {
        if (c->ends[side].socket != NULL || list_linked(&c->ends[side].waiting) ||
            !list_empty(&c->pipes[side].flights)) {
            return;
        }
    }
    if (list_empty(&c->resets)) {
        connection_free(c);
    }
}

void sim_net_free(struct sim *s)
{
    list_for_each (&s->connections, l) {
        connection_free(CONTAINER_OF(l, struct sim_connection, link));
    }
}

static void first_plan(struct sim_connection *c, int side)
{
    struct sim_pipe *p = &c->pipes[side];
    struct list_link *first = list_first(&p->flights);

    ASSERT(p->event == NULL);
    if (first != NULL) {
        struct flight *f = CONTAINER_OF(first, struct flight, link);

        p->event = sim_sched_add(&c->sim->sched, f->due_us, what(&c->ends[!side], "segment"),
                                 flight_arrives, f);
    }
}

void sim_segment_send(struct sim_connection *c, int side, enum sim_flight_kind kind, uint32_t bytes)
{
    struct sim_pipe *p = &c->pipes[side];
    struct flight *f = sim_alloc(sizeof(*f));

    *f = (struct flight){.connection = c, .kind = kind, .side = side, .bytes = bytes};
    uint64_t due_us = c->sim->sched.now_us + latency(c, side); /* not inside MAX: it draws */
    f->due_us = MAX(due_us, p->last_us + 1);
    f->retry_us = RETRY_US_MIN;
    p->last_us = f->due_us;
    p->flying += bytes;
    list_add_last(&p->flights, &f->link);
    if (p->event == NULL) {
        first_plan(c, side);
    }
}

void sim_end_break(struct sim_end *end)
{
    struct sim_connection *c = end->connection;

    if (end->state != SIM_END_CONNECTING && end->state != SIM_END_OPEN) {
        return;
    }
    sim_sched_say(&c->sim->sched, what(end, "connection broken"), end->address.port, 0);
    end->state = SIM_END_BROKEN;
    sim_flights_drop(c, 0);
    sim_flights_drop(c, 1);
    if (end->socket != NULL) {
        sim_socket_stir(end->socket);
    }
}

void sim_connection_break(struct sim_connection *c)
{
    sim_end_break(&c->ends[0]);
    sim_end_break(&c->ends[1]);
}

bool sim_way_is_open(const struct sim_connection *c, int side)
{
    return !link_from(c, side)->cut && c->ends[!side].node->power;
}

static void give_up(void *context)
{
    struct sim_connection *c = context;

    c->give_up = NULL;
    if (!sim_way_is_open(c, 0) || !sim_way_is_open(c, 1)) {
        sim_connection_break(c);
        sim_flights_drop(c, 0);
        sim_flights_drop(c, 1);
        sim_connection_check(c);
    }
}

static void give_up_plan(struct sim_connection *c)
{
    const struct sim_profile *p = &c->sim->profile;

    if (c->give_up == NULL) {
        uint64_t us = sim_random_range(&c->sim->net_random, p->give_up_us_min, p->give_up_us_max);

        c->give_up = sim_sched_add(&c->sim->sched, c->sim->sched.now_us + us,
                                   (struct sim_what){"give up?", SIM_NODE_NONE, true}, give_up, c);
    }
}

static void reset_arrives(void *context)
{
    struct flight *f = context;
    struct sim_connection *c = f->connection;
    int side = f->side;

    list_remove(&c->resets, &f->link);
    sim_release(f);
    if (sim_way_is_open(c, side)) {
        sim_end_break(&c->ends[!side]);
    }
    sim_connection_check(c);
}

void sim_reset_send(struct sim_connection *c, int side)
{
    struct flight *f = sim_alloc(sizeof(*f));

    *f = (struct flight){.connection = c, .side = side};
    list_add_last(&c->resets, &f->link);
    f->event = sim_sched_add(&c->sim->sched, c->sim->sched.now_us + latency(c, side),
                             what(&c->ends[!side], "reset"), reset_arrives, f);
}

static struct sim_socket *listener_at(const struct sim_node *n, uint16_t port)
{
    if (n->process == NULL) {
        return NULL;
    }
    list_for_each (&n->process->listeners, l) {
        struct sim_socket *s = CONTAINER_OF(l, struct sim_socket, link);

        if (s->port == port) {
            return s;
        }
    }
    return NULL;
}

/* Somebody wants to connect to this end's machine. */
static void open_arrives(struct sim_connection *c)
{
    struct sim_end *end = &c->ends[1];
    struct sim_socket *listener = listener_at(end->node, end->address.port);

    if (listener == NULL || listener->backlog.len >= SIM_BACKLOG_MAX ||
        sim_random_chance(&c->sim->net_random, c->sim->profile.refuse_ppm)) {
        end->state = SIM_END_CLOSED;
        sim_reset_send(c, 1);
        return;
    }
    end->state = SIM_END_OPEN;
    list_add_last(&listener->backlog, &end->waiting);
    sim_segment_send(c, 1, SIM_FLIGHT_OPENED, 0);
    sim_socket_stir(listener);
}

/* The first flight of a pipe has got through. */
static void flight_lands(struct flight *f)
{
    struct sim_connection *c = f->connection;
    struct sim_end *end = &c->ends[!f->side];
    struct sim_pipe *p = &c->pipes[f->side];

    p->flying -= f->bytes;
    if (f->kind == SIM_FLIGHT_OPEN) {
        open_arrives(c);
        return;
    }
    if (end->state == SIM_END_CLOSED || end->state == SIM_END_GONE) {
        if (f->kind != SIM_FLIGHT_FINISH) {
            sim_reset_send(c, !f->side);
        }
        return;
    }
    p->delivered += f->bytes;
    if (f->kind == SIM_FLIGHT_OPENED && end->state == SIM_END_CONNECTING) {
        end->state = SIM_END_OPEN;
    }
    end->peer_finished = end->peer_finished || f->kind == SIM_FLIGHT_FINISH;
    if (!sim_way_is_open(c, !f->side)) {
        give_up_plan(c); /* no answer gets back to the sender */
    }
    if (end->socket != NULL) {
        sim_socket_stir(end->socket);
    }
}

static void flight_arrives(void *context)
{
    struct flight *f = context;
    struct sim_connection *c = f->connection;
    int side = f->side;
    struct sim_pipe *p = &c->pipes[side];
    uint64_t now = c->sim->sched.now_us;
    uint64_t clogged_until_us = link_from(c, side)->clogged_until_us;

    p->event = NULL;
    if (!sim_way_is_open(c, side) || clogged_until_us > now) {
        f->due_us = clogged_until_us > now ? clogged_until_us : now + f->retry_us;
        f->retry_us = MIN(f->retry_us * 2, (uint64_t)RETRY_US_MAX);
        p->last_us = MAX(p->last_us, f->due_us);
        if (clogged_until_us <= now) {
            give_up_plan(c);
        }
        first_plan(c, side);
        return;
    }
    list_remove(&p->flights, &f->link);
    flight_lands(f);
    sim_release(f);
    if (p->event == NULL) {
        first_plan(c, side);
    }
    sim_connection_check(c);
}

void sim_pipe_read(struct sim_end *end, uint32_t bytes)
{
    struct sim_connection *c = end->connection;
    struct sim_pipe *p = sim_end_in(end);
    struct sim_end *sender = sim_end_peer(end);

    p->head = (p->head + bytes) % p->cap;
    p->delivered -= bytes;
    if (!sim_way_is_open(c, sim_end_side(end))) {
        p->unacked += bytes;
    } else if (sender->socket != NULL) {
        sim_socket_stir(sender->socket);
    }
}

/* -- what tests do to the network -- */

static struct sim_link *link_of(const struct sim_node *from, const struct sim_node *to)
{
    return &from->sim->links[from->index][to->index];
}

static void say(struct sim_node *from, const struct sim_node *to, const char *text)
{
    sim_sched_say(&from->sim->sched, (struct sim_what){text, from->index, false}, to->index, 0);
}

void sim_net_cut(struct sim_node *from, struct sim_node *to)
{
    link_of(from, to)->cut = true;
    say(from, to, "link cut");
}

void sim_net_cut_both(struct sim_node *a, struct sim_node *b)
{
    sim_net_cut(a, b);
    sim_net_cut(b, a);
}

static void pipe_ack(struct sim_connection *c, int side)
{
    struct sim_pipe *p = &c->pipes[side];

    if (p->unacked > 0 && sim_way_is_open(c, !side)) {
        p->unacked = 0;
        if (c->ends[side].socket != NULL) {
            sim_socket_stir(c->ends[side].socket);
        }
    }
}

/* Senders learn what was read while the way back was cut. */
static void acks_release(struct sim *s)
{
    list_for_each (&s->connections, l) {
        pipe_ack(CONTAINER_OF(l, struct sim_connection, link), 0);
        pipe_ack(CONTAINER_OF(l, struct sim_connection, link), 1);
    }
}

void sim_net_heal(struct sim_node *from, struct sim_node *to)
{
    link_of(from, to)->cut = false;
    link_of(from, to)->clogged_until_us = 0;
    say(from, to, "link heals");
    acks_release(from->sim);
}

void sim_net_heal_all(struct sim *s)
{
    for (uint32_t a = 0; a < s->node_count; a++) {
        for (uint32_t b = 0; b < s->node_count; b++) {
            s->links[a][b].cut = false;
            s->links[a][b].clogged_until_us = 0;
        }
    }
    sim_sched_say(&s->sched, (struct sim_what){"all links heal", SIM_NODE_NONE, false}, 0, 0);
    acks_release(s);
}

void sim_net_clog(struct sim_node *from, struct sim_node *to, uint64_t us)
{
    link_of(from, to)->clogged_until_us = from->sim->sched.now_us + us;
    say(from, to, "link clogged");
}

void sim_net_latency_set(struct sim_node *from, struct sim_node *to, uint32_t us_min,
                         uint32_t us_max)
{
    ASSERT(us_min <= us_max);
    link_of(from, to)->latency_us_min = us_min;
    link_of(from, to)->latency_us_max = us_max;
}

void sim_net_reset(struct sim_node *a, struct sim_node *b)
{
    list_for_each (&a->sim->connections, l) {
        struct sim_connection *c = CONTAINER_OF(l, struct sim_connection, link);
        bool between = (c->ends[0].node == a && c->ends[1].node == b) ||
                       (c->ends[0].node == b && c->ends[1].node == a);

        if (between) {
            sim_connection_break(c);
            sim_connection_check(c);
        }
    }
}
