/* storage/producers.c: the last five batches of each idempotent producer of a partition.
 *
 * WHY      A producer that did not hear an answer sends the batch again. Five batches may be in flight
 *          (Kafka's max.in.flight.requests.per.connection of an idempotent producer), so five are kept:
 *          whatever is sent again is among them.
 * RULES    In this order, as Kafka 4.4 (KIP-98, KIP-360):
 *              no producer id, or an id not known here      append
 *              same epoch and the sequences of a kept batch duplicate
 *              epoch below the known one                    fenced
 *              epoch above the known one                    append from sequence 0, else out of order
 *              first sequence follows the last one          append (2147483647 is followed by 0)
 *              anything else                                out of order
 * SHAPE    A hash map of ids, and a list of the same entries with the one idle longest first. An entry
 *          keeps its batches oldest first, each with its own epoch: the rules look only at those of the
 *          newest epoch, and cutting the log's end back finds the older epoch again.
 *          `whole` says that nothing fell off the front, hence that an entry whose batches are all cut
 *          off had not been there before them.
 *
 * SNAPSHOT Numbers big-endian; producers in order of idleness, longest first.
 *
 *          | at    | size | field                                                    |
 *          | 0     | 4    | magic "WPRD"                                             |
 *          | 4     | 2    | version, 1                                               |
 *          | 6     | 2    | zero                                                     |
 *          | 8     | 4    | producers that follow                                    |
 *          | 12    | 4    | CRC-32C of bytes 0..11 and of all from 16 on             |
 *          | 16    |      | producers, each:                                         |
 *          | +0    | 8    | producer id, >= 0                                        |
 *          | +8    | 8    | broker's clock at its last append, ms                    |
 *          | +16   | 1    | batches kept, 1..5                                       |
 *          | +17   | 1    | 1: these are all it ever had here (`whole`), else 0      |
 *          | +18   |      | batches, oldest first, each:                             |
 *          | ++0   | 2    | epoch, >= 0, not below the one before                    |
 *          | ++2   | 4    | last sequence, >= 0                                      |
 *          | ++6   | 4    | last offset - base offset, >= 0                          |
 *          | ++10  | 8    | last offset, above the one before                        |
 *          | ++18  | 8    | its largest timestamp                                    |
 *
 *          Valid if and only if magic, version and CRC match, every field is as said, ids are unique and
 *          the bytes end with the last batch.
 */
#include "storage/producers.h"

#include "base/crc32c.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/mem.h"
#include "protocol/wire.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_HEADER_BYTES = 16,
    SNAPSHOT_CRC_AT = 12,
    SNAPSHOT_PRODUCER_BYTES = 18,
    SNAPSHOT_BATCH_BYTES = 26,
};

static const uint8_t snapshot_magic[4] = {'W', 'P', 'R', 'D'};

struct kept_batch {
    int64_t last_offset, timestamp;
    int32_t last_sequence, offset_delta;
};

struct producer {
    struct map_link by_id;
    struct list_link by_age;
    int64_t id;
    int64_t append_time_ms;
    struct kept_batch batches[PRODUCER_BATCHES_KEPT]; /* oldest first */
    int16_t epochs[PRODUCER_BATCHES_KEPT];            /* of the batches; never falls */
    uint8_t count;                                    /* 1..PRODUCER_BATCHES_KEPT */
    bool whole;
};

struct producers {
    struct map by_id;
    struct list by_age; /* idle longest first */
    size_t count_max;
    uint64_t seed;
};

enum err producers_new(size_t count_max, uint64_t seed, struct producers **out)
{
    ASSERT(count_max > 0);

    struct producers *p = mem_zalloc(1, sizeof(*p));

    if (p == NULL) {
        return fail(ERR_NOMEM, "state of a partition's producers");
    }
    list_init(&p->by_age);
    p->count_max = count_max;
    p->seed = seed;
    *out = p;
    return OK;
}

void producers_free(struct producers *p)
{
    if (p == NULL) {
        return;
    }
    producers_clear(p);
    map_deinit(&p->by_id);
    mem_free(p);
}

static bool has_id(const struct map_link *link, const void *id)
{
    return CONTAINER_OF(link, const struct producer, by_id)->id == *(const int64_t *)id;
}

static struct producer *find(const struct producers *p, int64_t id)
{
    struct map_link *link = map_find(&p->by_id, map_hash_u64((uint64_t)id, p->seed), has_id, &id);

    return link == NULL ? NULL : CONTAINER_OF(link, struct producer, by_id);
}

static void forget(struct producers *p, struct producer *one)
{
    map_remove(&p->by_id, &one->by_id);
    list_remove(&p->by_age, &one->by_age);
    mem_free(one);
}

static struct producer *oldest(const struct producers *p)
{
    struct list_link *link = list_first(&p->by_age);

    ASSERT(link != NULL);
    return CONTAINER_OF(link, struct producer, by_age);
}

/* A new entry, the youngest; the oldest makes room for it past the ceiling. NULL: out of memory. */
static struct producer *remember(struct producers *p, int64_t id)
{
    struct producer *one = mem_zalloc(1, sizeof(*one));

    if (one == NULL) {
        return NULL;
    }
    if (p->by_age.len >= p->count_max) {
        forget(p, oldest(p));
    }
    one->id = id;
    one->whole = true;
    map_add(&p->by_id, map_hash_u64((uint64_t)id, p->seed), &one->by_id);
    list_add_last(&p->by_age, &one->by_age);
    return one;
}

/* Index of the kept batch with these sequences in the newest epoch, -1 when there is none. */
static int find_duplicate(const struct producer *one, const struct batch_header *header)
{
    int newest = one->count - 1;
    int32_t last_sequence = batch_last_sequence(header);

    if (header->producer_epoch != one->epochs[newest]) {
        return -1;
    }
    for (int i = newest; i >= 0 && one->epochs[i] == one->epochs[newest]; i--) {
        if (one->batches[i].last_sequence == last_sequence &&
            one->batches[i].offset_delta == header->last_offset_delta) {
            return i;
        }
    }
    return -1;
}

enum producer_verdict producers_check(const struct producers *p, const struct batch_header *header,
                                      struct producer_duplicate *duplicate)
{
    const struct producer *one = batch_has_producer(header) ? find(p, header->producer_id) : NULL;

    if (one == NULL) {
        return PRODUCER_APPEND;
    }

    int found = find_duplicate(one, header);

    if (found >= 0) {
        const struct kept_batch *b = &one->batches[found];

        *duplicate = (struct producer_duplicate){
            .base_offset = b->last_offset - b->offset_delta,
            .last_offset = b->last_offset,
            .timestamp = b->timestamp,
        };
        return PRODUCER_DUPLICATE;
    }

    int16_t epoch = one->epochs[one->count - 1];
    int32_t expected = 0; /* of a new epoch */

    if (header->producer_epoch < epoch) {
        return PRODUCER_FENCED;
    }
    if (header->producer_epoch == epoch) {
        expected = batch_sequence_add(one->batches[one->count - 1].last_sequence, 1);
    }
    return header->base_sequence == expected ? PRODUCER_APPEND : PRODUCER_OUT_OF_ORDER;
}

/* Behind the others; the oldest falls off when there are five. */
static void keep_batch(struct producer *one, const struct kept_batch *b, int16_t epoch)
{
    if (one->count == PRODUCER_BATCHES_KEPT) {
        memmove(&one->batches[0], &one->batches[1], sizeof(one->batches) - sizeof(one->batches[0]));
        memmove(&one->epochs[0], &one->epochs[1], sizeof(one->epochs) - sizeof(one->epochs[0]));
        one->count--;
        one->whole = false;
    }
    one->batches[one->count] = *b;
    one->epochs[one->count] = epoch;
    one->count++;
}

enum err producers_add(struct producers *p, const struct batch_header *header,
                       int64_t append_time_ms)
{
    if (!batch_has_producer(header) || batch_is_control(header) || header->base_sequence < 0) {
        return OK;
    }

    struct producer *one = find(p, header->producer_id);

    if (one == NULL) {
        one = remember(p, header->producer_id);
        if (one == NULL) {
            return fail(ERR_NOMEM, "producer id %" PRId64, header->producer_id);
        }
    } else if (batch_last_offset(header) <= one->batches[one->count - 1].last_offset) {
        return OK; /* known from the snapshot already */
    } else {
        list_remove(&p->by_age, &one->by_age);
        list_add_last(&p->by_age, &one->by_age);
        if (header->producer_epoch < one->epochs[one->count - 1]) {
            /* Only a damaged log holds that; what comes last counts. */
            one->count = 0;
            one->whole = false;
        }
    }
    one->append_time_ms = append_time_ms;
    keep_batch(one,
               &(struct kept_batch){
                   .last_offset = batch_last_offset(header),
                   .timestamp = header->max_timestamp,
                   .last_sequence = batch_last_sequence(header),
                   .offset_delta = header->last_offset_delta,
               },
               header->producer_epoch);
    return OK;
}

bool producers_truncate(struct producers *p, int64_t end)
{
    bool known = true;

    list_for_each (&p->by_age, link) {
        struct producer *one = CONTAINER_OF(link, struct producer, by_age);

        while (one->count > 0 && one->batches[one->count - 1].last_offset >= end) {
            one->count--;
        }
        if (one->count == 0) {
            known = known && one->whole;
            forget(p, one);
        }
    }
    return known;
}

void producers_expire(struct producers *p, int64_t before_ms, int max)
{
    for (int i = 0; i < max && !list_empty(&p->by_age); i++) {
        struct producer *one = oldest(p);

        if (one->append_time_ms >= before_ms) {
            return;
        }
        forget(p, one);
    }
}

void producers_clear(struct producers *p)
{
    list_for_each (&p->by_age, link) {
        forget(p, CONTAINER_OF(link, struct producer, by_age));
    }
}

size_t producers_count(const struct producers *p)
{
    return p->by_age.len;
}

static uint32_t snapshot_crc(struct bytes snapshot)
{
    uint32_t crc = crc32c(0, bytes_slice(snapshot, 0, SNAPSHOT_CRC_AT));

    return crc32c(crc, bytes_slice(snapshot, SNAPSHOT_HEADER_BYTES, snapshot.len));
}

static uint8_t *write_producer(uint8_t *to, const struct producer *one)
{
    wire_store_u64(to, (uint64_t)one->id);
    wire_store_u64(to + 8, (uint64_t)one->append_time_ms);
    to[16] = one->count;
    to[17] = one->whole ? 1 : 0;
    to += SNAPSHOT_PRODUCER_BYTES;
    for (int i = 0; i < one->count; i++) {
        wire_store_u16(to, (uint16_t)one->epochs[i]);
        wire_store_u32(to + 2, (uint32_t)one->batches[i].last_sequence);
        wire_store_u32(to + 6, (uint32_t)one->batches[i].offset_delta);
        wire_store_u64(to + 10, (uint64_t)one->batches[i].last_offset);
        wire_store_u64(to + 18, (uint64_t)one->batches[i].timestamp);
        to += SNAPSHOT_BATCH_BYTES;
    }
    return to;
}

enum err producers_snapshot(const struct producers *p, struct buf *out)
{
    size_t bytes = SNAPSHOT_HEADER_BYTES;

    list_for_each (&p->by_age, link) {
        const struct producer *one = CONTAINER_OF(link, const struct producer, by_age);

        bytes += SNAPSHOT_PRODUCER_BYTES + (size_t)one->count * SNAPSHOT_BATCH_BYTES;
    }
    TRY(buf_reserve(out, bytes));

    uint8_t *begin = out->at + out->len;
    uint8_t *to = begin + SNAPSHOT_HEADER_BYTES;

    memcpy(begin, snapshot_magic, sizeof(snapshot_magic));
    wire_store_u16(begin + 4, SNAPSHOT_VERSION);
    wire_store_u16(begin + 6, 0);
    wire_store_u32(begin + 8, (uint32_t)p->by_age.len);
    list_for_each (&p->by_age, link) {
        to = write_producer(to, CONTAINER_OF(link, const struct producer, by_age));
    }
    ASSERT(to == begin + bytes);
    wire_store_u32(begin + SNAPSHOT_CRC_AT, snapshot_crc((struct bytes){begin, bytes}));
    out->len += bytes;
    return OK;
}

/* One batch into `one`, whose earlier ones are there; false: it cannot be true. */
static bool read_batch(struct producer *one, const uint8_t *at)
{
    int i = one->count;
    int16_t epoch = (int16_t)wire_load_u16(at);
    struct kept_batch b = {
        .last_sequence = (int32_t)wire_load_u32(at + 2),
        .offset_delta = (int32_t)wire_load_u32(at + 6),
        .last_offset = (int64_t)wire_load_u64(at + 10),
        .timestamp = (int64_t)wire_load_u64(at + 18),
    };
    bool fits = epoch >= 0 && b.last_sequence >= 0 && b.offset_delta >= 0 &&
                b.last_offset >= b.offset_delta;

    if (fits && i > 0) {
        fits = epoch >= one->epochs[i - 1] && b.last_offset > one->batches[i - 1].last_offset;
    }
    if (fits) {
        keep_batch(one, &b, epoch);
    }
    return fits;
}

/* The next producer of the snapshot. */
static enum err read_producer(struct producers *p, struct bytes *rest)
{
    if (rest->len < SNAPSHOT_PRODUCER_BYTES) {
        return fail(ERR_CORRUPT, "producer snapshot ends early");
    }

    const uint8_t *at = rest->at;
    int64_t id = (int64_t)wire_load_u64(at);
    size_t count = at[16];
    size_t bytes = SNAPSHOT_PRODUCER_BYTES + count * SNAPSHOT_BATCH_BYTES;

    if (count < 1 || count > PRODUCER_BATCHES_KEPT || at[17] > 1 || rest->len < bytes || id < 0 ||
        find(p, id) != NULL) {
        return fail(ERR_CORRUPT, "producer snapshot: entry of producer id %" PRId64, id);
    }

    struct producer *one = remember(p, id);

    if (one == NULL) {
        return fail(ERR_NOMEM, "producer id %" PRId64, id);
    }
    one->append_time_ms = (int64_t)wire_load_u64(at + 8);
    for (size_t i = 0; i < count; i++) {
        if (!read_batch(one, at + SNAPSHOT_PRODUCER_BYTES + i * SNAPSHOT_BATCH_BYTES)) {
            return fail(ERR_CORRUPT, "producer snapshot: batch of producer id %" PRId64, id);
        }
    }
    one->whole = at[17] == 1;
    *rest = bytes_slice(*rest, bytes, rest->len);
    return OK;
}

static enum err read_snapshot(struct producers *p, struct bytes snapshot)
{
    if (snapshot.len < SNAPSHOT_HEADER_BYTES ||
        memcmp(snapshot.at, snapshot_magic, sizeof(snapshot_magic)) != 0) {
        return fail(ERR_CORRUPT, "not a producer snapshot");
    }
    if (wire_load_u32(snapshot.at + SNAPSHOT_CRC_AT) != snapshot_crc(snapshot)) {
        return fail(ERR_CORRUPT, "producer snapshot does not match its checksum");
    }
    if (wire_load_u16(snapshot.at + 4) != SNAPSHOT_VERSION) {
        return fail(ERR_UNSUPPORTED, "producer snapshot of version %d",
                    wire_load_u16(snapshot.at + 4));
    }

    uint32_t count = wire_load_u32(snapshot.at + 8);
    struct bytes rest = bytes_slice(snapshot, SNAPSHOT_HEADER_BYTES, snapshot.len);

    for (uint32_t i = 0; i < count; i++) {
        TRY(read_producer(p, &rest));
    }
    return rest.len == 0 ? OK : fail(ERR_CORRUPT, "producer snapshot has bytes left over");
}

enum err producers_restore(struct producers *p, struct bytes snapshot)
{
    producers_clear(p);

    enum err e = read_snapshot(p, snapshot);

    if (e != OK) {
        producers_clear(p);
    }
    return e;
}
