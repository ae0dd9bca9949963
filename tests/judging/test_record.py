"""The record of replies: what is in it stays, and belongs to one request of one server model."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from gammapo.errors import InputError, RunError
from gammapo.judging.record import Record

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}


def reply(model="served", text="A"):
    return {"model": model, "choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 20}}


def test_replies_outlive_the_process_and_keep_their_secret(tmp_path):
    path = tmp_path / "deep" / "replies.sqlite"
    code = (
        "import sys, os\nfrom gammapo.judging.record import Record\n"
        f"record = Record({str(path)!r}); record.commit({ASK!r}, {reply()!r})\n"
        "print(record.secret.hex(), flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -9
    with Record(path) as record:
        assert record.find(ASK) == reply()
        assert record.secret.hex() == killed.stdout.strip()


def test_the_key_is_the_whole_request_and_the_servers_model(tmp_path):
    with Record(tmp_path / "r.sqlite") as record:
        record.commit(ASK, reply("one"))
        record.commit(ASK, reply("two", "B"))
        assert record.find(ASK, "one") == reply("one")
        assert record.find(ASK, "two") == reply("two", "B")
        assert record.find(ASK, "three") is None
        assert record.find({**ASK, "max_tokens": 2}) is None
        assert record.find(dict(reversed(ASK.items())), "one") == reply("one")
        assert record.count() == 2


def test_the_first_reply_stays_unless_replaced():
    with Record(None) as record:
        record.commit(ASK, reply(text="A"))
        record.commit(ASK, reply(text="B"))
        assert record.find(ASK) == reply(text="A")
        record.commit(ASK, reply(text="B"), replace=True)
        assert record.find(ASK) == reply(text="B")


def test_many_threads_may_commit(tmp_path):
    with Record(tmp_path / "r.sqlite") as record:
        asks = [{**ASK, "seed": number} for number in range(40)]
        workers = [threading.Thread(target=record.commit, args=(ask, reply())) for ask in asks]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert record.count() == 40
        assert record.characters_per_token() > 0


def test_one_process_at_a_time_and_the_lock_goes_with_it(tmp_path):
    path = tmp_path / "r.sqlite"
    with Record(path), pytest.raises(InputError, match="another process"):
        Record(path)
    Record(path).close()
    assert [one.name for one in tmp_path.iterdir()] == ["r.sqlite"]


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "r.sqlite"
    path.write_text("this is no database, but long enough to be taken for one " * 20)
    with pytest.raises(InputError, match="is no record of replies"):
        Record(path)
    assert path.read_text().startswith("this is no")
    with sqlite3.connect(tmp_path / "ok.sqlite"):
        Record(tmp_path / "ok.sqlite").close()


@pytest.fixture
def full(tmp_path):
    path = tmp_path / "r.sqlite"
    with Record(path) as record:
        for number in range(20):
            record.commit({**ASK, "seed": number}, reply(text="x" * 3000))
    return path


def spoil(path, share):
    """Write over the pages behind the first, about as many as `share` says."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xa5" * int((size - 4096) * share))


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_damaged_file_is_named_before_anything_is_paid_for(full, share):
    spoil(full, share)
    with pytest.raises(InputError, match=r"r.sqlite: is no record of replies that can be read .*--record"):
        Record(full)
    with pytest.raises(InputError, match="can be read"):  # and the lock is free again
        Record(full)


@pytest.mark.parametrize(
    "use",
    [
        lambda record: record.find({**ASK, "seed": 7}),
        lambda record: record.commit(ASK, reply()),
        lambda record: record.note_fault("oh"),
        lambda record: record.count(),
        lambda record: record.characters_per_token(),
    ],
    ids=["find", "commit", "note_fault", "count", "characters_per_token"],
)
def test_damage_that_comes_while_judging_is_named(full, use):
    with Record(full) as record:
        record._base.execute("PRAGMA cache_size = 0")
        spoil(full, 1.0)
        with pytest.raises(
            InputError, match=r"r.sqlite: is no record of replies that can be read .*--record"
        ):
            use(record)


@pytest.mark.parametrize("text", ["{cut", "", b"\xff\xfe", None, "[" * 5000])
def test_a_reply_that_cannot_be_read_back_is_damage(full, text):
    with sqlite3.connect(full) as base:
        base.execute("CREATE TABLE copy AS SELECT * FROM replies")
        base.execute("DROP TABLE replies")
        base.execute("ALTER TABLE copy RENAME TO replies")  # without the constraints
        base.execute("UPDATE replies SET reply = ?", [text])
    base.close()
    with Record(full) as record, pytest.raises(InputError, match="a reply in it is not JSON"):
        record.find({**ASK, "seed": 7})


def test_a_full_disk_is_a_failed_run_and_no_damage(full):
    with Record(full) as record:
        pages = record._base.execute("PRAGMA page_count").fetchone()[0]
        record._base.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(RunError, match=r"r.sqlite: .* cannot be used: .*full"):
            record.commit(ASK, reply(text="x" * 30_000))


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "notes.sqlite"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE notes (text TEXT)")
    base.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="is no record of replies .*another program"):
        Record(path)
    assert path.read_bytes() == before
