"""The record of replies: what is in it stays, and belongs to one request of one server model."""

import sqlite3
import subprocess
import sys
import threading

import pytest

from gammapo.errors import InputError
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


def test_the_database_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "notes.sqlite"
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE notes (text TEXT)")
    base.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="is no record of replies .*another program"):
        Record(path)
    assert path.read_bytes() == before
