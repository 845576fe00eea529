/* broker/fetch_part.h: one partition of a fetch: a look at it, a read, and the wait for more.
 *
 * A part goes from the fetch's core to the partition's and back, in two ways. A VISIT answers everything and
 * may read; whatever it read stays with the owner (struct fetch_data) and is lent until fetch_data_return().
 * A WAIT leaves the part in the partition's list; it comes back once when enough new bytes are visible or
 * the partition changed. The next visit ends a wait that has not come back.
 *
 * Nothing is lost between the two: a visit notes how many bytes were visible, and a wait that finds more
 * comes back at once.
 */
#pragma once

#include "broker/partition.h"

/* What one read gave. On the owner's heap; borrowed by the fetch until the reply is sent. */
struct fetch_data {
    struct plog_read read; /* ranges, range_count and bytes are for the borrower to look at */
    struct core *home;
    struct partition *partition; /* kept by it */
    struct message message;
    struct fetch_data *next; /* way home */
};

struct fetch_part {
    struct partition_op op; /* topic_id and partition are the caller's to set */

    /* The question. */
    int64_t offset;
    int32_t current_leader_epoch, last_fetched_epoch; /* -1: none */
    int32_t bytes_max;                                /* of the partition */
    bool settled;                                     /* answered without a visit: `error` is set */
    /* For one visit. */
    size_t budget;    /* 0: do not read, unless first_whole */
    bool first_whole; /* KIP-74: one batch even past the budget */
    void (*visited)(struct fetch_part *part);
    /* For one wait. */
    uint64_t wanted; /* new bytes */
    void (*woken)(struct fetch_part *part);
    void *context; /* the caller's */

    /* The answer. With an error, and in these only, offsets are -1. */
    enum kafka_error error;
    int64_t high_watermark, last_stable, log_start;
    int32_t diverging_epoch; /* -1: it does not diverge (KIP-595) */
    int64_t diverging_end;
    struct fetch_data *data; /* NULL: no bytes */
    bool more;               /* there is something to read, but the budget was too small */
    bool ended_wait;         /* the visit took it out of its wait */
    bool changed;            /* woken: not because of bytes */
    uint64_t gained;         /* woken: new bytes */

    /* fetch_part.c's own. */
    struct message wait;
    struct core *wait_from;   /* op.from may be set anew while it waits */
    struct list_link waiting; /* partition->fetch_waiting */
    uint64_t seen_bytes;
    int32_t seen_epoch;
};

static inline size_t fetch_part_bytes(const struct fetch_part *part)
{
    return part->data == NULL ? 0 : part->data->read.bytes;
}

/* On core `from`; part->data is NULL. visited() may be called within. */
void fetch_part_visit(struct core *from, struct fetch_part *part);
/* On core `from`, after a visit without error. woken() is never called within. */
void fetch_part_wait(struct core *from, struct fetch_part *part);

/* Gives back what parts[0..count) borrowed; their data is NULL then. On the core `from` of the fetch. */
void fetch_data_return(struct core *from, struct fetch_part *parts, int32_t count);

/* On the owner, called by broker/partition.c: the high watermark moved, or the partition changed. */
void fetches_wake(struct partition *p);
