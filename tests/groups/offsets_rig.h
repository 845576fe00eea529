/* tests/groups/offsets_rig.h: commits and fetches in one line each. */
#pragma once

#include "schema/offset_commit.h"
#include "schema/offset_fetch.h"
#include "tests/groups/fake_host.h"

/* What to commit: one partition. */
struct rig_commit {
    const char *group, *topic, *metadata;
    const char *member; /* NULL: somebody without a group, generation -1 if none is given */
    int64_t offset, retention_ms; /* retention 0: none asked for */
    int32_t partition, generation, epoch;
    int16_t version; /* 0: 9 */
};
#define COMMIT(...) (&(struct rig_commit){__VA_ARGS__})

struct fake_call *rig_commit_start(struct fake_host *h, const struct rig_commit *in);
/* The error of the partition. */
enum kafka_error rig_commit(struct fake_host *h, const struct rig_commit *in);

struct rig_offset {
    int64_t offset;
    int32_t epoch;
    struct bytes metadata;
    enum kafka_error error;
};
struct fake_call *rig_fetch_start(struct fake_host *h, int16_t version, const char *group,
                                  const char *topic, int32_t partition);
struct rig_offset rig_fetched(struct fake_call *c);
struct rig_offset rig_fetch(struct fake_host *h, int16_t version, const char *group,
                            const char *topic, int32_t partition);
/* Everything the group has, as text: "t:0=5/3 't:1=..." with metadata; "" when it has nothing. */
struct bytes rig_all(struct fake_host *h, const char *group);

/* A record of GroupMetadata as if members had made a generation, and a restart that loads it. A member of type
 * "consumer" reads `topic`. topic NULL: no members, empty since now. */
void rig_members(struct fake_host *h, const char *group, const char *type, const char *topic);

/* A heartbeat of a member of a consumer group (KIP-848); epoch 0 joins and reads `topic`, else topic is NULL. Gives
 * the member's epoch. */
int32_t rig_heartbeat(struct fake_host *h, const char *group, int32_t epoch, const char *topic);
