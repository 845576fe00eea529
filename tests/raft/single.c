/* tests/raft/single.c: executes the actions of one replica, and judges them.
 *
 * WHY      Most of what a replica must never do can be seen on it alone. Judging every action here makes every
 *          unit test, every hostile message and every fuzz input a test of all of it.
 * HOW      The host is a log of runs, a list of writes that are not durable, and what the hard state was.
 * OWNER    The test.
 * FAILURE  ASSERT.
 */
#include "tests/raft/single.h"

enum {
    BEAT_MS = 100,
    ELECTION_MS = 1000,
    APPEND_BYTES = 64,
    WINDOW_BYTES = 256,
    WINDOW_MESSAGES = 4
};

static const struct raft_options options_default = {.election_ms = ELECTION_MS,
                                                    .beat_ms = BEAT_MS,
                                                    .append_bytes_max = APPEND_BYTES,
                                                    .window_bytes = WINDOW_BYTES,
                                                    .window_messages = WINDOW_MESSAGES};

/* -- start ----------------------------------------------------------------------------------------------- */

static void fill_in(struct single *s, struct raft_start *start)
{
    static const struct raft_configuration none = {.count = 0};

    s->options = start->options ? *start->options : options_default;
    start->options = &s->options;
    start->log = start->log ? start->log : single_log_functions();
    start->context = &s->log;
    start->replica_id = start->replica_id ? start->replica_id : 1;
    start->boot = MAX(start->boot, 1);
    start->configuration = start->configuration ? start->configuration : &none;
    start->last = single_log_last(&s->log);
    start->commit = MAX(start->commit, start->start.index);
    start->term = MAX(start->term, start->last.term);
    if (start->member_max == 0) {
        uint32_t previous = start->previous ? start->previous->count : 0;

        start->member_max = MIN(MAX(start->configuration->count + previous, 1), RAFT_MEMBER_MAX);
    }
}

void single_init(struct single *s, const struct raft_start *given, const struct raft_bound *runs,
                 uint32_t run_count)
{
    struct raft_start start = *given;

    memset(s, 0, offsetof(struct single, writes));
    s->write_count = s->out_count = 0;
    s->hash = 0;
    memset(s->newest, 0, sizeof(s->newest));
    s->log = (struct single_log){.runs = s->runs, .capacity = SINGLE_RUN_MAX};
    single_log_reset(&s->log, start.start);
    for (uint32_t i = 0; i < run_count; i++) {
        single_log_append(&s->log, runs[i]);
    }
    fill_in(s, &start);
    ASSERT(raft_size(RAFT_MEMBER_MAX) <= sizeof(s->memory[0]));
    s->now_ms = start.now_ms;
    s->relaxed = s->options.relaxed;
    s->term = start.term;
    s->vote = start.vote;
    s->commit = start.commit;
    s->raft = raft_init(s->memory[0], &start);
    raft_view(s->raft, &s->view);
}

/* -- laws ------------------------------------------------------------------------------------------------ */

/* Place of an action in a step. */
static uint32_t place_of(enum raft_out_kind kind)
{
    static const uint8_t places[] = {
        [RAFT_OUT_ROLE] = 0,          [RAFT_OUT_FATAL] = 1,    [RAFT_OUT_HARD_STATE] = 2,
        [RAFT_OUT_INSTALL] = 3,       [RAFT_OUT_APPEND] = 4,   [RAFT_OUT_SEND] = 5,
        [RAFT_OUT_FETCH] = 5,         [RAFT_OUT_SNAPSHOT] = 5, [RAFT_OUT_COMMIT] = 6,
        [RAFT_OUT_CONFIGURATION] = 7, [RAFT_OUT_SERVE] = 8,    [RAFT_OUT_UNFENCED] = 9,
        [RAFT_OUT_SUSPECT] = 10,      [RAFT_OUT_BARRIER] = 11, [RAFT_OUT_CHANGE] = 12,
        [RAFT_OUT_TRANSFER] = 13,     [RAFT_OUT_REFUSED] = 14};

    ASSERT(kind < COUNT_OF(places));
    return places[kind];
}

static void judge_order(const struct single *s, const struct raft_out *out)
{
    uint32_t place = place_of(out->kind);

    ASSERT(s->out_count < SINGLE_OUT_MAX);
    if (s->out_count > 0) {
        uint32_t before = place_of(s->outs[s->out_count - 1].kind);

        ASSERT(place > before || (place == before && place == place_of(RAFT_OUT_SEND)));
    }
}

/* What was written after `ticket` has nothing at or below `index`. */
static bool survives(const struct single *s, uint64_t index, uint64_t ticket)
{
    for (uint32_t i = 0; i < s->write_count; i++) {
        if (s->writes[i].ticket > ticket && s->writes[i].from < index) {
            return false;
        }
    }
    return true;
}

static void judge_append(const struct single *s, const struct raft_message *m)
{
    const struct raft_message_append *a = &m->append;
    struct raft_bound before = a->prev;

    ASSERT(s->view.role == RAFT_LEADER && a->commit <= s->view.commit);
    ASSERT(a->span.run_count <= RAFT_RUN_MAX && a->span.bytes <= s->options.append_bytes_max);
    ASSERT(a->prev.index <= single_log_last(&s->log).index);
    ASSERT((a->prev.index == 0 && a->prev.term == 0) ||
           single_log_term_at(&s->log, a->prev.index) == a->prev.term);
    for (uint32_t i = 0; i < a->span.run_count; i++) {
        struct raft_bound run = a->span.runs[i];

        ASSERT(run.index > before.index && run.index <= single_log_last(&s->log).index);
        ASSERT(single_log_term_at(&s->log, run.index) == run.term);
        before = run;
    }
}

static void judge_reply(const struct single *s, const struct raft_message *m, uint64_t gate)
{
    const struct raft_message_append_reply *a = &m->reply;
    struct raft_bound last = single_log_last(&s->log);

    if (a->status == RAFT_ACCEPTED) {
        ASSERT(a->match <= last.index && a->durable <= a->match && a->last == last.index);
        ASSERT(s->relaxed || survives(s, a->durable, gate));
    } else if (a->status == RAFT_REJECTED && a->hint.index > 0) {
        ASSERT(single_log_term_at(&s->log, a->hint.index) == a->hint.term);
        ASSERT(a->match == 0 && a->durable == 0);
    }
}

static void judge_vote(const struct single *s, const struct raft_message *m)
{
    if (m->kind == RAFT_VOTE) {
        ASSERT(s->vote == s->view.replica_id && s->view.role == RAFT_CANDIDATE);
    } else if (m->kind == RAFT_VOTE_REPLY && m->vote_reply.granted) {
        ASSERT(s->vote == m->to && !s->view.fenced);
    }
}

static void judge_send(const struct single *s, const struct raft_out *out)
{
    const struct raft_message *m = &out->send.message;
    uint64_t gate = MAX(out->send.after_ticket, s->durable);
    bool pre = m->kind == RAFT_PRE_VOTE || m->kind == RAFT_PRE_VOTE_REPLY;

    ASSERT(out->send.after_ticket == 0 || out->send.after_ticket > s->durable);
    ASSERT(out->send.after_ticket <= s->ticket && s->hard_ticket <= gate);
    ASSERT(m->from == s->view.replica_id && m->to != 0 && m->to != m->from);
    ASSERT(m->term == s->term || pre);
    ASSERT((m->term > 0 || pre) && m->term <= RAFT_TERM_MAX && s->view.role != RAFT_HALTED);
    if (m->kind == RAFT_APPEND) {
        judge_append(s, m);
    } else if (m->kind == RAFT_APPEND_REPLY) {
        judge_reply(s, m, gate);
    } else if (m->kind == RAFT_SNAPSHOT) {
        ASSERT(s->view.role == RAFT_LEADER && m->install.snapshot != NULL);
    } else {
        judge_vote(s, m);
    }
}

static void judge_peers(const struct single *s)
{
    struct raft_peer_view p;

    for (uint32_t at = 0; s->view.role == RAFT_LEADER && raft_peer_get(s->raft, at, &p); at++) {
        ASSERT(p.match <= s->view.last.index && p.durable <= p.match);
        ASSERT(p.sent <= s->view.last.index || p.state == RAFT_SNAPSHOTTING);
    }
}

/* Of one peer: a window of appends, and beat, order to campaign, question to the host and its answer. */
static void judge_bounds(const struct single *s)
{
    struct raft_peer_view p;
    uint32_t peers = 0;

    while (raft_peer_get(s->raft, peers, &p)) {
        peers++;
    }
    ASSERT(s->out_count <= place_of(RAFT_OUT_REFUSED) + peers * (s->options.window_messages + 4));
}

static void judge_after(const struct single *s)
{
    const struct raft_view *v = &s->view;
    struct raft_bound last = single_log_last(&s->log);
    struct raft_configuration c;

    ASSERT(v->last.index == last.index && v->last.term == last.term);
    ASSERT(v->start.index == s->log.start.index && v->start.term == s->log.start.term);
    ASSERT(v->commit == s->commit && v->start.index <= v->commit && v->commit <= v->last.index);
    ASSERT(v->durable <= last.index && v->applied <= v->commit);
    ASSERT(s->relaxed || survives(s, v->durable, s->durable));
    ASSERT(v->role == RAFT_HALTED || (v->term == s->term && v->vote == s->vote));
    ASSERT(!v->serving || v->role == RAFT_LEADER);
    raft_configuration_get(s->raft, &c);
    ASSERT(c.count == 0 || raft_configuration_valid(&c));
    ASSERT(raft_configuration_joint(&c) == v->joint);
    judge_peers(s);
    judge_bounds(s);
    if (s->in->kind == RAFT_IN_TIME) {
        ASSERT(raft_deadline(s->raft) > s->now_ms);
    }
}

/* -- actions --------------------------------------------------------------------------------------------- */

static void written(struct single *s, uint64_t from)
{
    ASSERT(s->write_count < SINGLE_WRITE_MAX);
    s->writes[s->write_count++] = (struct single_write){++s->ticket, from};
    raft_ticket(s->raft, s->ticket);
}

static void do_hard_state(struct single *s, const struct raft_out *out)
{
    uint32_t term = out->hard_state.term;

    ASSERT(term > s->term ||
           (term == s->term && (s->vote == 0 || s->vote == out->hard_state.vote)));
    s->term = term;
    s->vote = out->hard_state.vote;
    written(s, UINT64_MAX);
    s->hard_ticket = s->ticket;
}

static void append_runs(struct single *s, const struct raft_out *out)
{
    if (out->append.source != RAFT_ENTRY_MESSAGE) {
        ASSERT(out->append.last.term == s->term);
        ASSERT((out->append.configuration != NULL) ==
               (out->append.source == RAFT_ENTRY_CONFIGURATION));
        single_log_append(&s->log, out->append.last);
        return;
    }
    const struct raft_span *span = &s->in->recv.message->append.span;

    for (uint32_t i = 0; i < span->run_count; i++) {
        if (span->runs[i].index > out->append.from) {
            single_log_append(&s->log, span->runs[i]);
        }
    }
}

static void do_append(struct single *s, const struct raft_out *out)
{
    struct raft_bound last = single_log_last(&s->log);
    uint64_t from = out->append.from;
    struct raft_view view;

    ASSERT(from <= last.index && out->append.truncate == (from < last.index));
    ASSERT(from >= s->commit || !out->append.truncate);
    single_log_cut(&s->log, from);
    append_runs(s, out);
    last = single_log_last(&s->log);
    ASSERT(last.index == out->append.last.index && last.term == out->append.last.term);
    raft_view(s->raft, &view); /* with a configuration it is never relaxed */
    if (s->relaxed && view.configuration_index <= from && s->durable >= s->log_ticket &&
        s->durable > 0) {
        raft_ticket(s->raft, s->durable);
        s->log_ticket = s->durable;
    } else {
        written(s, from);
        s->log_ticket = s->ticket;
    }
}

static void do_install(struct single *s, const struct raft_out *out)
{
    const struct raft_snapshot *snapshot = out->install.snapshot;

    ASSERT(snapshot->bound.index > s->commit);
    single_log_reset(&s->log, snapshot->bound);
    written(s, s->commit); /* what is committed is in the snapshot */
    s->log_ticket = s->ticket;
    s->commit = snapshot->bound.index;
}

static void execute(struct single *s, const struct raft_out *out)
{
    switch (out->kind) {
    case RAFT_OUT_HARD_STATE:
        do_hard_state(s, out);
        break;
    case RAFT_OUT_APPEND:
        do_append(s, out);
        break;
    case RAFT_OUT_INSTALL:
        do_install(s, out);
        break;
    case RAFT_OUT_SEND:
        judge_send(s, out);
        if (out->send.message.kind == RAFT_APPEND && out->send.message.to < COUNT_OF(s->newest)) {
            s->newest[out->send.message.to] = out->send.message.append;
        }
        break;
    case RAFT_OUT_COMMIT:
        ASSERT(out->commit.index >= s->commit &&
               out->commit.index <= single_log_last(&s->log).index);
        s->commit = out->commit.index;
        break;
    case RAFT_OUT_FETCH:
    case RAFT_OUT_SNAPSHOT:
    case RAFT_OUT_SERVE:
        ASSERT(s->view.role == RAFT_LEADER);
        break;
    case RAFT_OUT_ROLE:
    case RAFT_OUT_CONFIGURATION:
    case RAFT_OUT_BARRIER:
    case RAFT_OUT_CHANGE:
    case RAFT_OUT_TRANSFER:
    case RAFT_OUT_REFUSED:
    case RAFT_OUT_UNFENCED:
    case RAFT_OUT_SUSPECT:
    case RAFT_OUT_FATAL:
    default:
        break;
    }
}

static void make_room(struct single *s, const struct raft_in *in)
{
    uint32_t room = raft_room_for(s->raft, in);
    bool first = (void *)s->raft == s->memory[0];

    ASSERT(room >= 1 && room <= RAFT_MEMBER_MAX);
    if (s->cramped || (room <= raft_member_max(s->raft) && !s->restless)) {
        return;
    }
    room = MAX(room, raft_member_max(s->raft));
    s->raft = raft_move(s->raft, s->memory[first], room);
    ASSERT(raft_member_max(s->raft) == room);
    memset(s->memory[!first], 0xa5, sizeof(s->memory[0]));
}

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = (*hash ^ value) * 0x100000001b3u;
}

static void add_to_hash(struct single *s, const struct raft_out *out)
{
    const struct raft_message *m = &out->send.message;

    mix(&s->hash, out->kind);
    if (out->kind == RAFT_OUT_SEND) {
        mix(&s->hash, m->kind);
        mix(&s->hash, m->term);
        mix(&s->hash, m->to);
        mix(&s->hash, out->send.after_ticket);
        mix(&s->hash, m->kind == RAFT_APPEND ? m->append.prev.index : 0);
        mix(&s->hash, m->kind == RAFT_APPEND ? m->append.span.bytes : 0);
        mix(&s->hash, m->kind == RAFT_APPEND_REPLY ? m->reply.match : 0);
    } else if (out->kind == RAFT_OUT_APPEND) {
        mix(&s->hash, out->append.from);
        mix(&s->hash, out->append.last.index);
    }
}

void single_step(struct single *s, const struct raft_in *given)
{
    struct raft_in in = *given;
    struct raft_out out;

    in.now_ms = MAX(in.now_ms, s->now_ms);
    s->now_ms = in.now_ms;
    s->in = &in;
    s->out_count = 0;
    make_room(s, &in);
    raft_step(s->raft, &in);
    raft_view(s->raft, &s->view);
    while (raft_next(s->raft, &out)) {
        judge_order(s, &out);
        execute(s, &out);
        add_to_hash(s, &out);
        s->outs[s->out_count] = out;
        if (out.kind == RAFT_OUT_CONFIGURATION) {
            s->outs[s->out_count].configuration.configuration = &s->outs[s->out_count].room;
        }
        s->out_count++;
    }
    raft_view(s->raft, &s->view);
    judge_after(s);
    s->in = NULL;
}

/* -- inputs in short ------------------------------------------------------------------------------------- */

void single_do(struct single *s, enum raft_in_kind kind)
{
    single_step(s, &(struct raft_in){.kind = kind});
}

void single_time(struct single *s, uint64_t now_ms)
{
    single_step(s, &(struct raft_in){.kind = RAFT_IN_TIME, .now_ms = now_ms});
}

void single_receive(struct single *s, const struct raft_message *given)
{
    struct raft_message m = *given;

    m.to = m.to ? m.to : s->view.replica_id;
    m.term = m.term ? m.term : s->term;
    single_step(s, &(struct raft_in){.kind = RAFT_IN_RECV, .recv.message = &m});
}

void single_propose(struct single *s, uint32_t count)
{
    single_step(s, &(struct raft_in){.kind = RAFT_IN_PROPOSE,
                                     .propose = {.last = single_log_last(&s->log).index + count,
                                                 .bytes = count}});
}

void single_durable(struct single *s, uint64_t ticket)
{
    uint32_t kept = 0;

    ASSERT(ticket <= s->ticket);
    s->durable = MAX(s->durable, ticket);
    for (uint32_t i = 0; i < s->write_count; i++) {
        if (s->writes[i].ticket > ticket) {
            s->writes[kept++] = s->writes[i];
        }
    }
    s->write_count = kept;
    single_step(s, &(struct raft_in){.kind = RAFT_IN_DURABLE, .durable.ticket = ticket});
}

/* Votes, as they were asked for in the last step. */
static uint32_t votes_asked(const struct single *s, struct raft_message *replies)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->out_count; i++) {
        const struct raft_message *m = &s->outs[i].send.message;

        if (s->outs[i].kind == RAFT_OUT_SEND &&
            (m->kind == RAFT_PRE_VOTE || m->kind == RAFT_VOTE)) {
            replies[count++] = (struct raft_message){
                .kind = m->kind == RAFT_PRE_VOTE ? RAFT_PRE_VOTE_REPLY : RAFT_VOTE_REPLY,
                .term = m->term,
                .from = m->to,
                .vote_reply.granted = true};
        }
    }
    return count;
}

void single_elect(struct single *s)
{
    struct raft_message replies[RAFT_MEMBER_MAX];

    single_do(s, RAFT_IN_CAMPAIGN);
    for (int stage = 0; stage < 2 && s->view.role != RAFT_LEADER; stage++) {
        uint32_t count = votes_asked(s, replies);
        enum raft_role role = s->view.role;

        if (role == RAFT_CANDIDATE) {
            single_durable(s, s->ticket);
        }
        for (uint32_t i = 0; i < count && s->view.role == role; i++) {
            single_receive(s, &replies[i]);
        }
    }
    ASSERT(s->view.role == RAFT_LEADER);
}

void single_lead(struct single *s)
{
    struct raft_configuration c;

    single_elect(s);
    single_durable(s, s->ticket);
    raft_configuration_get(s->raft, &c);
    for (uint32_t i = 0; i < c.count; i++) {
        if (c.members[i].replica_id != s->view.replica_id) {
            single_acked(s, c.members[i].replica_id);
        }
    }
    single_step(s, &(struct raft_in){.kind = RAFT_IN_APPLIED, .applied.index = s->commit});
    ASSERT(s->view.serving);
}

void single_acked(struct single *s, uint64_t from)
{
    uint64_t last = single_log_last(&s->log).index;
    const struct raft_message_append *a = &s->newest[from];

    single_receive(s, &(struct raft_message){.kind = RAFT_APPEND_REPLY,
                                             .from = from,
                                             .reply = {.status = RAFT_ACCEPTED,
                                                       .boot = 1,
                                                       .sequence = a->sequence,
                                                       .sent_bytes = a->sent_bytes,
                                                       .round = a->round,
                                                       .prev = a->prev,
                                                       .match = last,
                                                       .durable = last,
                                                       .last = last}});
}

struct raft_configuration single_voters(uint32_t count)
{
    struct raft_configuration c = {.count = count};

    for (uint32_t i = 0; i < count; i++) {
        c.members[i] = (struct raft_member){.replica_id = i + 1, .roles = RAFT_VOTER};
    }
    return c;
}

/* -- what came out --------------------------------------------------------------------------------------- */

const struct raft_out *single_find(const struct single *s, enum raft_out_kind kind)
{
    for (uint32_t i = 0; i < s->out_count; i++) {
        if (s->outs[i].kind == kind) {
            return &s->outs[i];
        }
    }
    return NULL;
}

uint32_t single_count(const struct single *s, enum raft_out_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->out_count; i++) {
        count += s->outs[i].kind == kind;
    }
    return count;
}

const struct raft_message *single_sent(const struct single *s, enum raft_message_kind kind,
                                       uint64_t to)
{
    for (uint32_t i = 0; i < s->out_count; i++) {
        const struct raft_message *m = &s->outs[i].send.message;

        if (s->outs[i].kind == RAFT_OUT_SEND && m->kind == kind && (to == 0 || m->to == to)) {
            return m;
        }
    }
    return NULL;
}
