/* broker/exchange.c: where the memory of a request comes from, and when it goes back.
 *
 * WHY      A small request must not call the allocator: exchanges are kept for reuse with their arena's first
 *          block, frames up to FRAME_IN_ARENA_MAX lie in the arena, replies up to
 *          EXCHANGE_SMALL_REPLY_BYTES in the exchange.
 * OWNER    The core of the connection. An exchange belongs to its connection; once that has ended, to
 *          connections->running.
 * FAILURE  No memory: NULL, and the caller ends the connection.
 * LIMITS   FREE_EXCHANGES_MAX are kept. A request may decode to DECODE_FACTOR times its bytes, but not to
 *          more than the core's whole budget.
 */
#include "broker/exchange.h"

#include "base/limits.h"
#include "base/mem.h"
#include "broker/connection.h"
#include "broker/image.h"

enum { FREE_EXCHANGES_MAX = 64, FRAME_IN_ARENA_MAX = 1024 };

static struct exchange *take_free(struct connections *cs)
{
    struct list_link *link = list_take_first(&cs->free_exchanges);

    if (link == NULL) {
        return mem_zalloc(1, sizeof(struct exchange));
    }
    struct exchange *e = CONTAINER_OF(link, struct exchange, link);
    struct arena arena = e->arena;
    memset(e, 0, offsetof(struct exchange, small));
    e->arena = arena;
    return e;
}

static void give_back(struct connections *cs, struct exchange *e)
{
    if (cs->free_exchanges.len >= FREE_EXCHANGES_MAX) {
        arena_deinit(&e->arena);
        mem_free(e);
        return;
    }
    arena_reset(&e->arena);
    list_add_first(&cs->free_exchanges, &e->link);
}

/* Puts the frame where it may stay; BYTES_NULL without memory. */
static struct bytes keep_frame(struct exchange *e, struct bytes frame, uint8_t *owned)
{
    if (owned == NULL && frame.len <= FRAME_IN_ARENA_MAX) {
        return arena_copy(&e->arena, frame);
    }
    if (owned == NULL) {
        owned = mem_alloc(frame.len);
        if (owned == NULL) {
            return BYTES_NULL;
        }
        memcpy(owned, frame.at, frame.len);
        frame.at = owned;
    }
    e->frame = owned;
    return frame;
}

struct exchange *exchange_new(struct connection *on, struct bytes frame, uint8_t *owned,
                              size_t charged, struct bytes *kept)
{
    struct connections *cs = on->core->connections;
    struct exchange *e = take_free(cs);

    if (e == NULL) {
        return NULL;
    }
    size_t decoded_max = MIN(frame.len * DECODE_FACTOR, cs->budget.bytes_max) + ARENA_SLACK_BYTES;
    if (e->arena.blocks == NULL) {
        arena_init(&e->arena, 0);
    }
    e->arena.bytes_max = decoded_max + FRAME_IN_ARENA_MAX;
    *kept = keep_frame(e, frame, owned);
    if (kept->at == NULL) {
        give_back(cs, e);
        return NULL;
    }
    e->home = cs;
    e->connection = on;
    e->charged = charged;
    e->rq = (struct request){.core = on->core,
                             .arena = &e->arena,
                             .image = on->core->image == NULL ? NULL : image_ref(on->core->image),
                             .peer = on->peer,
                             .local = on->local,
                             .received_us = on->core->now_us,
                             .frame_bytes = frame.len};
    list_add_last(&cs->running, &e->running);
    return e;
}

static void free_request_part(struct exchange *e)
{
    mem_free(e->frame);
    e->frame = NULL;
    image_unref(e->rq.image);
    e->rq.image = NULL;
}

void exchange_free(struct exchange *e)
{
    struct connections *cs = e->home;

    ASSERT(e->state != EXCHANGE_RUNNING || e->connection == NULL);
    if (e->rq.sent != NULL) {
        e->rq.sent(&e->rq);
    }
    free_request_part(e);
    if (e->reply != e->small) {
        mem_free(e->reply);
    }
    budget_give(&cs->budget, e->charged);
    give_back(cs, e);
}

static void recharge(struct exchange *e, size_t bytes)
{
    budget_give(&e->home->budget, e->charged);
    budget_force(&e->home->budget, bytes);
    e->charged = bytes;
}

void exchange_charge_arena(struct exchange *e)
{
    size_t held = sizeof(*e) + e->arena.bytes + (e->frame == NULL ? 0 : e->rq.frame_bytes);

    if (held > e->charged) {
        recharge(e, held);
    }
}

void exchange_allow_answer(struct exchange *e)
{
    e->arena.bytes_max = MAX(e->arena.bytes_max, e->home->budget.bytes_max);
}

void exchange_trim(struct exchange *e)
{
    if (e->rq.sent == NULL && e->slices == &e->one_slice) {
        free_request_part(e);
        arena_reset(&e->arena);
    }
    size_t held = sizeof(*e) + e->arena.bytes + (e->frame == NULL ? 0 : e->rq.frame_bytes) +
                  (e->reply == e->small ? 0 : e->one_slice.len);
    recharge(e, held);
}

uint8_t *exchange_reply_alloc(struct exchange *e, size_t bytes)
{
    ASSERT(e->reply == NULL);
    e->reply = bytes <= EXCHANGE_SMALL_REPLY_BYTES ? e->small : mem_alloc(bytes);
    return e->reply;
}
