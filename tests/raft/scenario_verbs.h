/* tests/raft/scenario_verbs.h: what the files of commands share. */
#pragma once

#include "tests/raft/scenario_cluster.h"
#include "tests/raft/scenario_text.h"

struct verb {
    const char *name;
    /* w->at[0] is the name. */
    void (*run)(struct scenario *s, const struct words *w);
    bool setup; /* of replicas that have not started yet */
    bool claim; /* an expectation */
};

/* Each ends with a verb without a name. */
extern const struct verb scenario_setup_verbs[], scenario_deed_verbs[], scenario_disk_verbs[],
    scenario_message_verbs[], scenario_claim_verbs[];

/* Says what is wrong with the command or with the cluster: the scenario has failed. The first one counts. */
void scenario_wrong(struct scenario *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* Words as values; what is missing or malformed is wrong, and 0. */
uint64_t word_u64(struct scenario *s, const struct words *w, uint32_t at);
/* A replica that runs; NULL and wrong otherwise. */
struct scenario_replica *word_replica(struct scenario *s, const struct words *w, uint32_t at);
/* One that exists. */
struct scenario_replica *word_member(struct scenario *s, const struct words *w, uint32_t at);
struct raft_bound word_bound(struct scenario *s, const struct words *w, uint32_t at);
void word_configuration(struct scenario *s, const struct words *w, uint32_t at,
                        struct raft_configuration *out);
/* Is there such a word from place `from` on? */
bool word_has(const struct words *w, uint32_t from, const char *text);
/* "1->3", each side may be '*': 0. */
bool word_link(struct bytes word, uint64_t *from, uint64_t *to);
