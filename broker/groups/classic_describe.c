/* broker/groups/classic_describe.c: what others see of a classic group.
 *
 * TOPICS   What members read is in their metadata, which is theirs: only of the protocol type "consumer" is it known
 *          that it begins with a version and the topics. It is looked at when somebody asks, which is rare: when
 *          offsets are about to be deleted. What cannot be read means that nothing is known, so nothing is deleted.
 */
#include "broker/groups/classic_internal.h"

enum { SUBSCRIPTION_VERSION_BYTES = 2 };

static const char *const state_names[] = {
    [CLASSIC_EMPTY] = "Empty",
    [CLASSIC_PREPARING] = "PreparingRebalance",
    [CLASSIC_COMPLETING] = "CompletingRebalance",
    [CLASSIC_STABLE] = "Stable",
};

struct bytes classic_state_name(const struct classic_group *cg)
{
    return bytes_of(state_names[cg->state]);
}

bool classic_is_empty(const struct group *group)
{
    return group->classic->state == CLASSIC_EMPTY;
}

int64_t classic_empty_since_ms(const struct group *group)
{
    const struct classic_group *cg = group->classic;

    return cg->state == CLASSIC_EMPTY && cg->protocol_type.at != NULL ? cg->state_since_ms : -1;
}

bool classic_is_consumer(const struct group *group)
{
    return bytes_equal(group->classic->protocol_type, BYTES("consumer"));
}

size_t classic_member_count(const struct group *group)
{
    return group->classic->members.len;
}

/* ---- topics ---- */

/* Does the subscription name the topic? True if it cannot be read: version, then an array of strings. */
static bool names(struct bytes metadata, struct bytes topic)
{
    struct wire_reader r =
        wire_reader_of(bytes_slice(metadata, SUBSCRIPTION_VERSION_BYTES, metadata.len));
    int32_t count = wire_i32(&r);

    for (int32_t i = 0; i < count && r.err == OK; i++) {
        int16_t len = wire_i16(&r);

        if (len < 0 || bytes_equal(wire_bytes(&r, (size_t)len), topic)) {
            return true;
        }
    }
    return r.err != OK || count < 0;
}

bool classic_subscribes(const struct group *group, struct bytes topic)
{
    const struct classic_group *cg = group->classic;

    if (list_empty(&cg->members)) {
        return false;
    }
    if (!classic_is_consumer(group) || cg->protocol == NULL) {
        return true;
    }
    list_for_each (&cg->members, link) {
        const struct classic_member *m = CONTAINER_OF(link, const struct classic_member, link);

        if (names(classic_metadata(m), topic)) {
            return true;
        }
    }
    return false;
}

/* ---- ListGroups, DescribeGroups ---- */

void classic_list(const struct group *group, struct group_listing *out)
{
    const struct classic_group *cg = group->classic;

    *out = (struct group_listing){
        .id = group->id,
        .protocol_type = cg->protocol_type.at == NULL ? BYTES("") : cg->protocol_type,
        .state = classic_state_name(cg),
        .type = BYTES("classic"),
    };
}

static void member_describe(const struct classic_member *m, struct arena *a,
                            struct describe_groups_response_member *out)
{
    out->member_id = arena_copy(a, m->id);
    out->group_instance_id = arena_copy(a, m->instance_id);
    out->client_id = arena_copy(a, m->client_id);
    out->client_host = arena_copy(a, m->client_host);
    if (m->group->classic->state == CLASSIC_STABLE) {
        out->member_metadata = arena_copy(a, classic_metadata(m));
    }
    if (m->assignment.at != NULL) {
        out->member_assignment = arena_copy(a, m->assignment);
    }
}

void classic_describe(const struct group *group, struct arena *a,
                      struct describe_groups_response_group *out)
{
    const struct classic_group *cg = group->classic;
    int32_t at = 0;

    out->group_id = arena_copy(a, group->id);
    out->group_state = classic_state_name(cg);
    if (cg->protocol_type.at != NULL) {
        out->protocol_type = arena_copy(a, cg->protocol_type);
    }
    if (cg->state == CLASSIC_STABLE && cg->protocol != NULL) {
        out->protocol_data = arena_copy(a, cg->protocol->name);
    }
    out->members = describe_groups_response_members_new(a, (int32_t)cg->members.len);
    list_for_each (&cg->members, link) {
        if (at < out->members.len) { /* else the arena is exhausted */
            member_describe(CONTAINER_OF(link, const struct classic_member, link), a,
                            &out->members.at[at++]);
        }
    }
}
