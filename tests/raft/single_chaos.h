/* tests/raft/single_chaos.h: a life of one replica made from bytes: an honest host, and peers that say anything.
 */
#pragma once

#include "base/bytes.h"
#include "tests/raft/single.h"

/* Lives until the bytes are used up or the replica has halted. The host keeps its promises (H1, H2, H4, H6); messages
 * have any kind, sender, term and bounds, and are often nearly right. The laws of single.h are judged. `restless`: it
 * moves to other memory before each step. `s` need not be initialized; afterwards it is as it ended. Gives the number of
 * steps. */
uint32_t single_chaos(struct single *s, struct bytes bytes, bool restless);
