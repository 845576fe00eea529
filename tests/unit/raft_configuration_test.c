/* tests/unit/raft_configuration_test.c: configurations of up to five members, all of them. */
#include "raft/configuration.h"
#include "tests/harness/test.h"

enum { ID_COUNT = 5, SUBSETS = 1 << ID_COUNT };

/* Number 0 .. 3^5 - 1: each id is absent, a voter or a learner. */
enum { SIMPLE_COUNT = 3 * 3 * 3 * 3 * 3 };

static void simple(uint32_t number, struct raft_configuration *out)
{
    static const uint8_t roles[] = {0, RAFT_VOTER, RAFT_LEARNER};

    out->count = 0;
    for (uint64_t id = 1; id <= ID_COUNT; id++, number /= 3) {
        if (number % 3 != 0) {
            out->members[out->count++] = (struct raft_member){
                .replica_id = id, .roles = roles[number % 3], .priority = (uint8_t)id};
        }
    }
}

static uint8_t roles_of(const struct raft_configuration *c, uint64_t id)
{
    int at = raft_configuration_find(c, id);

    return at < 0 ? 0 : c->members[at].roles;
}

/* Those with one of the roles, as a set of bits. */
static uint32_t set_of(const struct raft_configuration *c, uint8_t roles)
{
    uint32_t set = 0;

    for (uint64_t id = 1; id <= ID_COUNT; id++) {
        set |= (roles_of(c, id) & roles) ? 1u << (id - 1) : 0;
    }
    return set;
}

static bool more_than_half(uint32_t some, uint32_t all)
{
    return all == 0 || 2 * __builtin_popcount(some & all) > __builtin_popcount(all);
}

/* Can these replicas decide? */
static bool decides(const struct raft_configuration *c, uint32_t some)
{
    return more_than_half(some, set_of(c, RAFT_VOTER)) &&
           more_than_half(some, set_of(c, RAFT_OUTGOING));
}

/* No two sets of replicas that have nobody in common can decide, one in `a` and one in `b`. Sets that decide go on doing
 * so when they grow: a set and its complement are all that must be looked at. */
static bool all_meet(const struct raft_configuration *a, const struct raft_configuration *b)
{
    for (uint32_t some = 0; some < SUBSETS; some++) {
        if (decides(a, some) && decides(b, SUBSETS - 1 - some)) {
            return false;
        }
    }
    return true;
}

static void check_learners(const struct raft_configuration *from,
                           const struct raft_configuration *target)
{
    struct raft_configuration c;

    raft_configuration_with_learners(from, target, &c);
    CHECK_EQ(c.count, raft_configuration_union_count(from, target));
    CHECK(raft_configuration_same_voters(&c, from));
    for (uint64_t id = 1; id <= ID_COUNT; id++) {
        uint8_t before = roles_of(from, id);

        CHECK_EQ(roles_of(&c, id),
                 before != 0 || roles_of(target, id) == 0 ? before : RAFT_LEARNER);
    }
    CHECK(raft_configuration_valid(&c) && !raft_configuration_joint(&c));
    CHECK(all_meet(from, &c));
}

static void check_joint(const struct raft_configuration *from,
                        const struct raft_configuration *target)
{
    struct raft_configuration joint, after, back;

    raft_configuration_enter(from, target, &joint);
    CHECK(raft_configuration_valid(&joint) && raft_configuration_joint(&joint));
    CHECK_EQ(set_of(&joint, RAFT_OUTGOING), set_of(from, RAFT_VOTER));
    CHECK_EQ(set_of(&joint, RAFT_VOTER), set_of(target, RAFT_VOTER));
    CHECK_EQ(set_of(&joint, RAFT_LEARNER), set_of(target, RAFT_LEARNER));
    CHECK(all_meet(from, &joint) && all_meet(&joint, &joint) && all_meet(&joint, target));

    raft_configuration_leave(&joint, false, &after);
    CHECK(raft_configuration_same(&after, target) && raft_configuration_same(target, &after));
    CHECK_EQ(raft_configuration_same_voters(from, target),
             set_of(from, RAFT_VOTER) == set_of(target, RAFT_VOTER));

    raft_configuration_leave(&joint, true, &back);
    CHECK(raft_configuration_valid(&back) && !raft_configuration_joint(&back));
    CHECK(raft_configuration_same_voters(&back, from) && all_meet(&joint, &back));
    CHECK_EQ(set_of(&back, RAFT_LEARNER), set_of(target, RAFT_LEARNER) & ~set_of(from, RAFT_VOTER));
}

/* Paper section 6: at no time can two sets of voters decide that do not meet. */
TEST(majorities_before_and_after_each_stage_of_a_change_meet)
{
    struct raft_configuration from, target;
    uint32_t pairs = 0;

    for (uint32_t i = 0; i < SIMPLE_COUNT; i++) {
        simple(i, &from);
        CHECK_EQ(raft_configuration_valid(&from), set_of(&from, RAFT_VOTER) != 0);
        for (uint32_t k = 0; k < SIMPLE_COUNT && raft_configuration_valid(&from); k++) {
            simple(k, &target);
            if (raft_configuration_valid(&target)) {
                check_learners(&from, &target);
                check_joint(&from, &target);
                pairs++;
            }
        }
    }
    CHECK_EQ(pairs, 211 * 211); /* 3^5 - 2^5 */
}

/* The other way round the test above would be worth nothing. */
TEST(majorities_of_an_arbitrary_change_need_not_meet)
{
    struct raft_configuration one = {1, {{.replica_id = 1, .roles = RAFT_VOTER}}};
    struct raft_configuration two = {1, {{.replica_id = 2, .roles = RAFT_VOTER}}};

    CHECK(!all_meet(&one, &two));
    CHECK(all_meet(&one, &one));
}

TEST(a_member_has_roles_that_can_be_together)
{
    struct raft_configuration c = {2, {{.replica_id = 1, .roles = RAFT_VOTER}, {.replica_id = 2}}};

    for (uint32_t roles = 0; roles <= UINT8_MAX; roles++) {
        bool legal = roles == RAFT_VOTER || roles == RAFT_OUTGOING || roles == RAFT_LEARNER ||
                     roles == (RAFT_VOTER | RAFT_OUTGOING) ||
                     roles == (RAFT_LEARNER | RAFT_OUTGOING);

        c.members[1].roles = (uint8_t)roles;
        CHECK_EQ(raft_configuration_valid(&c), legal);
        CHECK_EQ(raft_configuration_joint(&c), (roles & RAFT_OUTGOING) != 0);
    }
}

TEST(a_configuration_has_members_that_differ_and_a_voter)
{
    struct raft_configuration c = {.count = 0};

    CHECK(!raft_configuration_valid(&c));
    for (uint32_t i = 0; i < RAFT_MEMBER_MAX; i++) {
        c.members[i] = (struct raft_member){.replica_id = 7 + i, .roles = RAFT_LEARNER};
    }
    c.members[RAFT_MEMBER_MAX - 1].roles = RAFT_VOTER;
    for (c.count = 1; c.count <= RAFT_MEMBER_MAX + 1; c.count++) {
        CHECK_EQ(raft_configuration_valid(&c), c.count == RAFT_MEMBER_MAX);
    }
    c.count = UINT32_MAX;
    CHECK(!raft_configuration_valid(&c));
    c.count = RAFT_MEMBER_MAX;
    c.members[3].replica_id = 0;
    CHECK(!raft_configuration_valid(&c));
    c.members[3].replica_id = c.members[4].replica_id;
    CHECK(!raft_configuration_valid(&c));
    c.members[3].replica_id = UINT64_MAX;
    CHECK(raft_configuration_valid(&c));
    c.members[RAFT_MEMBER_MAX - 1].roles = RAFT_OUTGOING; /* nobody in C_new */
    CHECK(!raft_configuration_valid(&c));
}

TEST(the_same_configuration_has_the_same_roles_and_priorities_in_any_order)
{
    struct raft_configuration a = {3,
                                   {{.replica_id = 1, .roles = RAFT_VOTER},
                                    {.replica_id = 2, .roles = RAFT_VOTER},
                                    {.replica_id = 3, .roles = RAFT_LEARNER}}};
    struct raft_configuration b = {3, {a.members[2], a.members[0], a.members[1]}};

    CHECK(raft_configuration_same(&a, &b) && raft_configuration_same_voters(&a, &b));
    b.members[1].priority = 9;
    CHECK(!raft_configuration_same(&a, &b) && raft_configuration_same_voters(&a, &b));
    b.members[1].priority = 0;
    b.members[0].roles = RAFT_VOTER;
    CHECK(!raft_configuration_same(&a, &b) && !raft_configuration_same_voters(&a, &b));
    b.members[0] = (struct raft_member){.replica_id = 4, .roles = RAFT_LEARNER};
    CHECK(!raft_configuration_same(&a, &b) && raft_configuration_same_voters(&a, &b));
    b.count = 2;
    b.members[0] = a.members[0];
    b.members[1] = a.members[1];
    CHECK(!raft_configuration_same(&a, &b) && raft_configuration_same_voters(&a, &b));
}

TEST(members_keep_what_the_target_says_of_them)
{
    struct raft_configuration from = {1, {{.replica_id = 1, .roles = RAFT_VOTER, .priority = 1}}};
    struct raft_configuration target = {
        2,
        {{.replica_id = 1, .roles = RAFT_VOTER, .priority = 5},
         {.replica_id = 2, .roles = RAFT_VOTER, .priority = 6, .start_anew = true}}};
    struct raft_configuration c, after;

    raft_configuration_with_learners(&from, &target, &c);
    CHECK_EQ(c.members[1].priority, 6);
    CHECK(c.members[1].start_anew);
    raft_configuration_enter(&from, &target, &c);
    raft_configuration_leave(&c, false, &after);
    CHECK_EQ(after.members[0].priority, 5);
    CHECK_EQ(after.members[1].priority, 6);
    CHECK(after.members[1].start_anew);
}
