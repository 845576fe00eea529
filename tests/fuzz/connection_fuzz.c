/* tests/fuzz/connection_fuzz.c: anything a client may send to an engine, in any pieces.
 *
 * WHY      Frames, headers, order of replies, budgets and ends of connections meet here; no bytes may crash, hang or
 *          bloat the process, and when the client has gone nothing of it may be left.
 * FORMAT   Byte 0: how many cores, and whether lengths are made right (or nothing but the first four bytes would
 *          ever be looked at). Then pieces: one byte of length, so many bytes to send; 0 lets a waiting
 *          request be answered.
 * LIMITS   INPUT_MAX bytes; the memory charged stays under CHARGED_MAX after every piece.
 */
#include "broker/connection.h"
#include "protocol/frame.h"
#include "tests/sim/engine.h"

enum { INPUT_MAX = 4096, ARENA_BYTES = 16 << 20, CHARGED_MAX = 16 << 20, PIECE_US = 500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_one(struct engine *e)
{
    struct engine_seen *s = engine_seen();

    if (s->held_count > 0) {
        engine_release(e, 0);
        s->held[0] = s->held[--s->held_count];
    }
}

/* Sends a piece, as a frame of its own if `framed`. */
static void send_piece(struct engine *e, struct client *c, struct bytes piece, bool framed)
{
    uint8_t length[FRAME_LENGTH_BYTES];

    wire_store_u32(length, (uint32_t)piece.len);
    if (framed) {
        client_send_some(c, (struct bytes){length, sizeof(length)});
    }
    client_send_some(c, piece);
    engine_run(e, PIECE_US);
    client_receive(c);
    ASSERT(engine_charged(e) <= CHARGED_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;

    if (size < 1 || size > INPUT_MAX) {
        return 0;
    }
    arena_init(&arena, ARENA_BYTES);
    struct engine e = engine_start(
        &arena, &(struct engine_options){.cores = 1 + data[0] % 2,
                                         .settings = {{"socket.request.max.bytes", "1048576"}}});
    struct client c = client_connect(&e);
    for (size_t at = 1; at < size && !c.closed;) {
        size_t len = MIN((size_t)data[at], size - at - 1);
        if (data[at] == 0) {
            answer_one(&e);
        }
        send_piece(&e, &c, (struct bytes){data + at + 1, len}, (data[0] & 2) != 0);
        at += 1 + len;
    }
    client_close(&c);
    while (engine_seen()->held_count > 0) {
        answer_one(&e);
    }
    engine_run(&e, 2 * CONNECTION_HALF_CLOSED_US);
    while (engine_seen()->held_count > 0) { /* of requests that had waited for others */
        answer_one(&e);
    }
    engine_run(&e, PIECE_US);
    ASSERT(engine_stats(&e).connections_open == 0);
    ASSERT(engine_stats(&e).requests_running == 0);
    ASSERT(engine_charged(&e) == 0);
    engine_stop(&e);
    arena_deinit(&arena);
    return 0;
}
