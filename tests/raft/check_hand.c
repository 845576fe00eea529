/* tests/raft/check_hand.c: one function per event, and the stories that many tests begin with.
 *
 * WHY      A checker that cannot fail proves nothing. So histories are made by hand, good up to one event.
 * OWNER    A test.
 * FAILURE  failed() jumps back into BREAKS().
 * LIMITS   ROOM replicas.
 */
#include "tests/raft/check_hand.h"

#include <stdio.h>

void hand_failed(void *context, const char *law, const char *report)
{
    struct hand *g = context;

    ASSERT(strstr(report, law) != NULL);
    if (!g->breaks) {
        (void)fputs(report, stderr);
    }
    ASSERT(g->breaks); /* or there is nowhere to go back to */
    g->law = law;
    longjmp(g->broken, 1);
}

struct raft_configuration hand_voters(uint64_t first, uint64_t count)
{
    struct raft_configuration c = {.count = (uint32_t)count};

    for (uint32_t i = 0; i < count; i++) {
        c.members[i] = (struct raft_member){.replica_id = first + i, .roles = RAFT_VOTER};
    }
    return c;
}

void hand_start(struct hand *g, uint64_t id, const struct raft_start *disk)
{
    struct raft_start s = *disk;

    s.replica_id = id;
    s.options = &g->options;
    s.now_ms = g->now_ms;
    s.boot = ++g->boots[id];
    s.configuration = s.previous = &g->initial;
    s.fenced = g->fenced;
    check_started(g->check, &s);
}

struct hand *hand_new(struct arena *arena)
{
    struct hand *g = ARENA_NEW(arena, struct hand);

    g->initial = hand_voters(1, REPLICA_COUNT);
    g->options = (struct raft_options){.election_ms = E_MS, .beat_ms = E_MS / 4};
    g->check = check_new(&(struct check_options){
        .initial = &g->initial, .raft = &g->options, .failed = hand_failed, .context = g});
    for (uint64_t id = 1; id <= REPLICA_COUNT; id++) {
        hand_start(g, id, &(struct raft_start){.term = 0});
    }
    return g;
}

void hand_free(struct hand *g)
{
    check_free(g->check);
}

/* -- single events --------------------------------------------------------------------------------------- */

void hand_in(struct hand *g, uint64_t id, enum raft_in_kind kind)
{
    struct raft_in i = {.kind = kind, .now_ms = g->now_ms};

    check_before(g->check, id, &i);
}

void hand_recv(struct hand *g, uint64_t id, const struct raft_message *m)
{
    struct raft_in i = {.kind = RAFT_IN_RECV, .now_ms = g->now_ms};

    i.recv.message = m;
    check_before(g->check, id, &i);
}

void hand_recv_plain(struct hand *g, uint64_t id, uint64_t from, enum raft_message_kind kind,
                     uint32_t term)
{
    hand_recv(g, id, &(struct raft_message){.kind = kind, .term = term, .from = from, .to = id});
}

void hand_recv_vote(struct hand *g, uint64_t id, uint64_t from, uint32_t term,
                    struct raft_bound last)
{
    hand_recv(g, id,
              &(struct raft_message){
                  .kind = RAFT_VOTE, .term = term, .from = from, .to = id, .vote.last = last});
}

void hand_role(struct hand *g, uint64_t id, enum raft_role r, uint32_t term, uint64_t leader)
{
    struct raft_out out = {.kind = RAFT_OUT_ROLE, .role = {r, term, leader}};

    check_out(g->check, id, &out, NULL);
}

void hand_hard(struct hand *g, uint64_t id, uint32_t term, uint64_t vote)
{
    struct raft_out out = {.kind = RAFT_OUT_HARD_STATE, .hard_state = {term, vote}};
    struct check_done done = {.ticket = ++g->tickets[id]};

    check_out(g->check, id, &out, &done);
}

void hand_durable(struct hand *g, uint64_t id)
{
    check_durable(g->check, id, g->tickets[id]);
}

void hand_send(struct hand *g, const struct raft_message *m, uint64_t after)
{
    struct raft_out out = {.kind = RAFT_OUT_SEND};

    out.send.message = *m;
    out.send.after_ticket = after;
    check_out(g->check, m->from, &out, NULL);
}

void hand_sends(struct hand *g, const struct raft_message *m)
{
    hand_send(g, m, 0);
    check_leaves(g->check, m->from, m, 0);
}

void hand_grant(struct hand *g, uint64_t id, uint64_t to, uint32_t term)
{
    hand_sends(g, &(struct raft_message){.kind = RAFT_VOTE_REPLY,
                                         .term = term,
                                         .from = id,
                                         .to = to,
                                         .vote_reply.granted = true});
}

struct raft_message hand_accepted(const struct hand *g, uint64_t id, uint32_t term, uint64_t match)
{
    return (struct raft_message){.kind = RAFT_APPEND_REPLY,
                                 .term = term,
                                 .from = id,
                                 .to = id == 1 ? 2 : 1,
                                 .reply = {.status = RAFT_ACCEPTED,
                                           .boot = g->boots[id],
                                           .match = match,
                                           .durable = match,
                                           .last = match}};
}

void hand_append(struct hand *g, uint64_t id, const struct hand_append *p)
{
    struct raft_out out = {.kind = RAFT_OUT_APPEND,
                           .append = {.source = p->source,
                                      .from = p->from,
                                      .last = p->entry.bound,
                                      .truncate = p->truncate,
                                      .configuration = p->entry.configuration}};
    struct check_done done = {.ticket = ++g->tickets[id], .entries = &p->entry, .entry_count = 1};

    check_out(g->check, id, &out, &done);
}

void hand_write(struct hand *g, uint64_t leader, struct raft_bound bound, uint64_t value)
{
    struct raft_in i = {.kind = RAFT_IN_PROPOSE, .now_ms = g->now_ms};

    i.propose.last = bound.index;
    check_before(g->check, leader, &i);
    hand_append(g, leader,
                &(struct hand_append){.from = bound.index - 1,
                                      .source = RAFT_ENTRY_PROPOSAL,
                                      .entry = {.bound = bound, .value = value}});
}

void hand_copy(struct hand *g, uint64_t id, uint64_t leader, struct raft_bound bound,
               uint64_t value)
{
    hand_recv_plain(g, id, leader, RAFT_APPEND, g->check->leaders->term);
    hand_append(g, id,
                &(struct hand_append){.from = bound.index - 1,
                                      .source = RAFT_ENTRY_MESSAGE,
                                      .entry = {.bound = bound, .value = value}});
}

void hand_commit(struct hand *g, uint64_t id, uint64_t index)
{
    struct raft_out out = {.kind = RAFT_OUT_COMMIT, .commit.index = index};

    check_out(g->check, id, &out, NULL);
}

void hand_applied(struct hand *g, uint64_t id, uint64_t index)
{
    struct node *n = tree_at(replica_of(g->check, id)->tip, index);
    struct check_state state = n->state;

    check_applied(g->check, id, index, &state);
}

void hand_out(struct hand *g, uint64_t id, const struct raft_out *out)
{
    check_out(g->check, id, out, NULL);
}

/* -- whole stories --------------------------------------------------------------------------------------- */

void hand_campaign(struct hand *g, uint64_t id, uint32_t term)
{
    hand_in(g, id, RAFT_IN_CAMPAIGN);
    hand_role(g, id, RAFT_CANDIDATE, term, 0);
    hand_hard(g, id, term, id);
    hand_durable(g, id);
}

void hand_vote_for(struct hand *g, uint64_t id, uint64_t candidate, uint32_t term)
{
    struct raft_bound last = replica_of(g->check, candidate)->tip->bound;

    hand_recv_vote(g, id, candidate, term, last);
    hand_hard(g, id, term, candidate);
    hand_durable(g, id);
    hand_grant(g, id, candidate, term);
}

void hand_win(struct hand *g, uint64_t id, uint64_t voter, uint32_t term)
{
    uint64_t end = replica_of(g->check, id)->tip->bound.index;

    hand_recv_plain(g, id, voter, RAFT_VOTE_REPLY, term);
    hand_role(g, id, RAFT_LEADER, term, id);
    hand_append(g, id,
                &(struct hand_append){.from = end,
                                      .source = RAFT_ENTRY_TERM_START,
                                      .entry = {.bound = {end + 1, term}}});
    hand_durable(g, id);
}

void hand_elect(struct hand *g, uint64_t id, uint64_t voter, uint32_t term)
{
    hand_campaign(g, id, term);
    hand_vote_for(g, voter, id, term);
    hand_win(g, id, voter, term);
}

/* 1 leads term 1; 1^1 and 2^1 (value 100) are on 1 and 2, and committed on 1. */
struct hand *hand_led(struct arena *arena)
{
    struct hand *g = hand_new(arena);

    hand_elect(g, 1, 2, 1);
    hand_copy(g, 2, 1, (struct raft_bound){1, 1}, 0);
    hand_write(g, 1, (struct raft_bound){2, 1}, 100);
    hand_durable(g, 1);
    hand_copy(g, 2, 1, (struct raft_bound){2, 1}, 100);
    hand_durable(g, 2);
    struct raft_message m = hand_accepted(g, 2, 1, 2);
    hand_sends(g, &m);
    hand_recv(g, 1, &m);
    hand_commit(g, 1, 2);
    hand_applied(g, 1, 2);
    return g;
}
