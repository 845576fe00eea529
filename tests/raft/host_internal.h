/* tests/raft/host_internal.h: what the files of the host offer each other. */
#pragma once

#include "tests/raft/host.h"

/* -- host_disk.c: writes and what they leave behind ------------------------------------------------------ */

void host_write_hard_state(struct host *h, uint32_t term, uint64_t vote, uint64_t ticket);
/* Entries in h->appended; the log in memory has them already. */
void host_write_append(struct host *h, uint64_t from, uint32_t count, uint64_t ticket);
void host_write_snapshot(struct host *h, enum host_write_kind kind, const struct host_snapshot *s,
                         uint64_t ticket);
void host_write_commit(struct host *h, uint64_t commit);
/* Does the first `count` writes that are not synced; gives the newest ticket among them, or 0. */
uint64_t host_disk_do(struct host *h, uint32_t count);
/* Cuts as the next write does, and appends its first `part` entries. */
void host_disk_do_part(struct host *h, uint32_t part);
/* Forgets all writes that are not synced. */
void host_disk_forget(struct host *h);

/* -- host_out.c: actions --------------------------------------------------------------------------------- */

/* Does what the action says; *done says what it brought about. A message is made but not sent: *out_message. */
void host_execute(struct host *h, const struct raft_out *out, struct check_done *done,
                  struct host_message **out_message);
/* To the network, or into the outbox until its ticket is durable. */
void host_post(struct host *h, struct host_message *m);
/* Posts what waits for tickets up to h->durable. */
void host_outbox_open(struct host *h);
void host_outbox_drop(struct host *h);

/* -- host_store.c ---------------------------------------------------------------------------------------- */

/* Room for so many entries. */
void host_message_reserve(struct host_message *m, uint32_t count);
struct host_snapshot *host_store_snapshot(struct host_store *s, const struct host_snapshot *from);
const struct raft_configuration *host_store_configuration(struct host_store *s,
                                                          const struct raft_configuration *from);
