/* broker/dispatch.h: decode, call the handler, encode. */
#pragma once

#include "broker/exchange.h"

/* Serves one request; `frame` is what follows the 4-byte size, and stays where it is as long as the
 * exchange. Sooner or later connection_exchange_done() is called for it. */
void dispatch_request(struct exchange *e, struct bytes frame);
