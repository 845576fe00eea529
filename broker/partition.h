/* broker/partition.h: a partition on its owner core: log, high watermark, waiters.
 *
 * Handlers run on the connection's core and reach a partition only by a partition_op: a message that
 * runs on the owner and comes back (a plain call when both are one core). On a node of one replica the high
 * watermark is plog_durable_end(); with replication it becomes the commit index, and nothing above this
 * header changes.
 */
#pragma once

#include "base/list.h"
#include "broker/core.h"
#include "broker/image.h"
#include "schema/errors.h"
#include "storage/plog.h"

/* Up to here the log had so many bytes: how waiters learn what the high watermark let through. */
struct partition_mark {
    int64_t end_offset;
    uint64_t bytes;
};

enum { PARTITION_MARKS = 8 };

struct partition {
    struct core *core;
    struct map_link link; /* core->partitions */
    struct plog_key key;
    struct bytes topic; /* name; owned */
    struct plog *log;
    struct coordinator *coordinator; /* broker/coordinator.h; NULL: not a partition of that topic */
    int32_t leader_epoch;
    struct topic_settings settings;
    struct list acks_waiting;  /* struct append: in the log, not below the high watermark */
    struct list room_waiting;  /* struct append: not in the log yet, for lack of memory; in order */
    struct list fetch_waiting; /* struct fetch_part */
    struct timer room_timer;
    /* Bytes appended since the log was opened; of these, below the high watermark. */
    uint64_t appended_bytes, visible_bytes;
    struct partition_mark marks[PARTITION_MARKS]; /* what lies between the two; in order */
    int mark_count;
    bool deleted; /* gone from the image and the map; freed when the last op has left */
    int ops;      /* visits under way, reads not given back */
};

/* All of an owner core's partitions follow the image: new ones appear, removed ones go (their waiters are
 * answered UNKNOWN_TOPIC_OR_PARTITION), settings and epochs change. Called when a core receives an image.
 * Idempotent; a log there was no memory for appears at the next call. */
void partitions_reconcile(struct core *c, const struct image *image);
/* B. Start-up, before the loops run: opens the logs of this core's partitions. */
enum err partitions_open(struct core *c, const struct image *image);
/* No core runs any more and every request is freed. Nobody is answered, nothing is written. */
void partitions_close(struct core *c);

/* NULL when it is not here. */
struct partition *partition_find(struct core *c, const struct uuid *topic_id, int32_t partition);

/* What consumers may see ends here. */
int64_t partition_high_watermark(const struct partition *p);
/* The end of what is decided: the high watermark, as there are no transactions. */
int64_t partition_last_stable(const struct partition *p);
/* FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH when a client says another epoch than ours; -1: says none. */
enum kafka_error partition_check_epoch(const struct partition *p, int32_t current_leader_epoch);
/* Where `epoch` ends (KIP-101), as Kafka answers: *end_offset -1 when that is not known. */
void partition_epoch_end(const struct partition *p, int32_t epoch, int32_t *found_epoch,
                         int64_t *end_offset);

/* Called by broker/append.c: `bytes` were appended. */
void partition_appended(struct partition *p, size_t bytes);
/* Keeps the partition in memory until partition_leave(), which may free it. */
void partition_enter(struct partition *p);
void partition_leave(struct partition *p);

/* One visit to a partition. Embedded in the request's arena; the request holds itself for it. */
struct partition_op {
    struct message message;
    struct core *from;  /* connection's core */
    struct core *owner; /* while it visits */
    struct uuid topic_id;
    int32_t partition;
    /* On the owner core. `p` is NULL when it is not here (any more). Must end, now or later, with
     * partition_op_finish(). */
    void (*run)(struct partition_op *op, struct partition *p);
    /* Back on `from`. */
    void (*done)(struct partition_op *op);
    struct partition *at; /* while it visits */
};

/* On `from`; topic_id, partition, run and done are set. Runs at the owner in order of submission: at once,
 * inside this call, when the owner is `from`. */
void partition_op_submit(struct core *from, struct partition_op *op);
/* On the owner. */
void partition_op_finish(struct partition_op *op);
