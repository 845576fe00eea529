/* tests/raft/single_log.h: a log that is nothing but runs of terms; every index is an entry of one byte.
 *
 *   start 4^1   runs 9^1 12^3     entries 5..9 of term 1, 10..12 of term 3
 *
 * It takes whatever bounds a hostile message brings, costs a few comparisons per question and allocates nothing.
 */
#pragma once

#include "raft/raft.h"

struct single_log {
    struct raft_bound start;
    struct raft_bound *runs; /* the caller's memory; index and term grow */
    uint32_t count, capacity;
    uint64_t cold; /* what follows a bound below this must be fetched */
};

/* The questions of the core; the context is a struct single_log *. */
const struct raft_log *single_log_functions(void);

struct raft_bound single_log_last(const struct single_log *l);
uint32_t single_log_term_at(const struct single_log *l, uint64_t index);
struct raft_bound single_log_run_end(const struct single_log *l, uint32_t term_max);
/* The answer to RAFT_OUT_FETCH. */
enum raft_read single_log_read(const struct single_log *l, uint64_t prev, uint32_t bytes_max,
                               struct raft_span *out);

/* Empty, after `start`. */
void single_log_reset(struct single_log *l, struct raft_bound start);
void single_log_cut(struct single_log *l, uint64_t index);
/* Goes on to `end`, in its term. */
void single_log_append(struct single_log *l, struct raft_bound end);
/* Deletes what is not after `start`, a bound of the log. */
void single_log_start_at(struct single_log *l, struct raft_bound start);
