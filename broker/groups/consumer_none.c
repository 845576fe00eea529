/* broker/groups/consumer_none.c: there is no group of the consumer protocol yet: nothing makes one. */
#include "broker/groups/consumer.h"

#define WEAK __attribute__((weak))

WEAK void consumer_free(struct groups *g, struct group *group)
{
    (void)g;
    (void)group;
}
WEAK void consumer_refuse_waiting(struct groups *g, struct group *group, enum kafka_error error)
{
    (void)g;
    (void)group;
    (void)error;
}
WEAK enum err consumer_apply(struct groups *g, const struct group_record *r, bool *known)
{
    (void)g;
    (void)r;
    *known = false;
    return OK;
}
WEAK void consumer_loaded(struct groups *g, struct group *group)
{
    (void)g;
    (void)group;
}
WEAK void consumer_image_changed(struct groups *g, struct group *group, const struct image *old)
{
    (void)g;
    (void)group;
    (void)old;
}
WEAK enum kafka_error consumer_check_commit(struct groups *g, struct group *group,
                                            const struct group_committer *by, struct bytes topic,
                                            int32_t partition)
{
    (void)g;
    (void)group;
    (void)by;
    (void)topic;
    (void)partition;
    return KAFKA_NONE;
}
WEAK enum kafka_error consumer_check_fetch(struct groups *g, struct group *group,
                                           struct bytes member_id, int32_t member_epoch)
{
    (void)g;
    (void)group;
    (void)member_id;
    (void)member_epoch;
    return KAFKA_NONE;
}
WEAK bool consumer_is_empty(const struct group *group)
{
    (void)group;
    return true;
}
WEAK bool consumer_subscribes(const struct group *group, struct bytes topic)
{
    (void)group;
    (void)topic;
    return true;
}
WEAK size_t consumer_member_count(const struct group *group)
{
    (void)group;
    return 0;
}
WEAK void consumer_put_tombstones(struct groups *g, struct group *group)
{
    (void)g;
    (void)group;
}
WEAK void consumer_list(const struct group *group, struct group_listing *out)
{
    (void)group;
    (void)out;
}
WEAK void consumer_describe(const struct group *group, struct arena *a,
                            struct consumer_group_describe_response_group *out)
{
    (void)group;
    (void)a;
    (void)out;
}
WEAK void consumer_classic_join(struct groups *g, struct group *group, struct group_call *c)
{
    (void)g;
    (void)group;
    (void)c;
}
WEAK void consumer_classic_sync(struct groups *g, struct group *group, struct group_call *c)
{
    (void)g;
    (void)group;
    (void)c;
}
WEAK void consumer_classic_heartbeat(struct groups *g, struct group *group, struct group_call *c)
{
    (void)g;
    (void)group;
    (void)c;
}
WEAK void consumer_classic_leave(struct groups *g, struct group *group, struct group_call *c)
{
    (void)g;
    (void)group;
    (void)c;
}
