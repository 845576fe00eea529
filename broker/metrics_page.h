/* broker/metrics_page.h: one page of metrics of this node, made while everybody goes on.
 *
 *     weir_<counter>_total, weir_<gauge>                      metrics.def, summed over the cores
 *     weir_requests_total{api}                                answered, by API
 *     weir_group_coordinators_loading                         whose groups are not on the page yet
 *     weir_group_generation{consumergroup}                    generation, or epoch
 *     kafka_brokers, kafka_topic_partitions{topic}
 *     kafka_topic_partition_{current,oldest}_offset{topic,partition}
 *     kafka_consumergroup_members{consumergroup}
 *     kafka_consumergroup_{current_offset,lag}{consumergroup,topic,partition}
 *     kafka_consumergroup_{current_offset,lag}_sum{consumergroup,topic}
 *
 * Those that begin with kafka_ have the names that dashboards and alerts for Kafka know. Lag is never negative, and is
 * not there where it cannot be known: the topic is gone, or is another one of the same name.
 */
#pragma once

#include "base/bytes.h"
#include "broker/core.h"

struct metrics_page;

/* On core 0. `done` is called there, in a later turn, unless the node ends before. ERR_NOMEM. */
enum err metrics_page_start(struct core *zero,
                            void (*done)(void *context, struct metrics_page *page), void *context,
                            struct metrics_page **out);
/* When it is done. ERR_NOMEM: there is no text. */
enum err metrics_page_result(const struct metrics_page *page);
struct bytes metrics_page_text(const struct metrics_page *page);
/* It is done, or no core runs any more. */
void metrics_page_free(struct metrics_page *page);
