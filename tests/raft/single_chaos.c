/* tests/raft/single_chaos.c: hostile peers.
 *
 * WHY      H3: no input from a peer can trip an assertion. Peers of the simulator are honest replicas; these are not.
 * HOW      Each choice takes a byte. Numbers come from near what the replica knows (its last index, its commit index,
 *          its term) and from the edges of their types; replies often answer what was really sent, so that a leader
 *          gets somewhere. A quarter of the lives are relaxed, some fenced.
 * OWNER    The caller's struct single.
 * FAILURE  ASSERT, here or in the core.
 * LIMITS   STEP_MAX steps; a life is a few hundred bytes.
 */
#include "tests/raft/single_chaos.h"

enum { STEP_MAX = 400, SENT_MAX = 16, ID_MAX = 6, CONFIGURATION_ENTRY_MAX = 3, RUN_COUNT_MAX = 6 };

struct chaos {
    struct single *s;
    struct bytes bytes;
    size_t at;
    struct raft_message sent[SENT_MAX]; /* the newest messages, in a ring */
    uint32_t sent_count;
    uint64_t barrier;
    struct raft_out
        fetch; /* the newest question of that kind; kind RAFT_OUT_FETCH when there is one */
    struct raft_snapshot snapshot;
    struct raft_configuration target;
    struct raft_configuration_entry configurations[CONFIGURATION_ENTRY_MAX];
};

/* 0 when there are no more bytes. */
static uint32_t choose(struct chaos *c, uint32_t below)
{
    uint32_t byte = c->at < c->bytes.len ? c->bytes.at[c->at] : 0;

    c->at++;
    return byte % below;
}

static bool chance(struct chaos *c, uint32_t one_in)
{
    return choose(c, one_in) == one_in - 1;
}

/* -- numbers --------------------------------------------------------------------------------------------- */

static uint64_t any_index(struct chaos *c)
{
    const struct raft_view *v = &c->s->view;
    const uint64_t near[] = {v->last.index, v->commit, v->start.index, v->durable, 0};
    const uint64_t far[] = {UINT64_MAX, UINT64_MAX - 1, INT64_MAX, (uint64_t)INT64_MAX + 1,
                            1u << 31};
    uint64_t base = near[choose(c, COUNT_OF(near))];

    switch (choose(c, 8)) {
    case 0:
        return chance(c, 4) ? far[choose(c, COUNT_OF(far))] : base;
    case 1:
        return base - MIN(base, choose(c, 5));
    case 2:
    case 3:
        return base + choose(c, 5);
    case 4:
        return choose(c, 32);
    default:
        return base;
    }
}

static uint32_t any_term(struct chaos *c)
{
    const struct raft_view *v = &c->s->view;
    const uint32_t far[] = {0, RAFT_TERM_MAX, RAFT_TERM_MAX + 1, UINT32_MAX, RAFT_TERM_MAX - 1};

    switch (choose(c, 8)) {
    case 0:
        return v->term + choose(c, 3);
    case 1:
        return v->term - MIN(v->term, choose(c, 3));
    case 2:
        return chance(c, 16) ? far[choose(c, COUNT_OF(far))] : v->last.term;
    case 3:
        return v->last.term - MIN(v->last.term, choose(c, 3));
    default:
        return v->term;
    }
}

static uint64_t any_id(struct chaos *c)
{
    uint32_t id = choose(c, ID_MAX + 2);

    return id > ID_MAX ? UINT64_MAX : id;
}

static struct raft_bound any_bound(struct chaos *c)
{
    uint64_t index = any_index(c);

    return (struct raft_bound){index,
                               chance(c, 4) ? any_term(c) : single_log_term_at(&c->s->log, index)};
}

static void any_configuration(struct chaos *c, struct raft_configuration *out)
{
    bool wild = chance(c, 8);

    memset(out, 0, sizeof(*out));
    out->count = 1 + choose(c, wild ? RAFT_MEMBER_MAX + 4 : ID_MAX);
    for (uint32_t i = 0; i < MIN(out->count, RAFT_MEMBER_MAX); i++) {
        struct raft_member *m = &out->members[i];
        uint32_t kind = choose(c, 16);

        m->replica_id = wild ? 100 * choose(c, 4) + i : i + 1;
        m->roles = (uint8_t)(kind < 10 ? RAFT_VOTER : kind < 13 ? RAFT_LEARNER : kind - 10);
        m->priority = (uint8_t)choose(c, 2);
        m->start_anew = chance(c, 4);
    }
}

/* -- messages -------------------------------------------------------------------------------------------- */

static void any_span(struct chaos *c, struct raft_bound prev, struct raft_span *out)
{
    *out = (struct raft_span){.bytes = choose(c, 256), .run_count = choose(c, RUN_COUNT_MAX)};
    for (uint32_t i = 0; i < MIN(out->run_count, RAFT_RUN_MAX); i++) {
        if (chance(c, 16)) {
            prev = any_bound(c);
        } else {
            prev.index += 1 + choose(c, 4);
            prev.term += choose(c, 3);
            prev.term = MAX(prev.term, 1);
        }
        out->runs[i] = prev;
    }
}

static void any_append(struct chaos *c, struct raft_message *m)
{
    m->append = (struct raft_message_append){.prev = any_bound(c),
                                             .commit = any_index(c),
                                             .round = choose(c, 4),
                                             .sent_bytes = any_index(c),
                                             .sequence = choose(c, 16),
                                             .boot = chance(c, 32) ? 2 : choose(c, 2)};
    any_span(c, m->append.prev, &m->append.span);
    if (m->append.span.run_count > 0 && m->append.span.run_count <= RAFT_RUN_MAX && !chance(c, 4)) {
        m->term = MAX(m->term, m->append.span.runs[m->append.span.run_count - 1].term);
    }
}

static void any_reply(struct chaos *c, struct raft_message *m)
{
    m->reply =
        (struct raft_message_append_reply){.status = (enum raft_append_status)choose(c, 4),
                                           .sequence = chance(c, 8) ? UINT32_MAX : choose(c, 8),
                                           .boot = choose(c, 3),
                                           .round = choose(c, 4),
                                           .sent_bytes = any_index(c),
                                           .prev = any_bound(c),
                                           .match = any_index(c),
                                           .durable = any_index(c),
                                           .last = any_index(c),
                                           .hint = any_bound(c)};
}

static void any_snapshot(struct chaos *c, struct raft_message *m)
{
    any_configuration(c, &c->snapshot.configuration);
    c->snapshot.bound = any_bound(c);
    c->snapshot.configuration_index = chance(c, 8) ? any_index(c) : c->snapshot.bound.index;
    m->install.snapshot = &c->snapshot;
    m->install.sequence = choose(c, 8);
}

static void any_message(struct chaos *c, struct raft_message *m)
{
    *m = (struct raft_message){.kind = (enum raft_message_kind)choose(c, RAFT_TIMEOUT_NOW + 2),
                               .term = any_term(c),
                               .from = any_id(c),
                               .to = chance(c, 32) ? any_id(c) : c->s->view.replica_id};
    switch (m->kind) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        m->vote = (struct raft_message_vote){any_bound(c), chance(c, 4)};
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        m->vote_reply.granted = !chance(c, 4);
        break;
    case RAFT_APPEND:
        any_append(c, m);
        break;
    case RAFT_APPEND_REPLY:
        any_reply(c, m);
        break;
    case RAFT_SNAPSHOT:
        any_snapshot(c, m);
        break;
    case RAFT_TIMEOUT_NOW:
    default:
        break;
    }
}

static void answer_append(struct chaos *c, const struct raft_message *to, struct raft_message *m)
{
    const struct raft_message_append *a = &to->append;
    uint32_t runs = a->span.run_count;
    uint64_t end = runs > 0 ? a->span.runs[runs - 1].index : a->prev.index;

    m->reply = (struct raft_message_append_reply){.sequence = a->sequence,
                                                  .boot = MAX(a->boot, 1),
                                                  .round = a->round,
                                                  .sent_bytes = a->sent_bytes,
                                                  .prev = a->prev,
                                                  .match = end,
                                                  .durable = end,
                                                  .last = end};
    switch (choose(c, 16)) {
    case 0:
        m->reply.status = RAFT_REJECTED;
        m->reply.hint = any_bound(c);
        m->reply.prev = chance(c, 2) ? any_bound(c) : a->prev;
        break;
    case 1:
        m->reply.status = RAFT_BUSY;
        break;
    case 2:
        m->reply.boot++;
        m->reply.last = any_index(c);
        break;
    case 3:
        m->reply.durable = any_index(c);
        break;
    default:
        break;
    }
}

/* An answer to something that was sent, honest more often than not. */
static void answer_message(struct chaos *c, struct raft_message *m)
{
    uint32_t newest = MIN(c->sent_count, SENT_MAX);
    const struct raft_message *to = &c->sent[(c->sent_count - 1 - choose(c, newest)) % SENT_MAX];

    *m = (struct raft_message){.term = to->term, .from = to->to, .to = to->from};
    if (to->kind == RAFT_PRE_VOTE || to->kind == RAFT_VOTE) {
        m->kind = to->kind == RAFT_VOTE ? RAFT_VOTE_REPLY : RAFT_PRE_VOTE_REPLY;
        m->vote_reply.granted = !chance(c, 8);
    } else if (to->kind == RAFT_APPEND) {
        m->kind = RAFT_APPEND_REPLY;
        answer_append(c, to, m);
    } else if (to->kind == RAFT_SNAPSHOT) {
        m->kind = RAFT_APPEND_REPLY;
        m->reply = (struct raft_message_append_reply){.boot = 1,
                                                      .sequence = to->install.sequence,
                                                      .match = c->s->view.start.index,
                                                      .last = c->s->view.start.index};
    } else {
        any_message(c, m);
    }
}

static void receive(struct chaos *c)
{
    struct raft_message m;
    struct raft_in in = {.kind = RAFT_IN_RECV, .recv.message = &m};

    if (c->sent_count > 0 && choose(c, 2) == 0) {
        answer_message(c, &m);
    } else {
        any_message(c, &m);
    }
    if (m.kind == RAFT_APPEND && chance(c, 4)) {
        in.recv.configuration_count = choose(c, CONFIGURATION_ENTRY_MAX + 1);
        for (uint32_t i = 0; i < in.recv.configuration_count; i++) {
            any_configuration(c, &c->configurations[i].configuration);
            c->configurations[i].index = m.append.prev.index + 1 + choose(c, 4) * (i + 1);
        }
        in.recv.configurations = c->configurations;
    }
    in.recv.busy = m.kind == RAFT_APPEND && chance(c, 16);
    single_step(c->s, &in);
}

/* -- the host -------------------------------------------------------------------------------------------- */

static struct raft_bound committed_bound(struct chaos *c)
{
    const struct raft_view *v = &c->s->view;
    uint64_t span = MIN(v->commit - v->start.index, 8);
    uint64_t index = chance(c, 2) ? v->commit : v->start.index + choose(c, (uint32_t)span + 1);

    return (struct raft_bound){index, single_log_term_at(&c->s->log, index)};
}

static void fetched(struct chaos *c)
{
    struct raft_in in = {.kind = RAFT_IN_FETCHED, .fetched = {.to = any_id(c)}};

    if (c->fetch.kind == RAFT_OUT_FETCH && !chance(c, 8)) {
        in.fetched.to = c->fetch.fetch.to;
        in.fetched.after = c->fetch.fetch.after;
    } else {
        in.fetched.after = c->s->view.start.index;
    }
    in.fetched.result = single_log_read(&c->s->log, in.fetched.after,
                                        c->s->options.append_bytes_max, &in.fetched.span);
    if (chance(c, 4)) {
        in.fetched.result = RAFT_READ_NONE;
    }
    single_step(c->s, &in);
}

static void snapshot_made(struct chaos *c)
{
    struct raft_in in = {.kind = RAFT_IN_SNAPSHOT, .snapshot = {.to = any_id(c)}};

    c->snapshot.bound = committed_bound(c);
    c->snapshot.configuration_index = c->snapshot.bound.index;
    any_configuration(c, &c->snapshot.configuration);
    in.snapshot.snapshot = chance(c, 4) ? NULL : &c->snapshot;
    single_step(c->s, &in);
}

static void propose(struct chaos *c)
{
    struct raft_in in = {.kind = RAFT_IN_PROPOSE};

    in.propose.last = c->s->view.last.index + 1 + choose(c, 8);
    in.propose.expected_term = chance(c, 8) ? any_term(c) : 0;
    if (in.propose.last > c->s->view.last.index) { /* or the log is full */
        single_step(c->s, &in);
    }
}

static void log_start(struct chaos *c)
{
    struct raft_bound start = committed_bound(c);

    single_log_start_at(&c->s->log, start);
    single_step(c->s, &(struct raft_in){.kind = RAFT_IN_LOG_START, .log_start.start = start});
}

static void pass_time(struct chaos *c)
{
    uint64_t due = raft_deadline(c->s->raft);
    uint64_t now = c->s->now_ms + choose(c, 64);

    single_time(c->s, due != UINT64_MAX && !chance(c, 4) ? MAX(due, now) : now);
}

static void ask(struct chaos *c)
{
    struct raft_in in = {.kind = RAFT_IN_TIME};

    switch (choose(c, 8)) {
    case 0:
    case 1:
        in.kind = RAFT_IN_CHANGE;
        any_configuration(c, &c->target);
        in.change.target = &c->target;
        break;
    case 2:
        in.kind = RAFT_IN_CANCEL;
        break;
    case 3:
        in.kind = RAFT_IN_TRANSFER;
        in.transfer.to = any_id(c);
        break;
    case 4:
        in.kind = RAFT_IN_BARRIER;
        in.barrier.ticket = ++c->barrier;
        break;
    case 5:
        in.kind = RAFT_IN_CAMPAIGN;
        break;
    case 6:
        in.kind = RAFT_IN_PEER;
        in.peer.replica_id = any_id(c);
        in.peer.alive = chance(c, 2);
        break;
    default:
        in.kind = chance(c, 8) ? RAFT_IN_HALT : RAFT_IN_UNFENCE;
        break;
    }
    single_step(c->s, &in);
}

static void durable(struct chaos *c)
{
    uint64_t pending = c->s->ticket - c->s->durable;
    uint64_t part = chance(c, 2) ? pending : choose(c, (uint32_t)MIN(pending, 8) + 1);

    single_durable(c->s, c->s->durable + part);
}

static void step(struct chaos *c)
{
    switch (choose(c, 16)) {
    case 0:
    case 1:
        durable(c);
        break;
    case 2:
        pass_time(c);
        break;
    case 3:
        propose(c);
        break;
    case 4:
        single_step(c->s,
                    &(struct raft_in){.kind = RAFT_IN_APPLIED, .applied.index = c->s->commit});
        break;
    case 5:
        ask(c);
        break;
    case 6:
        if (chance(c, 4)) {
            log_start(c);
        } else if (chance(c, 2)) {
            snapshot_made(c);
        } else {
            fetched(c);
        }
        break;
    case 7:
        c->s->log.cold = MIN(c->s->view.last.index, c->s->view.commit + choose(c, 4));
        break;
    default:
        receive(c);
        break;
    }
}

/* Remembers what was sent and asked for in the last step. */
static void remember(struct chaos *c)
{
    for (uint32_t i = 0; i < c->s->out_count; i++) {
        const struct raft_out *out = &c->s->outs[i];

        if (out->kind == RAFT_OUT_SEND) {
            c->sent[c->sent_count++ % SENT_MAX] = out->send.message;
        } else if (out->kind == RAFT_OUT_FETCH) {
            c->fetch = *out;
        }
    }
}

static void start(struct chaos *c)
{
    static const struct raft_options strict = {.election_ms = 10,
                                               .beat_ms = 3,
                                               .append_bytes_max = 8,
                                               .window_bytes = 16,
                                               .window_messages = 4,
                                               .commit_at_once = true};
    struct raft_options options = strict;
    struct raft_start given = {.options = &options, .replica_id = 1, .seed = choose(c, 256)};
    struct raft_bound runs[] = {{4, 1}, {7, 2}, {9, 5}};
    struct raft_configuration configuration = single_voters(1 + choose(c, 5));

    options.relaxed = chance(c, 4);
    options.commit_at_once = chance(c, 2);
    given.configuration = &configuration;
    given.fenced = options.relaxed && chance(c, 2);
    if (chance(c, 4)) {
        given.start = (struct raft_bound){3, 1};
    }
    if (chance(c, 16)) {
        given.term = RAFT_TERM_MAX - choose(c, 3);
    }
    if (chance(c, 8)) {
        any_configuration(c, &configuration);
        configuration.count = raft_configuration_valid(&configuration) ? configuration.count : 0;
    }
    single_init(c->s, &given, runs, choose(c, COUNT_OF(runs) + 1));
}

uint32_t single_chaos(struct single *s, struct bytes bytes, bool restless)
{
    struct chaos c = {.s = s, .bytes = bytes};
    uint32_t steps = 0;

    start(&c);
    s->restless = restless;
    for (; steps < STEP_MAX && c.at < bytes.len && s->view.role != RAFT_HALTED; steps++) {
        step(&c);
        remember(&c);
    }
    return steps;
}
