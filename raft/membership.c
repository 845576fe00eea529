/* raft/membership.c: how a leader changes who is in (paper section 6, thesis chapter 4).
 *
 * WHY      A change has stages, each an entry of its own, and each begins only when the one before it is committed, so
 *          that at most one configuration is not (I15). What is to be reached (peer->target) lives in the leader alone:
 *          a new leader finishes a joint configuration and forgets the rest; who wanted the change asks again.
 * STAGES   1 new members come in as learners    2 those that shall vote catch up, in rounds (thesis 4.2.1)
 *          3 C_old,new, if the voters change    4 C_new
 *          Going back (cancelled, not caught up) from 1 and 2 removes what stage 1 added; from 3 it leaves to the voters
 *          of C_old, without learners that were on their way to be voters or out: a joint configuration does not know them.
 * RULES    No configuration before an entry of the own term is committed (Ongaro 2015): else two changes of different
 *          leaders could have majorities that do not meet. None while another is not committed, none in a transfer.
 *          A leader that is not in C_new counts itself no more, leads until C_new is committed, and goes (transfer.c).
 * OWNER    A leader.
 * FAILURE  A new voter that never answers keeps the change open until RAFT_IN_CANCEL.
 * LIMITS   RAFT_MEMBER_MAX for old and new members together; RAFT_CATCH_UP_ROUND_MAX rounds.
 */
#include "raft/raft_internal.h"

static void answer(struct raft *r, enum raft_reason reason)
{
    raft_say(r, "change: %s", raft_reason_name(reason));
    r->change_reason = (uint8_t)reason;
    raft_pend(r, PENDING_CHANGE);
}

static void forget(struct raft *r)
{
    r->changing = false;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].target = r->peers[i].catch_up_round = 0;
        r->peers[i].added = r->peers[i].caught_up = false;
    }
    raft_peers_sweep(r);
}

static void finish(struct raft *r, enum raft_reason reason)
{
    answer(r, reason);
    forget(r);
}

void raft_change_lost(struct raft *r)
{
    r->leave_back = false;
    if (r->changing) {
        finish(r, RAFT_LOST);
    }
}

/* -- asking for a change ------------------------------------------------------------------------------- */

static bool target_valid(const struct raft_configuration *c)
{
    return raft_configuration_valid(c) && !raft_configuration_joint(c);
}

/* Old and new members together; more than RAFT_MEMBER_MAX the host cannot make room for. */
static bool room_for(struct raft *r, const struct raft_configuration *target)
{
    uint32_t count = r->peer_count;

    for (uint32_t i = 0; i < target->count; i++) {
        count += raft_peer_find(r, target->members[i].replica_id) == NULL;
    }
    return count <= r->member_max;
}

static enum raft_reason why_not(struct raft *r, const struct raft_in *in)
{
    if (r->role != RAFT_LEADER) {
        return RAFT_NOT_LEADER;
    }
    if (!target_valid(in->change.target)) {
        return RAFT_INVALID;
    }
    if (r->transfer_to != 0) {
        return RAFT_TRANSFERRING;
    }
    if (r->commit < r->term_start) {
        return RAFT_UNCONFIRMED;
    }
    if (r->changing || r->configuration_index[LATEST] > r->commit || raft_joint(r)) {
        return RAFT_CHANGING;
    }
    return room_for(r, in->change.target) ? RAFT_DONE : RAFT_TOO_MANY;
}

static void begin_round(struct raft *r, struct raft_peer *p)
{
    p->catch_up_round++;
    p->catch_up_index = r->last.index;
    p->catch_up_at_ms = r->now_ms;
}

static void take_target(struct raft *r, const struct raft_configuration *target)
{
    for (uint32_t i = 0; i < target->count; i++) {
        const struct raft_member *m = &target->members[i];
        struct raft_peer *p = raft_peer_find(r, m->replica_id);

        if (!p) {
            p = raft_peer_add(r, m);
            raft_progress_reset(r, p);
            p->added = true;
        }
        p->target = m->roles;
        p->target_priority = m->priority;
        if ((m->roles & RAFT_VOTER) && !(p->roles[LATEST] & RAFT_VOTER)) {
            begin_round(r, p);
        }
    }
}

void raft_change(struct raft *r)
{
    enum raft_reason reason = why_not(r, r->in);

    if (reason != RAFT_DONE) {
        answer(r, reason);
        return;
    }
    raft_say(r, "change to %u members", r->in->change.target->count);
    r->changing = true;
    r->leave_back = false;
    r->give_up = RAFT_DONE;
    take_target(r, r->in->change.target);
}

void raft_change_cancel(struct raft *r)
{
    if (r->role != RAFT_LEADER) {
        answer(r, RAFT_NOT_LEADER);
    } else if (!r->changing && !raft_joint(r)) {
        answer(r, RAFT_INVALID);
    } else {
        raft_say(r, "cancel the change");
        r->give_up = RAFT_CANCELLED;
        r->leave_back = raft_joint(r);
    }
}

/* -- catching up --------------------------------------------------------------------------------------- */

static bool arrived(const struct raft_peer *p)
{
    return p->catch_up_round > 0 && !p->caught_up && p->match >= p->catch_up_index;
}

/* Thesis 4.2.1: a round brings what the log had when it began. A round shorter than an election time-out says that
 * the new voter will not hold up commits for longer than that. */
void raft_catch_up(struct raft *r, struct raft_peer *p)
{
    if (!r->changing || !arrived(p)) {
        return;
    }
    if (r->now_ms - p->catch_up_at_ms <= r->options->election_ms) {
        raft_say(r, "%" PRIu64 " has caught up", p->replica_id);
        p->caught_up = true;
    } else if (p->catch_up_round >= RAFT_CATCH_UP_ROUND_MAX) {
        r->give_up = RAFT_NOT_CAUGHT_UP;
    } else {
        begin_round(r, p);
    }
}

static bool all_caught_up(const struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].catch_up_round > 0 && !r->peers[i].caught_up) {
            return false;
        }
    }
    return true;
}

/* -- the next stage ------------------------------------------------------------------------------------ */

static void propose(struct raft *r, const struct raft_configuration *next)
{
    ASSERT(r->configuration_index[LATEST] <= r->commit && r->commit >= r->term_start); /* I15 */
    raft_append_own(r, RAFT_ENTRY_CONFIGURATION);
    raft_configuration_adopt(r, next, r->last.index);
    raft_say(r, "configuration at %" PRIu64 ": %u members%s", r->last.index, next->count,
             raft_configuration_joint(next) ? ", joint" : "");
}

static void target_of(const struct raft *r, struct raft_configuration *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        if (p->target != 0) {
            out->members[out->count++] = (struct raft_member){
                p->replica_id, p->target, p->target_priority, p->start_anew[LATEST]};
        }
    }
}

static void go_back(struct raft *r, const struct raft_configuration *now)
{
    struct raft_configuration target, next = {.count = 0};

    target_of(r, &target);
    if (raft_configuration_same(now, &target)) {
        finish(r, RAFT_DONE); /* too late: to go back now would be a change of voters in one step */
        return;
    }
    for (uint32_t i = 0; i < now->count; i++) {
        const struct raft_peer *p = raft_peer_find(r, now->members[i].replica_id);

        if (!p->added) {
            next.members[next.count++] = now->members[i];
        }
    }
    ASSERT(raft_configuration_same_voters(now, &next));
    if (next.count < now->count) {
        propose(r, &next);
    } else {
        finish(r, r->give_up);
    }
}

static void go_on(struct raft *r, const struct raft_configuration *now)
{
    struct raft_configuration target, next;

    target_of(r, &target);
    raft_configuration_with_learners(now, &target, &next);
    if (next.count > now->count) {
        propose(r, &next);
    } else if (raft_configuration_same(now, &target)) {
        finish(r, RAFT_DONE);
    } else if (!all_caught_up(r)) {
        return;
    } else if (raft_configuration_same_voters(now, &target)) {
        propose(r, &target);
    } else {
        raft_configuration_enter(now, &target, &next);
        propose(r, &next);
    }
}

/* Apart from the look whether it is time, which every step of a leader takes. */
COLD static void next_stage(struct raft *r)
{
    struct raft_configuration now, next;

    raft_configuration_of(r, LATEST, &now);
    if (raft_joint(r)) {
        raft_configuration_leave(&now, r->leave_back, &next);
        propose(r, &next);
    } else if (r->give_up == RAFT_DONE) {
        go_on(r, &now);
    } else {
        go_back(r, &now);
    }
}

void raft_change_drive(struct raft *r)
{
    if (r->transfer_to != 0 || raft_pends(r, PENDING_APPEND) || r->commit < r->term_start ||
        r->configuration_index[LATEST] > r->commit) {
        return;
    }
    if (r->changing || raft_joint(r)) {
        next_stage(r);
    }
}
