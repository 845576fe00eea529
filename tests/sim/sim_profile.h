/* tests/sim/sim_profile.h: how unkind the world is: delays, sizes and fault rates. Rates are parts per
 * million of the operations concerned; times are microseconds. Pairs _min, _max are inclusive ranges.
 */
#pragma once

#include "base/base.h"

struct sim_profile {
    /* scheduling: a runnable actor or job waits up to so long; a step takes up to so long */
    uint32_t step_delay_us_max, step_cost_us_max, job_delay_us_max;

    /* disk: how long operations take */
    uint32_t sync_us_min, sync_us_max;
    uint32_t write_us_max, read_us_max; /* fixed part; a mebibyte adds half a millisecond */
    uint32_t slow_ppm, slow_us_max;     /* now and then one takes up to slow_us_max more */
    uint32_t cache_miss_ppm;            /* env_read_cached() finds nothing */
    /* disk: how it fails. A failed sync drops what was written; half of the failures show the old
     * bytes from then on, half show the new ones until the machine goes down. */
    uint32_t open_fail_ppm, read_fail_ppm, write_fail_ppm, sync_fail_ppm, names_fail_ppm;
    uint64_t capacity_bytes;
    bool direct_refused; /* ENV_OPEN_DIRECT gives an ordinary file */
    /* power loss: of a hundred unsynced writes so many survive whole, so many torn; the rest vanish */
    uint32_t survive_percent, tear_percent;

    /* network */
    uint32_t latency_us_min, latency_us_max;
    uint32_t tail_ppm, tail_us_max; /* now and then a segment takes up to tail_us_max more */
    uint32_t buffer_bytes_min, buffer_bytes_max; /* of one direction of a connection */
    uint32_t fragment_percent;                   /* sends and receives that are cut short */
    uint32_t reset_ppm;                          /* per send */
    uint32_t refuse_ppm;                         /* per connect */
    uint64_t give_up_us_min, give_up_us_max;     /* TCP resets after so long without an answer */

    /* nodes */
    uint32_t drift_ppm_max;    /* clocks run up to so much fast or slow */
    uint32_t wall_off_ms_max;  /* and show the wrong time by up to this */
    uint32_t handle_count_max; /* open files and sockets; more is ERR_LIMIT */
};

/* No fault and short delays. */
struct sim_profile sim_profile_calm(void);

/* Swarm testing: each seed switches some faults on and others off, and draws rates, sizes and delays. Disk
 * errors are only for those who ask: a single node cannot survive them by promise. */
enum sim_profile_with {
    SIM_WITH_DISK_ERRORS = 1,
    SIM_WITH_NET_ERRORS = 2,
    SIM_WITH_CLOCK_ERRORS = 4
};
struct sim_profile sim_profile_from_seed(uint64_t seed, uint32_t with);
