/* tests/raft/scenario_text.h: the short notation of the scenarios, read and printed.
 *
 *     5^2              the bound 5 of term 2
 *     "1 2 3l 4vo"     a configuration: ids with roles v (the default), o (outgoing), l (learner); then a (start anew),
 *                      p7 (priority). Blanks or commas between the members
 */
#pragma once

#include "base/bytes.h"
#include "raft/raft.h"

enum { TEXT_WORD_MAX = 64 };

/* A command, taken apart at blanks; what is in quotes is one word. */
struct words {
    struct bytes at[TEXT_WORD_MAX];
    uint32_t count;
};

/* ERR_LIMIT past TEXT_WORD_MAX, ERR_MALFORMED when a quote is open. */
enum err words_of(struct bytes line, struct words *out);
bool word_is(struct bytes word, const char *text);

/* The next part of a list, cut at blanks and commas; empty at the end. */
struct bytes text_part(struct bytes *list);

enum err text_u64(struct bytes word, uint64_t *out);
enum err text_bound(struct bytes word, struct raft_bound *out);
enum err text_configuration(struct bytes text, struct raft_configuration *out);
/* raft_message_name() the other way round. */
enum err text_message_kind(struct bytes word, enum raft_message_kind *out);

/* All print without a newline; a buffer that is full is a failed assertion. */
void print(struct buf *out, const char *format, ...) PRINTF_LIKE(2, 3);
void print_bound(struct buf *out, struct raft_bound b);
void print_configuration(struct buf *out, const struct raft_configuration *c);
/* "1 -> 2 append term 2 after 3^1: 4^1 6^2, commit 3". Counters that repeat what a reader knows are left out. */
void print_message(struct buf *out, const struct raft_message *m);
/* One action, all but SEND; without the id of the replica. */
void print_action(struct buf *out, const struct raft_out *action);
const char *text_peer_state(enum raft_peer_state state);
