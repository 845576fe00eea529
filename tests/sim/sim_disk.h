/* tests/sim/sim_disk.h: one node's disk: what tests do to it and look at.
 *
 * LAWS  1 Reads see every write at once. 2 A write is durable after a later successful sync of its file (or
 *       sync_all); before that a power loss lets it survive, tear at 512 bytes or 4 KiB, or vanish, each
 *       write for itself, in any order. 3 A name (creation, rename, removal, directory) is durable after a
 *       sync of the directory that holds it, or sync_all; syncing the file does not help. Without that a
 *       power loss keeps the first so many changes of each directory. A rename is atomic. 4 The death of
 *       the process alone loses nothing. 5 After a failed sync the writes since the last good one are
 *       gone for good, and a later sync says OK.
 *
 * Operations are numbered from 1 when they change something (open that creates, write, sync, sync_dir,
 * sync_all, truncate, allocate, rename, unlink, mkdir that makes, rmdir, lock that creates): crash points.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "base/err.h"

struct sim_disk;

enum sim_disk_op {
    SIM_DISK_OPEN,
    SIM_DISK_READ,
    SIM_DISK_WRITE,
    SIM_DISK_SYNC,
    SIM_DISK_SYNC_DIR,
    SIM_DISK_SYNC_ALL,
    SIM_DISK_TRUNCATE,
    SIM_DISK_ALLOCATE,
    SIM_DISK_RENAME,
    SIM_DISK_UNLINK,
    SIM_DISK_MKDIR,
    SIM_DISK_RMDIR,
    SIM_DISK_LIST,
    SIM_DISK_LOCK,
    SIM_DISK_OP_COUNT,
    SIM_DISK_ANY = SIM_DISK_OP_COUNT /* any that changes something */
};

/* One planned fault. The fields `err` and `slow_us` may be combined. */
struct sim_disk_fault {
    enum sim_disk_op op;
    const char
        *path_part;   /* only files whose path holds this text; NULL: all. Must outlive the fault */
    uint64_t nth;     /* the first that is hit: 1 is the next one */
    bool for_ever;    /* and all later ones */
    enum err err;     /* ERR_IO, ERR_NOSPACE, ERR_LIMIT; OK: it succeeds (slowly) */
    uint64_t slow_us; /* it takes so much longer */
};

enum { SIM_DISK_FAULT_COUNT_MAX = 16 };

/* At most SIM_DISK_FAULT_COUNT_MAX at a time. */
void sim_disk_fault_add(struct sim_disk *d, const struct sim_disk_fault *f);
/* No planned fault any more (bad sectors, capacity and lies stay). */
void sim_disk_faults_clear(struct sim_disk *d);
/* How often a planned or random fault made an operation fail. */
uint64_t sim_disk_fault_count(const struct sim_disk *d);

/* Operations that changed something so far. */
uint64_t sim_disk_op_count(const struct sim_disk *d);
/* Power fails in the middle of operation number sim_disk_op_count() + n (n >= 1; 0: never): it may have
 * happened or not, it answers ERR_IO, and so does every later call of that process. See sim_node_crashed(). */
void sim_disk_crash_in(struct sim_disk *d, uint64_t n);
/* It will, but has not yet. */
bool sim_disk_crash_is_planned(const struct sim_disk *d);

/* ERR_NOSPACE when more would be used. */
void sim_disk_capacity_set(struct sim_disk *d, uint64_t bytes);
uint64_t sim_disk_used(const struct sim_disk *d);
/* Syncs say OK and do nothing. */
void sim_disk_lie(struct sim_disk *d, bool lying);

/* Damage that stays: on the medium and in what is read. False when there is no such byte. */
bool sim_disk_flip(struct sim_disk *d, const char *path, uint64_t position, uint8_t mask);
/* Zeroes or foreign bytes instead of what was there: a lost or misdirected write. */
bool sim_disk_damage(struct sim_disk *d, const char *path, uint64_t position, struct bytes now);
/* Reads that touch it fail with ERR_IO until it is written again. */
bool sim_disk_bad_sector(struct sim_disk *d, const char *path, uint64_t position, uint64_t len);
/* Flips one bit of a random durable byte of a random file whose path holds `path_part`; the path is copied to
 * `path` (ENV_PATH_BYTES). False when there is none. */
bool sim_disk_rot(struct sim_disk *d, const char *path_part, char *path, uint64_t *position);

/* Looking and preparing without latency, faults and counting. */
bool sim_disk_exists(const struct sim_disk *d, const char *path);
/* False when there is no such file. */
bool sim_disk_size(const struct sim_disk *d, const char *path, uint64_t *out);
/* Adds the whole content to `out`. ERR_NOT_FOUND. */
enum err sim_disk_peek(const struct sim_disk *d, const char *path, struct buf *out);
/* A file with this content, durable with its name and the directories on its way. */
void sim_disk_put(struct sim_disk *d, const char *path, struct bytes content);
/* A durable directory, with those on its way. */
void sim_disk_put_dir(struct sim_disk *d, const char *path);
/* Adds every path of a file, each with a final NUL, sorted. */
enum err sim_disk_files(const struct sim_disk *d, struct buf *out);
/* Everything is gone, as with a new disk. The node must be down. */
void sim_disk_wipe(struct sim_disk *d);
