/* raft/peers.c: the members of the newest configuration and of the one before it, in one list.
 *
 * WHY      The newest configuration in the log is in force, committed or not (paper section 6), and is gone again when
 *          its entry is cut off. At most one is not committed (I15), so the one before it is enough to go back to.
 *          A peer that is in either keeps what a leader knows of it.
 * HOW      Each peer has its roles in both. Adopting a configuration moves LATEST to PREVIOUS; committing makes both
 *          the same; rolling back makes LATEST what PREVIOUS is.
 * OWNER    The replica.
 * FAILURE  None: who adds has made sure that there is room (raft_room_for()).
 * LIMITS   raft->member_max.
 */
#include "raft/raft_internal.h"

struct raft_peer *raft_peer_find(struct raft *r, uint64_t replica_id)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].replica_id == replica_id) {
            return &r->peers[i];
        }
    }
    return NULL;
}

static uint8_t own_roles(const struct raft *r, int which)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].replica_id == r->replica_id) {
            return r->peers[i].roles[which];
        }
    }
    return 0;
}

bool raft_is_voter(const struct raft *r)
{
    return (own_roles(r, LATEST) & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
}

bool raft_may_lead(const struct raft *r)
{
    return ((own_roles(r, LATEST) | own_roles(r, PREVIOUS)) & (RAFT_VOTER | RAFT_OUTGOING)) != 0;
}

bool raft_joint(const struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].roles[LATEST] & RAFT_OUTGOING) {
            return true;
        }
    }
    return false;
}

void raft_configuration_of(const struct raft *r, int which, struct raft_configuration *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        if (p->roles[which] != 0) {
            out->members[out->count++] = (struct raft_member){
                p->replica_id, p->roles[which], p->priority[which], p->start_anew[which]};
        }
    }
}

struct raft_peer *raft_peer_add(struct raft *r, const struct raft_member *m)
{
    ASSERT(r->peer_count < r->member_max);
    struct raft_peer *p = &r->peers[r->peer_count++];

    memset(p, 0, sizeof(*p));
    p->replica_id = m->replica_id;
    p->priority[LATEST] = p->priority[PREVIOUS] = m->priority;
    p->start_anew[LATEST] = p->start_anew[PREVIOUS] = m->start_anew;
    p->sent = r->last.index;
    return p;
}

void raft_peers_sweep(struct raft *r)
{
    uint8_t kept = 0;

    for (uint32_t i = 0; i < r->peer_count; i++) {
        const struct raft_peer *p = &r->peers[i];

        if (p->roles[LATEST] != 0 || p->roles[PREVIOUS] != 0 || (r->changing && p->target != 0)) {
            if (kept != i) {
                r->peers[kept] = *p;
            }
            kept++;
        }
    }
    r->peer_count = kept;
}

static void set_latest(struct raft *r, const struct raft_configuration *c, uint64_t index)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        r->peers[i].roles[LATEST] = 0;
    }
    raft_peers_sweep(r);
    for (uint32_t i = 0; i < c->count; i++) {
        const struct raft_member *m = &c->members[i];
        struct raft_peer *p = raft_peer_find(r, m->replica_id);

        if (!p) {
            p = raft_peer_add(r, m);
        }
        p->roles[LATEST] = m->roles;
        p->priority[LATEST] = m->priority;
        p->start_anew[LATEST] = m->start_anew;
    }
    r->configuration_index[LATEST] = index;
}

/* In configuration `which` it is what it is in the other one. */
static void become(struct raft_peer *p, int which, int other)
{
    p->roles[which] = p->roles[other];
    p->priority[which] = p->priority[other];
    p->start_anew[which] = p->start_anew[other];
}

void raft_configuration_settle(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        become(&r->peers[i], PREVIOUS, LATEST);
    }
    r->configuration_index[PREVIOUS] = r->configuration_index[LATEST];
    raft_peers_sweep(r);
}

void raft_configuration_adopt(struct raft *r, const struct raft_configuration *c, uint64_t index)
{
    ASSERT(index >= r->configuration_index[LATEST]);
    raft_configuration_settle(r); /* a second one is appended only after the first is committed */
    set_latest(r, c, index);
    raft_pend(r, PENDING_CONFIGURATION);
}

void raft_configuration_roll_back(struct raft *r)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        become(&r->peers[i], LATEST, PREVIOUS);
    }
    r->configuration_index[LATEST] = r->configuration_index[PREVIOUS];
    raft_peers_sweep(r);
    raft_pend(r, PENDING_CONFIGURATION);
}

void raft_configuration_reset(struct raft *r, const struct raft_configuration *c, uint64_t index)
{
    r->peer_count = 0;
    set_latest(r, c, index);
    raft_configuration_settle(r);
    raft_pend(r, PENDING_CONFIGURATION);
}

/* -- room ---------------------------------------------------------------------------------------------- */

/* An upper bound: one of the two may be cut off by the append that brings the next. */
COLD static uint32_t room_for_append(const struct raft *r, const struct raft_in *in)
{
    struct raft_configuration of[CONFIGURATION_COUNT];
    uint32_t most = r->peer_count;

    raft_configuration_of(r, LATEST, &of[LATEST]);
    raft_configuration_of(r, PREVIOUS, &of[PREVIOUS]);
    for (uint32_t i = 0; i < in->recv.configuration_count; i++) {
        const struct raft_configuration *next = &in->recv.configurations[i].configuration;

        if (!raft_configuration_valid(next)) {
            break; /* the step drops it */
        }
        for (int k = 0; i == 0 && k < CONFIGURATION_COUNT; k++) {
            most = MAX(most, raft_configuration_union_count(&of[k], next));
        }
        if (i > 0) {
            most = MAX(most, raft_configuration_union_count(
                                 next, &in->recv.configurations[i - 1].configuration));
        }
    }
    return most;
}

COLD static uint32_t room_for_change(const struct raft *r, const struct raft_configuration *target)
{
    struct raft_configuration now = {.count = 0};

    for (uint32_t i = 0; i < r->peer_count; i++) {
        now.members[now.count++].replica_id = r->peers[i].replica_id;
    }
    return raft_configuration_union_count(&now, target);
}

uint32_t raft_room_for(const struct raft *r, const struct raft_in *in)
{
    uint32_t most = r->peer_count;

    if (in->kind == RAFT_IN_CHANGE && raft_configuration_valid(in->change.target)) {
        most = room_for_change(r, in->change.target);
    } else if (in->kind == RAFT_IN_RECV && in->recv.message->kind == RAFT_SNAPSHOT) {
        most = MAX(most, in->recv.message->install.snapshot->configuration.count);
    } else if (in->kind == RAFT_IN_RECV && in->recv.message->kind == RAFT_APPEND &&
               in->recv.configuration_count > 0) {
        most = room_for_append(r, in);
    }
    return MIN(MAX(most, 1), RAFT_MEMBER_MAX);
}
