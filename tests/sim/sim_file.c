/* tests/sim/sim_file.c: the content of one simulated file.
 *
 * WHY      A power loss has to be able to give every mixture of old and new bytes a real disk could give, and
 *          a test wants to write a hundred megabytes in passing. So the page cache is a sparse array of
 *          chunks; the medium's version of a chunk is copied aside at the first write after a sync and
 *          thrown away by the next; and the writes themselves are kept, to be replayed one by one when power
 *          fails: each survives, tears or vanishes for itself, later ones on top of earlier ones.
 * SIZE     A surviving write that ends past the end makes the file longer, with zeroes in a gap. Truncations
 *          are ordered as a journaling file system orders them: when one is lost, later ones are, and of later
 *          writes only what lies below its size can survive.
 * LIMITS   SIM_FILE_BYTES_MAX; SIM_BAD_RANGE_COUNT_MAX.
 */
#include "tests/sim/sim_file.h"

#include "tests/sim/sim_mem.h"

enum { BLOCKS_PER_CHUNK = SIM_CHUNK_BYTES / SIM_BLOCK_BYTES, HUNDRED = 100 };
static_assert(BLOCKS_PER_CHUNK <= 8, "one bit per block in a byte");

static void unsynced_drop(struct sim_file *f)
{
    for (size_t i = 0; i < f->unsynced_count; i++) {
        sim_release(f->unsynced[i].data);
    }
    f->unsynced_count = 0;
}

void sim_file_deinit(struct sim_file *f)
{
    unsynced_drop(f);
    for (size_t i = 0; i < f->chunk_count; i++) {
        sim_release(f->chunks[i].live);
        sim_release(f->chunks[i].durable);
    }
    sim_release(f->chunks);
    sim_release(f->unsynced);
    sim_release(f->dirty);
    *f = (struct sim_file){0};
}

static struct sim_chunk *chunk_at(struct sim_file *f, size_t index)
{
    if (index >= f->chunk_count) {
        size_t count = MAX(index + 1, f->chunk_count * 2);

        f->chunks = sim_resize(f->chunks, count * sizeof(*f->chunks));
        memset(&f->chunks[f->chunk_count], 0, (count - f->chunk_count) * sizeof(*f->chunks));
        f->chunk_count = count;
    }
    return &f->chunks[index];
}

/* Before live changes: the medium's version goes aside. */
static void chunk_touch(struct sim_file *f, size_t index)
{
    struct sim_chunk *c = chunk_at(f, index);

    if (c->dirty) {
        return;
    }
    c->dirty = true;
    c->durable = c->live == NULL ? NULL : sim_copy(c->live, SIM_CHUNK_BYTES);
    if (f->dirty_count == f->dirty_cap) {
        f->dirty_cap = MAX(f->dirty_cap * 2, (size_t)16);
        f->dirty = sim_resize(f->dirty, f->dirty_cap * sizeof(*f->dirty));
    }
    f->dirty[f->dirty_count++] = index;
}

static void unsynced_add(struct sim_file *f, struct sim_unsynced u)
{
    if (f->unsynced_count == f->unsynced_cap) {
        f->unsynced_cap = MAX(f->unsynced_cap * 2, (size_t)16);
        f->unsynced = sim_resize(f->unsynced, f->unsynced_cap * sizeof(*f->unsynced));
    }
    f->unsynced[f->unsynced_count++] = u;
}

size_t sim_file_read(const struct sim_file *f, void *to, size_t len, uint64_t position)
{
    size_t got = position >= f->size ? 0 : (size_t)MIN((uint64_t)len, f->size - position);

    for (size_t done = 0; done < got;) {
        size_t index = (size_t)((position + done) / SIM_CHUNK_BYTES);
        size_t from = (size_t)((position + done) % SIM_CHUNK_BYTES);
        size_t part = MIN(got - done, SIM_CHUNK_BYTES - from);
        const uint8_t *live = index < f->chunk_count ? f->chunks[index].live : NULL;

        if (live == NULL) {
            memset((uint8_t *)to + done, 0, part);
        } else {
            memcpy((uint8_t *)to + done, live + from, part);
        }
        done += part;
    }
    return got;
}

static void image_write(uint8_t **image, size_t from, const uint8_t *data, size_t len)
{
    if (*image == NULL) {
        *image = sim_alloc(SIM_CHUNK_BYTES);
    }
    memcpy(*image + from, data, len);
}

uint64_t sim_file_blocks_missing(const struct sim_file *f, uint64_t position, uint64_t len)
{
    uint64_t missing = 0;

    for (uint64_t b = position / SIM_BLOCK_BYTES;
         len > 0 && b <= (position + len - 1) / SIM_BLOCK_BYTES; b++) {
        size_t index = (size_t)(b / BLOCKS_PER_CHUNK);
        unsigned bit = 1u << (b % BLOCKS_PER_CHUNK);

        missing += index >= f->chunk_count || (f->chunks[index].blocks & bit) == 0;
    }
    return missing;
}

void sim_file_allocate(struct sim_file *f, uint64_t position, uint64_t len)
{
    ASSERT(position <= SIM_FILE_BYTES_MAX && len <= SIM_FILE_BYTES_MAX - position);
    for (uint64_t b = position / SIM_BLOCK_BYTES;
         len > 0 && b <= (position + len - 1) / SIM_BLOCK_BYTES; b++) {
        struct sim_chunk *c = chunk_at(f, (size_t)(b / BLOCKS_PER_CHUNK));
        unsigned bit = 1u << (b % BLOCKS_PER_CHUNK);

        f->block_count += (c->blocks & bit) == 0;
        c->blocks = (uint8_t)(c->blocks | bit);
    }
}

/* What is written again can be read again. */
static void bad_heal(struct sim_file *f, uint64_t position, uint64_t len)
{
    for (uint32_t i = 0; i < f->bad_count;) {
        if (f->bad[i].position >= position &&
            f->bad[i].position + f->bad[i].len <= position + len) {
            f->bad[i] = f->bad[--f->bad_count];
        } else {
            i++;
        }
    }
}

void sim_file_write(struct sim_file *f, struct bytes data, uint64_t position)
{
    ASSERT(position <= SIM_FILE_BYTES_MAX && data.len <= SIM_FILE_BYTES_MAX - position);
    if (data.len == 0) {
        return;
    }
    sim_file_allocate(f, position, data.len);
    bad_heal(f, position, data.len);
    for (size_t done = 0; done < data.len;) {
        size_t index = (size_t)((position + done) / SIM_CHUNK_BYTES);
        size_t from = (size_t)((position + done) % SIM_CHUNK_BYTES);
        size_t part = MIN(data.len - done, SIM_CHUNK_BYTES - from);

        chunk_touch(f, index);
        image_write(&f->chunks[index].live, from, data.at + done, part);
        done += part;
    }
    f->size = MAX(f->size, position + data.len);
    unsynced_add(f, (struct sim_unsynced){position, data.len, sim_copy(data.at, data.len)});
}

/* Zeroes from `size` on in one image of a chunk. */
static void image_cut(uint8_t **image, size_t index, uint64_t size)
{
    uint64_t start = (uint64_t)index * SIM_CHUNK_BYTES;

    if (*image == NULL || start + SIM_CHUNK_BYTES <= size) {
        return;
    }
    if (start >= size) {
        sim_release(*image);
        *image = NULL;
        return;
    }
    memset(*image + (size - start), 0, (size_t)(start + SIM_CHUNK_BYTES - size));
}

/* Blocks wholly past the end take no space any more. */
static void blocks_cut(struct sim_file *f, uint64_t size)
{
    uint64_t keep = (size + SIM_BLOCK_BYTES - 1) / SIM_BLOCK_BYTES;

    for (size_t i = (size_t)(keep / BLOCKS_PER_CHUNK); i < f->chunk_count; i++) {
        for (unsigned b = 0; b < BLOCKS_PER_CHUNK; b++) {
            bool past = (uint64_t)i * BLOCKS_PER_CHUNK + b >= keep;

            if (past && (f->chunks[i].blocks & (1u << b)) != 0) {
                f->chunks[i].blocks = (uint8_t)(f->chunks[i].blocks & ~(1u << b));
                f->block_count--;
            }
        }
    }
}

void sim_file_truncate(struct sim_file *f, uint64_t size)
{
    ASSERT(size <= SIM_FILE_BYTES_MAX);
    for (size_t i = (size_t)(size / SIM_CHUNK_BYTES); i < f->chunk_count; i++) {
        if (f->chunks[i].live != NULL) {
            chunk_touch(f, i);
            image_cut(&f->chunks[i].live, i, size);
        }
    }
    blocks_cut(f, size);
    f->size = size;
    unsynced_add(f, (struct sim_unsynced){size, 0, NULL});
}

/* One write, or a part of it, gets to the medium. */
static void medium_write(struct sim_file *f, uint64_t position, const uint8_t *data, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        size_t index = (size_t)((position + done) / SIM_CHUNK_BYTES);
        size_t from = (size_t)((position + done) % SIM_CHUNK_BYTES);
        size_t part = (size_t)MIN(len - done, (uint64_t)(SIM_CHUNK_BYTES - from));

        ASSERT(f->chunks[index].dirty);
        image_write(&f->chunks[index].durable, from, data + done, part);
        done += part;
    }
    f->durable_size = MAX(f->durable_size, position + len);
}

static void medium_truncate(struct sim_file *f, uint64_t size)
{
    for (size_t i = 0; i < f->dirty_count; i++) {
        image_cut(&f->chunks[f->dirty[i]].durable, f->dirty[i], size);
    }
    f->durable_size = size;
}

/* The chunks that were dirty are clean, with what `live` or the medium had. */
static void chunks_clean(struct sim_file *f, bool keep_live)
{
    for (size_t i = 0; i < f->dirty_count; i++) {
        struct sim_chunk *c = &f->chunks[f->dirty[i]];

        sim_release(keep_live ? c->durable : c->live);
        c->live = keep_live ? c->live : c->durable;
        c->durable = NULL;
        c->dirty = false;
    }
    f->dirty_count = 0;
}

void sim_file_sync(struct sim_file *f)
{
    if (!f->diverged) {
        chunks_clean(f, true);
    }
    for (size_t i = 0; f->diverged && i < f->unsynced_count; i++) {
        const struct sim_unsynced *u = &f->unsynced[i];

        if (u->data == NULL) {
            medium_truncate(f, u->position);
        } else {
            medium_write(f, u->position, u->data, u->len);
        }
    }
    unsynced_drop(f);
    f->durable_size = f->size;
}

void sim_file_sync_failed(struct sim_file *f, bool evict)
{
    unsynced_drop(f);
    f->diverged = true;
    if (evict) {
        chunks_clean(f, false);
        f->diverged = false;
    }
}

/* Each sector of a torn write for itself; `len` may be cut by a lost truncation. */
static void crash_tear(struct sim_file *f, const struct sim_unsynced *u, uint64_t len,
                       struct sim_random *r)
{
    uint64_t unit = sim_random_below(r, 2) == 0 ? SIM_SECTOR_BYTES : SIM_BLOCK_BYTES;

    for (uint64_t done = 0; done < len;) {
        uint64_t at = u->position + done;
        uint64_t part = MIN(len - done, unit - at % unit);

        if (sim_random_below(r, 2) == 0) {
            medium_write(f, at, u->data + done, part);
        }
        done += part;
    }
}

/* A write that may survive below `limit`. */
static void crash_write(struct sim_file *f, const struct sim_unsynced *u, uint64_t limit,
                        struct sim_crash_odds odds, struct sim_random *r)
{
    uint64_t len = u->position >= limit ? 0 : MIN(u->len, limit - u->position);
    uint64_t fate = sim_random_below(r, HUNDRED);

    if (fate < odds.survive_percent) {
        if (len > 0) {
            medium_write(f, u->position, u->data, len);
        }
    } else if (fate < odds.survive_percent + odds.tear_percent) {
        crash_tear(f, u, len, r);
    }
}

void sim_file_crash(struct sim_file *f, struct sim_crash_odds odds, struct sim_random *r)
{
    uint64_t limit = UINT64_MAX;

    for (size_t i = 0; i < f->unsynced_count; i++) {
        const struct sim_unsynced *u = &f->unsynced[i];

        if (u->data != NULL) {
            crash_write(f, u, limit, odds, r);
        } else if (limit == UINT64_MAX && sim_random_below(r, HUNDRED) < odds.survive_percent) {
            medium_truncate(f, u->position);
        } else {
            limit = MIN(limit, u->position);
        }
    }
    unsynced_drop(f);
    chunks_clean(f, false);
    f->diverged = false;
    f->size = f->durable_size;
    blocks_cut(f, f->size);
    if (f->size >
        0) { /* blocks that a lost truncation had given up are taken again; holes stay holes */
        for (size_t i = 0; i < f->chunk_count && (uint64_t)i * SIM_CHUNK_BYTES < f->size; i++) {
            uint64_t start = (uint64_t)i * SIM_CHUNK_BYTES;

            if (f->chunks[i].live != NULL) {
                sim_file_allocate(f, start, MIN(f->size - start, (uint64_t)SIM_CHUNK_BYTES));
            }
        }
    }
}

bool sim_file_damage(struct sim_file *f, uint64_t position, struct bytes now)
{
    if (position > f->size || now.len > f->size - position) {
        return false;
    }
    for (size_t done = 0; done < now.len; done++) {
        size_t index = (size_t)((position + done) / SIM_CHUNK_BYTES);
        size_t from = (size_t)((position + done) % SIM_CHUNK_BYTES);
        struct sim_chunk *c = chunk_at(f, index);

        image_write(&c->live, from, now.at + done, 1);
        if (c->dirty) {
            image_write(&c->durable, from, now.at + done, 1);
        }
    }
    return true;
}

bool sim_file_is_bad(const struct sim_file *f, uint64_t position, uint64_t len)
{
    for (uint32_t i = 0; i < f->bad_count; i++) {
        if (f->bad[i].position < position + len && position < f->bad[i].position + f->bad[i].len) {
            return true;
        }
    }
    return false;
}

bool sim_file_bad_add(struct sim_file *f, uint64_t position, uint64_t len)
{
    if (f->bad_count == SIM_BAD_RANGE_COUNT_MAX || position >= f->size || len == 0) {
        return false;
    }
    f->bad[f->bad_count++] = (struct sim_bad_range){position, len};
    return true;
}
