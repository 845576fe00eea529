/* tests/fuzz/compression_fuzz.c: the readers of all codecs, and back.
 *
 * WHY      Four libraries and two framings read bytes from the network.
 * FORMAT   Byte 0 is the codec; the rest is read as compressed, and packed and read again.
 * LIMITS   PLAIN_MAX comes out at most.
 */
#include "protocol/compression.h"

enum { PLAIN_MAX = 1 << 20, PACKED_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_hostile(struct compression *c, enum codec codec, struct bytes in)
{
    struct buf whole;
    struct bytes piece;
    size_t got = 0;

    buf_init(&whole, PLAIN_MAX);
    enum err e = compression_unpack(c, codec, in, &whole);
    enum err again = compression_read_start(c, codec, in, PLAIN_MAX);
    while (again == OK && (again = compression_read(c, &piece)) == OK && piece.len > 0) {
        got += piece.len;
    }
    ASSERT(e == again);
    ASSERT(got <= PLAIN_MAX && (e != OK || got == whole.len));
    buf_deinit(&whole);
}

static void round_trip(struct compression *c, enum codec codec, struct bytes in)
{
    struct buf packed, plain;

    buf_init(&packed, PACKED_MAX);
    buf_init(&plain, PACKED_MAX);
    enum err e = compression_pack(c, codec, codec_level_default(codec), in, &packed);
    ASSERT(e == OK);
    e = compression_unpack(c, codec, buf_view(&packed), &plain);
    ASSERT(e == OK && bytes_equal(buf_view(&plain), in));
    buf_deinit(&packed);
    buf_deinit(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct compression *c;

    if (size < 1 || size > PLAIN_MAX) {
        return 0;
    }
    enum codec codec = (enum codec)(data[0] % CODEC_COUNT);
    struct bytes in = {data + 1, size - 1};
    ASSERT(compression_new(&c) == OK);
    read_hostile(c, codec, in);
    round_trip(c, codec, in);
    compression_free(c);
    return 0;
}
