/* broker/handler.h: all that a request handler may include, besides its own schema.
 *
 * A handler is void handle_<api>(struct request *rq, const struct <api>_request *in, struct <api>_response
 * *out). It runs on the connection's core. `in` and `out` live in the request's arena, as does everything it
 * allocates: it never frees. It fills `out` and returns; or it starts operations, each of which holds the
 * request (request_hold) until its done() released it (request_release); the reply leaves when the last
 * hold is gone, always after the replies to the connection's earlier requests. Dispatch holds the request
 * while the handler runs.
 *
 * Failure: an exhausted arena closes the connection (look at nothing, loops run zero times); what a client
 * did wrong is a Kafka error in `out`; kafka_error_of() translates what storage and metadata say.
 */
#pragma once

#include "base/arena.h"
#include "base/log.h"
#include "broker/config.h"
#include "broker/core.h"
#include "broker/image.h"
#include "broker/metadata.h"
#include "broker/partition.h"
#include "broker/request.h"
#include "schema/dispatch.h"
#include "schema/errors.h"

/* The Kafka error a client is told when one of our own calls failed. */
enum kafka_error kafka_error_of(enum err e);
