/* broker/handlers/init_producer_id.c: InitProducerId (KIP-98, KIP-360) for idempotent producers.
 *
 * An id is never given twice: blocks of them are taken in the metadata log before any of a block is handed
 * out. Every request gets a fresh id with epoch 0, also one that names an id it had: an idempotent
 * producer counts its epochs by itself. Ids of transactional producers belong to the transaction
 * coordinator, which is not here: they are refused as by a broker whose coordinator is not up.
 */
#include "schema/init_producer_id.h"
#include "broker/handler.h"

struct allocation {
    struct metadata_change change;
    struct request *rq;
    struct init_producer_id_response *out;
};

static void decide(struct metadata *m, struct metadata_change *change)
{
    struct allocation *a = CONTAINER_OF(change, struct allocation, change);

    a->out->producer_id = metadata_producer_id(m);
    a->out->producer_epoch = 0;
}

static void allocated(struct metadata_change *change)
{
    struct allocation *a = CONTAINER_OF(change, struct allocation, change);

    if (change->err != OK) {
        a->out->producer_id = -1;
        a->out->producer_epoch = -1;
        a->out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE; /* clients try again */
    }
    request_release(a->rq);
}

void handle_init_producer_id(struct request *rq, const struct init_producer_id_request *in,
                             struct init_producer_id_response *out)
{
    struct allocation *a = ARENA_NEW(rq->arena, struct allocation);
    bool has_id = in->producer_id != -1, has_epoch = in->producer_epoch != -1;

    out->producer_epoch = -1;
    if (in->transactional_id.at != NULL) {
        out->error_code =
            in->transactional_id.len == 0 ? KAFKA_INVALID_REQUEST : KAFKA_COORDINATOR_NOT_AVAILABLE;
        return;
    }
    if (has_id != has_epoch) {
        out->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    if (a == NULL) {
        return;
    }
    *a = (struct allocation){.change = {.decide = decide, .done = allocated}, .rq = rq, .out = out};
    request_hold(rq);
    metadata_submit(rq->core, &a->change);
}
