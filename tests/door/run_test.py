#!/usr/bin/env python3
"""tests/door/run_test.py: `tools/dev run` runs a broker that answers, stops when asked, and starts again.

It gets a data folder of its own and a port that the system picks; its "ready" line says which.
"""
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD_SECONDS, ANSWER_SECONDS = 900, 20
CORRELATION_ID = 4711


class Broker:
    def __init__(self, data):
        self.said = b""
        self.process = subprocess.Popen(
            ["tools/dev", "run", "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", f"log.dirs={data}"], cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def port(self):
        """Reads what it says until a line names the port; None when it ends or says nothing of the kind."""
        deadline = time.monotonic() + BUILD_SECONDS
        while time.monotonic() < deadline:
            if select.select([self.process.stdout], [], [], 1)[0]:
                more = os.read(self.process.stdout.fileno(), 1 << 16)
                if not more:
                    return None
                self.said += more
            found = re.search(rb"^ready in .* kafka \S+:(\d+)\s", self.said, re.M)
            if found:
                return int(found.group(1))
        return None

    def stop(self):
        """Asks it to end; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.said += self.process.communicate(timeout=ANSWER_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        return self.process.returncode


def answers(port):
    """Does ApiVersions version 0 come back with its correlation id and without an error?"""
    client = b"door"
    request = struct.pack(">hhih", 18, 0, CORRELATION_ID, len(client)) + client
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as s:
        s.settimeout(ANSWER_SECONDS)
        s.sendall(struct.pack(">i", len(request)) + request)
        got = b""
        while len(got) < 4 or len(got) < 4 + struct.unpack(">i", got[:4])[0]:
            more = s.recv(1 << 16)
            if not more:
                return False
            got += more
    _, correlation, error, count = struct.unpack(">iihi", got[:14])
    return correlation == CORRELATION_ID and error == 0 and count > 0


def one_life(data):
    broker = Broker(data)
    port = broker.port()
    answered = port is not None and answers(port)
    status = broker.stop()
    if not answered or status != 0:
        print(f"port {port}, answered {answered}, exit status {status}; it said:\n{broker.said.decode(errors='replace')}")
    return answered and status == 0


with tempfile.TemporaryDirectory() as data_folder:
    lives = [one_life(data_folder), one_life(data_folder)]  # the second finds what the first left
print(f"{sum(lives)} passed, {len(lives) - sum(lives)} failed")
sys.exit(0 if all(lives) else 1)
