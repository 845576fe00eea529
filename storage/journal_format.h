/* storage/journal_format.h: the bytes of a journal file: header block, groups, entries. No I/O; any thread.
 *
 * Tables and the rules of validity stand in the .c file.
 */
#pragma once

#include "base/bytes.h"
#include "base/uuid.h"

enum {
    JOURNAL_BLOCK_BYTES = 4096, /* header, and what every group begins at a multiple of */
    JOURNAL_GROUP_HEADER_BYTES = 48,
    JOURNAL_ENTRY_HEADER_BYTES = 56,
};

/* Payload of one entry; leaves room for a group header in 32 bits. */
enum { JOURNAL_PAYLOAD_BYTES_MAX = 1 << 30 };

struct journal_file_header {
    uint64_t incarnation; /* one per start of the node */
    uint32_t core;
    uint64_t number;         /* of the file */
    uint64_t generation;     /* which use of a file; grows over all files of one journal */
    uint64_t first_sequence; /* of the first group in it */
    uint64_t durable_before; /* the last sequence that was synced before it; 0: none */
    uint64_t live_from;      /* files of a lower generation hold nothing that is needed any more */
    uint64_t salt;           /* random: no client can write what looks like a group of this use */
};

enum journal_kind {
    JOURNAL_APPEND = 1,
    JOURNAL_TRUNCATE = 2,
    JOURNAL_LOGSTART = 3,
};

struct journal_entry {
    enum journal_kind kind;
    struct uuid topic_id;
    int32_t partition;
    int64_t segment_base;
    uint64_t position; /* in the segment */
    int64_t offset;    /* of the first batch; TRUNCATE: the new end; LOGSTART: the new start */
    struct bytes payload;
};

struct journal_group {
    uint64_t salt, generation, sequence;
    uint32_t core, entry_count;
    uint32_t bytes; /* header and entries, without padding */
    struct bytes entries;
};

/* Writes a whole block. */
void journal_file_header_write(uint8_t *block, const struct journal_file_header *h);
/* ERR_NOT_FOUND: all zeroes, never written. ERR_CORRUPT, ERR_UNSUPPORTED (a later version). */
enum err journal_file_header_read(struct bytes block, struct journal_file_header *out);

static inline size_t journal_entry_bytes(size_t payload)
{
    return JOURNAL_ENTRY_HEADER_BYTES + payload;
}

/* Writes it at `at` and returns the checksum of the group's entries continued by it. */
uint32_t journal_entry_write(uint8_t *at, const struct journal_entry *entry, uint32_t entries_crc);
/* Takes the first entry off `rest`. ERR_NOT_FOUND: nothing is left. ERR_CORRUPT. */
enum err journal_entry_next(struct bytes *rest, struct journal_entry *out);

/* Fills the header in front of the entries. */
void journal_group_seal(uint8_t *group, const struct journal_group *g, uint32_t entries_crc);
/* Reads the group that begins at `at`. ERR_AGAIN: the header is good but `at` ends before the group
 * does; out->bytes says how much is needed. ERR_CORRUPT: no group begins here. */
enum err journal_group_read(struct bytes at, struct journal_group *out);

/* Bytes rounded up to whole blocks. */
static inline size_t journal_padded(size_t bytes)
{
    return (bytes + JOURNAL_BLOCK_BYTES - 1) / JOURNAL_BLOCK_BYTES * JOURNAL_BLOCK_BYTES;
}
