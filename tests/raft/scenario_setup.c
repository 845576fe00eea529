/* tests/raft/scenario_setup.c: the commands that say how a scenario begins: who there is, and what is on the disks.
 *
 * WHY      The paper's figures begin in the middle of a story. A disk that is described in a line needs no story.
 * RULES    A replica whose log ends in term T has a hard state of T at least, unless `hard` says more.
 * OWNER    struct scenario.
 * FAILURE  Bad words fail the scenario.
 */
#include "tests/raft/scenario_verbs.h"

static bool is_number(struct bytes word)
{
    uint64_t number;

    return text_u64(word, &number) == OK;
}

/* cluster 3 | cluster "1 2 3l": all know this configuration from the beginning */
static void cluster(struct scenario *s, const struct words *w)
{
    struct raft_configuration c = {.count = 0};

    if (w->count > 1 && is_number(w->at[1])) {
        uint64_t count = word_u64(s, w, 1);

        for (uint64_t id = 1; id <= count && id <= RAFT_MEMBER_MAX; id++) {
            c.members[c.count++] = (struct raft_member){.replica_id = id, .roles = RAFT_VOTER};
        }
    } else {
        word_configuration(s, w, 1, &c);
    }
    if (!raft_configuration_valid(&c)) {
        scenario_wrong(s, "not a configuration");
        return;
    }
    for (uint32_t i = 0; i < c.count; i++) {
        struct scenario_replica *r = replica_add(s, c.members[i].replica_id);

        r->disk.log.start_configuration = c;
    }
}

/* empty 4 5: replicas that wait to be told */
static void empty(struct scenario *s, const struct words *w)
{
    for (uint32_t i = 1; i < w->count; i++) {
        uint64_t id = word_u64(s, w, i);

        if (id >= 1 && id <= SCENARIO_REPLICA_MAX) {
            (void)replica_add(s, id);
        }
    }
}

struct option {
    const char *name;
    size_t at;
};

static const struct option numbers[] = {
    {"election", offsetof(struct raft_options, election_ms)},
    {"beat", offsetof(struct raft_options, beat_ms)},
    {"append-bytes", offsetof(struct raft_options, append_bytes_max)},
    {"window-bytes", offsetof(struct raft_options, window_bytes)},
    {"window-messages", offsetof(struct raft_options, window_messages)},
};

static bool option_number(struct scenario *s, const struct words *w, uint32_t at)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (word_is(w->at[at], numbers[i].name)) {
            uint32_t value = (uint32_t)word_u64(s, w, at + 1);

            memcpy((uint8_t *)&s->options + numbers[i].at, &value, sizeof(value));
            return true;
        }
    }
    return false;
}

/* options election 1000 window-messages 2 relaxed commit-with-next apply-by-hand disk-at-once */
static void options(struct scenario *s, const struct words *w)
{
    for (uint32_t i = 1; i < w->count; i++) {
        if (word_is(w->at[i], "relaxed")) {
            s->options.relaxed = true;
        } else if (word_is(w->at[i], "relaxed-at-once")) {
            s->options.relaxed = s->relaxed_at_once = true;
        } else if (word_is(w->at[i], "commit-with-next")) {
            s->options.commit_at_once = false;
        } else if (word_is(w->at[i], "apply-by-hand")) {
            s->apply_by_hand = true;
        } else if (word_is(w->at[i], "disk-at-once")) {
            s->disk_at_once = true;
        } else if (option_number(s, w, i)) {
            i++;
        } else {
            scenario_wrong(s, "there is no such option");
        }
    }
}

/* log 2 "[3^1] 4^1 7^2:1,2,4" */
static void log_command(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r == NULL || w->count < 3) {
        return;
    }
    if (log_of_text(w->at[2], &r->disk.log) != OK) {
        scenario_wrong(s, "%s", err_crumb());
        return;
    }
    r->disk.term = MAX(r->disk.term, log_last(&r->disk.log).term);
}

/* hard 2 term 3 vote 1 */
static void hard(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r == NULL) {
        return;
    }
    for (uint32_t i = 2; i + 1 < w->count; i += 2) {
        if (word_is(w->at[i], "term")) {
            r->disk.term = (uint32_t)word_u64(s, w, i + 1);
        } else if (word_is(w->at[i], "vote")) {
            r->disk.vote = word_u64(s, w, i + 1);
        } else {
            scenario_wrong(s, "term or vote");
        }
    }
}

/* known 2 commit 3: as if it had been kept at the last end */
static void known(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r != NULL) {
        r->start_commit = word_u64(s, w, 3);
    }
}

/* fenced 2: its last end was not clean */
static void fenced(struct scenario *s, const struct words *w)
{
    struct scenario_replica *r = word_member(s, w, 1);

    if (r != NULL) {
        r->disk.fenced = true;
    }
}

const struct verb scenario_setup_verbs[] = {
    {"cluster", cluster, true, false}, {"empty", empty, true, false},
    {"options", options, true, false}, {"log", log_command, true, false},
    {"hard", hard, true, false},       {"known", known, true, false},
    {"fenced", fenced, true, false},   {NULL, NULL, false, false},
};
