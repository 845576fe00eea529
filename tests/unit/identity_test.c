/* tests/unit/identity_test.c: meta.properties is written once, believed only whole, and checked. */
#include "broker/identity.h"

#include "tests/harness/test.h"
#include "tests/sim/env_sim.h"

enum { FILE_BYTES_MAX = 4096 };

static const char path[] = "data/meta.properties";

struct world {
    struct sim *sim;
    struct env *env;
};

static struct world world_new(void)
{
    struct world w = {.sim = sim_new(1, NULL)};

    w.env = sim_node_env(sim_node_add(w.sim, "10.0.0.1"));
    CHECK_OK(env_mkdir(w.env, "data"));
    return w;
}

static enum err open_as(struct world *w, int32_t node_id, const char *cluster_id,
                        struct identity *out)
{
    return identity_open(w->env, "data", node_id, bytes_of(cluster_id), out);
}

static size_t read_all(struct world *w, uint8_t bytes[FILE_BYTES_MAX])
{
    size_t got;
    int file;

    CHECK_OK(env_open(w->env, path, ENV_OPEN_READ, &file));
    CHECK_OK(env_read(w->env, file, bytes, FILE_BYTES_MAX, 0, &got));
    CHECK_OK(env_close(w->env, file));
    return got;
}

static void write_all(struct world *w, uint8_t *bytes, size_t len)
{
    struct env_slice slice = {bytes, len};
    int file;

    CHECK_OK(env_open(w->env, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file));
    CHECK_OK(env_truncate(w->env, file, 0));
    CHECK_OK(env_write(w->env, file, &slice, 1, 0));
    CHECK_OK(env_close(w->env, file));
}

TEST(a_fresh_directory_gets_an_identity_and_keeps_it)
{
    struct world w = world_new();
    struct identity first, again;

    CHECK_OK(open_as(&w, 7, "", &first));
    CHECK_EQ(first.node_id, 7);
    CHECK_EQ(strlen(first.cluster_id), UUID_TEXT_BYTES);
    CHECK(!uuid_is_zero(first.directory_id));
    CHECK_OK(open_as(&w, 7, "", &again));
    CHECK_STR_EQ(again.cluster_id, first.cluster_id);
    CHECK(uuid_equal(again.directory_id, first.directory_id));
    sim_free(w.sim);
}

TEST(a_cluster_id_that_was_asked_for_is_used)
{
    struct world w = world_new();
    struct identity id;

    CHECK_OK(open_as(&w, 1, "my-cluster", &id));
    CHECK_STR_EQ(id.cluster_id, "my-cluster");
    CHECK_OK(open_as(&w, 1, "my-cluster", &id));
    CHECK_OK(open_as(&w, 1, "", &id));
    CHECK_STR_EQ(id.cluster_id, "my-cluster");
    sim_free(w.sim);
}

TEST(a_directory_of_another_node_or_cluster_is_refused)
{
    struct world w = world_new();
    struct identity id;

    CHECK_OK(open_as(&w, 1, "a", &id));
    CHECK_ERR(open_as(&w, 2, "a", &id), ERR_USAGE);
    CHECK_ERR(open_as(&w, 1, "b", &id), ERR_USAGE);
    CHECK_ERR(open_as(&w, 1, "a\nnode.id=2", &id), ERR_USAGE);
    sim_free(w.sim);
}

TEST(every_damaged_byte_and_every_cut_is_noticed)
{
    struct world w = world_new();
    uint8_t good[FILE_BYTES_MAX], bad[FILE_BYTES_MAX];
    struct identity id;

    CHECK_OK(open_as(&w, 1, "cluster", &id));
    size_t len = read_all(&w, good);
    for (size_t i = 0; i < len; i++) {
        memcpy(bad, good, len);
        bad[i] ^= 0x04;
        write_all(&w, bad, len);
        CHECK_ERR(open_as(&w, 1, "cluster", &id), ERR_CORRUPT);
        write_all(&w, good, i);
        CHECK_ERR(open_as(&w, 1, "cluster", &id), i + 1 < len ? ERR_CORRUPT : OK);
    }
    sim_free(w.sim);
}
