/* tests/fuzz/message_read_fuzz.c: any bytes as any message, read.
 *
 * WHY      Nothing a peer sends may crash, hang or bloat us, and what was understood must mean the same when
 *          it is written again.
 * FORMAT   Bytes 0 and 1 choose the message, byte 2 the version (a few choose one that does not exist), byte 3
 *          whether unknown tagged fields are kept; the rest is the message.
 * PASSES   The arena never needs more than the promised factor. What is read is written; those bytes are read
 *          wholly and written once more: the same bytes.
 */
#include "protocol/message.h"

#include "schema/messages.h"

enum { HEAD = 4, STRUCT_BYTES_MAX = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(struct arena *a, const struct message_info *m, int16_t version,
                          const void *in)
{
    _Alignas(16) uint8_t again[STRUCT_BYTES_MAX];
    struct arena more;

    arena_init(&more, SIZE_MAX / 2);
    struct bytes first = message_bytes(a, m, version, in);
    struct wire_reader r = wire_reader_of(first);
    ASSERT(message_read_all(&r, &more, m, version, again) == OK);
    ASSERT(wire_left(&r) == 0);
    ASSERT(bytes_equal(message_bytes(&more, m, version, again), first));
    arena_deinit(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _Alignas(16) uint8_t in[STRUCT_BYTES_MAX];
    struct arena a;

    if (size < HEAD) {
        return 0;
    }
    const struct message_info *m = message_table[wire_load_u16(data) % MESSAGE_COUNT];
    int16_t version = (int16_t)(m->first - 1 + data[2] % (m->last - m->first + 3));
    struct bytes body = {data + HEAD, size - HEAD};
    struct wire_reader r = wire_reader_of(body);

    arena_init(&a, DECODE_FACTOR * body.len + 2 * ARENA_SLACK_BYTES);
    enum err e = data[3] % 2 == 0 ? message_read_all(&r, &a, m, version, in)
                                  : message_read(&r, &a, m, version, in);
    ASSERT(e != ERR_NOMEM);
    ASSERT((e == ERR_UNSUPPORTED) == (version < m->first || version > m->last));
    if (e == OK) {
        a.bytes_max = SIZE_MAX / 2;
        check_written(&a, m, version, in);
    }
    arena_deinit(&a);
    return 0;
}
