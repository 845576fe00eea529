/* tests/sim/sim_file.h: the content of one simulated file: what reads see, what is on the medium, and the
 * writes in between.
 *
 *     chunk (16 KiB)   live: page cache       durable: medium, kept apart only while the chunk is dirty
 *     unsynced         the writes and truncations since the last sync, in order, with their bytes
 *
 * A clean chunk has live only, and that is what is on the medium. A missing chunk is zeroes.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "tests/sim/sim_random.h"

enum {
    SIM_BLOCK_BYTES = 4096,
    SIM_SECTOR_BYTES = 512,
    SIM_CHUNK_BYTES = 16384,
    SIM_BAD_RANGE_COUNT_MAX = 16
};
#define SIM_FILE_BYTES_MAX ((uint64_t)64 << 30)

struct sim_chunk {
    uint8_t *live, *durable;
    uint8_t blocks; /* one bit per block that takes space */
    bool dirty;
};

/* data == NULL: truncation to `position`. */
struct sim_unsynced {
    uint64_t position, len;
    uint8_t *data;
};

struct sim_bad_range {
    uint64_t position, len;
};

struct sim_file {
    uint64_t size, durable_size;
    struct sim_chunk *chunks;
    size_t chunk_count;
    struct sim_unsynced *unsynced;
    size_t unsynced_count, unsynced_cap;
    size_t *dirty; /* indexes of dirty chunks */
    size_t dirty_count, dirty_cap;
    bool
        diverged; /* a failed sync dropped writes: live may be newer than what a sync makes durable */
    uint64_t block_count; /* space taken */
    struct sim_bad_range bad[SIM_BAD_RANGE_COUNT_MAX];
    uint32_t bad_count;
};

struct sim_crash_odds {
    uint32_t survive_percent, tear_percent;
};

void sim_file_deinit(struct sim_file *f);
/* How many bytes were there. */
size_t sim_file_read(const struct sim_file *f, void *to, size_t len, uint64_t position);
void sim_file_write(struct sim_file *f, struct bytes data, uint64_t position);
void sim_file_truncate(struct sim_file *f, uint64_t size);
void sim_file_allocate(struct sim_file *f, uint64_t position, uint64_t len);
/* Blocks a write or allocation there would add. */
uint64_t sim_file_blocks_missing(const struct sim_file *f, uint64_t position, uint64_t len);
void sim_file_sync(struct sim_file *f);
/* A sync that failed: what was unsynced never gets to the medium; evict: nor can it be read any more. */
void sim_file_sync_failed(struct sim_file *f, bool evict);
/* Power loss: the content is what the medium has afterwards. */
void sim_file_crash(struct sim_file *f, struct sim_crash_odds odds, struct sim_random *r);

/* Changes bytes below the code under test: live and medium. False when not wholly inside the file. */
bool sim_file_damage(struct sim_file *f, uint64_t position, struct bytes now);
bool sim_file_is_bad(const struct sim_file *f, uint64_t position, uint64_t len);
bool sim_file_bad_add(struct sim_file *f, uint64_t position, uint64_t len);
