"""With several ranks a loss sees everyone's pairs, and the mean of the ranks' gradients is the whole one."""

import pytest
import torch
from datasets import Dataset, Features, IterableDataset, Value

from gammapo import losses
from gammapo.data import pair_id
from gammapo.errors import InputError
from gammapo.integrations.keeper import LossKeeper, with_ids
from gammapo.types import Message, PairLogps


def logps(chosen, rejected):
    return PairLogps(
        chosen=chosen,
        rejected=rejected,
        chosen_length=torch.full((len(chosen),), 4.0),
        rejected_length=torch.full((len(chosen),), 5.0),
    )


@pytest.mark.parametrize("name", ["simpo", "gamma_simpo", "kldpo"])
def test_mean_of_the_ranks_gradients_is_the_gradient_of_all_pairs(name):
    torch.manual_seed(0)
    loss = losses.create(name, **({"beta": 2.0} if name != "kldpo" else {}))
    needs = "reference" in loss.needs
    chosen, rejected = -torch.rand(2, 3) * 8, -torch.rand(2, 3) * 8

    def batch(c, r):
        made = logps(c, r)
        if not needs:
            return made
        zeros = {"reference_chosen": torch.full_like(c, -4.0), "reference_rejected": torch.full_like(c, -4.0)}
        return PairLogps(**{**made.__dict__, **{k: v.detach() for k, v in zeros.items()}})

    flat = [side.flatten().clone().requires_grad_() for side in (chosen, rejected)]
    whole = loss(batch(*flat)).loss
    whole.backward()
    gradients, values = [], []
    for rank in range(2):
        own = [side[rank].clone().requires_grad_() for side in (chosen, rejected)]
        others = batch(chosen.flatten(), rejected.flatten())
        columns = [v for v in others.__dict__.values() if v is not None]
        keeper = LossKeeper(
            loss, lambda _, columns=columns: torch.stack(columns, 1), lambda ids: ids, rank=rank, world=2
        )
        out = keeper(batch(*own))
        out.loss.backward()
        values.append(out.loss.item())
        gradients.append(own[0].grad)
    assert values == pytest.approx([whole.item()] * 2, abs=1e-6)
    # data parallel training averages over ranks: each pair's gradient comes from its own rank alone
    assert torch.allclose(torch.cat(gradients) / 2, flat[0].grad, atol=1e-6)


def test_ids_are_those_of_the_pair_file():
    rows = [{"prompt": "q", "chosen": "a", "rejected": "b"}, {"prompt": "q", "chosen": "b", "rejected": "a"}]
    named = with_ids(Dataset.from_list(rows))
    wanted = pair_id([Message(role="user", content="q")], "a", "b")
    assert named["pair_id"][:] == [wanted, f"{wanted}-2"]  # the flipped pair is the same pair, seen again


@pytest.mark.parametrize("features", [None, Features({"prompt": Value("string")})])
def test_a_stream_is_left_alone(features):
    reads = []

    def rows():
        reads.append(1)
        yield {"prompt": "q"}

    stream = IterableDataset.from_generator(rows, features=features)
    assert with_ids(stream) is stream
    assert not reads


def test_a_plan_is_of_the_loss_as_it_was_given():
    keeper = LossKeeper(losses.create("gammapo"), lambda x: x, list)
    for calls, epoch, fresh in ((3, 8, 3), (20, 8, 8), (20, None, 20)):
        keeper.plan(calls, epoch)
        assert keeper.loss.options.fresh_steps == fresh


def test_a_row_that_is_no_pair_is_named():
    with pytest.raises(InputError, match="train_dataset:1"):
        with_ids(Dataset.from_list([{"prompt": "q", "chosen": "", "rejected": "b"}]))


def test_a_state_is_saved_once_and_read_to_the_cpu(tmp_path, monkeypatch):
    """Read to where it was saved, every rank's state would lie on the GPU of the rank that saved it."""
    loss = losses.create("gamma_simpo", beta=2.0)
    keepers = [LossKeeper(loss, lambda x: x, list, rank=rank, world=2) for rank in (0, 1)]
    for keeper in keepers:
        keeper.state = {"gaps": torch.tensor([1.0, 2.0])}
    keepers[1].save(tmp_path)
    assert not list(tmp_path.iterdir())
    keepers[0].save(tmp_path)
    places, load = [], torch.load

    def watched(*given, **options):
        places.append(options["map_location"])
        return load(*given, **options)

    monkeypatch.setattr(torch, "load", watched)
    keepers[1].load(tmp_path)
    assert places == ["cpu"]
    assert keepers[1].state["gaps"].tolist() == [1.0, 2.0]
