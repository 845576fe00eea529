/* raft/configuration.c: which configuration follows from which.
 *
 * WHY      A change of voters goes through C_old,new, in which both majorities decide, so that no two leaders can be
 *          elected by sets of voters that do not meet (paper section 6). A member has a set of roles instead of the
 *          configuration two lists: then nobody can be in a list twice.
 * RULES    leaving C_old,new: who was OUTGOING only is gone, who is OUTGOING and LEARNER stays as learner.
 * OWNER    Pure functions over values.
 * FAILURE  None: what a peer or an operator sends is judged by raft_configuration_valid() first.
 * LIMITS   RAFT_MEMBER_MAX.
 */
#include "raft/configuration.h"

static bool roles_legal(uint8_t roles)
{
    bool voter = (roles & RAFT_VOTER) != 0, learner = (roles & RAFT_LEARNER) != 0;

    return roles != 0 && roles <= (RAFT_VOTER | RAFT_OUTGOING | RAFT_LEARNER) &&
           !(voter && learner);
}

bool raft_configuration_valid(const struct raft_configuration *c)
{
    uint32_t voter_count = 0;

    if (c->count == 0 || c->count > RAFT_MEMBER_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        const struct raft_member *m = &c->members[i];

        if (m->replica_id == 0 || !roles_legal(m->roles) ||
            raft_configuration_find(c, m->replica_id) != (int)i) {
            return false;
        }
        voter_count += (m->roles & RAFT_VOTER) != 0;
    }
    return voter_count > 0;
}

bool raft_configuration_joint(const struct raft_configuration *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->members[i].roles & RAFT_OUTGOING) {
            return true;
        }
    }
    return false;
}

int raft_configuration_find(const struct raft_configuration *c, uint64_t replica_id)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->members[i].replica_id == replica_id) {
            return (int)i;
        }
    }
    return -1;
}

static uint8_t roles_of(const struct raft_configuration *c, uint64_t replica_id)
{
    int at = raft_configuration_find(c, replica_id);

    return at < 0 ? 0 : c->members[at].roles;
}

/* Do all members of `a` have the same roles in `b`, as far as the mask goes? */
static bool within(const struct raft_configuration *a, const struct raft_configuration *b,
                   uint8_t mask)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if ((a->members[i].roles & mask) != (roles_of(b, a->members[i].replica_id) & mask)) {
            return false;
        }
    }
    return true;
}

bool raft_configuration_same(const struct raft_configuration *a, const struct raft_configuration *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        int at = raft_configuration_find(b, a->members[i].replica_id);

        if (at >= 0 && a->members[i].priority != b->members[at].priority) {
            return false;
        }
    }
    return a->count == b->count && within(a, b, RAFT_VOTER | RAFT_OUTGOING | RAFT_LEARNER);
}

bool raft_configuration_same_voters(const struct raft_configuration *a,
                                    const struct raft_configuration *b)
{
    return within(a, b, RAFT_VOTER) && within(b, a, RAFT_VOTER);
}

uint32_t raft_configuration_union_count(const struct raft_configuration *a,
                                        const struct raft_configuration *b)
{
    uint32_t count = a->count;

    for (uint32_t i = 0; i < b->count; i++) {
        count += raft_configuration_find(a, b->members[i].replica_id) < 0;
    }
    return count;
}

static void add(struct raft_configuration *c, const struct raft_member *m, uint8_t roles)
{
    ASSERT(c->count < RAFT_MEMBER_MAX);
    c->members[c->count] = *m;
    c->members[c->count++].roles = roles;
}

void raft_configuration_with_learners(const struct raft_configuration *from,
                                      const struct raft_configuration *target,
                                      struct raft_configuration *out)
{
    *out = *from;
    for (uint32_t i = 0; i < target->count; i++) {
        if (raft_configuration_find(from, target->members[i].replica_id) < 0) {
            add(out, &target->members[i], RAFT_LEARNER);
        }
    }
}

void raft_configuration_enter(const struct raft_configuration *from,
                              const struct raft_configuration *target,
                              struct raft_configuration *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct raft_member *m = &from->members[i];
        int at = raft_configuration_find(target, m->replica_id);
        uint8_t outgoing = m->roles & RAFT_VOTER ? RAFT_OUTGOING : 0;
        uint8_t roles = (uint8_t)(outgoing | (at < 0 ? 0 : target->members[at].roles));

        if (roles != 0) { /* a learner that the target lacks is gone at once */
            add(out, at < 0 ? m : &target->members[at], roles);
        }
    }
    for (uint32_t i = 0; i < target->count; i++) {
        if (raft_configuration_find(from, target->members[i].replica_id) < 0) {
            add(out, &target->members[i], target->members[i].roles);
        }
    }
}

void raft_configuration_leave(const struct raft_configuration *joint, bool back,
                              struct raft_configuration *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < joint->count; i++) {
        const struct raft_member *m = &joint->members[i];
        uint8_t roles = m->roles & (RAFT_VOTER | RAFT_LEARNER);

        if (back) {
            roles = m->roles & RAFT_OUTGOING ? RAFT_VOTER : m->roles & RAFT_LEARNER;
        }
        if (roles != 0) {
            add(out, m, roles);
        }
    }
}
