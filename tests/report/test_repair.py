"""What the report of a repair says of how it was made."""

from gammapo.report.repair import command

PLAN = {
    "source": "my pairs.jsonl",
    "how": "flip",
    "above": 0.5,
    "evaluation": None,
    "holdout": 0.2,
    "cross_fit": 0,
    "by": "witnesses",
    "scorer": None,
    "max_new_tokens": 64,
    "temperature": 0.0,
    "ceiling": False,
    "seed": 3,
}


def test_the_command_repeats_all_that_decides_the_result():
    """Without how answers are sampled, it would be refused on its folder and give others elsewhere."""
    made = command({"plan": PLAN, "seeds": 2})
    assert made == (
        "gammapo repair 'my pairs.jsonl' --recipe RECIPE.yaml -o DIR --how flip --above 0.5 --seeds 2 "
        "--holdout 0.2 --by witnesses --seed 3"
    )
    scored = command({"plan": {**PLAN, "scorer": "rules:a b.yaml"}, "seeds": 2})
    assert "--scorer 'rules:a b.yaml' --max-new-tokens 64 --temperature 0" in scored
