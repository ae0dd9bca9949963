"""Parquet, `datasets` folders and `load_dataset` give the same pairs as JSON lines."""

import bz2
import gzip
import json
import lzma
import os
import shutil

import datasets
import pytest

from gammapo.data import load_pairs
from gammapo.errors import InputError

ROWS = [
    {
        "prompt": f"question {i}",
        "chosen": [
            {"role": "user", "content": f"question {i}"},
            {"role": "assistant", "content": f"yes {i}"},
        ],
        "rejected": [
            {"role": "user", "content": f"question {i}"},
            {"role": "assistant", "content": f"no {i}"},
        ],
        "score_chosen": 7.5,
        "score_rejected": float(i),
    }
    for i in range(5)
]


@pytest.fixture
def expected(tmp_path):
    path = tmp_path / "expected.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return load_pairs(path).pairs


@pytest.fixture
def table():
    return datasets.Dataset.from_list(ROWS)


def test_parquet(table, expected, tmp_path):
    table.to_parquet(tmp_path / "pairs.parquet")
    loaded = load_pairs(tmp_path / "pairs.parquet")
    assert (loaded.pairs, loaded.report.shape) == (expected, "ultrafeedback")


def test_folder_of_one_split(table, expected, tmp_path):
    table.save_to_disk(tmp_path / "saved")
    assert load_pairs(tmp_path / "saved").pairs == expected


def test_folder_of_splits_asks_which(table, expected, tmp_path):
    datasets.DatasetDict({"train_prefs": table, "test_prefs": table.select([0])}).save_to_disk(
        tmp_path / "saved"
    )
    assert load_pairs(tmp_path / "saved", split="train_prefs").pairs == expected
    assert len(load_pairs(tmp_path / "saved", split="test_prefs").pairs) == 1
    for split in (None, "train"):
        with pytest.raises(InputError, match="split: .*expected one of train_prefs, test_prefs"):
            load_pairs(tmp_path / "saved", split=split)


def test_folder_of_data_files_goes_the_way_of_a_hub_id(table, expected, tmp_path, monkeypatch):
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    table.to_parquet(folder / "train.parquet")
    table.select([0, 1]).to_parquet(folder / "test.parquet")
    assert load_pairs(folder, split="train").pairs == expected
    assert len(load_pairs(folder, split="train[:2]").pairs) == 2
    monkeypatch.chdir(tmp_path)
    assert load_pairs("owner/name", split="test").pairs == expected[:2]
    with pytest.raises(InputError, match="holds several splits"):
        load_pairs(folder)
    with pytest.raises(InputError, match="split"):
        load_pairs(folder, split="dev")


def test_unknown_hub_id_and_missing_files_are_told_apart():
    with pytest.raises(InputError, match=r"owner/no-such-name: .*check the name and the connection"):
        load_pairs("owner/no-such-name")
    for path in ("folder/pairs.jsonl", "folder/pairs.csv", "pairs", "a/b/c"):
        with pytest.raises(InputError, match="no such file"):
            load_pairs(path)


def test_a_single_file_has_no_test_split(tmp_path, expected):
    assert load_pairs(tmp_path / "expected.jsonl", split="train").pairs == expected
    with pytest.raises(InputError, match="a single file has no split 'test'"):
        load_pairs(tmp_path / "expected.jsonl", split="test")


def test_a_snapshot_in_the_hubs_cache_is_read_through_its_links(tmp_path):
    blobs, snapshot = tmp_path / "datasets--a--b" / "blobs", tmp_path / "datasets--a--b" / "snapshots" / "0f"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (blobs / "6e").write_text('{"prompt": "q", "chosen": "a", "rejected": "b"}\n')
    (snapshot / "train.jsonl").symlink_to(blobs / "6e")
    assert [pair.chosen for pair in load_pairs(snapshot).pairs] == ["a"]
    (tmp_path / "secret.jsonl").write_text("{}")
    (snapshot / "more.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(InputError, match="leads out of the given folder"):
        load_pairs(snapshot)


def test_a_link_out_of_the_folder_is_refused(table, tmp_path):
    table.save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "more.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(InputError, match=r"more.jsonl: is a link that leads out of the given folder"):
        load_pairs(tmp_path / "saved")


TABLE = """prompt,chosen,rejected,score_chosen,score_rejected,when
"A ""bird"", please",A wren.,A cat.,7.5,,2020-01-01
5,NA,null,3,2,
"two
lines","a

b",None,1,2,later
"""


@pytest.mark.parametrize("name", ["pairs.csv", "PAIRS.CSV", "pairs.csv.gz", "PAIRS.CSV.GZ", "pairs.tsv"])
def test_csv(name, tmp_path):
    """Texts stay as they are, numbers, "NA" and all; scores are numbers; blank lines stand in an answer."""
    text = "\ufeff" + TABLE
    if name.endswith(".tsv"):
        text = text.replace(",", "\t")
    (tmp_path / name).write_bytes(
        gzip.compress(text.encode()) if name.lower().endswith(".gz") else text.encode()
    )
    loaded = load_pairs(tmp_path / name)
    texts = [(pair.prompt[0].content.replace("\t", ","), pair.chosen, pair.rejected) for pair in loaded.pairs]
    assert texts == [
        ('A "bird", please', "A wren.", "A cat."),
        ("5", "NA", "null"),
        ("two\nlines", "a\n\nb", "None"),
    ]
    assert [pair.chosen_score for pair in loaded.pairs] == [7.5, 3, 1]
    assert [pair.rejected_score for pair in loaded.pairs] == [None, 2, 2]
    assert [pair.origin for pair in loaded.pairs] == [f"{tmp_path / name}:{row}" for row in (1, 2, 3)]
    assert loaded.report.ignored_columns == ("when",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"prompt,chosen,rejected\n", "is empty"),
        (b"prompt,chosen,rejected\na,b\n", "not readable as CSV: .*Expected 3 columns, got 2"),
        (TABLE.replace("wren", "wr\xe9n").encode("latin-1"), "not readable as CSV: .*invalid UTF8"),
        (b"\xe9,prompt,chosen,rejected\na,b,c,d\n", "not readable as CSV"),
        (gzip.compress(b"prompt,chosen,rejected\na,b,c\n", mtime=0)[:-12], "not readable as CSV"),
        (b"question,better,worse\na,b,c\n", "no column 'chosen' among question, better, worse"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said(content, said, tmp_path):
    (tmp_path / "pairs.csv").write_bytes(content)
    with pytest.raises(InputError, match=f"pairs.csv: .*{said}"):
        load_pairs(tmp_path / "pairs.csv", on_bad="drop")


def test_damaged_files_are_named(table, tmp_path):
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS * 100).encode())
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.jsonl.gz:\d+: the gzip stream is cut short"):
        load_pairs(cut, on_bad="drop")
    table.to_parquet(tmp_path / "whole.parquet")
    torn = tmp_path / "torn.parquet"
    torn.write_bytes((tmp_path / "whole.parquet").read_bytes()[:-50])
    with pytest.raises(InputError, match="torn.parquet: not readable as Parquet"):
        load_pairs(torn)
    broken = tmp_path / "broken.json"
    broken.write_text('[{"prompt": "a"},\n {"prompt": }]')
    with pytest.raises(InputError, match="broken.json:2: broken JSON"):
        load_pairs(broken)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x28\xb5\x2f\xfd\x00", "is compressed by zstd.*zstd -d"),
        (lzma.compress(b"{}"), "is compressed by xz"),
        (bz2.compress(b"{}"), "is compressed by bzip2"),
        (b"PK\x03\x04\x00", "is a zip archive"),
        (gzip.compress(b"PAR1", mtime=0), "is Parquet inside gzip"),
        (b"ARROW1\x00\x00", "is an Arrow file.*save_to_disk"),
        ("{}".encode("utf-16"), "is text in UTF-16"),
        (b'\n{\n "prompt": "a"\n}\n', "2: is JSON over several lines.*jq -c"),
    ],
)
def test_formats_that_are_not_read_are_called_by_their_name(content, said, tmp_path):
    (tmp_path / "pairs.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=f"pairs.jsonl:.*{said}"):
        load_pairs(tmp_path / "pairs.jsonl", on_bad="drop")


CONFIGS = """---
configs:
- config_name: easy
  data_files:
  - {split: train, path: easy-train.jsonl}
  - {split: test, path: easy-test.jsonl}
- config_name: hard
  data_files:
  - {split: train, path: hard.jsonl}
---
"""


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A data set of two configurations, as the hub has them, in the folder owner/name."""
    folder = tmp_path / "owner" / "name"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(CONFIGS)
    for name in ("easy-train", "easy-test", "hard"):
        (folder / f"{name}.jsonl").write_text(json.dumps({"prompt": name, "chosen": "a", "rejected": "b"}))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_configuration_is_named_behind_a_colon(configured):
    for source in (f"{configured}:hard", "owner/name:hard"):
        loaded = load_pairs(source)
        assert [pair.prompt[0].content for pair in loaded.pairs] == ["hard"]
        assert loaded.pairs[0].origin == f"{source}:1"
    assert load_pairs("owner/name:easy", split="test").pairs[0].prompt[0].content == "easy-test"
    with pytest.raises(
        InputError, match="owner/name: split: holds several splits; expected one of train, te"
    ):
        load_pairs("owner/name:easy")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("owner/name", "config: holds several configurations; expected one of easy, hard.*owner/name:CONFIG"),
        ("owner/name:new", "config: no configuration 'new'; expected one of easy, hard"),
        ("owner/name/hard.jsonl:easy", "config: has no configuration 'easy'.*leave :easy out"),
        ("owner/other:easy", "cannot be loaded"),
        ("owner/other/more:easy", "no such file"),
        ("owner/name:", "no such file"),
    ],
)
def test_configurations_that_are_not_there_are_told(configured, source, said):
    with pytest.raises(InputError, match=said):
        load_pairs(source)


def test_no_folder_is_taken_for_its_past_or_for_its_namesake(configured, tmp_path):
    """As the cache of `datasets` does where a README lists configurations."""
    shutil.copytree(configured, tmp_path / "other" / "name")
    row = {"prompt": "changed", "chosen": "a", "rejected": "b"}
    assert load_pairs(f"{configured}:hard").pairs[0].prompt[0].content == "hard"
    (configured / "hard.jsonl").write_text(json.dumps(row))
    assert load_pairs(f"{configured}:hard").pairs[0].prompt[0].content == "changed"
    assert load_pairs(f"{tmp_path / 'other' / 'name'}:hard").pairs[0].prompt[0].content == "hard"


def test_a_saved_folder_has_no_configuration_and_a_name_with_a_colon_stands(table, expected, tmp_path):
    table.save_to_disk(tmp_path / "saved")
    with pytest.raises(InputError, match="saved: config: has no configuration 'easy'"):
        load_pairs(f"{tmp_path / 'saved'}:easy")
    (tmp_path / "saved:easy").mkdir()
    table.select([0]).save_to_disk(tmp_path / "saved:easy")
    assert load_pairs(tmp_path / "saved:easy").pairs == expected[:1]


def test_the_folder_that_one_stands_in_is_read_and_no_name_is_none(table, expected, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    table.to_parquet(tmp_path / "here" / "train.parquet")
    monkeypatch.chdir(tmp_path / "here")
    assert load_pairs(".").pairs == expected
    with pytest.raises(InputError, match="'': no such file"):
        load_pairs("")


def test_a_folder_with_a_bad_file_says_why(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text(
        '{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"prompt":'
    )
    with pytest.raises(InputError, match="cannot be loaded: JSON parse error.*each of its files alone"):
        load_pairs(tmp_path / "data")


def test_a_pipe_is_called_by_its_name(tmp_path):
    os.mkfifo(tmp_path / "pairs")
    with pytest.raises(InputError, match="pairs: is a pipe or a device.*to a file first"):
        load_pairs(tmp_path / "pairs")
