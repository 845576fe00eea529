/* tests/clients/rdkafka_client.c: a client made with librdkafka, for tests that watch what a broker answered.
 *
 *     weir_rdkafka write BOOTSTRAP TOPIC PARTITIONS FIRST COUNT [key=value ...]
 *         sends "FIRST" .. "FIRST + COUNT - 1", value n into partition n % PARTITIONS, with an idempotent producer that
 *         tries for ever; prints "PARTITION OFFSET VALUE" for each acknowledged record as it is acknowledged, and
 *         at the end "N passed, N failed" of the deliveries
 *     weir_rdkafka read BOOTSTRAP TOPIC PARTITIONS
 *         prints the same lines for everything that is there, up to the ends at the time of the call
 *
 * Lines are flushed one by one: whoever kills the broker knows what had been promised by then.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ERROR_BYTES = 512,
    WAIT_MS = 100,
    FLUSH_MS = 120000,
    PARTITION_COUNT_MAX = 64,
    READ_MS_MAX = 60000
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
    for (int i = 7; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals == NULL) {
            fail_with(argv[i], "not key=value");
        }
        *equals = 0;
        set(conf, argv[i], equals + 1);
    }
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

int main(int argc, char **argv)
{
    if (argc >= 7 && strcmp(argv[1], "write") == 0) {
        return write_all(argc, argv);
    }
    if (argc == 5 && strcmp(argv[1], "read") == 0) {
        return read_all(argv);
    }
    fprintf(stderr,
            "usage: weir_rdkafka write BOOTSTRAP TOPIC PARTITIONS FIRST COUNT [key=value ...]\n"
            "       weir_rdkafka read BOOTSTRAP TOPIC PARTITIONS\n");
    return 2;
}
