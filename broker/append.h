/* broker/append.h: one batch for one partition: from the connection's core into the log and back.
 *
 * ANSWERED acks=0 and 1: when it is in the log. acks=-1: when it is durable (below the high watermark). A
 *          duplicate is answered like the batch it repeats, with that one's offset.
 * ORDER    Appends of one core to one partition are made in order of submission, also when they have to
 *          wait for memory.
 */
#pragma once

#include "broker/partition.h"
#include "broker/request.h"
#include "protocol/record_batch.h"

/* Lives in the request's arena; the request holds itself for it. */
struct append {
    struct partition_op op; /* topic_id and partition are the caller's to set */
    struct request *rq;
    struct bytes batch; /* validated; stays in the request until it is copied into the log */
    struct batch_header header;
    int16_t acks;
    void (*done)(struct append *a); /* on the request's core */

    /* The answer. log_append_time_ms is given and kept, except for duplicates. */
    enum kafka_error error;
    int64_t base_offset, log_append_time_ms, log_start_offset;
    bool answered;

    /* append.c's own. */
    struct list_link link; /* in `waits_in` */
    struct list *waits_in;
    int64_t last_offset;
    struct message cancel;
};

/* Appends of one partition that wait for memory, before new ones are told REQUEST_TIMED_OUT at once. */
enum { APPENDS_PARKED_MAX = 4096 };

void append_submit(struct request *rq, struct append *a);
/* Time is up: done() comes soon, with REQUEST_TIMED_OUT if it still waits. Not when it was answered. */
void append_cancel(struct append *a);

/* On the owner, called by broker/partition.c. The high watermark moved, or the appends past it failed (e). */
void appends_advance(struct partition *p, enum err e);
/* The partition is deleted. */
void appends_drop(struct partition *p);
