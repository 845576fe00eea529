/* tests/raft/scenario_commands.h: the vocabulary of a scenario. scenarios/README.md is its manual. */
#pragma once

#include "base/bytes.h"

struct scenario;

struct scenario_result {
    struct bytes printed; /* lines; until the next command */
    const char *wrong;    /* NULL: as it should be. Else what is not, until the next command */
    bool expectation;     /* the command was a claim, not a deed */
};

/* A cluster of nobody, and an empty network. Owned by the caller. */
struct scenario *scenario_new(void);
void scenario_free(struct scenario *s);

struct scenario_result scenario_command(struct scenario *s, struct bytes command);
