import math

import pytest

from gammapo.errors import InputError
from gammapo.integrations.config_keys import Theirs, as_number, read_keys

BASE = "model_name_or_path: some/model\ndataset_name: some/pairs\nloss_type: sigmoid\n"


def test_numbers_that_yaml_takes_for_text(read):
    """YAML 1.1 reads a number in scientific notation without a point as text."""
    found = read(
        BASE + "beta: 1e1\nlearning_rate: 5e-7\nper_device_train_batch_size: 1e1\nmax_length: '512'\n"
    )
    assert found.recipe["loss"]["beta"] == 10
    assert found.recipe["training"]["learning_rate"] == 5e-7
    assert found.recipe["training"]["pairs_per_step"] == 10 * 1 * 4
    assert found.recipe["data"]["max_length"] == 512


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("per_device_train_batch_size", "auto", "a whole number above 0"),
        ("gradient_accumulation_steps", "1.5", "a whole number above 0"),
        ("per_device_train_batch_size", "0", "a whole number above 0"),
        ("beta", "[0.1]", "a number above 0"),
        ("beta", "0", "a number above 0"),
        ("beta", "true", "a number above 0"),
        ("cpo_alpha", "{a: 1}", "a number"),
        ("learning_rate", ".nan", "a number"),
        ("seed", "x", "a whole number"),
    ],
)
def test_what_is_no_number_is_named_with_its_file(read, key, value, expected):
    with pytest.raises(InputError) as caught:
        read(BASE + f"{key}: {value}\n")
    assert str(caught.value.file).endswith("theirs.yaml")
    assert (caught.value.field, caught.value.expected) == (key, expected)


def test_a_null_is_unset(read):
    assert read(BASE + "beta: null\nmax_prompt_length: null\n").recipe["loss"] == {"name": "dpo", "beta": 0.1}


def test_a_config_is_a_mapping(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- a\n")
    with pytest.raises(InputError, match="a mapping of keys"):
        read_keys(path)


def test_as_number():
    assert [as_number(value) for value in (3, 0.5, "1e1", "x", None, True, "nan", math.inf, [1])] == [
        3, 0.5, 10.0, None, None, None, None, None, None,
    ]  # fmt: skip
    assert as_number(10**400) is None


def test_what_nobody_read_is_known():
    theirs = Theirs({"b": 1, "a": 2, "c": 3, "d": 4})
    assert (theirs["b"], theirs.get("c"), "a" in theirs) == (1, 3, True)
    assert theirs.unread() == {"a": 2, "d": 4}
