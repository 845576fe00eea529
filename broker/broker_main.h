/* broker/broker_main.h: a broker as a process: what `weir broker` and `weir dev` run. */
#pragma once

#include "base/bytes.h"

struct config;

/* Where a broker that was told nothing keeps its data: in the directory it was started in. */
#define BROKER_DATA_DIR "weir-data"

struct broker_options {
    const struct config *config; /* checked */
    struct bytes data_dir;       /* null: log.dirs, else log.dir, else BROKER_DATA_DIR */
};

enum { BROKER_EXIT_OK = 0, BROKER_EXIT_FAILED = 1, BROKER_EXIT_USAGE = 2 };

/* Runs until SIGTERM or SIGINT, then stops cleanly. Prints one line on standard output when it is ready:
 *
 *     ready in 14 ms  kafka localhost:9092  data /var/lib/weir
 *
 * Returns the exit code; why it failed stands in a log line. */
int broker_main(const struct broker_options *options);
