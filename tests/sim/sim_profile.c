/* tests/sim/sim_profile.c: how unkind the world is.
 *
 * WHY      With all faults on all the time a run never gets far and never sees long quiet stretches; with fixed
 *          rates it always visits the same states. So each seed switches every kind of fault on or off
 *          and draws its strength, over orders of magnitude (swarm testing).
 */
#include "tests/sim/sim_profile.h"

#include "tests/sim/sim_random.h"

enum { SIM_STREAM_PROFILE = 7, KIB = 1024 };

struct sim_profile sim_profile_calm(void)
{
    return (struct sim_profile){
        .step_delay_us_max = 20,
        .step_cost_us_max = 20,
        .job_delay_us_max = 20,
        .sync_us_min = 100,
        .sync_us_max = 2000,
        .write_us_max = 50,
        .read_us_max = 100,
        .capacity_bytes = UINT64_MAX,
        .survive_percent = 33,
        .tear_percent = 33,
        .latency_us_min = 50,
        .latency_us_max = 500,
        .buffer_bytes_min = 64 * KIB,
        .buffer_bytes_max = 256 * KIB,
        .give_up_us_min = 20000000,
        .give_up_us_max = 60000000,
        .handle_count_max = 60000,
    };
}

/* Off in half of the seeds, else up to max, small values as likely as large ones. */
static uint32_t rate(struct sim_random *r, uint32_t max)
{
    if (sim_random_below(r, 2) == 0) {
        return 0;
    }
    uint32_t bits = 32 - (uint32_t)__builtin_clz(max);
    uint64_t top = (uint64_t)1 << sim_random_range(r, 1, bits); /* not inside MIN: it draws */
    return (uint32_t)sim_random_below(r, MIN((uint64_t)max, top) + 1);
}

static void disk_errors(struct sim_profile *p, struct sim_random *r)
{
    p->open_fail_ppm = rate(r, 2000);
    p->read_fail_ppm = rate(r, 5000);
    p->write_fail_ppm = rate(r, 2000);
    p->sync_fail_ppm = rate(r, 5000);
    p->names_fail_ppm = rate(r, 2000);
}

struct sim_profile sim_profile_from_seed(uint64_t seed, uint32_t with)
{
    struct sim_random random = sim_random_of(seed, SIM_STREAM_PROFILE);
    struct sim_random *r = &random;
    struct sim_profile p = sim_profile_calm();

    p.step_delay_us_max = 1 + rate(r, 2000);
    p.step_cost_us_max = 1 + rate(r, 500);
    p.job_delay_us_max = 1 + rate(r, 5000);
    p.sync_us_max = p.sync_us_min + rate(r, 20000);
    p.write_us_max = 10 + rate(r, 2000);
    p.read_us_max = 10 + rate(r, 5000);
    p.slow_ppm = rate(r, 20000);
    p.slow_us_max = rate(r, 3000000);
    p.cache_miss_ppm = rate(r, 500000);
    p.direct_refused = sim_random_below(r, 4) == 0;
    p.survive_percent = (uint32_t)sim_random_below(r, 101);
    p.tear_percent = (uint32_t)sim_random_below(r, 101 - p.survive_percent);
    p.latency_us_max = p.latency_us_min + rate(r, 100000);
    p.tail_ppm = rate(r, 20000);
    p.tail_us_max = rate(r, 2000000);
    p.buffer_bytes_min = (uint32_t)sim_random_range(r, 4, 64) * KIB;
    p.buffer_bytes_max = p.buffer_bytes_min + (uint32_t)sim_random_below(r, 192) * KIB;
    p.fragment_percent = rate(r, 100);
    if ((with & SIM_WITH_DISK_ERRORS) != 0) {
        disk_errors(&p, r);
    }
    if ((with & SIM_WITH_NET_ERRORS) != 0) {
        p.reset_ppm = rate(r, 20000);
        p.refuse_ppm = rate(r, 100000);
    }
    if ((with & SIM_WITH_CLOCK_ERRORS) != 0) {
        p.drift_ppm_max = rate(r, 50000);
        p.wall_off_ms_max = rate(r, 100000000);
    }
    return p;
}
