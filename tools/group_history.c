/* tools/group_history.c: from records to events.
 *
 * WHY      "Why did it rebalance at four?" is answered by who came and who went just before.
 * FORMAT   A classic group writes one record for each generation, with all of its members: whoever is new in it joined,
 *          whoever is missing left. A consumer group writes a record for each member that comes or goes, and one for
 *          each epoch. A classic group that is empty keeps its generation. A group that goes from one protocol to the
 *          other is deleted and made anew in one batch, so with one time: that is told as converted, and who was there
 *          stays.
 * OWNER    The arena that is given.
 */
#include "tools/group_history.h"

enum { ROOM_FIRST = 16 };

static const char *const names[] = {"member", "joined",  "left",     "rebalanced",
                                    "empty",  "deleted", "converted"};

const char *group_event_name(enum group_event_kind kind)
{
    return names[kind];
}

void group_history_init(struct group_history *h, struct bytes group)
{
    *h = (struct group_history){.group = group, .epoch = -1, .forgotten_ms = -1};
}

/* ---- events and members ---- */

static enum err add_event(struct group_history *h, struct arena *arena, const struct group_event *e)
{
    if (h->count == h->room) {
        int32_t room = MAX(2 * h->room, ROOM_FIRST);
        struct group_event *events = ARENA_ARRAY(arena, struct group_event, room);
        if (events == NULL) {
            return fail(ERR_NOMEM, "no memory for %d events", room);
        }
        if (h->count > 0) {
            memcpy(events, h->events, (size_t)h->count * sizeof(*events));
        }
        h->events = events;
        h->room = room;
    }
    h->events[h->count++] = *e;
    return OK;
}

static struct group_event event_of(const struct group_history *h, const struct group_record *r,
                                   enum group_event_kind kind)
{
    return (struct group_event){.kind = kind,
                                .timestamp_ms = r->timestamp_ms,
                                .epoch = h->epoch,
                                .member_count = h->member_count,
                                .pause_ms = -1};
}

static enum err tell_member(struct group_history *h, struct arena *arena,
                            const struct group_record *r, enum group_event_kind kind,
                            const struct group_record_member *m)
{
    struct group_event e = event_of(h, r, kind);

    e.member = *m;
    return add_event(h, arena, &e);
}

static struct group_record_member *find(struct group_record_member *members, int32_t count,
                                        struct bytes id)
{
    for (int32_t i = 0; i < count; i++) {
        if (bytes_equal(members[i].id, id)) {
            return &members[i];
        }
    }
    return NULL;
}

static struct group_record_member copy(struct arena *arena, const struct group_record_member *m)
{
    return (struct group_record_member){arena_copy(arena, m->id), arena_copy(arena, m->client_id),
                                        arena_copy(arena, m->host), arena_copy(arena, m->instance)};
}

static enum err add_member(struct group_history *h, struct arena *arena,
                           const struct group_record_member *m)
{
    if (h->member_count == h->member_room) {
        int32_t room = MAX(2 * h->member_room, ROOM_FIRST);
        struct group_record_member *members = ARENA_ARRAY(arena, struct group_record_member, room);
        if (members == NULL) {
            return fail(ERR_NOMEM, "no memory for %d members", room);
        }
        if (h->member_count > 0) {
            memcpy(members, h->members, (size_t)h->member_count * sizeof(*members));
        }
        h->members = members;
        h->member_room = room;
    }
    h->members[h->member_count++] = *m;
    return OK;
}

static void remove_member(struct group_history *h, struct group_record_member *m)
{
    *m = h->members[--h->member_count];
}

/* ---- classic ---- */

static enum err leave_missing(struct group_history *h, struct arena *arena,
                              const struct group_record *r)
{
    for (int32_t i = h->member_count - 1; i >= 0; i--) {
        struct group_record_member m = h->members[i];
        if (find(r->members, r->member_count, m.id) == NULL) {
            remove_member(h, &h->members[i]);
            TRY(tell_member(h, arena, r, GROUP_EVENT_LEFT, &m));
        }
    }
    return OK;
}

static enum err join_new(struct group_history *h, struct arena *arena, const struct group_record *r,
                         bool known)
{
    for (int32_t i = 0; i < r->member_count; i++) {
        if (find(h->members, h->member_count, r->members[i].id) == NULL) {
            struct group_record_member m = copy(arena, &r->members[i]);
            TRY(add_member(h, arena, &m));
            TRY(tell_member(h, arena, r, known ? GROUP_EVENT_JOINED : GROUP_EVENT_MEMBER, &m));
        }
    }
    return OK;
}

static enum err tell_group(struct group_history *h, struct arena *arena,
                           const struct group_record *r, enum group_event_kind kind)
{
    struct group_event e = event_of(h, r, kind);

    e.reason = arena_copy(arena, r->reason);
    e.pause_ms = r->pause_ms;
    return add_event(h, arena, &e);
}

static enum err add_classic(struct group_history *h, struct arena *arena,
                            const struct group_record *r)
{
    bool known = h->begun || r->epoch <= 1; /* nobody was there before the first generation */
    bool moved = h->begun ? r->epoch != h->epoch : r->member_count > 0;
    int32_t before = h->member_count;

    h->epoch = r->epoch;
    h->begun = true;
    TRY(leave_missing(h, arena, r));
    TRY(join_new(h, arena, r, known));
    if (h->member_count == 0) {
        return before > 0 ? tell_group(h, arena, r, GROUP_EVENT_EMPTY) : OK;
    }
    return moved ? tell_group(h, arena, r, GROUP_EVENT_REBALANCED) : OK;
}

/* ---- consumer ---- */

static enum err add_consumer_member(struct group_history *h, struct arena *arena,
                                    const struct group_record *r)
{
    struct group_record_member *there = find(h->members, h->member_count, r->member);

    h->begun = true;
    if (r->gone && there != NULL) {
        struct group_record_member m = *there;
        remove_member(h, there);
        TRY(tell_member(h, arena, r, GROUP_EVENT_LEFT, &m));
        return h->member_count == 0 ? tell_group(h, arena, r, GROUP_EVENT_EMPTY) : OK;
    }
    if (r->gone || there != NULL || r->member_count == 0) {
        return OK;
    }
    struct group_record_member m = copy(arena, &r->members[0]);
    TRY(add_member(h, arena, &m));
    return tell_member(h, arena, r, GROUP_EVENT_JOINED, &m);
}

static enum err add_consumer(struct group_history *h, struct arena *arena,
                             const struct group_record *r)
{
    bool moved = r->epoch != h->epoch;

    h->epoch = r->epoch;
    h->begun = true;
    return moved && h->member_count > 0 ? tell_group(h, arena, r, GROUP_EVENT_REBALANCED) : OK;
}

static enum err forget(struct group_history *h, struct arena *arena, const struct group_record *r)
{
    if (!h->begun) {
        return OK;
    }
    TRY(tell_group(h, arena, r, GROUP_EVENT_DELETED));
    h->forgotten_ms = r->timestamp_ms;
    h->forgotten_members = h->member_count;
    h->member_count = 0;
    h->epoch = -1;
    h->begun = false;
    return OK;
}

/* What was deleted a moment ago goes on in the other protocol. */
static void revive(struct group_history *h, const struct group_record *r)
{
    if (h->forgotten_ms >= 0 && h->forgotten_ms == r->timestamp_ms) {
        h->events[h->count - 1].kind = GROUP_EVENT_CONVERTED;
        h->member_count = h->forgotten_members;
        h->begun = true;
    }
    h->forgotten_ms = -1;
}

enum err group_history_add(struct group_history *h, struct arena *arena,
                           const struct group_record *r)
{
    if (!bytes_equal(r->group, h->group)) {
        return OK;
    }
    bool tells = r->kind == GROUP_RECORD_CLASSIC || r->kind == GROUP_RECORD_CONSUMER ||
                 r->kind == GROUP_RECORD_MEMBER;
    if (tells && !r->gone) {
        revive(h, r);
    }
    switch (r->kind) {
    case GROUP_RECORD_CLASSIC:
        return r->gone ? forget(h, arena, r) : add_classic(h, arena, r);
    case GROUP_RECORD_CONSUMER:
        return r->gone ? forget(h, arena, r) : add_consumer(h, arena, r);
    case GROUP_RECORD_MEMBER:
        return add_consumer_member(h, arena, r);
    default:
        return OK;
    }
}
