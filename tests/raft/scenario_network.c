/* tests/raft/scenario_network.c: messages between replicas, and time.
 *
 * WHY      Raft must be right whatever the network does; a scenario says what it does. So messages lie in a list, in
 *          the order they were sent, until a command names them.
 * HOW      network_stabilize() is the network, the disks and the readers of a good day: it does everything that can be
 *          done, in order, until nothing is left. Beats come with time only, so it ends.
 * OWNER    struct scenario.
 * FAILURE  A message to nobody, or over a link that is cut, is gone.
 * LIMITS   SCENARIO_FLIGHT_MAX messages; ROUND_MAX rounds before the network counts as restless.
 */
#include "tests/raft/scenario_cluster.h"

#include "base/mem.h"
#include "tests/raft/scenario_text.h"

enum { ROUND_MAX = 400, TIMER_MAX = 20000 };

void network_add(struct scenario *s, const struct scenario_flight *flight)
{
    struct scenario_flight *f = &s->flights[s->flight_count];

    ASSERT(s->flight_count < SCENARIO_FLIGHT_MAX);
    *f = *flight;
    s->flight_count++;
    if (f->message.kind == RAFT_SNAPSHOT) {
        struct raft_snapshot *copy = ARENA_NEW(&s->arena, struct raft_snapshot);

        ASSERT(copy != NULL);
        *copy = *f->message.install.snapshot;
        f->message.install.snapshot = copy;
    }
}

bool network_ready(struct scenario *s, const struct scenario_flight *flight)
{
    struct scenario_replica *sender = replica_find(s, flight->message.from);

    return !flight->kept && (flight->after_ticket == 0 ||
                             (sender != NULL && flight->after_ticket <= sender->durable));
}

void network_remove(struct scenario *s, uint32_t at)
{
    ASSERT(at < s->flight_count);
    s->flight_count--;
    memmove(&s->flights[at], &s->flights[at + 1], (s->flight_count - at) * sizeof(s->flights[0]));
}

void network_forget_unsent(struct scenario *s, uint64_t from)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < s->flight_count; i++) {
        struct scenario_flight *f = &s->flights[i];
        bool unsent = f->message.from == from && !f->kept && !network_ready(s, f);

        if (!unsent) {
            f->after_ticket = f->message.from == from ? 0 : f->after_ticket;
            s->flights[left++] = *f;
        }
    }
    s->flight_count = left;
}

/* Configurations among the entries of a message. */
static void find_configurations(struct scenario *s, const struct scenario_flight *f,
                                struct raft_in *in)
{
    struct raft_configuration_entry *found =
        ARENA_ARRAY(&s->arena, struct raft_configuration_entry, f->entries.count + 1);

    ASSERT(found != NULL);
    for (uint32_t i = 0; i < f->entries.count; i++) {
        const struct scenario_entry *e = &f->entries.at[i];

        if (e->source == RAFT_ENTRY_CONFIGURATION) {
            found[in->recv.configuration_count++] =
                (struct raft_configuration_entry){e->bound.index, e->configuration};
        }
    }
    in->recv.configurations = found;
}

void network_deliver(struct scenario *s, uint32_t at, bool busy)
{
    struct scenario_flight f = s->flights[at];
    struct scenario_replica *to = replica_find(s, f.message.to);
    struct scenario_replica *from = replica_find(s, f.message.from);
    struct raft_in in = {.kind = RAFT_IN_RECV, .recv = {.message = &f.message, .busy = busy}};

    network_remove(s, at);
    if (to == NULL || to->raft == NULL ||
        (from != NULL && s->blocked[f.message.from - 1][f.message.to - 1])) {
        return;
    }
    find_configurations(s, &f, &in);
    to->payload = f.entries;
    replica_step(to, &in);
}

static bool within(uint32_t among, uint64_t id)
{
    return id >= 1 && id <= SCENARIO_REPLICA_MAX && (among & 1u << (id - 1)) != 0;
}

/* Disks and readers of one replica. True: something was done. */
static bool serve_one(struct scenario_replica *r)
{
    bool moved = replica_unreported(r);
    struct raft_view view;

    replica_durable(r, r->ticket);
    for (uint64_t to = 1; to <= SCENARIO_REPLICA_MAX; to++) {
        if (r->fetches[to - 1].kind == RAFT_OUT_FETCH) {
            replica_fetched(r, to, RAFT_READ_READY);
            moved = true;
        }
        if (r->snapshot_wanted & 1u << (to - 1)) {
            raft_view(r->raft, &view);
            replica_snapshot(r, to, view.commit);
            moved = true;
        }
    }
    return moved;
}

static bool serve_all(struct scenario *s, uint32_t among)
{
    bool moved = false;

    for (uint64_t id = 1; id <= SCENARIO_REPLICA_MAX; id++) {
        struct scenario_replica *r = s->replicas[id - 1];

        if (r != NULL && r->raft != NULL && within(among, id)) {
            moved = serve_one(r) || moved;
        }
    }
    return moved;
}

/* Delivers what is there now, not what comes of it. */
static bool deliver_round(struct scenario *s, uint32_t among)
{
    uint32_t there = s->flight_count, at = 0;
    bool moved = false;

    while (there > 0) {
        const struct scenario_flight *f = &s->flights[at];
        bool go = network_ready(s, f) && within(among, f->message.to) &&
                  (within(among, f->message.from) || replica_find(s, f->message.from) == NULL);

        there--;
        if (go) {
            network_deliver(s, at, false);
            moved = true;
        } else {
            at++;
        }
    }
    return moved;
}

bool network_stabilize(struct scenario *s, uint32_t among)
{
    for (int round = 0; round < ROUND_MAX; round++) {
        bool served = serve_all(s, among);
        bool delivered = deliver_round(s, among);

        if (!served && !delivered) {
            return true;
        }
        if (s->breach[0] != '\0') {
            return true;
        }
    }
    return false;
}

/* How long until the next deadline of a running replica; at most `ms`. */
static uint64_t next_deadline(const struct scenario *s, uint64_t ms)
{
    uint64_t least = ms;

    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        const struct scenario_replica *r = s->replicas[i];

        if (r != NULL && r->raft != NULL) {
            uint64_t due = raft_deadline(r->raft);

            least = MIN(least, due > r->now_ms ? due - r->now_ms : 0);
        }
    }
    return least;
}

static void ring(struct scenario *s, uint64_t ms)
{
    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        struct scenario_replica *r = s->replicas[i];

        if (r != NULL) {
            r->now_ms += ms;
        }
    }
    for (int i = 0; i < SCENARIO_REPLICA_MAX; i++) {
        struct scenario_replica *r = s->replicas[i];

        if (r != NULL && r->raft != NULL && raft_deadline(r->raft) <= r->now_ms) {
            struct raft_in in = {.kind = RAFT_IN_TIME};

            replica_step(r, &in);
        }
    }
}

bool network_pass_time(struct scenario *s, uint64_t ms, bool living)
{
    for (int timer = 0; timer < TIMER_MAX && ms > 0; timer++) {
        uint64_t part = next_deadline(s, ms);

        ring(s, part);
        ms -= part;
        if (living && !network_stabilize(s, UINT32_MAX)) {
            return false;
        }
    }
    return ms == 0;
}
