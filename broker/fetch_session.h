/* broker/fetch_session.h: incremental fetch sessions (KIP-227): what a client fetches, remembered, so that it
 * names only what changes and is answered only with what is new.
 *
 * A core keeps the sessions of its connections; one that comes back by another core is told
 * FETCH_SESSION_ID_NOT_FOUND and begins anew, which clients do anyway. Refusing a session (id 0) is always
 * right. A session's partitions stay as they are between an update and the next: whoever finds it
 * again by id and epoch may use pointers he got before.
 */
#pragma once

#include "base/hash_map.h"
#include "base/list.h"
#include "broker/core.h"
#include "schema/fetch.h"

struct fetch_sessions;

/* Named by id from Fetch 13 on, by name before. */
struct session_topic {
    struct map_link link;
    struct uuid id;    /* or zero */
    struct bytes name; /* owned; or empty */
    size_t partitions;
};

struct session_partition {
    struct map_link link;
    struct list_link order;
    struct session_topic *topic;
    struct fetch_request_partition question; /* as last asked */
    int64_t high_watermark, log_start;       /* as last sent, -1: send again */
};

struct fetch_session {
    struct map_link link;
    struct list_link age; /* used longest ago first */
    int32_t id;
    int32_t epoch; /* of the next request */
    bool topic_ids;
    struct map topics, partitions;
    struct list order; /* struct session_partition: who got bytes last comes last */
    uint64_t created_us, used_us;
};

/* What is asked of one partition, and what it was told. */
struct session_entry {
    struct bytes topic;
    struct uuid topic_id;
    const struct fetch_request_partition *question;
    int64_t high_watermark, log_start;
};

/* The core's sessions; made at the first call. NULL: no memory. */
struct fetch_sessions *fetch_sessions_of(struct core *c);
/* NULL is allowed. */
void fetch_sessions_free(struct fetch_sessions *s);

/* NULL when there is none. */
struct fetch_session *fetch_session_find(struct fetch_sessions *s, int32_t id);
/* Remembers `count` partitions. NULL: no slot, no memory. Entries may name a partition twice: the last
 * counts. */
struct fetch_session *fetch_session_new(struct fetch_sessions *s, bool topic_ids,
                                        const struct session_entry *entries, int32_t count);
void fetch_session_drop(struct fetch_sessions *s, struct fetch_session *one);
/* Takes over what an incremental request names and forgets, and moves the epoch on. ERR_NOMEM, ERR_LIMIT:
 * the session is as good as lost, drop it. */
enum err fetch_session_update(struct fetch_sessions *s, struct fetch_session *one,
                              const struct fetch_request *in);

static inline size_t fetch_session_len(const struct fetch_session *one)
{
    return one->partitions.len;
}

/* What is to be sent for a partition; true: it belongs into the reply. Partitions with bytes move to the
 * end, so that everyone has his turn. */
bool fetch_session_note(struct fetch_session *one, struct session_partition *p,
                        const struct fetch_response_partition *answer);
