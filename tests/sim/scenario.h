/* tests/sim/scenario.h: how a scenario is written: a world, some nodes, something that goes wrong, and what must
 * hold. In a file *_scenario.c of this folder (or any linked into weir_sim):
 *
 *     SCENARIO(echo_answers_everything, SIM_WITH_NET_ERRORS)
 *     {
 *         struct sim_node *n = sim_node_add(run->sim, "10.0.0.1");
 *         ...
 *         SCENARIO_CHECK(got == sent, "got %d of %d", got, sent);
 *     }
 *
 * A scenario registers itself; its name is a true statement. The world is new, with the profile that the seed
 * and the second argument (enum sim_profile_with) give, and is freed afterwards: the scenario frees all else.
 * A failed check, assertion, sanitizer report, leak or hang is one failed seed.
 */
#pragma once

#include "tests/sim/env_sim.h"

struct scenario_run {
    struct sim *sim;
    uint64_t seed;
    struct arena *arena; /* fresh; freed afterwards */
};

struct scenario {
    const char *name;
    uint32_t with; /* enum sim_profile_with */
    void (*run)(struct scenario_run *run);
    struct scenario *next;
};

void scenario_register(struct scenario *s);

#define SCENARIO(name_, with_)                                                    \
    static void scenario_##name_(struct scenario_run *run);                       \
    __attribute__((constructor)) static void register_##name_(void)               \
    {                                                                             \
        static struct scenario entry = {#name_, (with_), scenario_##name_, NULL}; \
        scenario_register(&entry);                                                \
    }                                                                             \
    static void scenario_##name_(struct scenario_run *run)

/* Prints where and what, and ends this seed. */
_Noreturn void scenario_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

#define SCENARIO_CHECK(c, ...) \
    (__builtin_expect(!!(c), 1) ? (void)0 : scenario_fail(__FILE__, __LINE__, __VA_ARGS__))
