/* storage/index.c: samples of one segment, in memory and as the file <base>.idx.
 *
 * WHY      An entry per batch would cost more memory than thousands of lightly used logs may take. A search
 *          begins at a sample and reads on; reads fetch hundreds of KiB at a time anyway, so samples that
 *          close together would buy nothing.
 * FORMAT   Numbers big-endian.
 *
 *          | at | bytes | field                                              |
 *          | -- | ----- | -------------------------------------------------- |
 *          |  0 |     4 | magic "WIDX"                                       |
 *          |  4 |     4 | CRC-32C of all from 8 on                           |
 *          |  8 |     2 | version, 1                                         |
 *          | 10 |     2 | zero                                               |
 *          | 12 |     4 | samples                                            |
 *          | 16 |     8 | base offset of the segment                         |
 *          | 24 |     8 | bytes of the segment                               |
 *          | 32 |    24 | each: offset, position, largest timestamp before   |
 *
 *          Valid if and only if magic, version, CRC, base and length fit, the segment is not longer than
 *          here, and offsets and positions rise. Written without a sync: a torn file does not verify, and
 *          is made again from the segment.
 */
#include "storage/index.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "protocol/wire.h"

enum {
    CRC_AT = 4,
    CRC_FROM = 8,
    VERSION = 1,
    AT_COUNT = 12,
    AT_BASE = 16,
    AT_BYTES = 24,
    HEADER_BYTES = 32,
    SAMPLE_BYTES = 24,
    SAMPLE_AT_POSITION = 8,
    SAMPLE_AT_TIME = 16,
    CAP_FIRST = 16
};

static const uint8_t magic[4] = {'W', 'I', 'D', 'X'};

void index_deinit(struct index *x)
{
    mem_free(x->at);
    *x = (struct index){0};
}

static uint64_t interval(const struct index *x)
{
    return MAX(x->interval_bytes, (uint64_t)INDEX_INTERVAL_BYTES_MIN);
}

static void thin(struct index *x)
{
    for (uint32_t i = 0; i < x->count; i += 2) {
        x->at[i / 2] = x->at[i];
    }
    x->count = (x->count + 1) / 2;
    x->interval_bytes = interval(x) * 2;
}

void index_add(struct index *x, const struct index_sample *sample)
{
    uint64_t last = x->count == 0 ? 0 : x->at[x->count - 1].position;

    ASSERT(sample->position >= last);
    if (sample->position - last >= interval(x)) {
        index_add_always(x, sample);
    }
}

void index_add_always(struct index *x, const struct index_sample *sample)
{
    if (x->count == INDEX_SAMPLES_MAX) {
        thin(x);
    }
    if (x->count == x->cap) {
        uint32_t cap = MAX(x->cap * 2, (uint32_t)CAP_FIRST);
        struct index_sample *at = mem_realloc(x->at, cap * sizeof(*at));

        if (at == NULL) {
            return; /* searches start earlier */
        }
        x->at = at;
        x->cap = cap;
    }
    x->at[x->count++] = *sample;
}

enum err index_copy(struct index *x, const struct index_sample *at, uint32_t count)
{
    if (count > x->cap) {
        struct index_sample *room = mem_realloc(x->at, count * sizeof(*room));

        if (room == NULL) {
            return fail(ERR_NOMEM, "%" PRIu32 " index samples", count);
        }
        x->at = room;
        x->cap = count;
    }
    if (count > 0) {
        memcpy(x->at, at, count * sizeof(*at));
    }
    x->count = count;
    return OK;
}

const struct index_sample *index_find_offset(const struct index *x, int64_t offset)
{
    uint32_t low = 0, high = x->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (x->at[middle].offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : &x->at[low - 1];
}

const struct index_sample *index_find_time(const struct index *x, int64_t timestamp)
{
    uint32_t low = 0, high = x->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (x->at[middle].max_timestamp_before < timestamp) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : &x->at[low - 1];
}

void index_cut(struct index *x, uint64_t position)
{
    while (x->count > 0 && x->at[x->count - 1].position >= position) {
        x->count--;
    }
}

enum err index_write(const struct index *x, int64_t segment_base, uint64_t segment_bytes,
                     struct buf *out)
{
    size_t len = HEADER_BYTES + (size_t)x->count * SAMPLE_BYTES;

    TRY(buf_reserve(out, len));
    uint8_t *p = out->at + out->len;
    memset(p, 0, HEADER_BYTES);
    memcpy(p, magic, sizeof(magic));
    wire_store_u16(p + CRC_FROM, VERSION);
    wire_store_u32(p + AT_COUNT, x->count);
    wire_store_u64(p + AT_BASE, (uint64_t)segment_base);
    wire_store_u64(p + AT_BYTES, segment_bytes);
    for (uint32_t i = 0; i < x->count; i++) {
        uint8_t *s = p + HEADER_BYTES + (size_t)i * SAMPLE_BYTES;

        wire_store_u64(s, (uint64_t)x->at[i].offset);
        wire_store_u64(s + SAMPLE_AT_POSITION, x->at[i].position);
        wire_store_u64(s + SAMPLE_AT_TIME, (uint64_t)x->at[i].max_timestamp_before);
    }
    wire_store_u32(p + CRC_AT, crc32c(0, (struct bytes){p + CRC_FROM, len - CRC_FROM}));
    out->len += len;
    return OK;
}

static struct index_sample sample_read(const uint8_t *s)
{
    return (struct index_sample){
        .offset = (int64_t)wire_load_u64(s),
        .position = wire_load_u64(s + SAMPLE_AT_POSITION),
        .max_timestamp_before = (int64_t)wire_load_u64(s + SAMPLE_AT_TIME),
    };
}

static bool head_fits(struct bytes file, int64_t segment_base, uint64_t segment_bytes)
{
    const uint8_t *p = file.at;

    return file.len >= HEADER_BYTES && memcmp(p, magic, sizeof(magic)) == 0 &&
           wire_load_u32(p + CRC_AT) == crc32c(0, bytes_slice(file, CRC_FROM, SIZE_MAX)) &&
           wire_load_u16(p + CRC_FROM) == VERSION &&
           wire_load_u32(p + AT_COUNT) == (file.len - HEADER_BYTES) / SAMPLE_BYTES &&
           (file.len - HEADER_BYTES) % SAMPLE_BYTES == 0 &&
           wire_load_u32(p + AT_COUNT) <= INDEX_SAMPLES_MAX &&
           (int64_t)wire_load_u64(p + AT_BASE) == segment_base &&
           wire_load_u64(p + AT_BYTES) >= segment_bytes;
}

enum err index_read(struct bytes file, int64_t segment_base, uint64_t segment_bytes,
                    struct index *out)
{
    struct index x = {0};
    struct index_sample last = {.offset = segment_base};

    if (!head_fits(file, segment_base, segment_bytes)) {
        return fail(ERR_CORRUPT, "an index that does not verify or fit");
    }
    uint32_t count = wire_load_u32(file.at + AT_COUNT);
    x.at = count == 0 ? NULL : mem_alloc(count * sizeof(*x.at));
    if (count > 0 && x.at == NULL) {
        return fail(ERR_NOMEM, "%" PRIu32 " index samples", count);
    }
    x.cap = count;
    for (uint32_t i = 0; i < count; i++) {
        struct index_sample s = sample_read(file.at + HEADER_BYTES + (size_t)i * SAMPLE_BYTES);

        if (s.offset < last.offset || s.position <= last.position) {
            index_deinit(&x);
            return fail(ERR_CORRUPT, "an index whose samples do not rise");
        }
        last = s;
        if (s.position < segment_bytes) {
            x.at[x.count++] = s;
        }
    }
    *out = x;
    return OK;
}
