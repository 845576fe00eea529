/* tests/unit/journal_test.c: the journal's bytes, and its files as they are filled, recycled and removed. */
#include "storage/journal.h"

#include "base/mem.h"
#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"

/* -- bytes -- */

static struct journal_entry entry_of(int partition, struct bytes payload)
{
    return (struct journal_entry){.kind = JOURNAL_APPEND,
                                  .topic_id = uuid_random(5, 6),
                                  .partition = partition,
                                  .segment_base = 100,
                                  .position = 4000,
                                  .offset = 107,
                                  .payload = payload};
}

static size_t group_of_two(uint8_t *at)
{
    struct journal_entry a = entry_of(1, BYTES("first")), b = entry_of(2, BYTES("the second"));
    size_t len = JOURNAL_GROUP_HEADER_BYTES;
    uint32_t crc = journal_entry_write(at + len, &a, 0);

    len += journal_entry_bytes(a.payload.len);
    crc = journal_entry_write(at + len, &b, crc);
    len += journal_entry_bytes(b.payload.len);
    journal_group_seal(at,
                       &(struct journal_group){.salt = 9,
                                               .generation = 2,
                                               .sequence = 33,
                                               .core = 1,
                                               .entry_count = 2,
                                               .bytes = (uint32_t)len},
                       crc);
    return len;
}

TEST(a_group_gives_back_its_entries)
{
    uint8_t at[512];
    size_t len = group_of_two(at);
    struct journal_group g;
    struct journal_entry e;

    CHECK_OK(journal_group_read((struct bytes){at, sizeof(at)}, &g));
    CHECK_EQ(g.salt, 9);
    CHECK_EQ(g.generation, 2);
    CHECK_EQ(g.sequence, 33);
    CHECK_EQ(g.bytes, len);
    struct bytes rest = g.entries;
    CHECK_OK(journal_entry_next(&rest, &e));
    CHECK_BYTES_EQ(e.payload, BYTES("first"));
    CHECK_EQ(e.partition, 1);
    CHECK_EQ(e.segment_base, 100);
    CHECK_EQ(e.position, 4000);
    CHECK_EQ(e.offset, 107);
    CHECK_OK(journal_entry_next(&rest, &e));
    CHECK_BYTES_EQ(e.payload, BYTES("the second"));
    CHECK_ERR(journal_entry_next(&rest, &e), ERR_NOT_FOUND);
}

TEST(a_group_with_any_wrong_bit_is_none)
{
    uint8_t at[512];
    size_t len = group_of_two(at);
    struct journal_group g;

    for (size_t i = 0; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            at[i] ^= (uint8_t)(1 << bit);
            CHECK_ERR(journal_group_read((struct bytes){at, sizeof(at)}, &g), ERR_CORRUPT);
            at[i] ^= (uint8_t)(1 << bit);
        }
    }
    for (size_t i = 0; i < len; i++) {
        CHECK_ERR(journal_group_read((struct bytes){at, i}, &g),
                  i < JOURNAL_GROUP_HEADER_BYTES ? ERR_CORRUPT : ERR_AGAIN);
    }
}

TEST(a_file_header_is_whole_or_not_there)
{
    uint8_t block[JOURNAL_BLOCK_BYTES] = {0};
    struct journal_file_header h = {.incarnation = 1,
                                    .core = 2,
                                    .number = 3,
                                    .generation = 4,
                                    .first_sequence = 5,
                                    .durable_before = 6,
                                    .live_from = 7,
                                    .salt = 8};
    struct journal_file_header got;

    CHECK_ERR(journal_file_header_read((struct bytes){block, sizeof(block)}, &got), ERR_NOT_FOUND);
    journal_file_header_write(block, &h);
    CHECK_OK(journal_file_header_read((struct bytes){block, sizeof(block)}, &got));
    CHECK_EQ(memcmp(&h, &got, sizeof(h)), 0);
    for (int i = 0; i < 72; i++) {
        block[i] ^= 4;
        CHECK(journal_file_header_read((struct bytes){block, sizeof(block)}, &got) != OK);
        block[i] ^= 4;
    }
}

TEST(entries_that_make_no_sense_are_refused)
{
    uint8_t at[JOURNAL_ENTRY_HEADER_BYTES + 8] = {0};
    struct journal_entry e = entry_of(1, BYTES("12345678")), got;
    struct bytes rest = {at, sizeof(at)};

    (void)journal_entry_write(at, &e, 0);
    at[0] = 4; /* a kind from the future */
    CHECK_ERR(journal_entry_next(&rest, &got), ERR_CORRUPT);
    at[0] = JOURNAL_TRUNCATE; /* with a payload */
    CHECK_ERR(journal_entry_next(&rest, &got), ERR_CORRUPT);
    at[0] = JOURNAL_APPEND;
    at[7] = 9; /* more payload than there is */
    CHECK_ERR(journal_entry_next(&rest, &got), ERR_CORRUPT);
    at[7] = 8;
    at[48] = 0x80; /* a negative offset */
    CHECK_ERR(journal_entry_next(&rest, &got), ERR_CORRUPT);
    at[48] = 0;
    rest.len = JOURNAL_ENTRY_HEADER_BYTES - 1;
    CHECK_ERR(journal_entry_next(&rest, &got), ERR_CORRUPT);
}

/* -- files -- */

struct bench {
    struct sim *sim;
    struct sim_node *node;
    struct journal journal;
};

static void begin(struct bench *b)
{
    b->sim = sim_new(1, NULL);
    b->node = sim_node_add(b->sim, "10.0.0.1");
    sim_disk_put_dir(sim_node_disk(b->node), "/j");
    journal_init(&b->journal, sim_node_env(b->node), "/j", 0, 1);
    b->journal.file_bytes = 32 << 10;
    b->journal.bytes_max = 128 << 10;
}

static void end(struct bench *b)
{
    journal_close(&b->journal);
    journal_deinit(&b->journal);
    CHECK_EQ(sim_node_handle_count(b->node), 0);
    sim_free(b->sim);
}

static enum err add(struct bench *b, size_t len)
{
    static const uint8_t zeroes[200 << 10];
    struct journal_entry e = entry_of(1, (struct bytes){zeroes, len});

    return journal_add(&b->journal, &e);
}

static bool commit(struct bench *b)
{
    bool begun;

    CHECK_OK(journal_begin(&b->journal, &begun));
    if (begun) {
        CHECK_OK(journal_write(&b->journal.write));
        journal_end(&b->journal);
    }
    return begun;
}

TEST(a_journal_nobody_writes_to_has_no_file_and_no_memory)
{
    struct bench b;
    bool begun;

    begin(&b);

    CHECK_OK(journal_begin(&b.journal, &begun));
    CHECK(!begun);
    CHECK_EQ(b.journal.bytes, 0);
    CHECK(b.journal.open.at == NULL && b.journal.header == NULL);
    end(&b);
}

TEST(files_fill_one_after_the_other_up_to_the_limit)
{
    struct bench b;
    int groups = 0;

    begin(&b);

    while (add(&b, 8000) == OK) {
        CHECK(commit(&b));
        groups++;
    }
    CHECK_EQ(groups, 4 * 3); /* groups of two blocks in files of seven */
    CHECK_EQ(b.journal.used.len, 4);
    CHECK(b.journal.wanted);
    /* Recycled, the oldest takes more. */
    journal_recycle(&b.journal, 3, false);
    CHECK_EQ(b.journal.spare.len, 2);
    CHECK(!b.journal.wanted);
    CHECK_OK(add(&b, 8000));
    CHECK(commit(&b));
    CHECK_EQ(b.journal.current->generation, 5);
    CHECK_EQ(b.journal.current->number, 1);
    CHECK_EQ(b.journal.used.len, 3);
    end(&b);
}

TEST(an_append_larger_than_a_file_gets_a_larger_file_that_is_removed_later)
{
    struct bench b;

    begin(&b);
    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    CHECK_OK(add(&b, 80 << 10));
    CHECK(commit(&b));
    CHECK(b.journal.current->bytes > 80 << 10);
    CHECK_ERR(add(&b, 80 << 10), ERR_LIMIT);
    journal_recycle(&b.journal, UINT64_MAX, true);
    CHECK_EQ(b.journal.used.len, 0);
    CHECK_EQ(b.journal.gone.len, 2); /* with the older one, so that no hole is left */
    CHECK_OK(add(&b, 200 << 10));    /* alone, it may pass the limit */
    CHECK(commit(&b));
    end(&b);
}

TEST(a_failed_group_is_dropped_and_its_file_left_alone)
{
    struct bench b;
    bool begun;

    begin(&b);

    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    CHECK_OK(add(&b, 100));
    CHECK_OK(journal_begin(&b.journal, &begun));
    CHECK(begun && b.journal.busy);
    CHECK_OK(add(&b, 100));
    sim_disk_fault_add(sim_node_disk(b.node),
                       &(struct sim_disk_fault){.op = SIM_DISK_SYNC, .nth = 1, .err = ERR_IO});
    CHECK_ERR(journal_write(&b.journal.write), ERR_IO);
    journal_fail(&b.journal);
    CHECK_EQ(b.journal.open.entry_count, 0);
    CHECK(!commit(&b));
    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    CHECK_EQ(b.journal.current->number, 2);
    CHECK_EQ(b.journal.sequence_durable, 3);
    journal_recycle(&b.journal, UINT64_MAX, true);
    CHECK_EQ(b.journal.gone.len, 1);
    end(&b);
}

TEST(a_small_group_in_new_blocks_writes_zeroes_behind_itself_once)
{
    struct bench b;
    const size_t block = JOURNAL_BLOCK_BYTES;

    begin(&b);
    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    CHECK_EQ(b.journal.write.ahead, (32 << 10) - 2 * block);
    CHECK_EQ(sim_disk_used(sim_node_disk(b.node)), 32 << 10);
    for (int i = 0; i < 6; i++) {
        CHECK_OK(add(&b, 100));
        CHECK(commit(&b));
        CHECK_EQ(b.journal.write.ahead, 0);
    }
    /* A file that is used again has its blocks. */
    journal_recycle(&b.journal, UINT64_MAX, true);
    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    CHECK_EQ(b.journal.current->number, 1);
    CHECK_EQ(b.journal.write.ahead, 0);
    end(&b);
}

TEST(a_group_is_written_even_if_there_is_no_memory_for_zeroes)
{
    struct bench b;
    bool begun;

    begin(&b);
    CHECK_OK(add(&b, 100));
    CHECK_OK(journal_begin(&b.journal, &begun));
    CHECK(b.journal.write.ahead > 0);
    (void)mem_fail_nth(1);
    CHECK_OK(journal_write(&b.journal.write));
    (void)mem_fail_nth(0);
    journal_end(&b.journal);
    CHECK_EQ(b.journal.sequence_durable, 1);
    end(&b);
}

TEST(a_file_for_which_there_is_no_space_is_not_left_behind)
{
    struct bench b;
    bool begun;

    begin(&b);

    sim_disk_capacity_set(sim_node_disk(b.node), 8192);
    CHECK_OK(add(&b, 100));
    CHECK_OK(journal_begin(&b.journal, &begun));
    CHECK_ERR(journal_write(&b.journal.write), ERR_NOSPACE);
    journal_fail(&b.journal);
    CHECK_EQ(sim_disk_used(sim_node_disk(b.node)), 0);
    end(&b);
}

TEST(idle_buffers_are_given_back)
{
    struct bench b;

    begin(&b);
    CHECK_OK(add(&b, 100));
    CHECK(!journal_shrink(&b.journal));
    CHECK(commit(&b));
    CHECK(journal_shrink(&b.journal));
    CHECK(!journal_shrink(&b.journal));
    CHECK(b.journal.open.at == NULL && b.journal.flying.at == NULL);
    CHECK_OK(add(&b, 100));
    CHECK(commit(&b));
    end(&b);
}

TEST(without_memory_an_entry_is_refused_and_nothing_changes)
{
    struct bench b;

    begin(&b);
    (void)mem_fail_nth(1);
    CHECK_ERR(add(&b, 100), ERR_NOMEM);
    CHECK_EQ(b.journal.open.entry_count, 0);
    CHECK_OK(add(&b, 100));
    bool begun;
    for (uint64_t nth = 1; nth <= 2; nth++) { /* the header's page, the file's state */
        (void)mem_fail_nth(nth);
        CHECK_ERR(journal_begin(&b.journal, &begun), ERR_NOMEM);
        (void)mem_fail_nth(0);
        mem_free(b.journal.header);
        b.journal.header = NULL;
    }
    CHECK(commit(&b));
    end(&b);
}
