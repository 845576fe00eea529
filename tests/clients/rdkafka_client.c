/* tests/clients/rdkafka_client.c: a client made with librdkafka, for tests that watch what a broker answered.
 *
 *     weir_rdkafka write BOOTSTRAP TOPIC PARTITIONS FIRST COUNT [key=value ...]
 *         sends "FIRST" .. "FIRST + COUNT - 1", value n into partition n % PARTITIONS, with an idempotent producer that
 *         tries for ever; prints "PARTITION OFFSET VALUE" for each acknowledged record as it is acknowledged, and
 *         at the end "N passed, N failed" of the deliveries
 *     weir_rdkafka read BOOTSTRAP TOPIC PARTITIONS
 *         prints the same lines for everything that is there, up to the ends at the time of the call
 *     weir_rdkafka member BOOTSTRAP TOPIC GROUP [key=value ...]
 *         a member of the group, until it gets SIGTERM: "R PARTITION OFFSET VALUE" for each record, and now and
 *         then "T PARTITION OFFSET" when it is about to commit, then "C ..." when that was acknowledged or "F ..."
 *     weir_rdkafka committed BOOTSTRAP TOPIC PARTITIONS GROUP
 *         prints "PARTITION OFFSET" of each partition's committed offset, -1 for none
 *
 * Lines are flushed one by one: whoever kills the broker knows what had been promised by then.
 */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ERROR_BYTES = 512,
    WAIT_MS = 100,
    FLUSH_MS = 120000,
    PARTITION_COUNT_MAX = 64,
    READ_MS_MAX = 60000,
    COMMIT_EVERY = 20
};

struct deliveries {
    int passed, failed;
};

static void fail_with(const char *what, const char *why)
{
    fprintf(stderr, "weir_rdkafka: %s: %s\n", what, why);
    exit(2);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char error[ERROR_BYTES];

    if (rd_kafka_conf_set(conf, key, value, error, sizeof(error)) != RD_KAFKA_CONF_OK) {
        fail_with(key, error);
    }
}

static void set_all(rd_kafka_conf_t *conf, char **settings, int count)
{
    for (int i = 0; i < count; i++) {
        char *equals = strchr(settings[i], '=');
        if (equals == NULL) {
            fail_with(settings[i], "not key=value");
        }
        *equals = 0;
        set(conf, settings[i], equals + 1);
    }
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct deliveries *d = opaque;

    (void)rk;
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "%.*s: %s\n", (int)m->len, (const char *)m->payload,
                rd_kafka_err2str(m->err));
        d->failed++;
        return;
    }
    printf("%d %lld %.*s\n", m->partition, (long long)m->offset, (int)m->len,
           (const char *)m->payload);
    fflush(stdout);
    d->passed++;
}

static rd_kafka_t *new_handle(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char error[ERROR_BYTES];
    rd_kafka_t *rk = rd_kafka_new(type, conf, error, sizeof(error));

    if (rk == NULL) {
        fail_with("rd_kafka_new", error);
    }
    return rk;
}

static void produce_one(rd_kafka_t *rk, const char *topic, int partitions, long n)
{
    char value[32];
    int len = snprintf(value, sizeof(value), "%ld", n);

    for (;;) {
        rd_kafka_resp_err_t e = rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((int32_t)(n % partitions)),
            RD_KAFKA_V_VALUE(value, (size_t)len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_END);
        if (e != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
                fail_with("produce", rd_kafka_err2str(e));
            }
            return;
        }
        rd_kafka_poll(rk, WAIT_MS);
    }
}

static int write_all(int argc, char **argv)
{
    struct deliveries d = {0, 0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int partitions = (int)strtol(argv[4], NULL, 10);
    long first = strtol(argv[5], NULL, 10), count = strtol(argv[6], NULL, 10);

    set(conf, "bootstrap.servers", argv[2]);
    set(conf, "enable.idempotence", "true");
    set(conf, "message.timeout.ms", "0");
    set(conf, "queue.buffering.max.messages", "200");
    set(conf, "reconnect.backoff.max.ms", "200");
    set_all(conf, argv + 7, argc - 7);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, &d);
    rd_kafka_t *rk = new_handle(RD_KAFKA_PRODUCER, conf);
    for (long n = first; n < first + count; n++) {
        produce_one(rk, argv[3], partitions, n);
        rd_kafka_poll(rk, 0);
    }
    rd_kafka_flush(rk, FLUSH_MS);
    d.failed += rd_kafka_outq_len(rk);
    rd_kafka_destroy(rk);
    printf("%d passed, %d failed\n", d.passed, d.failed);
    return d.failed > 0;
}

static int read_all(char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    int partitions = (int)strtol(argv[4], NULL, 10);
    int64_t ends[PARTITION_COUNT_MAX], low, left = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);

    set(conf, "bootstrap.servers", argv[2]);
    set(conf, "check.crcs", "true");
    set(conf, "group.id", "none"); /* the library wants a name; partitions are assigned by hand */
    set(conf, "enable.auto.commit", "false");
    rd_kafka_t *rk = new_handle(RD_KAFKA_CONSUMER, conf);
    for (int p = 0; p < partitions && p < PARTITION_COUNT_MAX; p++) {
        rd_kafka_resp_err_t e =
            rd_kafka_query_watermark_offsets(rk, argv[3], p, &low, &ends[p], READ_MS_MAX);
        if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
            fail_with("watermarks", rd_kafka_err2str(e));
        }
        left += ends[p] - low;
        rd_kafka_topic_partition_list_add(list, argv[3], p)->offset = low;
    }
    rd_kafka_assign(rk, list);
    for (int waited = 0; left > 0 && waited < READ_MS_MAX;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        if (m == NULL) {
            waited += WAIT_MS;
            continue;
        }
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->offset < ends[m->partition]) {
            printf("%d %lld %.*s\n", m->partition, (long long)m->offset, (int)m->len,
                   (const char *)m->payload);
            left--;
        }
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return left == 0 ? 0 : 1;
}

/* ---- groups ---- */

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static rd_kafka_t *new_member(const char *bootstrap, const char *group, char **settings, int count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", group);
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "reconnect.backoff.max.ms", "200");
    set_all(conf, settings, count);
    return new_handle(RD_KAFKA_CONSUMER, conf);
}

static void print_list(char what, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        bool failed = what == 'C' && list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR;

        printf("%c %d %lld\n", failed ? 'F' : what, list->elems[i].partition,
               (long long)list->elems[i].offset);
    }
    fflush(stdout);
}

/* Commits what this member has read of each partition; says so before, and what became of it. */
static void commit_all(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = NULL;

    if (rd_kafka_assignment(rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    rd_kafka_position(rk, list);
    for (int i = list->cnt - 1; i >= 0; i--) {
        if (list->elems[i].offset < 0) {
            rd_kafka_topic_partition_list_del_by_idx(list, i);
        }
    }
    print_list('T', list);
    if (list->cnt > 0 && rd_kafka_commit(rk, list, 0) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        print_list('C', list);
    } else {
        print_list('F', list);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static int be_member(int argc, char **argv)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_t *rk = new_member(argv[2], argv[4], argv + 5, argc - 5);
    int read = 0;

    signal(SIGTERM, on_signal);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_add(topics, argv[3], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(rk, topics);
    while (!stop_asked) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);

        if (m == NULL || m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            if (m != NULL) {
                rd_kafka_message_destroy(m);
            }
            if (read > 0) {
                commit_all(rk);
                read = 0;
            }
            continue;
        }
        printf("R %d %lld %.*s\n", m->partition, (long long)m->offset, (int)m->len,
               (const char *)m->payload);
        fflush(stdout);
        rd_kafka_message_destroy(m);
        if (++read >= COMMIT_EVERY) {
            commit_all(rk);
            read = 0;
        }
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_destroy(rk);
    return 0;
}

static int print_committed(char **argv)
{
    int partitions = (int)strtol(argv[4], NULL, 10);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    rd_kafka_t *rk = new_member(argv[2], argv[5], NULL, 0);

    for (int p = 0; p < partitions; p++) {
        rd_kafka_topic_partition_list_add(list, argv[3], p);
    }
    rd_kafka_resp_err_t e = rd_kafka_committed(rk, list, READ_MS_MAX);
    for (int p = 0; p < list->cnt && e == RD_KAFKA_RESP_ERR_NO_ERROR; p++) {
        long long offset = list->elems[p].offset;
        printf("%d %lld\n", list->elems[p].partition, offset < 0 ? -1LL : offset);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    if (e != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail_with("committed", rd_kafka_err2str(e));
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 7 && strcmp(argv[1], "write") == 0) {
        return write_all(argc, argv);
    }
    if (argc == 5 && strcmp(argv[1], "read") == 0) {
        return read_all(argv);
    }
    if (argc >= 5 && strcmp(argv[1], "member") == 0) {
        return be_member(argc, argv);
    }
    if (argc == 6 && strcmp(argv[1], "committed") == 0) {
        return print_committed(argv);
    }
    fprintf(stderr,
            "usage: weir_rdkafka write BOOTSTRAP TOPIC PARTITIONS FIRST COUNT [key=value ...]\n"
            "       weir_rdkafka read BOOTSTRAP TOPIC PARTITIONS\n"
            "       weir_rdkafka member BOOTSTRAP TOPIC GROUP [key=value ...]\n"
            "       weir_rdkafka committed BOOTSTRAP TOPIC PARTITIONS GROUP\n");
    return 2;
}
