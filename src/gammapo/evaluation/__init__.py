"""Win rates and length-controlled win rates with honest intervals: pure functions over rows, numpy only."""

from gammapo.evaluation.annotations import Annotations, from_judgements, read_annotations
from gammapo.evaluation.arena import both_orders, head_to_head, ratings
from gammapo.evaluation.bootstrap import Difference, Interval, bootstrap_ci, holm, paired_difference
from gammapo.evaluation.checks import check
from gammapo.evaluation.comparison import Comparison, compare
from gammapo.evaluation.detectors import Suspicion, suspicions
from gammapo.evaluation.difficulty import joint_difficulty
from gammapo.evaluation.evaluate import Evaluation, Options, evaluate, evaluate_files
from gammapo.evaluation.length_control import LengthControlled, NotEstimableError, length_controlled
from gammapo.evaluation.winrate import WinRate, win_rate

__all__ = [
    "Annotations",
    "Comparison",
    "Difference",
    "Evaluation",
    "Interval",
    "LengthControlled",
    "NotEstimableError",
    "Options",
    "Suspicion",
    "WinRate",
    "bootstrap_ci",
    "both_orders",
    "check",
    "compare",
    "evaluate",
    "evaluate_files",
    "from_judgements",
    "head_to_head",
    "holm",
    "joint_difficulty",
    "length_controlled",
    "paired_difference",
    "ratings",
    "read_annotations",
    "suspicions",
    "win_rate",
]
