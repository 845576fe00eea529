/* tests/fuzz/journal_fuzz.c: any bytes as a journal file: header, groups, entries. Nothing is trusted, nothing is
 * read past its end, and what is accepted is written the same way again.
 */
#include "base/mem.h"
#include "storage/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct journal_entry *e, struct bytes was)
{
    uint8_t *at = mem_alloc(journal_entry_bytes(e->payload.len));

    if (at != NULL) {
        (void)journal_entry_write(at, e, 0);
        ASSERT(was.len >= journal_entry_bytes(e->payload.len));
        ASSERT(memcmp(at + 8, was.at + 8, 20) == 0); /* topic id and partition */
        mem_free(at);
    }
}

static void entries(struct bytes rest)
{
    struct journal_entry e;
    struct bytes was = rest;

    while (journal_entry_next(&rest, &e) == OK) {
        write_again(&e, was);
        ASSERT(rest.len < was.len);
        was = rest;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes b = {data, size};
    struct journal_file_header h;
    struct journal_group g;

    (void)journal_file_header_read(b, &h);
    entries(b);
    if (journal_group_read(b, &g) == OK) {
        ASSERT(g.entries.at + g.entries.len <= data + size);
        entries(g.entries);
    }
    return 0;
}
