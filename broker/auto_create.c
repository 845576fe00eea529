/* broker/auto_create.c: creating a topic on first use.
 *
 * WHY      A client that asks for metadata of a new topic gets an error and asks again a moment later: each
 *          time would be a new creation if what is on its way were not remembered.
 * OWNER    The core that was asked. The change travels to core 0 and back with memory of its own.
 * LIMITS   AUTO_CREATE_PENDING_MAX.
 */
#include "broker/auto_create.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/coordinator.h"
#include "broker/topic_plan.h"

struct auto_creation {
    struct metadata_change change;
    struct list_link link; /* core->auto_creations */
    struct arena arena;
    struct bytes name;
    struct topic_plan plan;
};

enum { AUTO_CREATE_ARENA_BYTES = 4 << 20 };

static void auto_creation_free(struct auto_creation *a)
{
    arena_deinit(&a->arena);
    mem_free(a);
}

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct auto_creation *a = CONTAINER_OF(change, struct auto_creation, change);
    const struct config *config = metadata_core(m)->config;
    const struct image *draft = metadata_draft(m);
    struct create_topics_request_topic in = {
        .name = a->name, .num_partitions = -1, .replication_factor = -1};

    if (bytes_equal(a->name, OFFSETS_TOPIC)) {
        in = topic_plan_offsets_topic(draft, config, &a->arena);
    }
    topic_plan_make(&a->plan, draft, config, &in, &a->arena);
    if (a->plan.error == KAFKA_NONE && !a->arena.exhausted) {
        (void)metadata_put_topic(m, &a->plan.topic);
    }
}

static void created(struct metadata_change *change)
{
    struct auto_creation *a = CONTAINER_OF(change, struct auto_creation, change);

    if (change->err != OK) {
        log_warn("topic not created on first use", "topic=%.*s error=%s", BYTES_ARG(a->name),
                 err_name(change->err));
    } else if (a->plan.error != KAFKA_NONE && a->plan.error != KAFKA_TOPIC_ALREADY_EXISTS) {
        log_warn("topic not created on first use", "topic=%.*s reason=\"%.*s\"", BYTES_ARG(a->name),
                 BYTES_ARG(a->plan.message));
    }
    list_remove(&change->from->auto_creations, &a->link);
    auto_creation_free(a);
}

static bool on_its_way(struct core *c, struct bytes name)
{
    list_for_each (&c->auto_creations, link) {
        if (bytes_equal(CONTAINER_OF(link, struct auto_creation, link)->name, name)) {
            return true;
        }
    }
    return false;
}

void topic_auto_create(struct core *c, struct bytes name)
{
    if (c->auto_creations.len >= AUTO_CREATE_PENDING_MAX || on_its_way(c, name)) {
        return;
    }
    struct auto_creation *a = mem_zalloc(1, sizeof(*a));
    if (a == NULL) {
        return;
    }
    arena_init(&a->arena, AUTO_CREATE_ARENA_BYTES);
    a->name = arena_copy(&a->arena, name);
    if (a->name.at == NULL) {
        auto_creation_free(a);
        return;
    }
    a->change.decide = decide;
    a->change.done = created;
    list_add_last(&c->auto_creations, &a->link);
    metadata_submit(c, &a->change);
}

void offsets_topic_create(struct core *c)
{
    if (c->image != NULL && image_topic_by_name(c->image, OFFSETS_TOPIC) == NULL) {
        topic_auto_create(c, OFFSETS_TOPIC);
    }
}
