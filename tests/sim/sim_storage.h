/* tests/sim/sim_storage.h: stores on a simulated machine, and a model that says what their logs must hold.
 *
 *     struct storage_host *h = storage_host_new(sim, node, cores);   first start
 *     storage_append(h, log, &(struct storage_sent){...});           into log and model
 *     storage_settle(h);                                             commits until nothing happens any more
 *     storage_check(h);                                              every log reads as the model says
 *     storage_crash_and_restart(h, cores, power_off);                opens what is there, compares, adopts it
 *
 * MODEL   Each log: the batches that were appended, which of them were reported durable, log start, producers. What
 *         was reported must be there after any crash; what was not may be missing from some batch on.
 * FAILS   A violated promise calls storage_wrong(), which the program brings: a failed test or seed.
 */
#pragma once

#include "storage/store.h"
#include "tests/sim/env_sim.h"

enum { STORAGE_LOGS = 5, STORAGE_CORES_MAX = 4, STORAGE_PRODUCERS = 3 };

/* Said once by each program: tests/unit/store_test.c, tests/sim/storage_scenario.c. */
_Noreturn void storage_wrong(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
#define STORAGE_CHECK(c, ...) \
    (__builtin_expect(!!(c), 1) ? (void)0 : storage_wrong(__FILE__, __LINE__, __VA_ARGS__))

struct model_batch {
    int64_t base_offset, next_offset, max_timestamp;
    int32_t epoch;
    int producer; /* -1: none */
    int32_t sequence;
    size_t at, len; /* bytes in the model's buffer */
};

struct model {
    struct buf bytes;
    struct model_batch *batches;
    size_t count, cap;
    size_t
        maybe; /* batches with those taken back after a failure: they may turn up after a start */
    int64_t start, start_acked; /* asked for; reported durable */
    int64_t end, acked;
    uint64_t start_ticket;
    int32_t sequence_next[STORAGE_PRODUCERS];
    int kept
        [STORAGE_PRODUCERS]; /* batches that are surely remembered: a cut forgets without finding older ones */
};

struct storage_log {
    struct plog_key key;
    char topic[16];
    struct plog_settings settings;
    int core;
    struct plog *log;
    struct model model;
    bool failed;  /* on_durable said so */
    bool damaged; /* the test broke it: no comparing */
};

struct storage_host {
    struct sim *sim;
    struct sim_node *node;
    struct env *env;
    int cores;
    uint64_t journal_file_bytes;
    size_t memory_bytes;
    struct env_poller *pollers[STORAGE_CORES_MAX];
    struct env_lane *read_lane;
    struct store *stores[STORAGE_CORES_MAX];
    struct storage_log logs[STORAGE_LOGS];
    bool up;
    bool expect_damage; /* the test breaks bytes itself */
    bool expect_loss;   /* the disk lies: lost promises are counted, not failed */
    int losses;
    bool memory_may_fail; /* operations may answer ERR_NOMEM */
};

struct storage_sent {
    int records, value_bytes;
    int64_t timestamp;
    int32_t epoch;
    int producer; /* -1: none */
};

/* No start yet. journal_file_bytes 0: the product's own. */
struct storage_host *storage_host_new(struct sim *sim, struct sim_node *node);
void storage_host_free(struct storage_host *h);

/* Recovery, stores, logs; compares each log with its model and adopts what it holds. An error leaves the host
 * down: the machine crashed again, or memory failed. */
enum err storage_start(struct storage_host *h, int cores);
/* Forgets the running process's objects: after sim_node_kill() or sim_node_power_off(). */
void storage_forget(struct storage_host *h);
/* Stops in order; the next start must scan nothing. */
enum err storage_stop(struct storage_host *h);
/* Kill or power off, restart the node, start. */
enum err storage_crash_and_restart(struct storage_host *h, int cores, bool power_off);

/* Into the log and the model. */
enum err storage_append(struct storage_host *h, int log, const struct storage_sent *sent);
/* Removes everything from `offset` on from log and model: a batch boundary. ERR_AGAIN: read it first. */
enum err storage_truncate(struct storage_host *h, int log, int64_t offset);
enum err storage_start_set(struct storage_host *h, int log, int64_t offset);
/* One turn of every core: events, commit. True: something happened. */
bool storage_turn(struct storage_host *h);
/* Turns and time until nothing happens; at most a virtual minute. */
void storage_settle(struct storage_host *h);
/* Reads from `offset` and compares; gives where to go on. */
enum err storage_read(struct storage_host *h, int log, int64_t offset, size_t bytes_max,
                      int64_t *next);
/* Every log from start to durable end, and its producers. */
void storage_check(struct storage_host *h);
void storage_check_log(struct storage_host *h, int log);
/* The first record with timestamp >= t as the model has it; false: none. */
bool storage_model_find(const struct model *m, int64_t t, int64_t *offset);
enum err storage_find(struct storage_host *h, int log, enum plog_find_kind kind, int64_t t,
                      int64_t *offset);
/* Runs a search that is filled in, but for done and context, to its end. */
enum err storage_find_until(struct storage_host *h, struct plog_find *f);
/* A random batch boundary of the model, from `from` on. */
int64_t storage_boundary(struct storage_host *h, int log, int64_t from);
