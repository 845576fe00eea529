/* tests/raft/host_store.c: messages, snapshots and configurations of a world.
 *
 * WHY      A world sends millions of messages: they come from a free list and keep their arrays. Snapshots and
 *          configurations are few and never change, so logs, messages and disks share them by pointer.
 * OWNER    The world; a message belongs to who holds it.
 * FAILURE  Out of memory asserts.
 */
#include "tests/raft/host_internal.h"

#include "base/mem.h"

enum { STORE_BYTES_MAX = 1 << 30 };

void host_store_init(struct host_store *s)
{
    arena_init(&s->arena, STORE_BYTES_MAX);
    s->free = NULL;
}

void host_store_deinit(struct host_store *s)
{
    while (s->free != NULL) {
        struct host_message *m = s->free;

        s->free = m->next;
        mem_free(m->entries);
        mem_free(m);
    }
    arena_deinit(&s->arena);
}

struct host_message *host_message_new(struct host_store *s)
{
    struct host_message *m = s->free;

    if (m == NULL) {
        m = mem_zalloc(1, sizeof(*m));
        ASSERT(m != NULL);
        return m;
    }
    s->free = m->next;
    m->next = NULL;
    m->snapshot = NULL;
    m->entry_count = 0;
    m->after_ticket = 0;
    return m;
}

void host_message_free(struct host_store *s, struct host_message *m)
{
    m->next = s->free;
    s->free = m;
}

void host_message_reserve(struct host_message *m, uint32_t count)
{
    if (count > m->entry_capacity) {
        m->entry_capacity = count * 2;
        m->entries = mem_realloc(m->entries, m->entry_capacity * sizeof(*m->entries));
        ASSERT(m->entries != NULL);
    }
}

struct host_message *host_message_copy(struct host_store *s, const struct host_message *m)
{
    struct host_message *copy = host_message_new(s);

    copy->message = m->message;
    copy->snapshot = m->snapshot;
    copy->after_ticket = m->after_ticket;
    host_message_reserve(copy, m->entry_count);
    copy->entry_count = m->entry_count;
    if (m->entry_count > 0) {
        memcpy(copy->entries, m->entries, m->entry_count * sizeof(*m->entries));
    }
    return copy;
}

struct host_snapshot *host_store_snapshot(struct host_store *s, const struct host_snapshot *from)
{
    struct host_snapshot *copy = ARENA_NEW(&s->arena, struct host_snapshot);

    ASSERT(copy != NULL);
    *copy = *from;
    return copy;
}

const struct raft_configuration *host_store_configuration(struct host_store *s,
                                                          const struct raft_configuration *from)
{
    struct raft_configuration *copy = ARENA_NEW(&s->arena, struct raft_configuration);

    ASSERT(copy != NULL && raft_configuration_valid(from));
    *copy = *from;
    return copy;
}
