#!/usr/bin/env python3
"""tools/bench/throughput.py: what one node costs, with our own command line as the client.

    tools/dev bench throughput [records [bytes per record]]

Starts a broker on a free port with a data directory of its own, sends the records, reads them back, and prints for both
the rate and the processor time that the broker itself took (all its threads), then its memory. Rates on a shared
machine say little; processor time per GB is the figure to compare, between builds, back to back.
"""
import os
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "clients"))
from node import WEIR, Node, run  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(key))


def measure(name, node, gigabytes, work):
    cpu, begin = cpu_seconds(node.process.pid), time.monotonic()
    work()
    took, cpu = time.monotonic() - begin, cpu_seconds(node.process.pid) - cpu
    print(f"{name:8} {gigabytes * 1000 / took:8.0f} MB/s  {cpu / gigabytes:8.2f} CPU-s/GB")


def consume(node, topic):
    with subprocess.Popen([WEIR, "consume", topic, "-e", "-b", node.at], stdout=subprocess.DEVNULL) as reader:
        if reader.wait(timeout=600) != 0:
            raise RuntimeError("the reader failed")


def main():
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    text = (b"x" * (size - 1) + b"\n") * records
    with Node() as node:
        run(WEIR, "topic", "create", "bench", "-p", "4", "-b", node.at)
        print(f"{records} records of {size} bytes, 4 partitions, acks=all, no compression; ready in {node.ready_ms} ms")
        measure("produce", node, len(text) / 1e9,
                lambda: run(WEIR, "produce", "bench", "-b", node.at, stdin=text, timeout=600))
        measure("consume", node, len(text) / 1e9, lambda: consume(node, "bench"))
        print(f"memory   {memory_mib(node.process.pid, 'VmRSS')} MiB now, "
              f"{memory_mib(node.process.pid, 'VmHWM')} MiB at most; the client took "
              f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.1f} CPU-s")


main()
