"""What the runners of this folder share: options, a broker to run against, the list of expected passes.

A result is (points, state): a test has a point of its own if it passed, and one for each of its parts that did.
expected.tsv says how many points Apache Kafka 4.4 gets in a test, and which parts of a server the test needs.
"""
import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))
sys.dont_write_bytecode = True
from node import Node  # noqa: E402 pylint: disable=wrong-import-position

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "weir"
SERVED = "core,idem,group,group848"


class Suite:
    def __init__(self, name, doc, limit, options=None):
        self.results = {}
        parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--bootstrap", help="a server that runs already; without it one is started")
        parser.add_argument("--only", metavar="REGEX", default="", help="the tests whose name it is found in")
        parser.add_argument("--needs", default=SERVED, help="the parts a test may need (%(default)s)")
        parser.add_argument("--limit", type=int, default=limit, metavar="S", help="seconds a test (%(default)s)")
        parser.add_argument("--build", action="store_true", help="fetch and build, run nothing")
        if options:
            options(parser)
        self.args = parser.parse_args()
        self.called(name)

    def called(self, name):
        """Takes the list and the logs of this name."""
        self.name = name
        self.logs = CACHE / "logs" / name
        self.logs.mkdir(parents=True, exist_ok=True)
        self.expected = self.read_expected()

    def read_expected(self):
        """{test: points} of what is to run."""
        found, may = {}, set(self.args.needs.split(","))
        for line in (HERE / "expected.tsv").read_text().splitlines()[1:]:
            suite, test, points, needs = line.split("\t")
            if suite == self.name and set(needs.split(",")) <= may and re.search(self.args.only, test):
                found[test] = int(points)
        return found

    @contextlib.contextmanager
    def server(self, *settings, at=None):
        """The address to run against; `at` is where the suite insists on finding it."""
        if self.args.bootstrap:
            yield self.args.bootstrap
            return
        node = Node(*settings)
        node.at = at or node.at
        with node:
            yield node.at

    def note(self, test, points, state):
        self.results[test] = (points, state)
        if test in self.expected:
            print(f"{state:9} {test}", flush=True)

    def end(self):
        """Prints what fell short of expected.tsv, and the closing line."""
        passed = failed = skipped = 0
        for test, points in sorted(self.expected.items()):
            got, state = self.results.get(test, (0, "not run"))
            got = min(got, points)
            passed += got
            if got < points:
                print(f"FAILED  {test}: {got} of {points} points, {state}")
            if state == "skip":
                skipped += points - got
            else:
                failed += points - got
        print(f"logs in {self.logs}")
        print(f"{passed} passed, {failed} failed, {skipped} skipped")
        sys.exit(failed + skipped > 0)


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def call(*command, cwd=None):
    """A step of a build: niced, its output beside our results."""
    subprocess.run(["nice", *map(str, command)], cwd=cwd, check=True, stdout=sys.stderr)


def need(*packages):
    """Debian packages; installs what is missing, or says what to type."""
    absent = [p for p in packages if subprocess.run(["dpkg", "-s", p], capture_output=True, check=False).returncode]
    if not absent:
        return
    install = ["apt-get", "install", "-qy", "--no-install-recommends", *absent]
    if os.geteuid():
        sys.exit(f"packages are missing; as root: {' '.join(install)}")
    call("apt-get", "update", "-q")
    call("env", "DEBIAN_FRONTEND=noninteractive", *install)


def kill_group(process):
    """Ends a process that was started in a session of its own, and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
