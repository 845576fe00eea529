/* tests/sim/sim_random.h: streams of pseudo-random numbers that a seed decides.
 *
 * The world has one stream per concern (scheduling, network, and for each node disk and own randomness):
 * a draw more in one of them does not shift the others, so a small change of code keeps most of a seed's
 * history.
 */
#pragma once

#include "base/base.h"

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *r)
{
    r->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Stream number `stream` of a seed. */
static inline struct sim_random sim_random_of(uint64_t seed, uint64_t stream)
{
    struct sim_random a = {seed}, b = {stream ^ 0x5851f42d4c957f2du};
    struct sim_random mixed = {sim_random_next(&a) ^ (sim_random_next(&b) << 1)};

    return mixed;
}

/* 0 .. below-1. */
static inline uint64_t sim_random_below(struct sim_random *r, uint64_t below)
{
    ASSERT(below > 0);
    return sim_random_next(r) % below;
}

/* from .. to, both included. */
static inline uint64_t sim_random_range(struct sim_random *r, uint64_t from, uint64_t to)
{
    ASSERT(from <= to);
    return to - from == UINT64_MAX ? sim_random_next(r) : from + sim_random_below(r, to - from + 1);
}

enum { SIM_PPM = 1000000 };

/* True `ppm` times in a million; draws nothing when that is never. */
static inline bool sim_random_chance(struct sim_random *r, uint32_t ppm)
{
    return ppm > 0 && sim_random_below(r, SIM_PPM) < ppm;
}
