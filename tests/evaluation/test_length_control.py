import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError
from gammapo.evaluation import glm


def simulated(n: int, *, seed: int, length: float = -1.5, offset: float = 0.3, shift: float = 0.0):
    """Preferences drawn from the model itself, and lengths; the true LC is 100·σ(offset)."""
    rng = np.random.default_rng(seed)
    gaps = rng.normal(shift, 100, n).round()
    p = glm.sigmoid(length * np.tanh(gaps / gaps.std(ddof=1)) + offset)
    return 1.0 + (rng.random(n) < p), 1000 - gaps, np.full(n, 1000.0)


def test_leaderboard_compatible_numbers_of_all_twelve_files(annotation_files, evaluated, published):
    gaps = {
        name: evaluated(name, True).length_controlled.length_controlled_winrate
        - float(published[name]["length_controlled_winrate"])
        for name in annotation_files
    }
    assert len(gaps) == 12
    assert max(map(abs, gaps.values())) < 0.2, gaps
    assert np.mean(np.abs(list(gaps.values()))) < 0.05, gaps


def test_published_coefficients_are_recovered(evaluated, published_weights):
    for name in ("FuseChat-Qwen-2.5-7B-Instruct", "claude-2.1", "vicuna-7b-v1.5"):
        weights = list(evaluated(name, True).length_controlled.weights.values())
        assert weights == pytest.approx(published_weights[name], abs=2e-3)


def test_standard_error_is_the_spread_of_predictions(evaluated, published):
    for name in ("FuseChat-Llama-3.2-1B-Instruct", "FuseChat-Qwen-2.5-7B-Instruct"):
        ours = evaluated(name).length_controlled.lc_standard_error
        assert ours == pytest.approx(float(published[name]["lc_standard_error"]), abs=2e-3)


def test_joining_by_instruction_does_not_shift_after_a_gap(evaluated):
    """The leaderboard's 9.03 for a file that lacks two rows comes from the shift; by hash it is 6.5."""
    by_hash, by_position = (evaluated("text_davinci_001", compatible) for compatible in (False, True))
    assert by_hash.length_controlled.length_controlled_winrate == pytest.approx(6.5, abs=0.15)
    assert by_position.length_controlled.length_controlled_winrate == pytest.approx(9.03, abs=0.15)
    assert any("another instruction's difficulty" in warning for warning in by_position.warnings)


def test_row_order_does_not_matter_when_joined_by_instruction(annotation_files):
    rows = evaluation.read_annotations(annotation_files["claude-2.1"])
    shuffled = rows.take(np.random.default_rng(0).permutation(len(rows)).tolist())
    one, two = (
        evaluation.length_controlled(
            r.preferences, r.model_lengths, r.reference_lengths, instructions=r.instructions
        )
        for r in (rows, shuffled)
    )
    assert one.length_controlled_winrate == pytest.approx(two.length_controlled_winrate, abs=0.02)


def test_a_model_against_itself_is_fifty():
    result = evaluation.length_controlled(np.full(50, 1.5), np.full(50, 900), np.full(50, 900))
    assert result.length_controlled_winrate == 50
    assert result.replicate(np.ones((3, 50))) == pytest.approx([50, 50, 50])


def test_equal_lengths_leave_the_raw_win_rate():
    preferences = np.r_[np.full(70, 2.0), np.full(50, 1.0)]
    result = evaluation.length_controlled(preferences, np.full(120, 500), np.full(120, 500))
    assert result.length_controlled_winrate == pytest.approx(100 * 70 / 120, abs=1e-3)


def test_own_sets_are_unbiased_and_say_that_difficulty_is_dropped():
    found = [evaluation.length_controlled(*simulated(150, seed=seed)) for seed in range(60)]
    truth = 100 * glm.sigmoid(np.array(0.3))
    assert np.mean([f.length_controlled_winrate for f in found]) == pytest.approx(truth, abs=1.5)
    assert "difficulty is not known" in found[0].warnings[0]
    assert found[0].difficulty == "none"
    assert not found[0].gamed


def test_length_bias_is_taken_out():
    """A judge that likes length, and a model that writes more: raw is inflated, LC is not."""
    raw, controlled = [], []
    for seed in range(30):
        preferences, ours, theirs = simulated(200, seed=seed, offset=0.0, shift=-80)
        raw.append(evaluation.win_rate(preferences).win_rate)
        controlled.append(evaluation.length_controlled(preferences, ours, theirs).length_controlled_winrate)
    assert np.mean(raw) > 58
    assert np.mean(controlled) == pytest.approx(50, abs=2)


def test_refitted_intervals_cover_the_truth():
    truth, hits = 100 * glm.sigmoid(np.array(0.3)), 0
    for seed in range(100):
        result = evaluation.length_controlled(*simulated(150, seed=1000 + seed))
        interval = evaluation.bootstrap_ci(result, n_bootstrap=200, seed=seed)
        hits += interval.low <= truth <= interval.high
    assert 86 <= hits <= 99


def test_given_difficulty_is_used():
    rng = np.random.default_rng(0)
    difficulty = rng.normal(size=400)
    scores = rng.random(400) < glm.sigmoid(1.5 * difficulty)
    lengths = rng.integers(300, 700, 400)
    result = evaluation.length_controlled(
        1.0 + scores, lengths, rng.permutation(lengths), difficulty=difficulty
    )
    assert result.weights["difficulty"] == pytest.approx(1.5, abs=0.4)
    assert result.difficulty == "given"


def test_another_reference_leaves_the_gamed_rows_out(annotation_files):
    rows = evaluation.read_annotations(annotation_files["claude-2.1"])
    result = evaluation.length_controlled(
        rows.preferences, rows.model_lengths, rows.reference_lengths + 7, instructions=rows.instructions
    )
    assert result.difficulty == "official"
    assert not result.gamed
    assert "gamed rows are left out" in result.warnings[0]


@pytest.mark.parametrize("spread", [0, 100, 200])
def test_length_that_cannot_be_told_from_the_offset_gives_no_rate(spread):
    """All answers some 1000 characters longer: a win may be due to that or not, and no row says which."""
    rng = np.random.default_rng(4)
    theirs = np.full(200, 500.0)
    longer = theirs + rng.normal(1000, spread, 200).round()
    preferences = 1.0 + (rng.random(200) < 0.9)
    with pytest.raises(evaluation.NotEstimableError, match="cannot be told from quality"):
        evaluation.length_controlled(preferences, longer, theirs)


def test_intervals_of_longer_answers_cover_the_truth():
    """98 % of the answers longer, so that the rate is extrapolated: the interval must own up to it."""
    truth, hits = 100 * glm.sigmoid(np.array(0.3)), 0
    for seed in range(60):
        result = evaluation.length_controlled(*simulated(100, seed=seed, shift=-200))
        interval = evaluation.bootstrap_ci(result, n_bootstrap=100, seed=seed)
        hits += interval.low <= truth <= interval.high
    assert hits >= 48


def test_extrapolation_and_uniform_preferences_are_said_aloud():
    preferences, _, theirs = simulated(100, seed=1)
    always_longer = theirs + np.random.default_rng(0).integers(50, 900, 100)
    result = evaluation.length_controlled(preferences, always_longer, theirs)
    assert any("extrapolation" in warning for warning in result.warnings)
    every = evaluation.length_controlled(np.full(50, 2.0), theirs[:50] + np.arange(50), theirs[:50])
    assert any("same preference" in warning for warning in every.warnings)
    assert every.length_controlled_winrate > 99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_lengths": np.ones(3)}, r"model_lengths: shape \(3,\)"),
        ({"reference_lengths": np.full(20, -1.0)}, "negative"),
        ({"preferences": np.r_[np.full(5, 2.0), np.full(15, np.nan)]}, "5 judged rows"),
        ({"instructions": ["x"]}, "1 instructions"),
        ({"difficulty": np.ones(3)}, "difficulty: shape"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    arguments = {
        "preferences": np.tile([1.0, 2.0], 10),
        "model_lengths": np.arange(20.0),
        "reference_lengths": np.full(20, 10.0),
    }
    with pytest.raises(InputError, match=message):
        evaluation.length_controlled(**{**arguments, **change})


def test_a_file_in_another_order_is_warned_of_where_position_decides(annotation_files):
    file = evaluation.read_annotations(annotation_files["alpaca-7b"])
    order = [1, 0, *range(2, len(file))]
    options = evaluation.Options(bootstrap=0, leaderboard_compatible=True)
    moved = evaluation.evaluate(file.take(order), options)
    assert any("2 of 805 rows stand elsewhere in the official set" in warning for warning in moved.warnings)
    assert not any("row position" in warning for warning in evaluation.evaluate(file, options).warnings)
