/* tests/raft/check_core.c: the checker as an object: its replicas, its memory, the step they are in.
 *
 * WHY      A step of the core is one input and the actions that follow. The actions are judged one by one
 *          (check_out.c); some only make sense beside the input, which is therefore remembered here, copied: nothing
 *          that an input points to is looked at later.
 * OWNER    One world. No two threads.
 * FAILURE  Out of memory asserts: a test without its checker proves nothing.
 * LIMITS   REPLICA_MAX replica ids in a world.
 */
#include "base/mem.h"
#include "tests/raft/check_internal.h"

enum { VEC_CAP_FIRST = 8, ARENA_GIB_MAX = 8 };

void *vec_push(struct vec *v, size_t size)
{
    if (v->len == v->cap) {
        v->cap = v->cap ? 2 * v->cap : VEC_CAP_FIRST;
        v->at = mem_realloc(v->at, v->cap * size);
        ASSERT(v->at != NULL);
    }
    void *slot = (uint8_t *)v->at + v->len++ * size;
    memset(slot, 0, size);
    return slot;
}

void vec_shift(struct vec *v, size_t count, size_t size)
{
    if (count == 0) {
        return;
    }
    ASSERT(count <= v->len);
    v->len -= count;
    memmove(v->at, (uint8_t *)v->at + count * size, v->len * size);
}

struct check *check_new(const struct check_options *options)
{
    struct check *c = (struct check *)mem_zalloc(1, sizeof(*c));

    ASSERT(c != NULL && options->failed != NULL && options->raft != NULL);
    c->options = *options;
    if (options->initial) {
        c->initial = *options->initial;
    }
    c->options.initial = NULL;
    arena_init(&c->arena, (size_t)ARENA_GIB_MAX << 30);
    tree_init(c);
    return c;
}

static void replica_free(struct replica *r)
{
    mem_free(r->log_ops.at);
    mem_free(r->hard_ops.at);
    mem_free(r->lost.at);
    mem_free(r->asks.at);
    mem_free(r->heard.at);
    mem_free(r);
}

void check_free(struct check *c)
{
    for (size_t i = 0; i < c->replica_count; i++) {
        replica_free(c->replicas[i]);
    }
    for (size_t i = 0; i < c->term_cap; i++) {
        if (c->terms[i]) {
            mem_free(c->terms[i]->voters.at);
        }
    }
    mem_free((void *)c->terms);
    mem_free((void *)c->nodes);
    mem_free(c->values.slots);
    mem_free(c->operations.at);
    mem_free(c->report);
    arena_deinit(&c->arena);
    mem_free(c);
}

struct replica *replica_find(struct check *c, uint64_t replica_id)
{
    for (size_t i = 0; i < c->replica_count; i++) {
        if (c->replicas[i]->id == replica_id) {
            if (i > 0) { /* worlds speak of few replicas at a time: those stay in front */
                struct replica *r = c->replicas[i];
                c->replicas[i] = c->replicas[i - 1];
                c->replicas[i - 1] = r;
                return r;
            }
            return c->replicas[i];
        }
    }
    return NULL;
}

struct replica *replica_of(struct check *c, uint64_t replica_id)
{
    struct replica *r = replica_find(c, replica_id);

    if (!r) {
        ASSERT(replica_id != 0 && c->replica_count < REPLICA_MAX);
        r = (struct replica *)mem_zalloc(1, sizeof(*r));
        ASSERT(r != NULL);
        r->id = replica_id;
        r->start = r->tip = r->commit = r->applied = r->tip_durable = r->fence_need = c->root;
        c->replicas[c->replica_count++] = r;
    }
    return r;
}

struct raft_bound check_committed(const struct check *c)
{
    return c->committed->bound;
}

void check_totals(const struct check *c, struct check_totals *out)
{
    *out = (struct check_totals){.events = c->event,
                                 .entries = c->node_count - 1,
                                 .committed = c->committed->depth,
                                 .terms = c->term_count,
                                 .leaders = c->leader_count,
                                 .operations = c->operations.len,
                                 .acknowledged = c->operation_ok_count};
}

/* -- a step ---------------------------------------------------------------------------------------------- */

static void step_recv(struct step *s, const struct replica *r, const struct raft_message *m)
{
    s->message = m->kind;
    s->from = m->from;
    s->to = m->to;
    s->foreign = m->to != r->id;
    s->message_term = m->term;
    if (m->kind == RAFT_PRE_VOTE || m->kind == RAFT_VOTE) {
        s->last = m->vote.last;
        s->transfer = m->vote.transfer;
    } else if (m->kind == RAFT_APPEND_REPLY) {
        s->message_boot = m->reply.boot;
    } else if (m->kind == RAFT_APPEND) {
        s->prev = m->append.prev;
        s->commit = m->append.commit;
    }
}

static void hear(struct replica *r, uint64_t from)
{
    struct heard *all = r->heard.at;

    for (size_t i = 0; i < r->heard.len; i++) {
        if (all[i].replica_id == from) {
            all[i].run_ms = r->run_ms;
            all[i].appends = 0;
            all[i].bytes = 0;
            all[i].boot = MAX(all[i].boot, r->step.message_boot);
            return;
        }
    }
    *(struct heard *)vec_push(&r->heard, sizeof(struct heard)) =
        (struct heard){.replica_id = from, .run_ms = r->run_ms, .boot = r->step.message_boot};
}

/* A process that was stopped for long has not heard anybody, and could not have: its own time went on by little. */
static void run(struct check *c, struct replica *r, uint64_t now_ms)
{
    uint64_t passed = now_ms - r->now_ms;

    LAW(c, "host", now_ms >= r->now_ms, "the time of replica %" PRIu64 " goes back", r->id);
    r->run_ms += MIN(passed, c->options.raft->beat_ms);
    r->now_ms = now_ms;
    c->now_ms = MAX(c->now_ms, now_ms);
}

void quiet_from(struct replica *r, uint64_t now_ms)
{
    r->duty.quiet_ms = now_ms;
    r->duty.late = member_late(r->step.configuration, r->id);
    r->duty.orphan = false;
}

/* Of what is true before the step. */
static void step_begin(struct check *c, struct replica *r, const struct raft_in *in)
{
    r->step = (struct step){.kind = in->kind,
                            .term_before = r->term,
                            .led = r->role == RAFT_LEADER,
                            .configuration = member_in_force(c, r)};
    if (r->duty.boot != r->boot) {
        r->duty = (struct duty){.boot = r->boot,
                                .since = c->event,
                                .told = r->tip->configured,
                                .told_committed = r->tip->configured->depth <= r->commit->depth};
        quiet_from(r, r->now_ms);
    }
}

void check_before(struct check *c, uint64_t replica_id, const struct raft_in *in)
{
    struct replica *r = replica_of(c, replica_id);

    c->event++;
    line_in(c, r, in);
    out_settle(c, r);
    LAW(c, "host", r->running, "a step of replica %" PRIu64 ", which does not run", r->id);
    step_begin(c, r, in);
    run(c, r, in->now_ms);
    if (in->kind == RAFT_IN_RECV) {
        step_recv(&r->step, r, in->recv.message);
        if (!r->step.foreign) {
            hear(r, r->step.from);
        }
    } else if (in->kind == RAFT_IN_PEER) {
        if (in->peer.alive) {
            hear(r, in->peer.replica_id);
        } else if (in->peer.replica_id == r->leader) {
            r->leader_heard_ms = UINT64_MAX;
            r->duty.orphan = true;
        }
    }
    r->step.protects = view_protects(c, r) && r->step.from != r->leader;
    answer_asked(c, r, in);
}

static bool from_leader(const struct replica *r)
{
    return r->step.kind == RAFT_IN_RECV && !r->step.foreign && r->step.message_term == r->term &&
           (r->step.message == RAFT_APPEND || r->step.message == RAFT_SNAPSHOT);
}

void check_after(struct check *c, uint64_t replica_id, const struct raft *raft)
{
    struct replica *r = replica_of(c, replica_id);
    struct raft_view view;

    raft_view(raft, &view);
    if (from_leader(r)) {
        r->leader_heard_ms = r->now_ms;
        quiet_from(r, r->now_ms);
    }
    out_settle(c, r);
    answer_settle(c, r);
    view_check(c, r, &view);
    view_told(c, r);
    view_peer(c, r, raft);
    if (r->configured_seen != r->tip->configured) {
        struct raft_configuration configuration;

        raft_configuration_get(raft, &configuration);
        view_configuration(c, r, &configuration);
    }
    if (r->step.kind == RAFT_IN_TIME) {
        view_quorum(c, r);
    }
}
