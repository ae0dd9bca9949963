"""Worlds whose gold reward is known.

The constraint world asks for short texts about everyday things that obey one or two verifiable constraints:

- `train_tasks(count)`, `held_out_tasks(count)`: prompts (`task.prompt`, `task.messages`) over disjoint
  subjects; the held-out ones also ask for combinations of constraints that no training prompt has.
- `ConstraintScorer()`: the gold reward, `score(prompts, answers)`, and `explain(…)` with its parts. Its name
  for `--scorer` and `--judge` is `world:constraints`.
- `gammapo.demo.data/pairs.jsonl.gz`: on-policy pairs of SmolLM2 over the first training tasks, with gold
  rewards; read it with `gammapo.data.load_pairs`.
"""

from gammapo.benchmark.worlds.gold import ConstraintScorer, Gold
from gammapo.benchmark.worlds.scorers import create_scorer
from gammapo.benchmark.worlds.tasks import Task, held_out_tasks, parse, train_tasks

__all__ = [
    "ConstraintScorer",
    "Gold",
    "Task",
    "create_scorer",
    "held_out_tasks",
    "parse",
    "train_tasks",
]
