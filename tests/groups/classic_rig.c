/* tests/groups/classic_rig.c: requests of the classic protocol, made from a few words.
 *
 * Answers are compared by the test; what every test expects of the way there is checked here.
 */
#include "tests/groups/classic_rig.h"

enum { PROTOCOLS_MAX = 16, VERSION_DEFAULT = 5, VERSION_LEAVE = 5, VERSION_SYNC = 5 };

static struct bytes text(const char *s, const char *otherwise)
{
    return bytes_of(s == NULL ? otherwise : s);
}

static struct bytes text_or_null(const char *s)
{
    return s == NULL ? BYTES_NULL : bytes_of(s);
}

static struct join_group_request_protocols protocols_of(struct arena *a, const struct joiner *j)
{
    struct bytes rest = text(j->protocols, "range");
    struct join_group_request_protocols list = join_group_request_protocols_new(a, PROTOCOLS_MAX);

    list.len = 0;
    while (rest.len > 0) {
        ptrdiff_t comma = bytes_find(rest, ',');
        size_t len = comma < 0 ? rest.len : (size_t)comma;

        CHECK(list.len < PROTOCOLS_MAX);
        list.at[list.len].name = bytes_slice(rest, 0, len);
        list.at[list.len++].metadata = text(j->metadata, "m");
        rest = bytes_slice(rest, len + 1, rest.len);
    }
    return list;
}

struct fake_call *classic_join(struct fake_host *h, const struct joiner *j)
{
    struct join_group_request in;

    join_group_request_init(&in);
    in.group_id = text(j->group, "g");
    in.session_timeout_ms = j->session_ms == 0 ? SESSION_MS : j->session_ms;
    in.rebalance_timeout_ms = j->rebalance_ms == 0 ? REBALANCE_MS : j->rebalance_ms;
    in.member_id = j->id.at == NULL ? BYTES("") : j->id;
    in.group_instance_id = text_or_null(j->instance);
    in.protocol_type = text(j->type, "consumer");
    in.protocols = protocols_of(h->arena, j);
    in.reason = text_or_null(j->reason);
    return fake_run(h, &(struct fake_request){
                           .operation = group_join,
                           .request = &join_group_request_message,
                           .response = &join_group_response_message,
                           .version = j->version == 0 ? VERSION_DEFAULT : MAX(j->version, 0),
                           .in = &in,
                           .client_id = j->client_id,
                       });
}

const struct join_group_response *joined(const struct fake_call *c)
{
    return fake_answer(c);
}

struct fake_call *classic_sync(struct fake_host *h, const struct join_group_response *as,
                               const struct join_group_response_members *all)
{
    struct sync_group_request in;

    sync_group_request_init(&in);
    in.group_id = BYTES("g");
    in.generation_id = as->generation_id;
    in.member_id = as->member_id;
    in.protocol_type = BYTES("consumer");
    in.protocol_name = as->protocol_name;
    if (all != NULL) {
        in.assignments = sync_group_request_assignments_new(h->arena, all->len);
        for (int32_t i = 0; i < all->len; i++) {
            in.assignments.at[i].member_id = all->at[i].member_id;
            in.assignments.at[i].assignment =
                arena_format(h->arena, "for %.*s", BYTES_ARG(all->at[i].member_id));
        }
    }
    return FAKE_RUN(h, group_sync, sync_group, VERSION_SYNC, &in);
}

const struct sync_group_response *synced(const struct fake_call *c)
{
    return fake_answer(c);
}

enum kafka_error classic_beat(struct fake_host *h, struct bytes id, int32_t generation)
{
    struct heartbeat_request in;

    heartbeat_request_init(&in);
    in.group_id = BYTES("g");
    in.member_id = id;
    in.generation_id = generation;
    const struct heartbeat_response *out =
        fake_answer(FAKE_RUN(h, group_heartbeat, heartbeat, 3, &in));
    return out->error_code;
}

enum kafka_error classic_leave(struct fake_host *h, struct bytes id, const char *instance,
                               const char *reason)
{
    struct leave_group_request in;

    leave_group_request_init(&in);
    in.group_id = BYTES("g");
    in.members = leave_group_request_members_new(h->arena, 1);
    in.members.at[0].member_id = id;
    in.members.at[0].group_instance_id = text_or_null(instance);
    in.members.at[0].reason = text_or_null(reason);
    const struct leave_group_response *out =
        fake_answer(FAKE_RUN(h, group_leave, leave_group, VERSION_LEAVE, &in));
    if (out->error_code != KAFKA_NONE) {
        return out->error_code;
    }
    CHECK_EQ(out->members.len, 1);
    return out->members.at[0].error_code;
}

void classic_stable(struct fake_host *h, const struct join_group_response **members, int count)
{
    struct fake_call *calls[PROTOCOLS_MAX];

    CHECK(count <= PROTOCOLS_MAX);
    for (int i = 0; i < count; i++) {
        const char *name = (const char *)arena_format(h->arena, "m%d%c", i, 0).at;
        struct fake_call *first = JOIN(h, .client_id = name);

        CHECK_EQ(joined(first)->error_code, KAFKA_MEMBER_ID_REQUIRED);
        calls[i] = JOIN(h, .id = joined(first)->member_id, .client_id = name);
        CHECK(!fake_answered(calls[i]));
    }
    fake_wait(h, 2 * DELAY_MS);
    for (int i = 0; i < count; i++) {
        members[i] = joined(calls[i]);
        CHECK_EQ(members[i]->error_code, KAFKA_NONE);
        CHECK_BYTES_EQ(members[i]->leader, members[0]->member_id);
    }
    for (int i = 1; i < count; i++) {
        calls[i] = SYNC(h, members[i]);
        CHECK(!fake_answered(calls[i]));
    }
    calls[0] = classic_sync(h, members[0], &members[0]->members);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(synced(calls[i])->error_code, KAFKA_NONE);
        CHECK_BYTES_EQ(synced(calls[i])->assignment,
                       arena_format(h->arena, "for %.*s", BYTES_ARG(members[i]->member_id)));
    }
    CHECK_BYTES_EQ(classic_state(h), BYTES("Stable"));
}

struct bytes classic_state(struct fake_host *h)
{
    struct group_listing l;

    classic_list(group_find(h->groups, BYTES("g")), &l);
    return l.state;
}

struct fake_host *classic_host(struct arena *arena)
{
    struct fake_host *h = fake_host_new(arena);

    fake_topic(h, "t", 4);
    fake_start(h);
    return h;
}
