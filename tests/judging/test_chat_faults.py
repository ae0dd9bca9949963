"""The chat judge against a server that fails in every way: no reply is lost, none is paid for twice."""

import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from typer.testing import CliRunner

from gammapo import judging
from gammapo.cli.app import app
from gammapo.errors import InputError, RunError
from gammapo.judging import Budget, Comparison
from gammapo.judging.record import Record

COMPARISONS = [
    Comparison(instruction=f"Task {number}", output_1=f"reference {number}", output_2=f"model {number}")
    for number in range(12)
]
TRANSIENT = ["429", "500", "html", "cut", "cut without length", "hang up", "no choices", "no content"]
TRANSIENT += ["bad length", "deep", "busy with 200"]


@pytest.fixture
def record(tmp_path):
    return tmp_path / "replies.sqlite"


def judge(server, record, **options):
    settings = {"backoff": 0.01, "deadline": 5.0, "concurrency": 3, **options}
    return judging.create(f"openai:judge@{server.url}", record=record, **settings)


def recorded(path):
    with sqlite3.connect(path) as base:
        return {row[0] for row in base.execute("SELECT request_key FROM replies")}


def test_judging_pays_once_and_a_rerun_pays_nothing(faulty, record):
    first = judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.paid.values()) == len(COMPARISONS) + 1, "one call a comparison, one for the probe"
    again = judge(faulty, record).judge(COMPARISONS)
    assert again == first
    assert sum(faulty.tries.values()) == len(COMPARISONS) + 1
    assert all(1 < one.preference < 2 for one in first)
    assert len({one.preference for one in first}) > 6, "every request has its own reply"


def test_preferences_follow_the_log_probs_whichever_order(faulty, record):
    """The server says 0.8 for whatever is shown first: 1.2 if that is the reference, 1.8 if the model."""
    faulty.first = 0.8
    for one in judge(faulty, record, order="fixed").judge(COMPARISONS):
        assert one.preference == pytest.approx(1.2)
    for one in judge(faulty, record).judge(COMPARISONS):
        [swapped] = one.extra["model_shown_first"]
        assert one.preference == pytest.approx(1.8 if swapped else 1.2)
    for one in judge(faulty, record, order="both").judge(COMPARISONS):
        assert one.preference == pytest.approx(1.5)
        assert one.extra["preference_by_order"] == pytest.approx([1.2, 1.8])


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_passing_fault_is_retried_and_costs_no_reply(faulty, record, fault):
    expected = judge(faulty, record.with_name("calm.sqlite")).judge(COMPARISONS)
    faulty.tries.clear(), faulty.paid.clear()
    faulty.plan = lambda attempt, call: fault if attempt <= 2 and call % 3 == 0 else "good"
    judged = judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.tries.values()) > len(COMPARISONS) + 1, "the fault did happen"
    assert set(faulty.paid.values()) == {1}
    assert [one.instruction for one in judged] == [one.instruction for one in expected]
    assert all(one.preference is not None for one in judged)
    with sqlite3.connect(record) as base:
        assert base.execute("SELECT COUNT(*) FROM faults").fetchone()[0] > 0


def test_retry_after_is_obeyed(faulty, record):
    faulty.plan = lambda attempt, call: "429" if call == 1 else "good"
    judge(faulty, record).judge(COMPARISONS[:1])
    assert faulty.times[1] - faulty.times[0] >= 0.3


def test_a_pause_too_long_to_wait_fails_at_once(faulty, record):
    faulty.plan = lambda attempt, call: "429 long" if call > 4 else "good"
    started = time.monotonic()
    with pytest.raises(RunError, match="come back tomorrow"):
        judge(faulty, record).judge(COMPARISONS)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_the_deadline_ends_a_call_that_hangs_or_drips(faulty, record, fault):
    faulty.plan = lambda attempt, call: fault if attempt == 1 and call > 1 else "good"
    started = time.monotonic()
    judged = judge(faulty, record, deadline=0.5).judge(COMPARISONS[:3])
    assert all(one.preference is not None for one in judged)
    assert time.monotonic() - started < 15
    assert set(faulty.paid.values()) == {1}


def test_calls_that_fail_for_good_leave_the_others_recorded(faulty, record):
    faulty.plan = lambda attempt, call: "500" if call in (4, 7) or attempt > 1 else "good"
    with pytest.raises(RunError, match=r"2 of 12 calls stayed without a reply.*HTTP 500: oops \(after 3 att"):
        judge(faulty, record, attempts=3, concurrency=1).judge(COMPARISONS)
    kept = recorded(record)
    assert len(kept) == len(COMPARISONS) - 2 + 1
    faulty.plan = lambda attempt, call: "good"
    before = faulty.tries.copy()
    judged = judge(faulty, record).judge(COMPARISONS)
    assert all(one.preference is not None for one in judged)
    assert sum((faulty.tries - before).values()) == 2, "only what was missing is asked for"
    assert set(faulty.paid.values()) == {1}


def test_a_refusal_ends_it_at_once(faulty, record):
    faulty.plan = lambda attempt, call: "401" if call > 3 else "good"
    with pytest.raises(RunError, match="HTTP 401.*who are you"):
        judge(faulty, record, concurrency=1).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 4
    assert len(recorded(record)) == 3


def test_an_account_that_ran_dry_ends_it_at_once_under_any_status(faulty, record):
    faulty.plan = lambda attempt, call: "broke with 200" if call > 3 else "good"
    with pytest.raises(RunError, match="10 of 12 calls .* as HTTP 402: .*insufficient_quota"):
        judge(faulty, record, concurrency=1).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 4
    assert len(recorded(record)) == 3


def test_a_key_that_is_denied_everything_is_told_after_one_call(faulty, record):
    faulty.plan = lambda attempt, call: "403"
    with pytest.raises(RunError, match="the first call failed: HTTP 403: .*may use this model"):
        judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 1


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_key_that_was_revoked_since_is_told_early(faulty, record, concurrency):
    """The probe's reply is in the record, and is asked for anew to see whether anything is answered."""
    judge(faulty, record).judge(COMPARISONS[:2])
    before, faulty.plan = faulty.tries.copy(), lambda attempt, call: "403"
    with pytest.raises(RunError, match="10 of 10 calls .*403.*a harmless question fared no better: HTTP 403"):
        judge(faulty, record, concurrency=concurrency).judge(COMPARISONS)
    assert 2 <= sum((faulty.tries - before).values()) <= 1 + concurrency
    assert len(recorded(record)) == 3


@pytest.mark.parametrize("fault", ["403", "moderated with 200"])
def test_prompts_that_are_moderated_are_left_unjudged_in_every_run(faulty, record, fault):
    faulty.faults_of = {f"Task {number}\\n": fault for number in (0, 1, 7)}
    judged = judge(faulty, record).judge(COMPARISONS)
    assert [place for place, one in enumerate(judged) if one.preference is None] == [0, 1, 7]
    assert "403" in judged[7].extra["note"]
    before = faulty.tries.copy()
    assert judge(faulty, record).judge(COMPARISONS) == judged, "though nothing but denials is left to come"
    assert sum((faulty.tries - before).values()) == 3 + 1, "the probe once more, in between"


def test_of_several_failures_the_one_that_ended_it_is_told(faulty, record):
    faulty.plan = lambda attempt, call: {3: "400", 5: "401"}.get(call, "good")
    with pytest.raises(RunError, match="10 of 12 calls stayed without a reply, because: HTTP 401"):
        judge(faulty, record, concurrency=1).judge(COMPARISONS)


def test_no_call_is_paid_for_once_replies_cannot_be_kept(faulty, record, monkeypatch):
    kept = Record.commit

    def commit(self, request, reply, **options):
        if self.count() == 3:
            raise RunError("the disk is full")
        kept(self, request, reply, **options)

    monkeypatch.setattr(Record, "commit", commit)
    with pytest.raises(RunError, match="the disk is full"):
        judge(faulty, record, concurrency=2).judge(COMPARISONS)
    assert len(recorded(record)) == 3
    assert sum(faulty.paid.values()) <= 3 + 2, "no more than were on their way"


@pytest.mark.parametrize(("fault", "tries"), [("400", 1), ("no content", 3), ("too long with 200", 1)])
def test_what_the_server_refuses_is_left_unjudged_alone(faulty, record, fault, tries):
    faulty.faults_of = {"Task 3": fault, "Task 7": fault}
    judged = judge(faulty, record, attempts=3).judge(COMPARISONS)
    assert [place for place, one in enumerate(judged) if one.preference is None] == [3, 7]
    why = {
        "400": "no reply: HTTP 400: .*maximum context",
        "no content": "no reply: the reply holds no answer",
        "too long with 200": "no reply: the reply holds an error, as HTTP 400: .*too long",
    }
    for place in (3, 7):
        assert re.match(why[fault], judged[place].extra["note"])
        assert ";" not in judged[place].extra["note"], "which parts notes"
    assert sum(faulty.tries.values()) == 1 + 10 + 2 * tries
    assert len(recorded(record)) == 1 + 10
    before, faulty.faults_of = faulty.tries.copy(), {}
    again = judge(faulty, record).judge(COMPARISONS)
    assert all(one.preference is not None for one in again)
    assert sum((faulty.tries - before).values()) == 2, "only what was refused is asked for"
    assert set(faulty.paid.values()) == {1}


def test_of_two_calls_one_refused_leaves_the_comparison_unjudged(faulty, record):
    faulty.plan = lambda attempt, call: "400" if call == 3 else "good"
    judged = judge(faulty, record, order="both", concurrency=1).judge(COMPARISONS[:2])
    assert [one.preference is None for one in judged] == [True, False]
    assert "preference_by_order" not in judged[0].extra


def test_a_server_that_refuses_everything_is_left_early(faulty, record):
    faulty.plan = lambda attempt, call: "400"
    with pytest.raises(RunError, match="the first call failed: HTTP 400"):
        judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 1
    faulty.plan = lambda attempt, call: "good" if call == 2 else "400"
    with pytest.raises(RunError, match=r"12 of 12 calls .* HTTP 400: .*After more than 2 \(--max-failures\)"):
        judge(faulty, record, max_failures=2, concurrency=1).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 1 + 1 + 3


def test_the_verb_says_what_was_refused_and_fails_where_all_was(faulty, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, field in (("model", "output_2"), ("reference", "output_1")):
        rows = [{"instruction": one.instruction, "output": getattr(one, field)} for one in COMPARISONS[:4]]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    arguments = ["judge", "model.json", "--against", "reference.json", "--judge", f"openai:m@{faulty.url}"]
    faulty.faults_of = {"Task": "400"}
    failed = CliRunner().invoke(app, [*arguments, "-o", "none.json"])
    assert isinstance(failed.exception, RunError)
    assert "none of 4 comparisons was judged, so none.json is not written: no reply: HTTP 400" in str(
        failed.exception
    )
    assert not (tmp_path / "none.json").exists()
    faulty.faults_of = {"Task 2": "400"}
    done = CliRunner().invoke(app, [*arguments, "-o", "some.json", "--format", "json"])
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["comparisons"], summary["judged"], list(summary["notes"].values())) == (4, 3, [1])
    assert "1 of 4: no reply: HTTP 400" in done.stderr
    assert [row["preference"] is None for row in json.loads((tmp_path / "some.json").read_text())] == [
        False,
        False,
        True,
        False,
    ]


def test_a_refusal_beside_a_failure_does_not_hide_it(faulty, record):
    faulty.faults_of = {"Task 3": "400", "Task 7": "500"}
    with pytest.raises(RunError, match="2 of 12 calls stayed without a reply"):
        judge(faulty, record, attempts=2).judge(COMPARISONS)
    assert len(recorded(record)) == 1 + 10


def test_a_reply_without_content_in_an_older_record_is_asked_for_again(faulty, record):
    made = judge(faulty, record, order="fixed")
    made.judge(COMPARISONS[:2])
    with sqlite3.connect(record) as base:
        empty = {"model": "served-1", "choices": [{"message": {"content": None}, "logprobs": None}]}
        base.execute("UPDATE replies SET reply = ? WHERE request LIKE '%Task 1%'", [json.dumps(empty)])
    before = faulty.tries.copy()
    assert all(one.preference is not None for one in made.judge(COMPARISONS[:2]))
    assert sum((faulty.tries - before).values()) == 1
    assert made.estimate(COMPARISONS[:2]).calls == 0


def test_counts_and_names_that_fit_nowhere_cost_no_reply(faulty, record):
    faulty.plan = lambda attempt, call: "odd"
    judged = judge(faulty, record).judge(COMPARISONS)
    assert all(one.preference is not None for one in judged)
    json.dumps([one.extra["server_model"] for one in judged], ensure_ascii=False).encode()
    assert set(faulty.paid.values()) == set()
    assert set(faulty.tries.values()) == {1}


def test_many_failures_break_judging_off(faulty, record):
    faulty.plan = lambda attempt, call: "500" if call > 1 else "good"
    with pytest.raises(RunError, match="12 of 12 calls stayed without a reply"):
        judge(faulty, record, attempts=1, max_failures=2, concurrency=1).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 1 + 3


def test_dropped_log_probs_and_junk_are_kept_and_said(faulty, record):
    faults = {3: "no log-probs", 5: "junk", 6: "empty text"}
    faulty.plan = lambda attempt, call: faults.get(call, "good")
    judged = judge(faulty, record, concurrency=1, order="fixed").judge(COMPARISONS)
    notes = {number: one.extra.get("note") for number, one in enumerate(judged, 2) if "note" in one.extra}
    assert notes == {
        3: "reply without log-probs, its letter taken as certain",
        5: "unusable reply",
        6: "unusable reply",
    }
    assert judged[1].preference in (1.0, 2.0)
    assert judged[3].preference is None
    assert judged[4].preference is None
    judge(faulty, record).judge(COMPARISONS[:1])
    assert judge(faulty, record, order="fixed").judge(COMPARISONS) == judged, "and not paid for again"
    assert set(faulty.paid.values()) == {1}


def test_the_probe_refuses_a_server_without_log_probs(faulty, record):
    faulty.plan = lambda attempt, call: "no log-probs"
    with pytest.raises(InputError, match=r"returns no log-probs.*--hard-labels"):
        judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.tries.values()) == 1, "found out with one call"
    judged = judge(faulty, record, hard_labels=True).judge(COMPARISONS)
    assert {one.preference for one in judged} <= {1.0, 2.0}
    assert sum(faulty.tries.values()) == 1 + len(COMPARISONS)


def test_the_probe_refuses_a_model_that_names_no_letter_and_asks_again_later(faulty, record):
    faulty.plan = lambda attempt, call: "junk"
    with pytest.raises(InputError, match="asked for A and B and replied with neither"):
        judge(faulty, record).judge(COMPARISONS)
    faulty.plan = lambda attempt, call: "good"
    assert len(judge(faulty, record).judge(COMPARISONS)) == len(COMPARISONS)


def test_a_judge_that_would_have_said_something_else_is_no_judge(faulty, record):
    """Its letters have a ten-thousandth of the probability: their ratio would be taken for a preference."""
    faulty.plan = lambda attempt, call: "thinking"
    with pytest.raises(InputError, match=r"replied with neither \(together 0.0001 of .*does not think"):
        judge(faulty, record).judge(COMPARISONS)
    faulty.plan = lambda attempt, call: "thinking" if call == 4 else "good"
    judged = judge(faulty, record, concurrency=1).judge(COMPARISONS)
    assert [place for place, one in enumerate(judged) if "note" in one.extra] == [1]
    assert "under 0.1 of the probability" in judged[1].extra["note"]
    assert judged[1].preference in (1.0, 2.0)
    assert set(faulty.paid.values()) == {1, 2}, "the probe was asked again"


def test_calls_that_wait_for_another_attempt_are_given_up_when_judging_ends(faulty, record):
    faulty.plan = lambda attempt, call: {1: "good", 2: "busy"}.get(call, "401")
    started = time.monotonic()
    with pytest.raises(RunError, match="stayed without a reply"):
        judge(faulty, record, concurrency=2).judge(COMPARISONS)
    assert time.monotonic() - started < 20


def test_a_changed_server_model_is_not_mixed_in(faulty, record):
    judge(faulty, record).judge(COMPARISONS[:6])
    faulty.model = "served-2"
    with pytest.raises(RunError, match="answered as served-1 first and then as served-2"):
        judge(faulty, record).judge(COMPARISONS)


def test_caps_are_checked_before_the_first_call(faulty, record):
    with pytest.raises(InputError, match="max_calls: judging needs 13 calls; expected at most 12"):
        judge(faulty, record, budget=Budget(max_calls=12)).judge(COMPARISONS)
    with pytest.raises(InputError, match="max_cost: judging would cost about"):
        judge(faulty, record, budget=Budget(price_in=1e4, max_cost=1.0)).judge(COMPARISONS)
    assert not faulty.tries
    told = []
    judge(faulty, record, on_estimate=told.append).judge(COMPARISONS)
    [estimate] = told
    assert estimate.calls == 13
    assert judge(faulty, record).estimate(COMPARISONS).calls == 0


def test_an_estimate_writes_nothing(faulty, tmp_path):
    fresh = judge(faulty, tmp_path / "deep" / "replies.sqlite")
    assert fresh.estimate(COMPARISONS).calls == 13
    assert list(tmp_path.iterdir()) == []
    record = tmp_path / "r.sqlite"
    judge(faulty, record).judge(COMPARISONS[:5])
    before = record.read_bytes()
    assert judge(faulty, record).estimate(COMPARISONS).calls == 7
    assert (record.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (before, ["r.sqlite"])
    record.write_bytes(b"")
    assert judge(faulty, record).estimate(COMPARISONS).calls == 13
    assert record.read_bytes() == b""
    with pytest.raises(InputError, match="is no record of replies|unable to open"):
        judge(faulty, tmp_path).estimate(COMPARISONS)


@pytest.mark.parametrize("both", [False, True])
def test_judging_both_directions_shows_each_answer_first_once(faulty, record, both):
    """One bit of the two texts, whichever is the model's: a liking for the first place cancels in the mean of
    both directions, as it does within one where each comparison is asked twice."""
    faulty.first = 0.9  # for whatever is shown first
    turned = [
        Comparison(instruction=one.instruction, output_1=one.output_2, output_2=one.output_1)
        for one in COMPARISONS
    ]
    order = "both" if both else "random"
    there = judge(faulty, record, order=order).judge(COMPARISONS)
    back = judge(faulty, record, order=order).judge(turned)
    for one, other in zip(there, back, strict=True):
        assert (one.preference + 3 - other.preference) / 2 == pytest.approx(1.5)
    if not both:
        assert 0 < sum(one.extra["model_shown_first"][0] for one in there) < len(there)


def test_concurrency_is_bounded(faulty, record):
    faulty.delay = 0.05
    judge(faulty, record, concurrency=3).judge(COMPARISONS)
    assert 2 <= faulty.most_at_once <= 3


def test_equal_comparisons_are_asked_once(faulty, record):
    judged = judge(faulty, record).judge([COMPARISONS[0]] * 5)
    assert len(judged) == 5
    assert sum(faulty.paid.values()) == 2


def test_equal_outputs_are_a_draw_without_a_call(faulty, record):
    [judged] = judge(faulty, record).judge([Comparison(instruction="x", output_1="same", output_2="same")])
    assert judged.preference == 1.5
    assert judged.extra["note"] == "equal outputs, a draw without a call"
    assert not faulty.tries


def test_two_processes_cannot_pay_with_one_record(faulty, record):
    with Record(record), pytest.raises(InputError, match="another process is judging with this record"):
        judge(faulty, record).judge(COMPARISONS)
    assert not faulty.tries


def test_the_key_goes_to_the_servers_it_is_meant_for_only(faulty, record, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "for-openai")
    judge(faulty, record).judge(COMPARISONS[:1])
    assert all("Authorization" not in headers for headers in faulty.headers_seen)
    monkeypatch.setenv("GAMMAPO_API_KEY", "for-any")
    judge(faulty, record).judge(COMPARISONS[1:2])
    assert faulty.headers_seen[-1]["Authorization"] == "Bearer for-any"


@pytest.fixture
def command(faulty, tmp_path):
    """The verb as a process of its own, its output and its record."""
    for name, field in (("model", "output_2"), ("reference", "output_1")):
        rows = [
            {"instruction": one.instruction, "output": getattr(one, field), "generator": name}
            for one in COMPARISONS
        ]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    out = tmp_path / "annotations.json"
    arguments = ["judge", str(tmp_path / "model.json"), "--against", str(tmp_path / "reference.json")]
    arguments += ["--judge", f"openai:judge@{faulty.url}", "-o", str(out), "--concurrency", "2"]
    # a test that runs in the background ignores interrupts, and so would its children
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from gammapo.cli.app import main; main()"
    return [sys.executable, "-c", code, *arguments], out, tmp_path / "annotations.json.replies.sqlite"


def begun(command, counted, most):
    """The process, once so many of what is counted have come."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    ends = time.monotonic() + 60
    while time.monotonic() < ends and sum(counted.values()) < most:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM]],
    ids=["interrupt", "interrupt twice", "terminate"],
)
def test_replies_on_their_way_are_waited_for_when_a_user_or_a_scheduler_ends_it(faulty, command, signals):
    go_on = threading.Event()
    faulty.plan = lambda attempt, call: "good" if call <= 3 or go_on.wait(60) else "hang up"
    process = begun(command[0], faulty.tries, 5)  # two of them are held
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    go_on.set()
    _, said = process.communicate(timeout=30)
    assert (process.returncode, b"interrupted; the same command goes on" in said) == (130, True), said
    assert len(recorded(command[2])) == sum(faulty.paid.values()) == 5


def test_sigkill_loses_no_recorded_reply_and_pays_none_twice(faulty, command):
    faulty.delay = 0.15
    command, out, record = command
    process = begun(command, faulty.paid, 6)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists(), "killed too late to show anything"
    kept = recorded(record)
    assert 3 <= len(kept) < len(COMPARISONS)
    time.sleep(2 * faulty.delay)  # calls in flight at the kill reach the server's books
    before = faulty.tries.copy()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    asked_again = set((faulty.tries - before).keys())
    assert not asked_again & kept, "a recorded reply was paid for twice"
    assert len(asked_again) == len(COMPARISONS) + 1 - len(kept)
    preferences = [row["preference"] for row in json.loads(out.read_text())]
    assert all(1 < value < 2 and math.isfinite(value) for value in preferences)


def test_a_model_that_changed_between_two_runs_is_not_mixed_in(faulty, record):
    """The first run's probe came without log-probs, so the second asks it again, of a new model."""
    faulty.plan = lambda attempt, call: "no log-probs"
    judge(faulty, record, hard_labels=True).judge(COMPARISONS[:6])
    faulty.plan, faulty.model = lambda attempt, call: "good", "served-2"
    paid = sum(faulty.paid.values())
    with pytest.raises(RunError, match="answers as served-2 now.*new --record"):
        judge(faulty, record).judge(COMPARISONS)
    assert sum(faulty.paid.values()) == paid + 1, "the probe only"
