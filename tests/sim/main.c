/* tests/sim/main.c: weir_sim: runs scenarios by seed.
 *
 *     weir_sim [name part] --seeds FROM COUNT   so many seeds of every scenario whose name holds the text
 *     weir_sim [name part] --seed N [--trace]   one seed, with its hash; --trace tells every event
 *     --profile swarm|calm                      swarm (the default) draws faults from the seed
 *     --twice                                   runs each seed twice and compares the hashes
 *     -l                                        lists the scenarios
 *
 * WHY      A failing seed must not end the others, whatever way it fails. A child process runs one seed after
 *          the other and says in shared memory where it is; when it dies, that seed has failed, and the
 *          next child goes on behind it.
 * FORMAT   For each failure the message, then "FAILED name seed N" and the command that replays it; the last
 *          line is "N passed, N failed". The exit status is 0 if and only if something ran and nothing failed.
 */
#include "base/arena.h"
#include "tests/sim/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEED_SECONDS_MAX = 120, FAILURES_SHOWN_MAX = 10, ARENA_BYTES_MAX = 1 << 30 };

struct options {
    const char *name_part;
    uint64_t from, count;
    bool calm, trace, twice, one, list;
};

/* What the child tells the parent. */
struct progress {
    uint64_t seed;
    bool finished; /* all seeds; what fails then is the leak check */
};

/* Constructors run before main(), so the list has to be found without one. */
static struct scenario *registered;

void scenario_register(struct scenario *s)
{
    struct scenario **at = &registered;

    while (*at != NULL && strcmp((*at)->name, s->name) < 0) {
        at = &(*at)->next;
    }
    s->next = *at;
    *at = s;
}

_Noreturn void scenario_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    printf("%s:%d: ", file, line);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    (void)fflush(stdout);
    _exit(EXIT_FAILURE);
}

/* One world from beginning to end; its hash. */
static uint64_t run_once(const struct scenario *s, const struct options *o, uint64_t seed)
{
    struct sim_profile profile =
        o->calm ? sim_profile_calm() : sim_profile_from_seed(seed, s->with);
    struct arena arena;
    struct scenario_run run = {sim_new(seed, &profile), seed, &arena};

    arena_init(&arena, ARENA_BYTES_MAX);
    if (o->trace) {
        sim_trace_on(run.sim);
    }
    s->run(&run);
    uint64_t hash = sim_hash(run.sim);
    if (o->one) {
        printf("%s seed %" PRIu64 ": hash %016" PRIx64 ", %" PRIu64 " events, %" PRIu64 " ms\n",
               s->name, seed, hash, sim_event_count(run.sim), sim_now(run.sim) / 1000);
    }
    sim_free(run.sim);
    arena_deinit(&arena);
    return hash;
}

static void run_seed(const struct scenario *s, const struct options *o, uint64_t seed)
{
    (void)alarm(SEED_SECONDS_MAX);
    uint64_t hash = run_once(s, o, seed);
    if (o->twice && run_once(s, o, seed) != hash) {
        scenario_fail(s->name, 0, "the same seed gave two histories");
    }
}

/* Runs seeds from `from` on in a child; true when all passed. */
static bool run_child(const struct scenario *s, const struct options *o, uint64_t from,
                      struct progress *shared)
{
    int status = 0;

    (void)fflush(stdout);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        for (uint64_t seed = from; seed < o->from + o->count; seed++) {
            shared->seed = seed;
            run_seed(s, o, seed);
        }
        shared->finished = true;
        exit(EXIT_SUCCESS); /* with the leak check */
    }
    ASSERT(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        printf("%s: ended by signal %d\n", s->name, WTERMSIG(status));
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* How many seeds failed. */
static uint64_t run_scenario(const struct scenario *s, const struct options *o,
                             struct progress *shared)
{
    uint64_t failed = 0;

    shared->finished = false;
    for (uint64_t from = o->from; from < o->from + o->count; from = shared->seed + 1) {
        if (run_child(s, o, from, shared)) {
            return failed;
        }
        failed++;
        if (shared->finished) {
            printf("FAILED %s: a leak in one of the seeds %" PRIu64 " to %" PRIu64 "\n", s->name,
                   from, shared->seed);
            return failed;
        }
        printf("FAILED %s seed %" PRIu64 "\n  weir_sim %s --seed %" PRIu64 "%s --trace\n", s->name,
               shared->seed, s->name, shared->seed, o->calm ? " --profile calm" : "");
        if (failed == FAILURES_SHOWN_MAX) {
            printf("%s: the rest of its seeds is left out\n", s->name);
            return o->from + o->count - shared->seed - 1 + failed;
        }
    }
    return failed;
}

/* Takes the words of option i; how many, 0 when it is none. */
static int option_take(struct options *o, int left, char **words)
{
    const char *word = words[0];

    if (strcmp(word, "--seed") == 0 && left > 1) {
        o->from = strtoull(words[1], NULL, 10);
        o->count = 1;
        o->one = true;
        return 2;
    }
    if (strcmp(word, "--seeds") == 0 && left > 2) {
        o->from = strtoull(words[1], NULL, 10);
        o->count = strtoull(words[2], NULL, 10);
        return 3;
    }
    if (strcmp(word, "--profile") == 0 && left > 1) {
        o->calm = strcmp(words[1], "calm") == 0;
        return o->calm || strcmp(words[1], "swarm") == 0 ? 2 : 0;
    }
    o->trace = o->trace || strcmp(word, "--trace") == 0;
    o->twice = o->twice || strcmp(word, "--twice") == 0;
    o->list = o->list || strcmp(word, "-l") == 0;
    if (word[0] != '-') {
        o->name_part = word;
        return 1;
    }
    return strcmp(word, "--trace") == 0 || strcmp(word, "--twice") == 0 || strcmp(word, "-l") == 0;
}

int main(int argc, char **argv)
{
    struct options o = {.name_part = "", .from = 1, .count = 100};
    uint64_t ran = 0, failed = 0;

    for (int i = 1; i < argc;) {
        int taken = option_take(&o, argc - i, argv + i);

        if (taken == 0) {
            (void)fprintf(stderr,
                          "usage: weir_sim [name] --seed N | --seeds FROM COUNT"
                          " [--profile swarm|calm] [--trace] [--twice] | -l\n");
            return 2;
        }
        i += taken;
    }
    struct progress *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(shared != MAP_FAILED);
    for (const struct scenario *s = registered; s != NULL; s = s->next) {
        if (strstr(s->name, o.name_part) == NULL) {
            continue;
        }
        if (o.list) {
            printf("%s\n", s->name);
            continue;
        }
        ran += o.count;
        failed += run_scenario(s, &o, shared);
    }
    if (o.list) {
        return 0;
    }
    printf("%" PRIu64 " passed, %" PRIu64 " failed\n", ran - failed, failed);
    return ran == 0 || failed > 0;
}
