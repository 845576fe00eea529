"""A broker of our own to try clients on, and what the tests of this folder share.

    with Node() as node:                # free port, new data directory, both gone afterwards
        run("kcat", "-b", node.at, ...)
        node.kill9(); node.start()      # the same port, the same data

The binary is $WEIR; the settings in $WEIR_TEST_SETTINGS ("weir.cores=4 ...") go to every broker. Only
processes started here are ended, by their id.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

WEIR = os.environ.get("WEIR", "build/debug/weir")
SETTINGS = tuple(os.environ.get("WEIR_TEST_SETTINGS", "").split())
READY = re.compile(r"ready in (\d+) ms  kafka (\S+):(\d+)  data (.*)")
WAIT_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    def __init__(self, *settings):
        self.settings = SETTINGS + settings
        self.data = tempfile.mkdtemp(prefix="weir-test-")
        self.port = free_port()
        self.at = f"127.0.0.1:{self.port}"
        self.process = None
        self.ready_ms = None

    def start(self):
        command = [WEIR, "broker", "--set", f"listeners=PLAINTEXT://{self.at}",
                   "--set", f"log.dirs={self.data}/data"]
        for setting in self.settings:
            command += ["--set", setting]
        self.log = open(f"{self.data}/log", "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = READY.match(line)
        if not found:
            self.kill9()
            with open(f"{self.data}/log", encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"the broker does not start: {line!r}\n{log.read()[-4000:]}")
        self.ready_ms = int(found.group(1))
        return self

    def end(self, how):
        if self.process is None:
            return None
        self.process.send_signal(how)
        status = self.process.wait(timeout=WAIT_S)
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return status

    def kill9(self):
        return self.end(signal.SIGKILL)

    def stop(self):
        """A clean stop; anything but exit status 0 is a failure, a sanitizer's report too."""
        status = self.end(signal.SIGTERM)
        if status not in (0, None):
            with open(f"{self.data}/log", encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"the broker ended with {status}\n{log.read()[-4000:]}")

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
            else:
                self.kill9()
        finally:
            shutil.rmtree(self.data, ignore_errors=True)


def run(*command, stdin=None, expect=0, timeout=WAIT_S):
    """Standard output of a command that must end with that status."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    if done.returncode != expect:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}, not {expect}\n"
                             f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


class Tests:
    """Runs functions, counts, and prints the closing line."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def test(self, function, *arguments):
        shown = [str(a) for a in arguments if a is None or isinstance(a, (str, int))]
        name = " ".join([function.__name__.replace("_", " ")] + shown)
        try:
            function(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            self.failed += 1
            print(f"FAILED  {name}: {type(error).__name__}: {error}")
        else:
            self.passed += 1
            print(f"ok      {name}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"skipped: {name}: {why}")

    def end(self):
        text = f"{self.passed} passed, {self.failed} failed"
        if self.skipped:
            text += f", {self.skipped} skipped"
        print(text)
        sys.exit(1 if self.failed else 0)


def missing(*programs):
    """The first of the programs that is not installed, or None."""
    return next((p for p in programs if shutil.which(p) is None), None)
