/* tests/unit/raft_robustness_test.c: no peer can trip an assertion (raft.h, H3). */
#include "raft/raft_internal.h"
#include "tests/harness/test.h"
#include "tests/raft/single_chaos.h"

enum { LIFE_COUNT = 20000, LIFE_BYTES = 600, TWICE_COUNT = 2000 };

static struct bytes noise(uint8_t *bytes)
{
    for (uint32_t i = 0; i < LIFE_BYTES; i++) {
        bytes[i] = (uint8_t)test_random();
    }
    return (struct bytes){bytes, LIFE_BYTES};
}

/* Lives of random bytes; the laws of single.h are judged at each step, the sanitizers watch. */
TEST(hostile_messages_harm_neither_log_nor_promise)
{
    struct single *s = ARENA_NEW(arena, struct single);
    uint8_t *bytes = arena_alloc(arena, LIFE_BYTES);
    uint64_t steps = 0, roles[RAFT_HALTED + 1] = {0};

    for (uint32_t life = 0; life < LIFE_COUNT; life++) {
        steps += single_chaos(s, noise(bytes), true);
        roles[s->view.role]++;
    }
    CHECK(steps > (uint64_t)LIFE_COUNT * 10);
    for (enum raft_role role = RAFT_FOLLOWER; role <= RAFT_HALTED; role++) {
        CHECK_SAYS(roles[role] > LIFE_COUNT / 200, "only %" PRIu64 " lives end as %s", roles[role],
                   raft_role_name(role));
    }
}

/* Law 1: the actions are a function of the inputs, wherever the replica lies in memory. */
TEST(the_same_history_has_the_same_actions)
{
    struct single *s = ARENA_NEW(arena, struct single), *again = ARENA_NEW(arena, struct single);
    uint8_t *bytes = arena_alloc(arena, LIFE_BYTES);

    for (uint32_t life = 0; life < TWICE_COUNT; life++) {
        struct bytes choices = noise(bytes);
        uint32_t steps = single_chaos(s, choices, false);

        CHECK_EQ(single_chaos(again, choices, true), steps);
        CHECK_EQ(again->hash, s->hash);
        CHECK_EQ(raft_deadline(again->raft), raft_deadline(s->raft));
    }
}
