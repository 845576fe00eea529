/* tools/cluster.h: questions that several commands ask: topics, partitions, offsets. */
#pragma once

#include "schema/list_offsets.h"
#include "tools/cli.h"

/* Metadata of these topics (names NULL: all), asked again while it says that a leader is being found. What is
 * wrong with a single topic stands in its error_code. Prints why it cannot be had and returns the code. */
int cluster_topics(struct cli *c, struct arena *arena, const struct bytes *names, int32_t count,
                   struct metadata_response *out);
/* One topic that must be there; prints what to do if it is not. Partitions are in order of their numbers. */
int cluster_topic(struct cli *c, struct arena *arena, struct bytes name,
                  struct metadata_response_topic *out);
/* Smallest and largest count of replicas are hardly ever different: that of the first partition. */
int32_t cluster_replicas(const struct metadata_response_topic *t);

/* Special timestamps of ListOffsets. */
enum { CLUSTER_OFFSET_END = -1, CLUSTER_OFFSET_START = -2 };
enum { CLUSTER_READ_ALL = 0, CLUSTER_READ_COMMITTED = 1 };

struct cluster_offset {
    struct bytes topic;
    int32_t partition, leader;
    int64_t at;             /* milliseconds since 1970, or a special one */
    enum kafka_error error; /* out */
    int64_t offset;         /* out; -1: there is none */
    int64_t timestamp;      /* out; -1 for special ones */
};

/* One question for each partition of a topic. */
struct cluster_offset *cluster_offsets_of(struct arena *arena,
                                          const struct metadata_response_topic *t, int64_t at);
/* Asks each leader once; no question may stand there twice. Quick when those of a topic stand together. A leader that does not answer gives its questions LEADER_NOT_AVAILABLE; the first such
 * error comes back. */
enum err cluster_offsets(struct client *c, struct arena *arena, struct cluster_offset *questions,
                         int32_t count, int8_t isolation);
