/* raft/request_vote.c: RequestVote and its rehearsal (paper sections 5.2 and 5.4.1, thesis 9.6).
 *
 * WHY      A vote is a promise for a term, given once, and only to a log that lacks nothing ours has: so whoever wins
 *          has every committed entry.
 * RULES    Pre-vote: would be granted in that term, and no leader is known; promises nothing, changes nothing.
 *          Vote: not yet given in this term to another, log at least as up to date - first by term, then by index.
 *          The reply waits for the hard state; tickets being prefixes, all that was in the log when the logs were
 *          compared is durable by then, too.
 *          A replica that is no voter as far as it knows is asked and answers: its configuration may be the old one.
 * OWNER    The replica.
 * FAILURE  A fenced replica refuses: it may have forgotten what it said.
 */
#include "raft/raft_internal.h"

static bool up_to_date(const struct raft *r, struct raft_bound last)
{
    return last.term > r->last.term || (last.term == r->last.term && last.index >= r->last.index);
}

/* Why not, or NULL. */
static const char *refusal(const struct raft *r, const struct raft_message *m)
{
    if (m->term < r->term || (m->kind == RAFT_PRE_VOTE && m->term == r->term)) {
        return "its term is old";
    }
    if (r->fenced) {
        return "I am fenced";
    }
    if (m->kind == RAFT_PRE_VOTE && raft_sticky(r) && m->from != r->leader) {
        return "a leader is known";
    }
    if (m->kind == RAFT_VOTE && r->vote != m->from && (r->vote != 0 || r->leader != 0)) {
        return "my vote is given";
    }
    return up_to_date(r, m->vote.last) ? NULL : "its log is behind";
}

void raft_recv_vote(struct raft *r, const struct raft_message *m)
{
    const char *why = refusal(r, m);
    bool pre = m->kind == RAFT_PRE_VOTE;

    if (why) {
        raft_say(r,
                 "%s from %" PRIu64 " in term %u, log to %" PRIu64 "^%u, mine to %" PRIu64
                 "^%u -> refused: %s",
                 raft_message_name(m->kind), m->from, m->term, m->vote.last.index,
                 m->vote.last.term, r->last.index, r->last.term, why);
    } else {
        raft_say(r, "%s from %" PRIu64 " in term %u -> granted", raft_message_name(m->kind),
                 m->from, m->term);
    }
    if (!why && !pre) {
        if (r->vote != m->from) {
            r->vote = m->from;
            raft_pend(r, PENDING_HARD_STATE);
        }
        raft_election_reset(r);
    }
    r->reply = (struct raft_message){.kind = pre ? RAFT_PRE_VOTE_REPLY : RAFT_VOTE_REPLY,
                                     .term = pre && !why ? m->term : r->term,
                                     .from = r->replica_id,
                                     .to = m->from,
                                     .vote_reply.granted = !why};
    raft_pend(r, PENDING_REPLY);
}

void raft_recv_vote_reply(struct raft *r, const struct raft_message *m)
{
    bool pre = m->kind == RAFT_PRE_VOTE_REPLY;
    struct raft_peer *p = raft_peer_find(r, m->from);
    uint32_t expected = pre && m->vote_reply.granted ? r->term + 1 : r->term;

    if (r->role != (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE) || !p || m->term != expected) {
        return;
    }
    raft_say(r, "%s from %" PRIu64 ": %s", raft_message_name(m->kind), m->from,
             m->vote_reply.granted ? "granted" : "refused");
    if (m->vote_reply.granted) {
        p->granted = true;
    } else {
        p->refused = true;
    }
    raft_votes_count(r);
}

void raft_vote_message(const struct raft *r, const struct raft_peer *p, struct raft_message *out)
{
    bool pre = r->role == RAFT_PRE_CANDIDATE;

    *out = (struct raft_message){.kind = pre ? RAFT_PRE_VOTE : RAFT_VOTE,
                                 .term = pre ? r->term + 1 : r->term,
                                 .from = r->replica_id,
                                 .to = p->replica_id,
                                 .vote = {r->last, r->transfer_vote}};
}
