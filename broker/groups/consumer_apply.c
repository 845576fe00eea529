/* broker/groups/consumer_apply.c: what each ConsumerGroup* record changes.
 *
 * WHY      The same functions run when an operation writes a record and when a log is replayed, so what a restart
 *          brings back is what was there.
 * ORDER    A compacted log keeps the last record of each key, in the order of writing: a member's target may come
 *          before its metadata. So any record makes the member it names, and consumer_loaded() drops those whose
 *          metadata never came.
 */
#include "broker/groups/consumer_internal.h"

#include "base/mem.h"

enum {
    KIND_EPOCH = 3,
    KIND_PARTITION_METADATA = 4,
    KIND_MEMBER = 5,
    KIND_TARGET_EPOCH = 6,
    KIND_TARGET = 7,
    KIND_CURRENT = 8,
    KIND_REGEX = 16,
};

/* The consumer group of that name, made if need be (`make`). NULL with OK: there is none, nothing to do. */
static enum err group_of(struct groups *g, struct bytes id, bool make, struct group **out)
{
    struct group *group = group_find(g, id);

    *out = NULL;
    if (group == NULL && make) {
        group = group_add(g, id);
        if (group == NULL) {
            return ERR_NOMEM;
        }
    }
    if (group == NULL) {
        return OK;
    }
    if (group->consumer == NULL && make) {
        /* Offsets that were read before made it a classic one. */
        classic_free(g, group);
        TRY(consumer_new(g, group));
    }
    *out = group->consumer == NULL ? NULL : group;
    return OK;
}

/* ---- subscriptions, counted ---- */

static bool topic_has_name(const struct map_link *link, const void *name)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_topic, link)->name,
                       *(const struct bytes *)name);
}

static enum err topic_use(struct groups *g, struct consumer_group *cg, struct bytes name)
{
    struct map_link *link = map_find(&cg->topics, bytes_hash(name, 0), topic_has_name, &name);

    if (link != NULL) {
        CONTAINER_OF(link, struct consumer_topic, link)->uses++;
        return OK;
    }
    struct consumer_topic *t = mem_zalloc(1, sizeof(*t));
    if (t == NULL) {
        return ERR_NOMEM;
    }
    t->name = group_copy(g, name);
    if (t->name.at == NULL) {
        mem_free(t);
        return ERR_NOMEM;
    }
    t->uses = 1;
    map_add(&cg->topics, bytes_hash(name, 0), &t->link);
    return OK;
}

static void topic_unuse(struct consumer_group *cg, struct bytes name)
{
    struct map_link *link = map_find(&cg->topics, bytes_hash(name, 0), topic_has_name, &name);
    struct consumer_topic *t = CONTAINER_OF(link, struct consumer_topic, link);

    ASSERT(link != NULL);
    if (--t->uses == 0) {
        map_remove(&cg->topics, link);
        group_copy_free(t->name);
        mem_free(t);
    }
}

static bool regex_has_text(const struct map_link *link, const void *text)
{
    return bytes_equal(CONTAINER_OF(link, const struct consumer_regex, link)->text,
                       *(const struct bytes *)text);
}

static struct consumer_regex *regex_find(const struct consumer_group *cg, struct bytes text)
{
    struct map_link *link = map_find(&cg->regexes, bytes_hash(text, 0), regex_has_text, &text);

    return link == NULL ? NULL : CONTAINER_OF(link, struct consumer_regex, link);
}

static enum err regex_get(struct groups *g, struct consumer_group *cg, struct bytes text,
                          struct consumer_regex **out)
{
    *out = regex_find(cg, text);
    if (*out != NULL) {
        return OK;
    }
    struct consumer_regex *r = mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return ERR_NOMEM;
    }
    r->text = group_copy(g, text);
    if (r->text.at == NULL) {
        mem_free(r);
        return ERR_NOMEM;
    }
    map_add(&cg->regexes, bytes_hash(text, 0), &r->link);
    *out = r;
    return OK;
}

static void regex_drop_if_unused(struct consumer_group *cg, struct consumer_regex *r)
{
    if (r->uses == 0 && !r->resolved) {
        map_remove(&cg->regexes, &r->link);
        topic_pattern_free(r->pattern);
        consumer_names_free(&r->topics);
        group_copy_free(r->text);
        mem_free(r);
    }
}

/* What the member subscribes to does not count any more. */
static void unsubscribe(struct consumer_member *m)
{
    struct consumer_group *cg = m->group->consumer;

    for (int32_t i = 0; i < m->names.len; i++) {
        topic_unuse(cg, m->names.at[i]);
    }
    consumer_names_free(&m->names);
    if (m->regex.len > 0) {
        struct consumer_regex *r = regex_find(cg, m->regex);

        r->uses--;
        regex_drop_if_unused(cg, r);
    }
    group_copy_free(m->regex);
    m->regex = BYTES_NULL;
}

static enum err subscribe(struct groups *g, struct consumer_member *m,
                          const struct consumer_group_member_metadata_value *v)
{
    struct consumer_group *cg = m->group->consumer;

    for (int32_t i = 0; i < v->subscribed_topic_names.len; i++) {
        enum err e = topic_use(g, cg, v->subscribed_topic_names.at[i]);

        if (e != OK) {
            return e; /* the state is thrown away */
        }
    }
    if (!consumer_names_copy(&m->names, v->subscribed_topic_names.at,
                             MAX(v->subscribed_topic_names.len, 0))) {
        return ERR_NOMEM;
    }
    if (v->subscribed_topic_regex.at == NULL) {
        return OK;
    }
    m->regex = group_copy(g, v->subscribed_topic_regex);
    if (m->regex.at == NULL) {
        return ERR_NOMEM;
    }
    if (m->regex.len > 0) {
        struct consumer_regex *r;

        TRY(regex_get(g, cg, m->regex, &r));
        r->uses++;
    }
    return OK;
}

/* ---- members ---- */

static enum err text_set(struct groups *g, struct bytes *text, struct bytes to)
{
    struct bytes copy = group_copy(g, to);

    if (to.at != NULL && copy.at == NULL) {
        return ERR_NOMEM;
    }
    group_copy_free(*text);
    *text = copy;
    return OK;
}

typedef struct consumer_group_member_metadata_value_classic_member_metadata classic_metadata;

/* One allocation with the text. */
static enum err offers_set(struct consumer_member *m, const classic_metadata *c)
{
    size_t bytes = 0;
    int32_t len = c == NULL ? 0 : c->supported_protocols.len;

    m->group->consumer->classic_count -= consumer_member_is_classic(m);
    mem_free(m->offers);
    m->offers = NULL;
    m->offer_count = 0;
    if (c == NULL) {
        return OK;
    }
    for (int32_t i = 0; i < len; i++) {
        bytes += sizeof(m->offers[0]) + c->supported_protocols.at[i].name.len +
                 c->supported_protocols.at[i].metadata.len;
    }
    m->offers = mem_alloc(bytes + 1);
    if (m->offers == NULL) {
        return ERR_NOMEM;
    }
    uint8_t *text = (uint8_t *)(m->offers + len);
    for (int32_t i = 0; i < len; i++) {
        struct bytes name = c->supported_protocols.at[i].name;
        struct bytes metadata = c->supported_protocols.at[i].metadata;

        if (name.len > 0) {
            memcpy(text, name.at, name.len);
        }
        m->offers[i].name = (struct bytes){text, name.len};
        text += name.len;
        if (metadata.len > 0) {
            memcpy(text, metadata.at, metadata.len);
        }
        m->offers[i].metadata = (struct bytes){text, metadata.len};
        text += metadata.len;
    }
    m->offer_count = len;
    m->session_timeout_ms = c->session_timeout_ms;
    m->group->consumer->classic_count++;
    return OK;
}

static void instance_unlink(struct consumer_member *m)
{
    struct consumer_group *cg = m->group->consumer;

    if (m->instance_linked) {
        map_remove(&cg->by_instance, &m->by_instance);
        m->instance_linked = false;
    }
}

static void instance_link(struct groups *g, struct consumer_member *m)
{
    struct consumer_member *other = consumer_find_instance(g, m->group, m->instance_id);

    if (other != NULL) {
        instance_unlink(other); /* its tombstone is on the way */
    }
    map_add(&m->group->consumer->by_instance, bytes_hash(m->instance_id, g->seed), &m->by_instance);
    m->instance_linked = true;
}

static enum err apply_member(struct groups *g, const struct consumer_group_member_metadata_key *key,
                             const struct consumer_group_member_metadata_value *v)
{
    struct group *group;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group == NULL) {
        return OK;
    }
    struct consumer_member *m = v == NULL ? consumer_find(g, group, key->member_id)
                                          : consumer_member_get(g, group, key->member_id);
    if (m == NULL) {
        return v == NULL ? OK : ERR_NOMEM;
    }
    unsubscribe(m);
    instance_unlink(m);
    g->host.stats->group_members_consumer += (uint64_t)(v != NULL) - (uint64_t)m->named;
    if (v == NULL) {
        TRY(offers_set(m, NULL));
        consumer_disown(g, m, m->assigned);
        consumer_disown(g, m, m->revoking);
        m->named = false;
        consumer_member_free(g, m);
        return OK;
    }
    m->named = true;
    m->rebalance_timeout_ms = v->rebalance_timeout_ms;
    TRY(text_set(g, &m->instance_id, v->instance_id));
    TRY(text_set(g, &m->rack_id, v->rack_id));
    TRY(text_set(g, &m->client_id, v->client_id));
    TRY(text_set(g, &m->client_host, v->client_host));
    TRY(text_set(g, &m->assignor, v->server_assignor));
    TRY(offers_set(m, v->classic_member_metadata));
    if (m->instance_id.at != NULL) {
        instance_link(g, m);
    }
    return subscribe(g, m, v);
}

/* ---- assignments ---- */

static enum err apply_target(struct groups *g,
                             const struct consumer_group_target_assignment_member_key *key,
                             const struct consumer_group_target_assignment_member_value *v)
{
    struct group *group;
    int32_t count = 0, at = 0;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group == NULL) {
        return OK;
    }
    struct consumer_member *m = v == NULL ? consumer_find(g, group, key->member_id)
                                          : consumer_member_get(g, group, key->member_id);
    if (m == NULL) {
        return v == NULL ? OK : ERR_NOMEM;
    }
    for (int32_t i = 0; v != NULL && i < v->topic_partitions.len; i++) {
        count += v->topic_partitions.at[i].partitions.len;
    }
    struct consumer_parts parts = consumer_parts_new(&g->scratch, count);
    for (int32_t i = 0; v != NULL && parts.len > 0 && i < v->topic_partitions.len; i++) {
        for (int32_t k = 0; k < v->topic_partitions.at[i].partitions.len; k++) {
            parts.at[at++] =
                (struct consumer_part){.topic_id = v->topic_partitions.at[i].topic_id,
                                       .partition = v->topic_partitions.at[i].partitions.at[k]};
        }
    }
    consumer_parts_sort(parts);
    m->targeted = v != NULL;
    return parts.len < count || !consumer_parts_copy(&m->target, parts) ? ERR_NOMEM : OK;
}

typedef struct consumer_group_current_member_assignment_value_topic_partitions current_topics;

static enum err parts_of(struct groups *g, const current_topics *from, int32_t epoch,
                         struct consumer_parts *out)
{
    int32_t count = 0, at = 0;

    for (int32_t i = 0; i < from->len; i++) {
        count += from->at[i].partitions.len;
    }
    *out = consumer_parts_new(&g->scratch, count);
    for (int32_t i = 0; out->len > 0 && i < from->len; i++) {
        const struct int32_array *epochs = &from->at[i].assignment_epochs;

        for (int32_t k = 0; k < from->at[i].partitions.len; k++) {
            out->at[at++] = (struct consumer_part){
                .topic_id = from->at[i].topic_id,
                .partition = from->at[i].partitions.at[k],
                /* Written by an older version: as late as it can have been. */
                .epoch = k < epochs->len ? epochs->at[k] : epoch,
            };
        }
    }
    consumer_parts_sort(*out);
    return out->len < count ? ERR_NOMEM : OK;
}

static enum err apply_current(struct groups *g,
                              const struct consumer_group_current_member_assignment_key *key,
                              const struct consumer_group_current_member_assignment_value *v)
{
    static const struct consumer_group_current_member_assignment_value none;
    struct consumer_parts assigned, revoking;
    struct group *group;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group == NULL) {
        return OK;
    }
    struct consumer_member *m = v == NULL ? consumer_find(g, group, key->member_id)
                                          : consumer_member_get(g, group, key->member_id);
    if (m == NULL) {
        return v == NULL ? OK : ERR_NOMEM;
    }
    v = v == NULL ? &none : v;
    TRY(parts_of(g, &v->assigned_partitions, v->member_epoch, &assigned));
    TRY(parts_of(g, &v->partitions_pending_revocation, v->member_epoch, &revoking));
    consumer_disown(g, m, m->assigned);
    consumer_disown(g, m, m->revoking);
    if (!consumer_parts_copy(&m->assigned, assigned) ||
        !consumer_parts_copy(&m->revoking, revoking) || !consumer_own(g, m, m->assigned) ||
        !consumer_own(g, m, m->revoking)) {
        return ERR_NOMEM;
    }
    m->epoch = v->member_epoch;
    m->previous_epoch = v->previous_member_epoch;
    m->state = v->state < MEMBER_STABLE || v->state > MEMBER_UNRELEASED
                   ? MEMBER_STABLE
                   : (enum consumer_state)v->state;
    return OK;
}

/* ---- the group ---- */

static enum err apply_epoch(struct groups *g, const struct consumer_group_metadata_key *key,
                            const struct consumer_group_metadata_value *v)
{
    struct group *group;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group == NULL) {
        return OK;
    }
    if (v != NULL) {
        group->consumer->epoch = v->epoch;
        group->consumer->metadata_hash = v->metadata_hash;
        return OK;
    }
    if (g->state != GROUPS_LOADING) {
        return OK; /* whoever wrote it goes on with the group */
    }
    consumer_free(g, group);
    if (group->offsets.count == 0) {
        group_remove(g, group);
        return OK;
    }
    return classic_new(g, group);
}

static enum err apply_target_epoch(struct groups *g,
                                   const struct consumer_group_target_assignment_metadata_key *key,
                                   const struct consumer_group_target_assignment_metadata_value *v)
{
    struct group *group;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group != NULL) {
        group->consumer->target_epoch = v == NULL ? CONSUMER_FIRST_EPOCH : v->assignment_epoch;
        group->consumer->target_ms = v == NULL ? 0 : v->assignment_timestamp;
    }
    return OK;
}

static enum err apply_regex(struct groups *g,
                            const struct consumer_group_regular_expression_key *key,
                            const struct consumer_group_regular_expression_value *v)
{
    struct group *group;
    struct consumer_regex *r;

    TRY(group_of(g, key->group_id, v != NULL, &group));
    if (group == NULL) {
        return OK;
    }
    if (v == NULL) {
        r = regex_find(group->consumer, key->regular_expression);
        if (r != NULL) {
            r->resolved = false;
            consumer_names_free(&r->topics);
            regex_drop_if_unused(group->consumer, r);
        }
        return OK;
    }
    TRY(regex_get(g, group->consumer, key->regular_expression, &r));
    r->resolved = true;
    r->version = v->version;
    r->timestamp = v->timestamp;
    return consumer_names_copy(&r->topics, v->topics.at, MAX(v->topics.len, 0)) ? OK : ERR_NOMEM;
}

enum err consumer_apply(struct groups *g, const struct group_record *r, bool *known)
{
    *known = true;
    switch (r->key_info->key) {
    case KIND_EPOCH:
        return apply_epoch(g, r->key, r->value);
    case KIND_PARTITION_METADATA:
        return OK; /* of older versions: the hash in the epoch's record has taken its place */
    case KIND_MEMBER:
        return apply_member(g, r->key, r->value);
    case KIND_TARGET_EPOCH:
        return apply_target_epoch(g, r->key, r->value);
    case KIND_TARGET:
        return apply_target(g, r->key, r->value);
    case KIND_CURRENT:
        return apply_current(g, r->key, r->value);
    case KIND_REGEX:
        return apply_regex(g, r->key, r->value);
    default:
        *known = false;
        return OK;
    }
}

void consumer_loaded(struct groups *g, struct group *group)
{
    struct consumer_group *cg = group->consumer;

    list_for_each (&cg->members, link) {
        struct consumer_member *m = CONTAINER_OF(link, struct consumer_member, link);

        if (!m->named) {
            consumer_disown(g, m, m->assigned);
            consumer_disown(g, m, m->revoking);
            consumer_member_free(g, m);
            continue;
        }
        consumer_session_start(g, m);
        consumer_rebalance_watch(g, m);
    }
    cg->topics_changed = true;
}
