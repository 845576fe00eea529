/* broker/handlers/list_groups.c: ListGroups (KIP-518, KIP-848): every group of this node, from core to core.
 *
 * FILTERS  States are compared without case and without blanks around them, types without case. An empty filter
 *          lets all through, a word that means nothing lets none.
 * FAILURE  While a coordinator loads its log, its groups are not known: COORDINATOR_LOAD_IN_PROGRESS and no group at
 *          all, so that nobody takes a part for the whole.
 */
#include "schema/list_groups.h"
#include "broker/group_visit.h"
#include "broker/handler.h"

enum { GROUPS_FIRST = 64 };

struct listing {
    struct group_tour tour;
    const struct list_groups_request *in;
    struct list_groups_response *out;
    int32_t room; /* in out->groups */
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool is_same_word(struct bytes a, struct bytes b)
{
    bool same = a.len == b.len;

    for (size_t i = 0; i < a.len && same; i++) {
        same = lower(a.at[i]) == lower(b.at[i]);
    }
    return same;
}

static bool passes(const struct string_array *filter, struct bytes word, bool trim)
{
    for (int32_t i = 0; i < filter->len; i++) {
        if (is_same_word(trim ? bytes_trim(filter->at[i]) : filter->at[i], word)) {
            return true;
        }
    }
    return filter->len <= 0;
}

/* Makes room for one more: twice as much, once and again. */
static bool has_room(struct arena *a, struct listing *l)
{
    struct list_groups_response_groups *groups = &l->out->groups;

    if (groups->len < l->room) {
        return true;
    }
    int32_t room = MAX(GROUPS_FIRST, 2 * l->room), len = groups->len;
    struct list_groups_response_groups more = list_groups_response_groups_new(a, room);
    if (more.len < room) {
        return false;
    }
    if (len > 0) {
        memcpy(more.at, groups->at, (size_t)len * sizeof(more.at[0]));
    }
    *groups = more;
    groups->len = len;
    l->room = room;
    return true;
}

static void each(struct group_tour *t, const struct group_listing *in)
{
    struct listing *l = CONTAINER_OF(t, struct listing, tour);
    struct arena *a = t->rq->arena;

    if (!passes(&l->in->states_filter, in->state, true) ||
        !passes(&l->in->types_filter, in->type, false) || !has_room(a, l)) {
        return;
    }
    struct list_groups_response_group *out = &l->out->groups.at[l->out->groups.len++];
    out->group_id = arena_copy(a, in->id);
    out->protocol_type = arena_copy(a, in->protocol_type);
    out->group_state = arena_copy(a, in->state);
    out->group_type = arena_copy(a, in->type);
}

static void done(struct group_tour *t)
{
    struct listing *l = CONTAINER_OF(t, struct listing, tour);

    l->out->error_code = t->error;
    if (t->error != KAFKA_NONE) {
        l->out->groups.len = 0;
    }
}

void handle_list_groups(struct request *rq, const struct list_groups_request *in,
                        struct list_groups_response *out)
{
    struct listing *l = ARENA_NEW(rq->arena, struct listing);

    if (l == NULL) {
        return;
    }
    *l = (struct listing){
        .tour = {.rq = rq, .each = each, .done = done}, .in = in, .out = out, .room = 0};
    group_tour_start(&l->tour);
}
