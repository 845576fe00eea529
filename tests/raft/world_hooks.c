/* tests/raft/world_hooks.c: what hosts tell: to the checker, to the clients, to the plans.
 *
 * WHY      One place where all that happens passes by: here it is checked, counted and hashed.
 * OWNER    The world.
 * FAILURE  RAFT_OUT_FATAL ends the world: no host here gives a reason for it.
 */
#include "tests/raft/world_internal.h"

static void mix(struct world *w, uint64_t x)
{
    w->hash = (w->hash ^ x) * 0x9e3779b97f4a7c15u;
    w->hash ^= w->hash >> 29;
}

static struct world_node *at(struct world *w, const struct host *h)
{
    return &w->nodes[w->node_of_id[h->options.replica_id]];
}

static void started(void *context, struct host *h, const struct raft_start *start)
{
    struct world *w = context;

    (void)h;
    check_started(w->check, start);
}

static void stopped(void *context, struct host *h, bool lossy)
{
    struct world *w = context;

    check_stopped(w->check, h->options.replica_id, lossy);
}

static void before(void *context, struct host *h, const struct raft_in *in)
{
    struct world *w = context;

    w->totals.events++;
    mix(w, h->options.replica_id << 8 | in->kind);
    mix(w, in->now_ms);
    check_before(w->check, h->options.replica_id, in);
}

static void after(void *context, struct host *h)
{
    struct world *w = context;

    check_after(w->check, h->options.replica_id, h->raft);
}

static void durable(void *context, struct host *h, uint64_t ticket)
{
    struct world *w = context;

    check_durable(w->check, h->options.replica_id, ticket);
}

static void leaves(void *context, struct host *h, struct host_message *m)
{
    struct world *w = context;

    mix(w, (uint64_t)m->message.kind << 32 | m->message.term);
    mix(w, m->message.to);
    check_leaves(w->check, h->options.replica_id, &m->message, m->after_ticket);
    network_send(w, at(w, h), m);
}

static void applied(void *context, struct host *h, const struct host_entry *e)
{
    struct world *w = context;

    check_applied(w->check, h->options.replica_id, h->applied, &h->state);
    clients_applied(w, at(w, h), e);
}

/* Soon: some of its messages have arrived then, and some have not. */
static void ambush(struct world *w, struct world_node *n)
{
    const struct world_profile *p = &w->profile;

    w->ambushes--;
    w->totals.ambushes++;
    world_plan_node(w, n, EVENT_AMBUSH,
                    sim_random_below(&w->random, p->delay_us + p->jitter_us + 1u));
}

static void appended(struct world *w, struct world_node *n, const struct raft_out *out,
                     const struct check_done *done)
{
    w->totals.truncations += out->append.truncate ? 1 : 0;
    if (w->ambushes > 0 && out->append.source != RAFT_ENTRY_MESSAGE) {
        ambush(w, n);
    }
    mix(w, out->append.last.index << 32 | out->append.last.term);
    if (out->append.source == RAFT_ENTRY_CONFIGURATION) {
        members_appended(w, out->append.last.index, done->entries[0].configuration);
    }
}

static void ask_fetch(struct world *w, struct world_node *n, const struct raft_out *out)
{
    struct world_event e = {.kind = EVENT_FETCH, .node = node_number(w, n), .life = n->life};

    e.a = out->fetch.to;
    e.b = out->fetch.after;
    e.c = out->fetch.bytes_max;
    e.at_us = w->now_us + sim_random_below(&w->clock, w->profile.fetch_us + 1u);
    world_plan(w, &e);
}

static void ask_snapshot(struct world *w, struct world_node *n, const struct raft_out *out)
{
    struct world_event e = {.kind = EVENT_SNAPSHOT, .node = node_number(w, n), .life = n->life};

    e.a = out->snapshot.to;
    e.at_us = w->now_us + sim_random_below(&w->clock, w->profile.fetch_us + 1u);
    world_plan(w, &e);
}

static void role(struct world *w, struct world_node *n, const struct raft_out *out)
{
    if (out->role.role == RAFT_LEADER) {
        w->totals.leaders++;
    } else {
        n->changing = false;
    }
}

static void answered(struct world *w, struct world_node *n, const struct raft_out *out)
{
    switch ((int)out->kind) {
    case RAFT_OUT_BARRIER:
        w->totals.barriers_ok += out->barrier.ok ? 1 : 0;
        w->totals.barriers_failed += out->barrier.ok ? 0 : 1;
        clients_barrier(w, n, out);
        break;
    case RAFT_OUT_CHANGE:
        n->changing = n->changing && out->change.reason == RAFT_CHANGING;
        w->totals.changes_done += out->change.reason == RAFT_DONE ? 1 : 0;
        w->totals.changes_failed += out->change.reason == RAFT_DONE ? 0 : 1;
        break;
    case RAFT_OUT_TRANSFER:
        w->totals.transfers_done += out->transfer.reason == RAFT_DONE ? 1 : 0;
        break;
    case RAFT_OUT_REFUSED:
        n->refused = true;
        break;
    case RAFT_OUT_UNFENCED:
        w->totals.unfenced++;
        break;
    case RAFT_OUT_SUSPECT:
        w->totals.suspects++;
        break;
    case RAFT_OUT_FATAL:
        check_fail(w->check, "fatal", "replica %" PRIu64 ": %s", n->id, out->fatal.why);
        break;
    default:
        break;
    }
}

static void out(void *context, struct host *h, const struct raft_out *out,
                const struct check_done *done)
{
    struct world *w = context;
    struct world_node *n = at(w, h);

    check_out(w->check, h->options.replica_id, out, done);
    mix(w, out->kind);
    switch ((int)out->kind) {
    case RAFT_OUT_ROLE:
        role(w, n, out);
        break;
    case RAFT_OUT_APPEND:
        appended(w, n, out, done);
        break;
    case RAFT_OUT_INSTALL:
        w->totals.installs++;
        break;
    case RAFT_OUT_FETCH:
        ask_fetch(w, n, out);
        break;
    case RAFT_OUT_SNAPSHOT:
        ask_snapshot(w, n, out);
        break;
    case RAFT_OUT_COMMIT:
        mix(w, out->commit.index);
        break;
    case RAFT_OUT_CONFIGURATION:
        if (out->configuration.committed) {
            members_committed(w, out->configuration.index, out->configuration.configuration);
        }
        break;
    default:
        answered(w, n, out);
        break;
    }
}

const struct host_hooks world_hooks = {
    .apply = check_state_apply,
    .started = started,
    .stopped = stopped,
    .before = before,
    .out = out,
    .after = after,
    .durable = durable,
    .leaves = leaves,
    .applied = applied,
};
