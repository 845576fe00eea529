/* broker/handlers/delete_groups.c: DeleteGroups: groups without members go, with their offsets
 * (broker/groups/group_admin.c).
 *
 * A group that is named twice is deleted and answered once, where it stands first.
 */
#include "schema/delete_groups.h"
#include "broker/group_visit.h"
#include "broker/handler.h"
#include "broker/names.h"

static struct bytes group_of(const struct group_visit *v)
{
    return ((const struct delete_groups_request *)v->call.in)->groups_names.at[v->call.at];
}

static void refuse(struct group_call *c, enum kafka_error error)
{
    const struct delete_groups_request *in = c->in;
    struct delete_groups_response *out = c->out;
    struct delete_groups_response_results nothing = delete_groups_response_results_new(c->arena, 1);

    if (nothing.len == 1) {
        out->results.at[c->at] = nothing.at[0];
    }
    out->results.at[c->at].group_id = in->groups_names.at[c->at];
    out->results.at[c->at].error_code = error;
}

/* The request with each name once. NULL: the arena is exhausted. */
static const struct delete_groups_request *names_once(struct arena *a,
                                                      const struct delete_groups_request *in)
{
    struct delete_groups_request *once = ARENA_NEW(a, struct delete_groups_request);
    struct name_at *names = ARENA_ARRAY(a, struct name_at, in->groups_names.len);

    if (once == NULL || names == NULL) {
        return NULL;
    }
    *once = *in;
    once->groups_names = string_array_new(a, in->groups_names.len);
    if (a->exhausted) {
        return NULL;
    }
    for (int32_t i = 0; i < in->groups_names.len; i++) {
        names[i] = (struct name_at){.name = in->groups_names.at[i], .at = i};
    }
    names_find_doubles(names, in->groups_names.len);
    once->groups_names.len = 0;
    for (int32_t i = 0; i < in->groups_names.len; i++) {
        if (!names[i].again) {
            once->groups_names.at[once->groups_names.len++] = names[i].name;
        }
    }
    return once;
}

void handle_delete_groups(struct request *rq, const struct delete_groups_request *in,
                          struct delete_groups_response *out)
{
    const struct delete_groups_request *once = names_once(rq->arena, in);
    struct group_visit *v = group_visit_new(rq, once, out);

    if (v == NULL || once == NULL) {
        return;
    }
    out->results = delete_groups_response_results_new(rq->arena, once->groups_names.len);
    v->count = out->results.len;
    v->operation = group_delete;
    v->group_of = group_of;
    v->refuse = refuse;
    group_visit_start(v);
}
