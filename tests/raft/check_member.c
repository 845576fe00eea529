/* tests/raft/check_member.c: configurations, judged without the core's own code.
 *
 * WHY      The core computes configurations; here is written down what it may have computed: which step is legal (paper
 *          section 6, thesis 4.3) and whose majority counts.
 * RULES    simple to simple: the same voters. Simple to joint: the voters become OUTGOING. Joint to simple: its new
 *          voters or its old ones. Nothing else.
 * OWNER    Pure functions over values.
 * FAILURE  None: callers end the world.
 * LIMITS   RAFT_MEMBER_MAX, so that loops over pairs of members are cheap.
 */
#include "tests/raft/check_internal.h"

static const struct raft_member *member_of(const struct raft_configuration *c, uint64_t replica_id)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->members[i].replica_id == replica_id) {
            return &c->members[i];
        }
    }
    return NULL;
}

uint8_t member_roles(const struct raft_configuration *c, uint64_t replica_id)
{
    const struct raft_member *m = member_of(c, replica_id);

    return m ? m->roles : 0;
}

/* Who has one of the roles `from` in `a` has the role `to` in `b`. */
static bool all_in(const struct raft_configuration *a, uint8_t from,
                   const struct raft_configuration *b, uint8_t to)
{
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->members[i].roles & from && !(member_roles(b, a->members[i].replica_id) & to)) {
            return false;
        }
    }
    return true;
}

/* The set of those with role `x` in `a` is the set of those with role `y` in `b`. */
static bool same_set(const struct raft_configuration *a, uint8_t x,
                     const struct raft_configuration *b, uint8_t y)
{
    return all_in(a, x, b, y) && all_in(b, y, a, x);
}

bool member_same(const struct raft_configuration *a, const struct raft_configuration *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct raft_member *m = &a->members[i];
        const struct raft_member *n = member_of(b, m->replica_id);

        if (!n || m->roles != n->roles || m->priority != n->priority ||
            m->start_anew != n->start_anew) {
            return false;
        }
    }
    return true;
}

static uint32_t count_of(const struct raft_configuration *c, uint8_t role)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        count += (c->members[i].roles & role) != 0;
    }
    return count;
}

static bool majority_of(const struct raft_configuration *c, uint8_t role,
                        bool (*yes)(const void *context, uint64_t replica_id), const void *context)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        count += c->members[i].roles & role && yes(context, c->members[i].replica_id);
    }
    return 2 * count > count_of(c, role);
}

bool member_majority(const struct raft_configuration *c,
                     bool (*yes)(const void *context, uint64_t replica_id), const void *context)
{
    return majority_of(c, RAFT_VOTER, yes, context) &&
           (count_of(c, RAFT_OUTGOING) == 0 || majority_of(c, RAFT_OUTGOING, yes, context));
}

static const char *form(const struct raft_configuration *c)
{
    if (c->count == 0 || c->count > RAFT_MEMBER_MAX) {
        return "it has no members, or too many";
    }
    for (uint32_t i = 0; i < c->count; i++) {
        const struct raft_member *m = &c->members[i];

        if (m->roles == 0 || m->roles > (RAFT_VOTER | RAFT_OUTGOING | RAFT_LEARNER) ||
            (m->roles & RAFT_VOTER && m->roles & RAFT_LEARNER)) {
            return "a member has roles that do not go together";
        }
        for (uint32_t k = 0; k < i; k++) {
            if (c->members[k].replica_id == m->replica_id) {
                return "a member is in it twice";
            }
        }
    }
    return count_of(c, RAFT_VOTER) == 0 ? "it has no voter" : NULL;
}

/* Is `to` what is left of the joint configuration: its new side, or its old one? Learners stay learners in both. */
static bool is_left(const struct raft_configuration *joint, const struct raft_configuration *to,
                    bool back)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < joint->count; i++) {
        uint8_t roles = joint->members[i].roles, want = roles & (RAFT_VOTER | RAFT_LEARNER);

        if (back) {
            want = roles & RAFT_OUTGOING ? RAFT_VOTER : roles & RAFT_LEARNER;
        }
        if (member_roles(to, joint->members[i].replica_id) != want) {
            return false;
        }
        count += want != 0;
    }
    return to->count == count;
}

const char *member_step(const struct raft_configuration *from, const struct raft_configuration *to)
{
    bool from_joint = count_of(from, RAFT_OUTGOING) > 0, to_joint = count_of(to, RAFT_OUTGOING) > 0;

    if (form(to)) {
        return form(to);
    }
    if (from_joint && to_joint) {
        return "joint to joint";
    }
    if (to_joint) {
        return same_set(from, RAFT_VOTER, to, RAFT_OUTGOING)
                   ? NULL
                   : "the old voters are others than before";
    }
    if (from_joint) {
        return is_left(from, to, false) || is_left(from, to, true)
                   ? NULL
                   : "neither the new side nor the old one";
    }
    return same_set(from, RAFT_VOTER, to, RAFT_VOTER) ? NULL
                                                      : "other voters without a joint one between";
}

bool member_late(const struct raft_configuration *c, uint64_t replica_id)
{
    uint8_t own = UINT8_MAX, highest = 0; /* who is no voter in it any more need not wait */

    for (uint32_t i = 0; i < c->count; i++) {
        const struct raft_member *m = &c->members[i];

        if (m->roles & (RAFT_VOTER | RAFT_OUTGOING)) {
            highest = MAX(highest, m->priority);
            own = m->replica_id == replica_id ? m->priority : own;
        }
    }
    return own < highest;
}

bool member_has(const struct check *c, const struct replica *r, uint32_t term, uint64_t event,
                const struct node *tip)
{
    bool other = !r->running || r->duty.boot != r->boot || r->duty.since > event || r->term > term;

    return other || c->may_lose || tree_holds(r->tip, tip);
}

const struct raft_configuration *member_in_force(const struct check *c, const struct replica *r)
{
    static const struct raft_configuration nobody;

    if (r->tip->configured == c->root && !r->knows_initial) {
        return &nobody;
    }
    return r->tip->configured->configuration;
}
