/* broker/groups/consumer_heartbeat.c: ConsumerGroupHeartbeat (KIP-848): the one request of a member.
 *
 *     1. is the request sound?          INVALID_REQUEST and the like, in Kafka's words
 *     2. leaving (epoch -1, -2)?        consumer_leave.c
 *     3. whose is it?                   consumer_join.c
 *     4. what it says of itself         -> perhaps a new group epoch
 *     5. is there a target for it?      consumer_target.c
 *     6. one step towards the target    consumer_reconcile.c
 *     7. the answer: epoch, interval, and the assignment if there is news
 *
 * COST     Without news: two look-ups and a timer; no record, no memory.
 */
#include "broker/groups/consumer_internal.h"

enum { VERSION_CLIENT_MEMBER_ID = 1 };

struct beat {
    struct groups *g;
    struct group *group;
    struct group_call *call;
    const struct consumer_group_heartbeat_request *in;
    struct consumer_group_heartbeat_response *out;
    bool upgraded; /* the group, by this request */
};

static void refuse(const struct beat *b, enum kafka_error error, struct bytes message)
{
    consumer_group_heartbeat_response_init(b->out);
    b->out->error_code = error;
    b->out->error_message = message;
    group_call_end(b->g, b->group, b->call);
}

/* ---- 1. the request ---- */

static bool is_blank(struct bytes text)
{
    return bytes_trim(text).len == 0;
}

static const char *unsound_join(const struct consumer_group_heartbeat_request *in)
{
    if (in->rebalance_timeout_ms == -1) {
        return "RebalanceTimeoutMs must be provided in first request.";
    }
    if (in->topic_partitions.len != 0) { /* null is -1 */
        return "TopicPartitions must be empty when (re-)joining.";
    }
    if (in->subscribed_topic_names.len < 0 && in->subscribed_topic_regex.at == NULL) {
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    }
    return NULL;
}

/* In version 0 the coordinator chooses the id, and a static member that goes for a while is known by its instance. */
static bool needs_id(const struct consumer_group_heartbeat_request *in, int16_t version)
{
    return version >= VERSION_CLIENT_MEMBER_ID ||
           (in->member_epoch != EPOCH_JOIN && in->member_epoch != EPOCH_LEAVE_STATIC);
}

/* NULL: it is sound. */
static const char *unsound(const struct consumer_group_heartbeat_request *in, int16_t version)
{
    if (is_blank(in->group_id)) {
        return "GroupId can't be empty.";
    }
    if (is_blank(in->member_id) && needs_id(in, version)) {
        return "MemberId can't be empty.";
    }
    if (in->instance_id.at != NULL && is_blank(in->instance_id)) {
        return "InstanceId can't be empty.";
    }
    if (in->rack_id.at != NULL && is_blank(in->rack_id)) {
        return "RackId can't be empty.";
    }
    if (in->member_epoch == EPOCH_JOIN) {
        return unsound_join(in);
    }
    if (in->member_epoch == EPOCH_LEAVE_STATIC && in->instance_id.at == NULL) {
        return "InstanceId can't be null.";
    }
    return in->member_epoch < EPOCH_LEAVE_STATIC ? "MemberEpoch is invalid." : NULL;
}

/* Is the word in a list with commas? */
static bool list_has(struct bytes list, struct bytes word)
{
    bool found = false;

    while (list.len > 0 && !found) {
        ptrdiff_t comma = bytes_find(list, ',');
        size_t len = comma < 0 ? list.len : (size_t)comma;

        found = bytes_equal(bytes_trim(bytes_slice(list, 0, len)), word);
        list = bytes_slice(list, MIN(len + 1, list.len), SIZE_MAX);
    }
    return found;
}

/* As configured; the names of plug-ins are not there. */
static bool assignor_served(const struct groups *g, struct bytes name, struct bytes *all)
{
    *all = config_text(g->host.config, CONFIG_GROUP_CONSUMER_ASSIGNORS);
    return list_has(*all, name) && assignor_find(name) != NULL;
}

static struct bytes assignor_list(struct arena *a, struct bytes names)
{
    struct bytes out = BYTES("");

    while (names.len > 0) {
        ptrdiff_t comma = bytes_find(names, ',');
        size_t len = comma < 0 ? names.len : (size_t)comma;

        out = arena_format(a, "%.*s%s%.*s", BYTES_ARG(out), out.len == 0 ? "" : ", ",
                           BYTES_ARG(bytes_trim(bytes_slice(names, 0, len))));
        names = bytes_slice(names, MIN(len + 1, names.len), SIZE_MAX);
    }
    return out;
}

/* True: refused. */
static bool refuse_unsound(const struct beat *b)
{
    const char *what = unsound(b->in, b->call->version);
    struct bytes why, all;

    if (what != NULL) {
        refuse(b, KAFKA_INVALID_REQUEST, bytes_of(what));
        return true;
    }
    if (b->in->server_assignor.at != NULL && !assignor_served(b->g, b->in->server_assignor, &all)) {
        refuse(b, KAFKA_UNSUPPORTED_ASSIGNOR,
               arena_format(b->call->arena,
                            "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
                            BYTES_ARG(b->in->server_assignor),
                            BYTES_ARG(assignor_list(b->call->arena, all))));
        return true;
    }
    if (b->in->subscribed_topic_regex.len > 0 &&
        consumer_regex_check(b->g, b->call->arena, b->in->subscribed_topic_regex, &why) !=
            KAFKA_NONE) {
        refuse(b, KAFKA_INVALID_REGULAR_EXPRESSION, why);
        return true;
    }
    return false;
}

/* ---- 2. the group, and leaving ---- */

static struct bytes group_words(const struct beat *b, const char *before, const char *after)
{
    return arena_format(b->call->arena, "%s%.*s%s", before, BYTES_ARG(b->in->group_id), after);
}

/* The group of the request, made or changed over if it may be; false: the call has ended. */
static bool group_get(struct beat *b)
{
    bool join = b->in->member_epoch == EPOCH_JOIN;

    b->group = group_find(b->g, b->in->group_id);
    if (b->group == NULL && !join) {
        refuse(b, KAFKA_GROUP_ID_NOT_FOUND,
               b->in->member_epoch > 0 ? group_words(b, "Consumer group ", " not found.")
                                       : group_words(b, "Group ", " not found."));
        return false;
    }
    if (b->group == NULL) {
        b->group = group_add(b->g, b->in->group_id);
        return b->group != NULL && consumer_new(b->g, b->group) == OK;
    }
    if (b->group->consumer != NULL) {
        return true;
    }
    if (!join) {
        refuse(b, KAFKA_GROUP_ID_NOT_FOUND, group_words(b, "Group ", " is not a consumer group."));
        return false;
    }
    if (classic_is_empty(b->group)) {
        return consumer_from_empty(b->g, b->group);
    }
    struct consumer_refusal why = consumer_upgrade(b->g, b->group, b->call->arena);
    if (why.error != KAFKA_NONE) {
        refuse(b, why.error, why.message);
    }
    b->upgraded = why.error == KAFKA_NONE;
    return b->upgraded && !b->g->broken;
}

/* A static member goes for a while: its assignment stays, what it was to give up is free. */
static void leave_static(const struct beat *b, struct consumer_member *m)
{
    struct consumer_parts kept = {0};

    if (!consumer_parts_copy(&kept, m->assigned)) {
        groups_break(b->g);
        return;
    }
    for (int32_t i = 0; i < kept.len; i++) {
        kept.at[i].epoch = 0;
    }
    consumer_put_current(b->g, b->group, m->id,
                         &(struct consumer_current){.epoch = EPOCH_LEAVE_STATIC,
                                                    .previous_epoch = m->previous_epoch,
                                                    .state = m->state,
                                                    .assigned = kept});
    consumer_parts_free(&kept);
}

static void leave(const struct beat *b)
{
    struct arena *a = b->call->arena;
    bool is_static = b->in->instance_id.at != NULL;
    struct consumer_member *m = is_static
                                    ? consumer_find_instance(b->g, b->group, b->in->instance_id)
                                    : consumer_find(b->g, b->group, b->in->member_id);

    if (m == NULL) {
        refuse(b, KAFKA_UNKNOWN_MEMBER_ID,
               is_static
                   ? arena_format(a, "Instance id %.*s is unknown.", BYTES_ARG(b->in->instance_id))
                   : arena_format(a, "Member %.*s is not a member of group %.*s.",
                                  BYTES_ARG(b->in->member_id), BYTES_ARG(b->group->id)));
        return;
    }
    if (is_static && !bytes_equal(m->id, b->in->member_id)) {
        refuse(b, KAFKA_FENCED_INSTANCE_ID,
               arena_format(
                   a, "Static member %.*s with instance id %.*s was fenced by member %.*s.",
                   BYTES_ARG(b->in->member_id), BYTES_ARG(b->in->instance_id), BYTES_ARG(m->id)));
        return;
    }
    if (b->in->member_epoch == EPOCH_LEAVE_STATIC) {
        leave_static(b, m);
    } else {
        consumer_remove(b->g, m, arena_format(&b->g->scratch, "%.*s left", BYTES_ARG(m->id)));
    }
    b->out->member_id = b->in->member_id;
    b->out->member_epoch = b->in->member_epoch;
    group_call_end(b->g, b->group, b->call);
}

/* ---- 3. to 6. ---- */

static struct consumer_owned owned_of(const struct beat *b)
{
    const struct consumer_group_heartbeat_request_topic_partitions *from = &b->in->topic_partitions;
    struct consumer_owned owned = {.given = from->len >= 0};
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < from->len; i++) {
        count += MAX(from->at[i].partitions.len, 0);
    }
    owned.parts = consumer_parts_new(b->call->arena, count);
    for (int32_t i = 0; owned.parts.len > 0 && i < from->len; i++) {
        for (int32_t k = 0; k < from->at[i].partitions.len; k++) {
            owned.parts.at[at++] = (struct consumer_part){
                .topic_id = from->at[i].topic_id, .partition = from->at[i].partitions.at[k]};
        }
    }
    consumer_parts_sort(owned.parts);
    return owned;
}

/* True: refused. */
static bool refuse_full(const struct beat *b)
{
    int64_t max =
        MIN(groups_config(b->g, CONFIG_GROUP_CONSUMER_MAX_SIZE), (int64_t)CONSUMER_MEMBERS_MAX);

    bool known = b->in->instance_id.at == NULL
                     ? consumer_find(b->g, b->group, b->in->member_id) != NULL
                     : consumer_find_instance(b->g, b->group, b->in->instance_id) != NULL;

    if (known || b->in->member_epoch != EPOCH_JOIN ||
        (int64_t)b->group->consumer->members.len < max) {
        return false;
    }
    refuse(b, KAFKA_GROUP_MAX_SIZE_REACHED,
           arena_format(
               b->call->arena,
               "The consumer group has reached its maximum capacity of %" PRId64 " members.", max));
    return true;
}

/* True: refused: the group has as many expressions as it may have, and this would be one more. */
static bool refuse_regex(const struct beat *b)
{
    if (b->in->subscribed_topic_regex.len == 0 ||
        b->group->consumer->regexes.len < CONSUMER_REGEX_MAX ||
        consumer_regex_is_resolved(b->group, b->in->subscribed_topic_regex)) {
        return false;
    }
    refuse(b, KAFKA_INVALID_REGULAR_EXPRESSION,
           BYTES("The members of this group subscribe by too many regular expressions."));
    return true;
}

/* What the request leaves out stays as it is. */
static struct consumer_profile profile_of(const struct beat *b, const struct consumer_member *m)
{
    const struct consumer_group_heartbeat_request *in = b->in;
    struct consumer_profile p = consumer_profile_of(m);

    p.instance_id = in->instance_id.at == NULL ? p.instance_id : in->instance_id;
    p.rack_id = in->rack_id.at == NULL ? p.rack_id : in->rack_id;
    p.assignor = in->server_assignor.at == NULL ? p.assignor : in->server_assignor;
    p.regex = in->subscribed_topic_regex.at == NULL ? p.regex : in->subscribed_topic_regex;
    if (in->subscribed_topic_names.len >= 0) {
        p.names = in->subscribed_topic_names.at;
        p.name_count = in->subscribed_topic_names.len;
    }
    if (in->rebalance_timeout_ms != -1) {
        p.rebalance_timeout_ms = in->rebalance_timeout_ms;
    }
    p.client_id = b->call->client_id;
    p.client_host = b->call->client_host;
    p.offers = NULL;
    p.offer_count = 0;
    return p;
}

/* ---- 7. the answer ---- */

static void assignment_set(const struct beat *b, const struct consumer_member *m)
{
    struct arena *a = b->call->arena;
    struct consumer_group_heartbeat_response_assignment *to =
        ARENA_NEW(a, struct consumer_group_heartbeat_response_assignment);
    int32_t topics = 0, topic = -1;

    for (int32_t i = 0; i < m->assigned.len; i++) {
        topics += i == 0 || !uuid_equal(m->assigned.at[i].topic_id, m->assigned.at[i - 1].topic_id);
    }
    if (to == NULL) {
        return;
    }
    to->topic_partitions = consumer_group_heartbeat_response_topic_partitions_new(a, topics);
    for (int32_t i = 0; i < m->assigned.len && to->topic_partitions.len == topics; i++) {
        const struct consumer_part *p = &m->assigned.at[i];

        if (i == 0 || !uuid_equal(p->topic_id, p[-1].topic_id)) {
            topic++;
            to->topic_partitions.at[topic].topic_id = p->topic_id;
            to->topic_partitions.at[topic].partitions = int32_array_new(a, m->assigned.len - i);
            to->topic_partitions.at[topic].partitions.len = 0;
        }
        if (a->exhausted) {
            return;
        }
        struct int32_array *list = &to->topic_partitions.at[topic].partitions;
        list->at[list->len++] = p->partition;
    }
    b->out->assignment = to;
}

/* Everything a member tells when it joins or does not know where it stands. */
static bool is_full(const struct beat *b)
{
    return b->in->rebalance_timeout_ms != -1 &&
           (b->in->subscribed_topic_names.len >= 0 || b->in->subscribed_topic_regex.at != NULL) &&
           b->in->topic_partitions.len >= 0;
}

/* What members had in a classic group may be a part of all there is (between two generations: nothing), and whoever took
 * it over need not be a reason for a new epoch. Epoch 0 would tell it to join. */
static void upgrade_finish(struct beat *b)
{
    const struct consumer_group *cg = b->group->consumer;
    bool short_of = cg->epoch == cg->target_epoch && !consumer_target_is_whole(b->g, b->group);

    consumer_bump_if_changed(b->g, b->group, cg->epoch == 0 || short_of,
                             BYTES("not all partitions had a reader"));
}

static void serve(struct beat *b, struct consumer_member *m, struct consumer_owned owned)
{
    struct groups *g = b->g;
    struct consumer_parts before = {0};
    struct consumer_profile profile = profile_of(b, m);
    bool is_new = !m->named;

    if (m->assigned.len > 0) {
        before = consumer_parts_new(b->call->arena, m->assigned.len);
        if (before.len == 0) {
            groups_break(g);
            return;
        }
        memcpy(before.at, m->assigned.at, (size_t)before.len * sizeof(before.at[0]));
    }
    bool other_regex = !bytes_equal(m->regex, profile.regex);
    bool changed = consumer_profile_set(g, m, &profile);
    if (g->broken) {
        return;
    }
    consumer_bump_if_changed(g, b->group, changed,
                             arena_format(&g->scratch, "%.*s %s", BYTES_ARG(m->id),
                                          is_new ? "joined" : "subscribes anew"));
    if (m->regex.len > 0 && !g->broken) {
        /* Who also names topics gets these first, as with Kafka, and the others with a later heartbeat. */
        if (m->names.len == 0) {
            consumer_regex_refresh(g, b->group);
        } else {
            consumer_regex_soon(g, b->group);
        }
    }
    if (b->upgraded && !g->broken) {
        upgrade_finish(b);
    }
    consumer_target_update(g, b->group);
    consumer_reconcile(g, m, owned, changed || other_regex);
    if (g->broken) {
        return;
    }
    consumer_session_start(g, m);
    b->out->member_id = arena_copy(b->call->arena, m->id);
    b->out->member_epoch = m->epoch;
    b->out->heartbeat_interval_ms = (int32_t)consumer_heartbeat_ms(g, b->group);
    if (b->in->member_epoch == EPOCH_JOIN || is_full(b) ||
        !consumer_parts_equal(before, m->assigned)) {
        assignment_set(b, m);
    }
    group_call_end(g, b->group, b->call);
}

void group_consumer_heartbeat(struct groups *g, struct group_call *c)
{
    struct beat b = {.g = g, .call = c, .in = c->in, .out = c->out};
    struct consumer_refusal why;

    if (!list_has(config_text(g->host.config, CONFIG_GROUP_COORDINATOR_REBALANCE_PROTOCOLS),
                  BYTES("consumer"))) {
        refuse(&b, KAFKA_UNSUPPORTED_VERSION, BYTES_NULL);
        return;
    }
    if (refuse_unsound(&b) || !group_get(&b)) {
        return;
    }
    if (b.in->member_epoch < EPOCH_JOIN) {
        leave(&b);
        return;
    }
    if (refuse_full(&b) || refuse_regex(&b)) {
        return;
    }
    struct consumer_arrival a = {.member_id = b.in->member_id,
                                 .instance_id = b.in->instance_id,
                                 .epoch = b.in->member_epoch,
                                 .owned = owned_of(&b),
                                 .join = b.in->member_epoch == EPOCH_JOIN};
    if (a.member_id.len == 0) {
        a.member_id = consumer_new_id(g, c->arena);
    }
    struct consumer_member *m = consumer_arrive(g, b.group, &a, c->arena, &why);
    if (m != NULL) {
        serve(&b, m, a.owned);
    } else if (!g->broken) {
        refuse(&b, why.error, why.message);
    }
}
