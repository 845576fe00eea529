/* broker/groups/group_partition.c: a hash, folded to the partitions there are.
 *
 * WHY      An int has one value more below zero than above: the absolute value of the least one is not an int.
 *          Kafka says 0 for it, and so do we.
 */
#include "broker/groups/group_partition.h"

#include "broker/groups/java_string.h"

int32_t group_partition_of(struct bytes group_id, int32_t partition_count)
{
    int32_t h = java_string_hash(group_id);

    ASSERT(partition_count > 0);
    return (h == INT32_MIN ? 0 : h < 0 ? -h : h) % partition_count;
}
