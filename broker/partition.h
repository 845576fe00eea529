/* broker/partition.h: a partition on its owner core: log, high watermark, producers, waiters.
 *
 * Handlers run on the connection's core and reach a partition only by a partition_op: a message that
 * runs on the owner and comes back. On a node of one replica the high watermark is plog_durable_end(); with
 * replication it becomes the commit index, and nothing above this header changes.
 */
#pragma once

#include "base/list.h"
#include "broker/core.h"
#include "broker/image.h"
#include "storage/plog.h"

struct partition {
    struct core *core;
    struct map_link link; /* core->partitions */
    struct plog_key key;
    struct bytes topic; /* name; owned */
    struct plog *log;
    int32_t leader_epoch;
    struct topic_settings settings;
    struct list acks_waiting;  /* appends that wait for the high watermark, in order */
    struct list fetch_waiting; /* fetches that wait for bytes */
    uint64_t revision;
    bool deleted; /* gone from the image; freed when the last op has left */
    int ops;      /* ops and reads in flight */
};

/* All of an owner core's partitions follow the image: new ones appear, removed ones go (their waiters are
 * answered UNKNOWN_TOPIC_OR_PARTITION). Called when a core receives an image. Idempotent. */
void partitions_reconcile(struct core *c, const struct image *image);
/* B. Start-up, before the loops run: opens the logs of this core's partitions. */
enum err partitions_open(struct core *c, const struct image *image);
void partitions_close(struct core *c);

struct partition *partition_find(struct core *c, const struct uuid *topic_id, int32_t partition);

int64_t partition_high_watermark(const struct partition *p);
int64_t partition_last_stable(const struct partition *p); /* = high watermark until transactions */

/* One visit to a partition. Embedded in the request's arena; the request holds itself for it. */
struct partition_op {
    struct message message;
    struct core *from; /* connection's core */
    struct uuid topic_id;
    int32_t partition;
    /* On the owner core. `p` is NULL when it is not here (any more). Must end, now or later, with
     * partition_op_finish(). */
    void (*run)(struct partition_op *op, struct partition *p);
    /* Back on `from`. */
    void (*done)(struct partition_op *op);
    struct partition *at; /* while it visits */
};

/* On `from`. Runs at the owner in order of submission. */
void partition_op_submit(struct core *from, struct partition_op *op);
/* On the owner. */
void partition_op_finish(struct partition_op *op);
