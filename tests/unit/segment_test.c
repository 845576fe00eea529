/* tests/unit/segment_test.c: names of segment files, and reading one from front to back. */
#include "storage/segment.h"

#include "base/mem.h"
#include "storage/storage_internal.h"
#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"

TEST(the_name_of_a_segment_is_its_base_offset_in_twenty_digits)
{
    char path[ENV_PATH_BYTES];
    int64_t base = -1;

    segment_path("/d", 1234, ".log", path);
    CHECK_STR_EQ(path, "/d/00000000000000001234.log");
    CHECK_OK(segment_parse_name("00000000000000001234.log", ".log", &base));
    CHECK_EQ(base, 1234);
    CHECK_OK(segment_parse_name("09223372036854775807.log", ".log", &base));
    CHECK_EQ(base, INT64_MAX);
}

TEST(other_names_are_not_segments)
{
    static const char *const names[] = {"",
                                        "checkpoint",
                                        "1234.log",
                                        "00000000000000001234.idx",
                                        "0000000000000000123x.log",
                                        "-0000000000000001234.log",
                                        "99999999999999999999.log",
                                        "00000000000000001234.log2"};
    int64_t base;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CHECK_SAYS(segment_parse_name(names[i], ".log", &base) == ERR_NOT_FOUND, "%s", names[i]);
    }
}

/* Batches of the given sizes, one after the other, offsets rising by one. */
static struct bytes batches_of(struct arena *arena, const size_t *sizes, size_t count)
{
    size_t sum = 0, at = 0;

    for (size_t i = 0; i < count; i++) {
        sum += sizes[i];
    }
    uint8_t *p = arena_alloc(arena, sum);
    for (size_t i = 0; i < count; i++) {
        struct batch_header h = {.base_offset = (int64_t)i,
                                 .length = (int32_t)(sizes[i] - BATCH_OVERHEAD_BYTES),
                                 .magic = BATCH_MAGIC,
                                 .record_count = 1};

        batch_header_write(p + at, &h);
        h.crc = batch_crc((struct bytes){p + at, sizes[i]});
        batch_header_write(p + at, &h);
        at += sizes[i];
    }
    return (struct bytes){p, sum};
}

static const size_t sizes[] = {61, 100, 3 << 20, 5000, 1 << 20, 61};

TEST(a_scan_gives_every_batch_whatever_its_size)
{
    struct sim *sim = sim_new(1, NULL);
    struct sim_node *n = sim_node_add(sim, "10.0.0.1");
    struct bytes content = batches_of(arena, sizes, COUNT_OF(sizes));
    struct segment_scan c;
    struct batch b;

    sim_disk_put(sim_node_disk(n), "/d/s", content);
    CHECK_OK(segment_scan_open(&c, sim_node_env(n), "/d/s", 0));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        CHECK_OK(segment_scan_next(&c, &b));
        CHECK_EQ(b.header.base_offset, i);
        CHECK_EQ(b.bytes.len, sizes[i]);
    }
    CHECK_ERR(segment_scan_next(&c, &b), ERR_NOT_FOUND);
    segment_scan_seek(&c, 61);
    CHECK_OK(segment_scan_next(&c, &b));
    CHECK_EQ(b.header.base_offset, 1);
    segment_scan_close(&c);
    CHECK_ERR(segment_scan_open(&c, sim_node_env(n), "/d/nothing", 0), ERR_NOT_FOUND);
    CHECK_EQ(sim_node_handle_count(n), 0);
    sim_free(sim);
}

TEST(a_scan_stops_where_a_batch_is_wrong_or_cut_short)
{
    struct sim *sim = sim_new(1, NULL);
    struct sim_node *n = sim_node_add(sim, "10.0.0.1");
    struct bytes content = batches_of(arena, sizes, COUNT_OF(sizes));
    struct segment_scan c;
    struct batch b;

    sim_disk_put(sim_node_disk(n), "/d/s", bytes_slice(content, 0, 61 + 100 + 4000));
    sim_disk_put(sim_node_disk(n), "/d/t", content);
    CHECK(sim_disk_flip(sim_node_disk(n), "/d/t", 61 + 90, 1));
    CHECK_OK(segment_scan_open(&c, sim_node_env(n), "/d/s", 61));
    CHECK_OK(segment_scan_next(&c, &b));
    CHECK_ERR(segment_scan_next(&c, &b), ERR_CORRUPT);
    CHECK_EQ(c.position, 161);
    segment_scan_close(&c);
    CHECK_OK(segment_scan_open(&c, sim_node_env(n), "/d/t", 0));
    CHECK_OK(segment_scan_next(&c, &b));
    CHECK_ERR(segment_scan_next(&c, &b), ERR_CORRUPT);
    segment_scan_close(&c);
    CHECK_OK(segment_scan_open(&c, sim_node_env(n), "/d/t", 0));
    (void)mem_fail_nth(1);
    CHECK_ERR(segment_scan_next(&c, &b), ERR_NOMEM);
    segment_scan_close(&c);
    sim_free(sim);
}
