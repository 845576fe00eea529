/* tests/sim/env_sim.h: a world of nodes in one thread, from a seed: base/env.h for each of them, virtual
 * time, and everything that can go wrong.
 *
 *     struct sim *s = sim_new(seed, NULL);
 *     struct sim_node *n = sim_node_add(s, "10.0.0.1");
 *     struct env *e = sim_node_env(n);         files work at once; jobs and actors while the world runs
 *     ... env_job_submit(e, lane, job);
 *     sim_run_until_idle(s);
 *     ... env_poll(e, poller, events, 8, 0);   gives the finished job
 *     sim_free(s);
 *
 * PROCESSES  A node runs one process at a time; sim_node_env() is that process's door. sim_node_kill(),
 *            sim_node_power_off() end it: its sockets, jobs, actors and locks vanish, none of its code is
 *            called any more, its memory is the test's business (free it with the code's own *_free()
 *            functions: the dead door takes every releasing call, and answers ERR_IO to the rest).
 *            sim_node_restart() makes a new process with a new door.
 * TIME       Nothing moves by itself: sim_step() and sim_run_*() take events from a queue ordered by
 *            (time, drawn tie-breaker). A job's run() happens at once at its start; its event comes after the
 *            time its disk operations take. Inside it env_now_us() moves on with each operation.
 * CHECKED    Asserted, because they are bugs of the code under test: a blocking call in a step, two polls in
 *            a step, a handle used after its close, a socket closed while watched, unaligned direct I/O, a
 *            waiting call in a step.
 * THE SAME   seed, profile and code give the same sim_hash(). No wall clock, no threads, no globals.
 */
#pragma once

#include "base/env.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_profile.h"
#include "tests/sim/sim_random.h"

struct sim;
struct sim_node;
struct sim_event;

enum { SIM_NODE_COUNT_MAX = 64 };

/* NULL: sim_profile_calm(). Never fails: no memory aborts the program. */
struct sim *sim_new(uint64_t seed, const struct sim_profile *profile);
void sim_free(struct sim *s);

/* What every event so far has been folded into. */
uint64_t sim_hash(const struct sim *s);
/* Every event also goes to standard output as a line. */
void sim_trace_on(struct sim *s);
/* A line of the scenario's own in the trace; folded into the hash as well. */
void sim_note(struct sim *s, const char *format, ...) PRINTF_LIKE(2, 3);
const struct sim_profile *sim_profile_of(const struct sim *s);
/* From now on another one: nodes, links and connections made before keep their drawn properties. */
void sim_profile_set(struct sim *s, const struct sim_profile *profile);
/* A stream of randomness for the scenario itself. */
struct sim_random *sim_random(struct sim *s);

/* -- time -- */

/* Microseconds since the world began. */
uint64_t sim_now(const struct sim *s);
/* Calls fn(context) at that time (not before now). The event may be cancelled until it has run. */
struct sim_event *sim_at(struct sim *s, uint64_t time_us, void (*fn)(void *), void *context);
struct sim_event *sim_after(struct sim *s, uint64_t delay_us, void (*fn)(void *), void *context);
void sim_cancel(struct sim *s, struct sim_event *e);
/* Called after every event: invariants. One only. */
void sim_after_each(struct sim *s, void (*fn)(void *), void *context);

/* Runs the next event; false when there is none. */
bool sim_step(struct sim *s);
/* Until nothing is left but actors that wait for their time-out. */
void sim_run_until_idle(struct sim *s);
void sim_run_for(struct sim *s, uint64_t us);
/* Until done(context), looked at after every event; false when us_max passed or nothing is left. */
bool sim_run_until(struct sim *s, bool (*done)(void *), void *context, uint64_t us_max);
uint64_t sim_event_count(const struct sim *s);

/* -- nodes -- */

/* A machine, switched on, its process ready. `host` is its address ("10.0.0.1") and must differ from all
 * others. Clients are nodes as well. */
struct sim_node *sim_node_add(struct sim *s, const char *host);
/* Nodes by number, in order of sim_node_add(). */
uint32_t sim_node_count(const struct sim *s);
struct sim_node *sim_node_at(struct sim *s, uint32_t index);
/* The door of the running process; NULL while the node is down. */
struct env *sim_node_env(struct sim_node *n);
struct sim_disk *sim_node_disk(struct sim_node *n);
struct sim_node *sim_node_of(struct env *e);
struct sim *sim_of(struct env *e);
const char *sim_node_host(const struct sim_node *n);
bool sim_node_up(const struct sim_node *n);

/* The process dies; peers see their connections end. */
void sim_node_kill(struct sim_node *n);
/* The machine dies; peers hear nothing, unsynced writes may be lost. Also allowed when killed already. */
void sim_node_power_off(struct sim_node *n);
/* A new process on the machine (which is switched on). */
struct env *sim_node_restart(struct sim_node *n);
/* Has sim_disk_crash_in() struck? While the world runs, the machine is then powered off as soon as the
 * running code returns, and on_down is called; outside (a test that calls env functions itself) the
 * test calls sim_node_power_off(). */
bool sim_node_crashed(const struct sim_node *n);
/* Called when the world itself powered the node off. It may tear down, and plan a restart with sim_after(). */
void sim_node_on_down(struct sim_node *n, void (*fn)(void *), void *context);

/* The process is stopped (SIGSTOP) for so long; the network goes on. */
void sim_node_pause(struct sim_node *n, uint64_t us);
void sim_node_wall_jump(struct sim_node *n, int64_t ms);
/* 0: exact; 1000: a thousandth fast. */
void sim_node_drift_set(struct sim_node *n, int32_t ppm);
void sim_node_handles_max_set(struct sim_node *n, uint32_t count);
/* Open files and sockets of the running process: leaks. */
uint32_t sim_node_handle_count(const struct sim_node *n);

/* -- network -- */

/* Nothing gets from `from` to `to` any more; connections freeze, and are reset when it takes too long. */
void sim_net_cut(struct sim_node *from, struct sim_node *to);
void sim_net_cut_both(struct sim_node *a, struct sim_node *b);
void sim_net_heal(struct sim_node *from, struct sim_node *to);
void sim_net_heal_all(struct sim *s);
/* Segments from `from` to `to` wait until so long from now, then come in order. */
void sim_net_clog(struct sim_node *from, struct sim_node *to, uint64_t us);
/* This direction only, from now on. */
void sim_net_latency_set(struct sim_node *from, struct sim_node *to, uint32_t us_min,
                         uint32_t us_max);
/* Every connection between the two breaks now; both sides see it. */
void sim_net_reset(struct sim_node *a, struct sim_node *b);
