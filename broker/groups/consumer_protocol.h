/* broker/groups/consumer_protocol.h: what members of the classic protocol write into JoinGroup and SyncGroup.
 *
 * To a classic group these are bytes that only clients read. The coordinator reads them where it has to know topics:
 * offsets of subscribed topics do not expire, DeleteGroups and OffsetDelete ask for subscriptions, and a group that
 * changes over to KIP-848 is made of them. In front of the message stands its version; a version later than ours only
 * adds fields at the end and is read as our newest.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "schema/consumer_protocol.h"

/* Views into `from`, arrays in the arena. ERR_MALFORMED, ERR_LIMIT: the member's bytes are at fault. ERR_NOMEM. */
enum err consumer_protocol_take_subscription(struct arena *a, struct bytes from,
                                             struct consumer_protocol_subscription *out);
enum err consumer_protocol_take_assignment(struct arena *a, struct bytes from,
                                           struct consumer_protocol_assignment *out);
/* The version the bytes say they are of; -1 if they are too short for one. */
int16_t consumer_protocol_version(struct bytes from);
/* With the version in front; one later than ours becomes our newest, a negative one 0. BYTES_NULL: the arena is
 * exhausted. */
struct bytes consumer_protocol_put_assignment(struct arena *a, int16_t version,
                                              const struct consumer_protocol_assignment *in);
