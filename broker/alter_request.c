/* broker/alter_request.c: a request that changes settings, from its handler to core 0 and back.
 *
 * FLOW     Things that stand twice are refused here; the others are planned in one metadata decision
 *          (broker/alter_config.c), against the newest state there is.
 * FAILURE  The metadata log does not take the change: then nothing was changed, and each thing is told so.
 */
#include "broker/alter_config.h"

#include "broker/handler.h"
#include "broker/names.h"

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct config_alterations *all = CONTAINER_OF(change, struct config_alterations, change);
    struct arena *arena = all->rq->arena;

    for (int32_t i = 0; i < all->count && !arena->exhausted; i++) {
        struct config_alteration *a = &all->items[i];
        if (a->error == KAFKA_NONE) {
            alter_config_plan(a, metadata_draft(m), metadata_core(m)->config, arena);
        }
    }
    for (int32_t i = 0; i < all->count && !all->validate_only && !arena->exhausted; i++) {
        const struct config_alteration *a = &all->items[i];
        for (int32_t k = 0; a->error == KAFKA_NONE && k < a->put_count; k++) {
            metadata_put_config(m, (enum image_resource_type)a->type, a->name, &a->puts[k]);
        }
    }
}

static void decided(struct metadata_change *change)
{
    struct config_alterations *all = CONTAINER_OF(change, struct config_alterations, change);

    for (int32_t i = 0; change->err != OK && i < all->count; i++) {
        struct config_alteration *a = &all->items[i];
        if (a->error == KAFKA_NONE) {
            a->error = kafka_error_of(change->err);
            a->message = BYTES("The metadata log did not take it.");
        }
    }
    all->done(all);
    request_release(all->rq);
}

/* Things that stand twice; those of different types may have one name. */
static bool refuse_doubles(struct config_alterations *all)
{
    struct arena *arena = all->rq->arena;
    struct name_at *names = ARENA_ARRAY(arena, struct name_at, all->count);

    for (int32_t i = 0; names != NULL && i < all->count; i++) {
        const struct config_alteration *a = &all->items[i];
        struct bytes name = arena_format(arena, "%d %.*s", a->type, BYTES_ARG(a->name));
        names[i] = (struct name_at){.name = name, .at = i};
    }
    if (arena->exhausted) {
        return false;
    }
    names_find_doubles(names, all->count);
    for (int32_t i = 0; i < all->count; i++) {
        if (names[i].twice) {
            all->items[names[i].at].error = KAFKA_INVALID_REQUEST;
            all->items[names[i].at].message = BYTES("The request names it twice.");
        }
    }
    return true;
}

void alter_configs_start(struct config_alterations *all)
{
    if (refuse_doubles(all)) {
        all->change = (struct metadata_change){.decide = decide, .done = decided};
        request_hold(all->rq);
        metadata_submit(all->rq->core, &all->change);
    }
}
