"""The lock of a run folder: against other processes, gone with its holder, and never in the way."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from gammapo.errors import InputError
from gammapo.training import lock

HOLD = (
    "import sys, time; from pathlib import Path; from gammapo.training import lock\n"
    "with lock.hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)\n"
)


def test_another_process_is_kept_out_until_a_sigkill(tmp_path):
    folder = tmp_path / "runs" / "one"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="one: output: another process trains here"), lock.hold(folder):
        pass
    assert (folder / lock.NAME).exists(), "the one that was refused takes nothing away"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lock.hold(folder):
        pass
    assert list(folder.iterdir()) == [], "the folder was there before, so it stays"


def test_nothing_stays_behind_but_what_was_written(tmp_path):
    with pytest.raises(ValueError, match="refused"), lock.hold(tmp_path / "runs" / "one"):
        raise ValueError("refused")
    assert list(tmp_path.iterdir()) == []
    with lock.hold(tmp_path / "runs" / "one"):
        (tmp_path / "runs" / "one" / "run.json").write_text("{}")
    assert [path.name for path in (tmp_path / "runs" / "one").iterdir()] == ["run.json"]


def test_a_lock_file_that_was_taken_away_is_made_anew(tmp_path, monkeypatch):
    """Its holder may remove it after the next one has opened it; a lock on that would keep nobody out."""
    opened = os.open
    gone = iter([True])

    def late(path, *more):
        descriptor = opened(path, *more)
        if next(gone, False):
            path.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", late)
    with lock.hold(tmp_path):
        assert (tmp_path / lock.NAME).exists()
        with pytest.raises(InputError), lock.hold(tmp_path):
            pass


def test_where_nothing_can_be_locked_training_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with lock.hold(tmp_path / "file"), lock.hold(tmp_path / "file" / "below"):
        pass  # whoever writes there will say what is wrong
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(lock.hold(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
