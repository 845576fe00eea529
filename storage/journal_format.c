/* storage/journal_format.c: the bytes of a journal file.
 *
 * FORMAT   Numbers big-endian. The file header, in the first block; the rest of the block is zero.
 *
 *          | at | bytes | field                                          |
 *          | -- | ----- | ---------------------------------------------- |
 *          |  0 |     4 | magic "WJNL"                                   |
 *          |  4 |     4 | CRC-32C of bytes 8..71                         |
 *          |  8 |     2 | version, 1                                     |
 *          | 10 |     2 | zero                                           |
 *          | 12 |     4 | core                                           |
 *          | 16 |     8 | incarnation                                    |
 *          | 24 |     8 | number of the file                             |
 *          | 32 |     8 | generation                                     |
 *          | 40 |     8 | sequence of its first group                    |
 *          | 48 |     8 | last sequence that was durable before          |
 *          | 56 |     8 | salt: a random number                          |
 *          | 64 |     8 | lowest generation that still matters           |
 *
 *          It lies in one sector of 512 bytes, so it is whole or not there. A group:
 *
 *          | at | bytes | field                                          |
 *          | -- | ----- | ---------------------------------------------- |
 *          |  0 |     4 | magic "WGRP"                                   |
 *          |  4 |     4 | CRC-32C of bytes 8..47                         |
 *          |  8 |     8 | salt of the file                               |
 *          | 16 |     8 | generation                                     |
 *          | 24 |     8 | sequence: grows by one over all files          |
 *          | 32 |     4 | core                                           |
 *          | 36 |     4 | bytes of the entries                           |
 *          | 40 |     4 | entries                                        |
 *          | 44 |     4 | CRC-32C of the entries                         |
 *          | 48 |     … | entries, then zeroes up to a whole block       |
 *
 *          An entry:
 *
 *          | at | bytes | field                                          |
 *          | -- | ----- | ---------------------------------------------- |
 *          |  0 |     1 | kind: 1 APPEND, 2 TRUNCATE, 3 LOGSTART         |
 *          |  1 |     3 | zero                                           |
 *          |  4 |     4 | bytes of the payload                           |
 *          |  8 |    16 | topic id                                       |
 *          | 24 |     4 | partition                                      |
 *          | 28 |     4 | zero                                           |
 *          | 32 |     8 | base offset of the segment                     |
 *          | 40 |     8 | position in the segment                        |
 *          | 48 |     8 | offset                                         |
 *          | 56 |     … | payload: whole batches (APPEND only)           |
 *
 *          Valid if and only if magic and checksums fit, the kind is known, only an APPEND has a payload,
 *          offsets and position are not negative, and the entries fill the group exactly.
 * SALT     A torn group may hold any bytes of a client, also such as look like a group. They do not know the
 *          salt, which changes with each use of a file.
 * WHY      Two checksums: that of the entries is computed while they are copied in, that of the header when
 *          the group is closed. Nothing is read twice.
 */
#include "storage/journal_format.h"

#include "base/crc32c.h"
#include "protocol/wire.h"

enum {
    FILE_HEADER_BYTES = 72,
    FILE_VERSION = 1,
    CRC_AT = 4,
    CRC_FROM = 8,
    FILE_AT_VERSION = 8,
    FILE_AT_CORE = 12,
    FILE_AT_INCARNATION = 16,
    FILE_AT_NUMBER = 24,
    FILE_AT_GENERATION = 32,
    FILE_AT_FIRST = 40,
    FILE_AT_DURABLE = 48,
    FILE_AT_SALT = 56,
    FILE_AT_LIVE = 64,
    GROUP_AT_SALT = 8,
    GROUP_AT_GENERATION = 16,
    GROUP_AT_SEQUENCE = 24,
    GROUP_AT_CORE = 32,
    GROUP_AT_BYTES = 36,
    GROUP_AT_COUNT = 40,
    GROUP_AT_ENTRIES_CRC = 44,
    ENTRY_AT_BYTES = 4,
    ENTRY_AT_TOPIC = 8,
    ENTRY_AT_PARTITION = 24,
    ENTRY_AT_SEGMENT = 32,
    ENTRY_AT_POSITION = 40,
    ENTRY_AT_OFFSET = 48,
};

static const uint8_t file_magic[4] = {'W', 'J', 'N', 'L'};
static const uint8_t group_magic[4] = {'W', 'G', 'R', 'P'};

void journal_file_header_write(uint8_t *block, const struct journal_file_header *h)
{
    memset(block, 0, JOURNAL_BLOCK_BYTES);
    memcpy(block, file_magic, sizeof(file_magic));
    wire_store_u16(block + FILE_AT_VERSION, FILE_VERSION);
    wire_store_u32(block + FILE_AT_CORE, h->core);
    wire_store_u64(block + FILE_AT_INCARNATION, h->incarnation);
    wire_store_u64(block + FILE_AT_NUMBER, h->number);
    wire_store_u64(block + FILE_AT_GENERATION, h->generation);
    wire_store_u64(block + FILE_AT_FIRST, h->first_sequence);
    wire_store_u64(block + FILE_AT_DURABLE, h->durable_before);
    wire_store_u64(block + FILE_AT_SALT, h->salt);
    wire_store_u64(block + FILE_AT_LIVE, h->live_from);
    wire_store_u32(block + CRC_AT,
                   crc32c(0, (struct bytes){block + CRC_FROM, FILE_HEADER_BYTES - CRC_FROM}));
}

static bool all_zero(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        if (b.at[i] != 0) {
            return false;
        }
    }
    return true;
}

enum err journal_file_header_read(struct bytes block, struct journal_file_header *out)
{
    const uint8_t *p = block.at;

    if (block.len < FILE_HEADER_BYTES || all_zero(bytes_slice(block, 0, FILE_HEADER_BYTES))) {
        return ERR_NOT_FOUND;
    }
    if (memcmp(p, file_magic, sizeof(file_magic)) != 0 ||
        wire_load_u32(p + CRC_AT) !=
            crc32c(0, bytes_slice(block, CRC_FROM, FILE_HEADER_BYTES - CRC_FROM))) {
        return fail(ERR_CORRUPT, "a journal header that does not verify");
    }
    if (wire_load_u16(p + FILE_AT_VERSION) != FILE_VERSION) {
        return fail(ERR_UNSUPPORTED, "a journal of version %d", wire_load_u16(p + FILE_AT_VERSION));
    }
    *out = (struct journal_file_header){.core = wire_load_u32(p + FILE_AT_CORE),
                                        .incarnation = wire_load_u64(p + FILE_AT_INCARNATION),
                                        .number = wire_load_u64(p + FILE_AT_NUMBER),
                                        .generation = wire_load_u64(p + FILE_AT_GENERATION),
                                        .first_sequence = wire_load_u64(p + FILE_AT_FIRST),
                                        .durable_before = wire_load_u64(p + FILE_AT_DURABLE),
                                        .salt = wire_load_u64(p + FILE_AT_SALT),
                                        .live_from = wire_load_u64(p + FILE_AT_LIVE)};
    return OK;
}

uint32_t journal_entry_write(uint8_t *at, const struct journal_entry *entry, uint32_t entries_crc)
{
    ASSERT(entry->payload.len <= JOURNAL_PAYLOAD_BYTES_MAX);
    ASSERT(entry->kind == JOURNAL_APPEND || entry->payload.len == 0);
    memset(at, 0, JOURNAL_ENTRY_HEADER_BYTES);
    at[0] = (uint8_t)entry->kind;
    wire_store_u32(at + ENTRY_AT_BYTES, (uint32_t)entry->payload.len);
    memcpy(at + ENTRY_AT_TOPIC, entry->topic_id.at, sizeof(entry->topic_id.at));
    wire_store_u32(at + ENTRY_AT_PARTITION, (uint32_t)entry->partition);
    wire_store_u64(at + ENTRY_AT_SEGMENT, (uint64_t)entry->segment_base);
    wire_store_u64(at + ENTRY_AT_POSITION, entry->position);
    wire_store_u64(at + ENTRY_AT_OFFSET, (uint64_t)entry->offset);
    entries_crc = crc32c(entries_crc, (struct bytes){at, JOURNAL_ENTRY_HEADER_BYTES});
    if (entry->payload.len == 0) {
        return entries_crc;
    }
    return crc32c_copy(entries_crc, at + JOURNAL_ENTRY_HEADER_BYTES, entry->payload);
}

enum err journal_entry_next(struct bytes *rest, struct journal_entry *out)
{
    const uint8_t *p = rest->at;

    if (rest->len == 0) {
        return ERR_NOT_FOUND;
    }
    if (rest->len < JOURNAL_ENTRY_HEADER_BYTES) {
        return fail(ERR_CORRUPT, "a journal entry is cut short");
    }
    int kind = p[0];
    size_t payload = wire_load_u32(p + ENTRY_AT_BYTES);
    if (kind < JOURNAL_APPEND || kind > JOURNAL_LOGSTART ||
        payload > rest->len - JOURNAL_ENTRY_HEADER_BYTES ||
        (kind != JOURNAL_APPEND && payload != 0)) {
        return fail(ERR_CORRUPT, "a journal entry of kind %d with %zu bytes", kind, payload);
    }
    struct journal_entry e = {
        .kind = (enum journal_kind)kind,
        .partition = (int32_t)wire_load_u32(p + ENTRY_AT_PARTITION),
        .segment_base = (int64_t)wire_load_u64(p + ENTRY_AT_SEGMENT),
        .position = wire_load_u64(p + ENTRY_AT_POSITION),
        .offset = (int64_t)wire_load_u64(p + ENTRY_AT_OFFSET),
        .payload = bytes_slice(*rest, JOURNAL_ENTRY_HEADER_BYTES, payload),
    };
    memcpy(e.topic_id.at, p + ENTRY_AT_TOPIC, sizeof(e.topic_id.at));
    if (e.segment_base < 0 || e.offset < 0 || e.position > INT64_MAX - payload) {
        return fail(ERR_CORRUPT, "a journal entry with a negative offset or position");
    }
    *out = e;
    *rest = bytes_slice(*rest, JOURNAL_ENTRY_HEADER_BYTES + payload, SIZE_MAX);
    return OK;
}

void journal_group_seal(uint8_t *group, const struct journal_group *g, uint32_t entries_crc)
{
    ASSERT(g->bytes >= JOURNAL_GROUP_HEADER_BYTES);
    memcpy(group, group_magic, sizeof(group_magic));
    wire_store_u64(group + GROUP_AT_SALT, g->salt);
    wire_store_u64(group + GROUP_AT_GENERATION, g->generation);
    wire_store_u64(group + GROUP_AT_SEQUENCE, g->sequence);
    wire_store_u32(group + GROUP_AT_CORE, g->core);
    wire_store_u32(group + GROUP_AT_BYTES, g->bytes - JOURNAL_GROUP_HEADER_BYTES);
    wire_store_u32(group + GROUP_AT_COUNT, g->entry_count);
    wire_store_u32(group + GROUP_AT_ENTRIES_CRC, entries_crc);
    wire_store_u32(
        group + CRC_AT,
        crc32c(0, (struct bytes){group + CRC_FROM, JOURNAL_GROUP_HEADER_BYTES - CRC_FROM}));
}

enum err journal_group_read(struct bytes at, struct journal_group *out)
{
    const uint8_t *p = at.at;

    if (at.len < JOURNAL_GROUP_HEADER_BYTES || memcmp(p, group_magic, sizeof(group_magic)) != 0 ||
        wire_load_u32(p + CRC_AT) !=
            crc32c(0, bytes_slice(at, CRC_FROM, JOURNAL_GROUP_HEADER_BYTES - CRC_FROM))) {
        return ERR_CORRUPT;
    }
    uint32_t len = wire_load_u32(p + GROUP_AT_BYTES);
    if (len > UINT32_MAX - JOURNAL_GROUP_HEADER_BYTES) {
        return ERR_CORRUPT;
    }
    *out = (struct journal_group){.salt = wire_load_u64(p + GROUP_AT_SALT),
                                  .generation = wire_load_u64(p + GROUP_AT_GENERATION),
                                  .sequence = wire_load_u64(p + GROUP_AT_SEQUENCE),
                                  .core = wire_load_u32(p + GROUP_AT_CORE),
                                  .entry_count = wire_load_u32(p + GROUP_AT_COUNT),
                                  .bytes = len + JOURNAL_GROUP_HEADER_BYTES};
    if (at.len < out->bytes) {
        return ERR_AGAIN;
    }
    out->entries = bytes_slice(at, JOURNAL_GROUP_HEADER_BYTES, len);
    if (crc32c(0, out->entries) != wire_load_u32(p + GROUP_AT_ENTRIES_CRC)) {
        return ERR_CORRUPT;
    }
    return OK;
}
