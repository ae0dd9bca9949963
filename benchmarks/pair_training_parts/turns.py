"""One side of the comparison as a process that takes a step when told to, and says how it went."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path


class EndedEarlyError(RuntimeError):
    """A side's process ended before its time: out of memory, most often."""


class Side:
    """A worker process. It says hello when ready, takes one step a call, and reports its peak memory."""

    def __init__(self, kind: str, setup: dict, log: Path):
        self.kind, self.setup, self.log_path = kind, setup, log

    def __enter__(self) -> Side:
        self.folder = tempfile.TemporaryDirectory()
        setup = Path(self.folder.name) / "setup.json"
        setup.write_text(json.dumps(self.setup))
        self.log = self.log_path.open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pair_training_parts.worker", self.kind, str(setup)],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.hello = self._read()
        return self

    def step(self) -> dict:
        self._tell("step")
        return self._read()

    def finish(self) -> dict:
        self._tell("end")
        return self._read()

    def _tell(self, word: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def _read(self) -> dict:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise EndedEarlyError(
                f"the {self.kind} process ended early (exit code {code}); "
                "run again with --log FILE and read why"
            )
        return json.loads(line)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.log.close()
        self.folder.cleanup()
