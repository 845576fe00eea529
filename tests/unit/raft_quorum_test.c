/* tests/unit/raft_quorum_test.c: majorities by brute force, against what the word means. */
#include "raft/raft_internal.h"
#include "tests/harness/test.h"

enum { VALUE_MAX = 3, SIMPLE_MAX = 7, JOINT_MAX = 5, VOTE_MAX = 6 };

static uint64_t durable_of(const struct raft *r, const struct raft_peer *p)
{
    (void)r;
    return p->durable;
}

static struct raft *replica(struct arena *arena)
{
    struct raft *r = arena_alloc(arena, raft_size(RAFT_MEMBER_MAX));

    memset(r, 0, raft_size(RAFT_MEMBER_MAX));
    r->member_max = RAFT_MEMBER_MAX;
    return r;
}

/* More than half of those with the role have at least `v`. Without any of them: `empty`. */
static bool majority(const struct raft *r, uint8_t role, uint64_t v, bool empty)
{
    uint32_t all = 0, some = 0;

    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].roles[LATEST] & role) {
            all++;
            some += r->peers[i].durable >= v;
        }
    }
    return all == 0 ? empty : 2 * some > all;
}

static uint64_t naive(const struct raft *r)
{
    uint64_t v = VALUE_MAX;

    while (v > 0 && !(majority(r, RAFT_VOTER, v, false) && majority(r, RAFT_OUTGOING, v, true))) {
        v--;
    }
    return v;
}

/* Counts up in a base, like a mileage counter; false after the last. */
static bool count_up(uint8_t *digits, uint32_t count, uint8_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        if (++digits[i] < base) {
            return true;
        }
        digits[i] = 0;
    }
    return false;
}

TEST(a_quorum_is_what_a_majority_has_reached)
{
    struct raft *r = replica(arena);
    uint64_t cases = 0;

    for (uint8_t voters = 0; voters <= SIMPLE_MAX; voters++) {
        uint8_t values[SIMPLE_MAX] = {0};

        r->peer_count = voters;
        do {
            for (uint32_t i = 0; i < voters; i++) {
                r->peers[i].roles[LATEST] = RAFT_VOTER;
                r->peers[i].roles[PREVIOUS] = RAFT_OUTGOING; /* of no matter */
                r->peers[i].durable = values[i];
            }
            CHECK_EQ(raft_quorum(r, durable_of), naive(r));
            cases++;
        } while (count_up(values, voters, VALUE_MAX + 1));
    }
    CHECK_EQ(cases, 1 + 4 + 16 + 64 + 256 + 1024 + 4096 + 16384);
}

static void check_joint(struct raft *r, uint8_t count, uint8_t value_max)
{
    static const uint8_t roles[] = {RAFT_VOTER,
                                    RAFT_OUTGOING,
                                    RAFT_VOTER | RAFT_OUTGOING,
                                    RAFT_LEARNER,
                                    RAFT_LEARNER | RAFT_OUTGOING,
                                    0};
    uint8_t base = (uint8_t)(COUNT_OF(roles) * (value_max + 1u));
    uint8_t digits[VOTE_MAX] = {0};

    r->peer_count = count;
    do {
        for (uint32_t i = 0; i < count; i++) {
            r->peers[i].roles[LATEST] = roles[digits[i] % COUNT_OF(roles)];
            r->peers[i].durable = digits[i] / COUNT_OF(roles);
        }
        CHECK_EQ(raft_quorum(r, durable_of), naive(r));
    } while (count_up(digits, count, base));
}

TEST(a_quorum_of_a_joint_configuration_is_one_of_both_sets)
{
    struct raft *r = replica(arena);

    for (uint8_t count = 0; count < JOINT_MAX; count++) {
        check_joint(r, count, VALUE_MAX);
    }
}

/* Votes are values of 0 and 1: there is room for more voters. */
TEST(a_vote_is_won_in_both_sets_or_not_at_all)
{
    struct raft *r = replica(arena);

    check_joint(r, JOINT_MAX, 1);
}

static void check_kth(const uint8_t *digits, uint32_t count, uint32_t k)
{
    uint64_t values[SIMPLE_MAX];
    uint32_t larger = 0, not_smaller = 0, sum = 0, sum_after = 0;

    for (uint32_t i = 0; i < count; i++) {
        values[i] = digits[i];
    }
    uint64_t v = raft_kth_largest(values, count, k);
    for (uint32_t i = 0; i < count; i++) {
        larger += digits[i] > v;
        not_smaller += digits[i] >= v;
        sum += 1u << (3 * digits[i]);
        sum_after += 1u << (3 * values[i]);
    }
    CHECK(larger < k && k <= not_smaller);
    CHECK_EQ(sum_after, sum); /* the same values, in another order */
}

TEST(the_kth_largest_is_the_one_that_k_values_reach)
{
    for (uint8_t count = 1; count <= SIMPLE_MAX; count++) {
        uint8_t digits[SIMPLE_MAX] = {0};

        do {
            for (uint32_t k = 1; k <= count; k++) {
                check_kth(digits, count, k);
            }
        } while (count_up(digits, count, VALUE_MAX));
    }
}
