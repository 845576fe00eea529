/* raft/append_entries.c: AppendEntries at a follower (paper section 5.3).
 *
 * WHY      The leader's log is right. A follower takes what it lacks, cuts off what differs, and says how far the logs
 *          are equal and how much of that is durable.
 * HOW      Entries are compared by runs: entries of one term come from one leader, in one order, so of two logs that
 *          agree before them one has a prefix of the other's entries of that term. The end of our run of a term is
 *          where the agreement inside that term ends; no entry is looked at.
 * RULES    An append without entries, and one that brings nothing new, cuts off nothing: it may be a late one.
 *          Nothing at or below the commit index is ever cut off (I5); a leader that asks for it is not one.
 *          The commit index follows the leader's only as far as the logs are known to be equal.
 *          A beat is an append without entries.
 * OWNER    A follower.
 * FAILURE  Malformed appends are dropped. Two leaders in a term, or a difference in what is committed: fatal.
 */
#include "raft/raft_internal.h"

static void reply(struct raft *r, const struct raft_message *m, enum raft_append_status status)
{
    r->reply = (struct raft_message){
        .kind = RAFT_APPEND_REPLY, .term = r->term, .from = r->replica_id, .to = m->from};
    r->reply.reply = (struct raft_message_append_reply){.status = status,
                                                        .sequence = m->append.sequence,
                                                        .boot = r->boot,
                                                        .round = m->append.round,
                                                        .sent_bytes = m->append.sent_bytes,
                                                        .prev = m->append.prev,
                                                        .last = r->last.index};
    raft_pend(r, PENDING_REPLY);
}

void raft_refuse_append(struct raft *r, const struct raft_message *m)
{
    raft_say(r, "%s from %" PRIu64 " in term %u: refused, its term is old",
             raft_message_name(m->kind), m->from, m->term);
    r->reply = (struct raft_message){
        .kind = RAFT_APPEND_REPLY,
        .term = r->term,
        .from = r->replica_id,
        .to = m->from,
        .reply = {.status = RAFT_REJECTED, .boot = r->boot, .last = r->last.index}};
    raft_pend(r, PENDING_REPLY);
}

bool raft_hear_leader(struct raft *r, const struct raft_message *m)
{
    if (r->role == RAFT_LEADER || (r->leader != 0 && r->leader != m->from)) {
        raft_fatal(r, "two leaders in one term");
        return false;
    }
    raft_become_follower(r, r->term, m->from);
    r->heard_at_ms = r->now_ms;
    raft_election_reset(r);
    return true;
}

/* What follows our log start is not older than it: that is committed. */
static bool well_formed(const struct raft *r, const struct raft_message *m)
{
    struct raft_bound before = m->append.prev;

    if (m->append.span.run_count > RAFT_RUN_MAX || before.term > m->term ||
        (before.term == 0) != (before.index == 0)) {
        return false;
    }
    for (uint32_t i = 0; i < m->append.span.run_count; i++) {
        struct raft_bound run = m->append.span.runs[i];

        if (run.index <= before.index || run.index > RAFT_INDEX_MAX || run.term > m->term ||
            (run.index > r->start.index && run.term < r->start.term) ||
            (i == 0 ? run.term < before.term || run.term == 0 : run.term <= before.term)) {
            return false;
        }
        before = run;
    }
    return true;
}

/* May these configurations stand in those entries? */
static bool configurations_fit(const struct raft *r)
{
    const struct raft_in *in = r->in;
    const struct raft_message_append *a = &in->recv.message->append;
    uint64_t after = a->prev.index;
    uint64_t end = a->span.run_count == 0 ? after : a->span.runs[a->span.run_count - 1].index;

    for (uint32_t i = 0; i < in->recv.configuration_count; i++) {
        const struct raft_configuration_entry *e = &in->recv.configurations[i];

        if (e->index <= after || e->index > end || !raft_configuration_valid(&e->configuration)) {
            return false;
        }
        after = e->index;
    }
    return raft_room_for(r, in) <= r->member_max;
}

/* Is the bound in our log? What is committed is in every leader's log, below our log start, too. */
static bool has(const struct raft *r, struct raft_bound b)
{
    if (b.index == r->last.index) {
        return b.term == r->last.term;
    }
    return b.index < r->start.index ||
           (b.index < r->last.index && r->log->term_at(r->context, b.index) == b.term);
}

/* The largest bound of the append that our log has, its prev being there. */
static uint64_t matched(const struct raft *r, const struct raft_message_append *a)
{
    uint64_t match = a->prev.index;

    if (match == r->last.index) {
        return match;
    }
    for (uint32_t i = 0; i < a->span.run_count; i++) {
        struct raft_bound run = a->span.runs[i];
        struct raft_bound ours = {0, 0};

        if (run.index > r->start.index) {
            ours = r->log->run_end(r->context, run.term);
            if (ours.term != run.term || ours.index <= match) {
                return MAX(match, MIN(r->start.index, run.index));
            }
            if (ours.index < run.index) {
                return ours.index;
            }
        }
        match = run.index;
    }
    return match;
}

/* False when they cannot follow from each other: the room is for those that do. */
static bool adopt_configurations(struct raft *r, uint64_t after)
{
    struct raft_configuration now;

    for (uint32_t i = 0; i < r->in->recv.configuration_count; i++) {
        const struct raft_configuration_entry *e = &r->in->recv.configurations[i];

        if (e->index <= after) {
            continue;
        }
        raft_configuration_of(r, LATEST, &now);
        if (raft_configuration_union_count(&now, &e->configuration) > r->member_max) {
            raft_fatal(r, "configurations that do not follow from each other");
            return false;
        }
        raft_configuration_adopt(r, &e->configuration, e->index);
        raft_say(r, "configuration at %" PRIu64 ": %u members", e->index, e->configuration.count);
    }
    return true;
}

/* Makes the log end with the append's entries after the bound `from`. */
static bool take(struct raft *r, const struct raft_message_append *a, uint64_t from)
{
    r->append_truncates = from < r->last.index;
    if (r->append_truncates) {
        if (from < r->commit) {
            raft_fatal(r, "an append would cut off committed entries");
            return false;
        }
        raft_say(r, "cut after %" PRIu64 ", the log went to %" PRIu64 "^%u", from, r->last.index,
                 r->last.term);
        raft_tickets_cut(r, from);
        if (r->configuration_index[LATEST] > from) {
            raft_configuration_roll_back(r);
        }
        if (r->configuration_index[LATEST] > from) {
            raft_fatal(r, "an append would cut off a committed configuration");
            return false;
        }
    }
    if (!adopt_configurations(r, from)) {
        return false;
    }
    r->append_source = RAFT_ENTRY_MESSAGE;
    r->append_from = from;
    r->last = a->span.runs[a->span.run_count - 1];
    raft_say(r, "append after %" PRIu64 " to %" PRIu64 "^%u", from, r->last.index, r->last.term);
    raft_pend(r, PENDING_APPEND);
    r->reply_gated = true;
    return true;
}

static void reject(struct raft *r, const struct raft_message *m)
{
    struct raft_bound prev = m->append.prev;

    reply(r, m, RAFT_REJECTED);
    r->reply.reply.hint = r->log->run_end(r->context, prev.term);
    raft_say(r,
             "append after %" PRIu64 "^%u: refused, my log goes to %" PRIu64 "^%u, hint %" PRIu64
             "^%u",
             prev.index, prev.term, r->last.index, r->last.term, r->reply.reply.hint.index,
             r->reply.reply.hint.term);
}

/* A fenced replica is as good as new when it has all that was committed when its leader learned of this start: the
 * leader's commit index covers that once it is of the leader's own term. Durably: the next start is without a fence. */
static void unfence(struct raft *r, const struct raft_message_append *a, uint64_t match)
{
    if (r->fenced && a->boot == r->boot && MIN(match, r->durable) >= a->commit &&
        r->log->term_at(r->context, a->commit) == r->term) {
        raft_say(r, "caught up with %" PRIu64 ": unfenced", r->leader);
        r->fenced = false;
        raft_pend(r, PENDING_UNFENCED);
    }
}

void raft_recv_append(struct raft *r, const struct raft_message *m)
{
    const struct raft_message_append *a = &m->append;
    uint32_t run_count = a->span.run_count;

    if (!well_formed(r, m) || !configurations_fit(r)) {
        raft_say(r, "append from %" PRIu64 ": malformed, dropped", m->from);
        return;
    }
    if (!raft_hear_leader(r, m)) {
        return;
    }
    if (a->boot > r->boot) {
        raft_fatal(r, "the leader knows a later start of this replica: its disk went back in time");
        return;
    }
    if (r->in->recv.busy) {
        reply(r, m, RAFT_BUSY);
        return;
    }
    if (!has(r, a->prev)) {
        if (a->prev.index <= r->commit) {
            raft_fatal(r, "the leader's log differs in what is committed");
            return;
        }
        reject(r, m);
        return;
    }
    uint64_t match = matched(r, a);

    if (run_count > 0 && match < a->span.runs[run_count - 1].index) {
        if (!take(r, a, match)) {
            return;
        }
        match = r->last.index;
    }
    reply(r, m, RAFT_ACCEPTED);
    r->reply.reply.match = match;
    r->reply.reply.durable = r->reply_gated ? match : MIN(match, r->durable);
    if (MIN(a->commit, match) > r->commit) {
        raft_commit_to(r, MIN(a->commit, match));
    }
    unfence(r, a, match);
}
