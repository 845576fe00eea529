/* tests/data/fake_plog.h: a log that is an array, and does what a test says. */
#pragma once

#include "storage/plog.h"

enum { FAKE_BATCHES_MAX = 4096, FAKE_READS_MAX = 64 };

struct fake_batch {
    int64_t base_offset, last_offset, max_timestamp;
    int32_t leader_epoch;
    uint8_t *at;
    size_t len;
};

struct plog {
    struct plog_config config;
    struct producers *producers;
    struct fake_batch batches[FAKE_BATCHES_MAX];
    int count;
    int64_t start, end, durable;
    enum err state;
    bool full;                               /* no room: ERR_LIMIT */
    bool cold;                               /* reads and finds end with fake_plog_answer() */
    enum err read_err;                       /* what reads end with */
    struct plog_read *reads[FAKE_READS_MAX]; /* begun, not ended */
    int read_count;
    struct plog_find *find;
    int lent; /* reads not released */
    bool deleted;
};

/* Everything is durable now. */
void fake_plog_sync(struct plog *l);
/* The first `count` batches are. */
void fake_plog_sync_some(struct plog *l, int count);
/* The disk fails: what is not durable is gone, appends are refused. */
void fake_plog_fail(struct plog *l, enum err e);
/* Cold reads end. */
void fake_plog_answer(struct plog *l);
/* Logs that were made and not freed. */
int fake_plog_alive(void);
