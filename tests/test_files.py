"""Files that cannot be read or written are named, with the way to mend it; nothing is torn."""

import gzip
import subprocess
import sys

import pytest

from gammapo import files
from gammapo.errors import InputError, RunError


def test_read_back_what_was_written(tmp_path):
    path = files.write_json(tmp_path / "new/a.json", {"γ": 1})
    assert files.read_json(path) == {"γ": 1}
    with gzip.open(tmp_path / "b.json", "wt") as out:  # told by its bytes, not by its name
        out.write("[1]")
    assert files.read_json(tmp_path / "b.json") == [1]
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "cannot be read as text"),
        (gzip.compress(b"[1, 2, 3]", mtime=0)[:-6], "cannot be read as text"),
        (b" \n", "is empty"),
        (b'{\n"a" 1}', "a.json:2: not valid JSON"),
        (b"[" * 200_000, "nests too deeply"),
    ],
)
def test_what_is_no_json_is_said(content, said, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as raised:
        files.read_json(path)
    assert raised.value.fix


def test_yaml_names_the_line_and_the_fault(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: [1\nc: 2\n")
    with pytest.raises(InputError, match="a.yaml:3: not valid YAML: expected"):
        files.read_yaml(path)
    path.write_text("")
    assert files.read_yaml(path) is None


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder; expected a file"):
        files.read_json(tmp_path)


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: File exists"):
        files.write_text(tmp_path / "file/inside.txt", "x")
    with pytest.raises(InputError, match="already exists"):
        files.write_text(tmp_path / "file", "x", overwrite=False)
    assert (tmp_path / "file").read_text() == ""


def test_a_folder_given_as_the_output_is_said_and_left(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"/out: cannot be written: Is a directory"):
        files.write_text(tmp_path / "out", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


FULL = """
import resource, sys
from gammapo import files
from gammapo.errors import RunError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # a disk with room for so many bytes a file
try:
    files.write_text(sys.argv[1], "x" * 5000)
except RunError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = files.write_text(tmp_path / "a.txt", "old")
    done = subprocess.run([sys.executable, "-Bc", FULL, path], capture_output=True, text=True)
    assert done.stdout.startswith(f"{path}: no space is left to write it"), done.stderr
    assert done.stderr == ""
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_full_disk_is_named_where_a_file_grows(tmp_path):
    path = tmp_path / "growing"
    path.symlink_to("/dev/full")  # takes nothing, as a full disk
    said = pytest.raises(RunError, match=f"{path}: no space is left to write it")
    with said, files.writing(path), path.open("a") as out:
        out.write("x")


def test_a_record_takes_its_place_after_what_it_tells_of(tmp_path):
    path = files.write_json(tmp_path / "a.json", "old")
    with files.json_last(path, "new"):
        assert files.read_json(path) == "old"
        assert len(list(tmp_path.iterdir())) == 2  # it is on disk already, under another name
    assert files.read_json(path) == "new"
    with pytest.raises(ZeroDivisionError), files.json_last(path, "newer"):
        raise ZeroDivisionError
    assert [(entry.name, files.read_json(entry)) for entry in tmp_path.iterdir()] == [("a.json", "new")]


def test_a_record_that_cannot_be_written_is_said_before_the_rest_is(tmp_path):
    (tmp_path / "folder").mkdir()
    said = []
    with (
        pytest.raises(InputError, match="folder: cannot be written"),
        files.json_last(tmp_path / "folder", "new"),
    ):
        said.append("written")
    with (
        pytest.raises(InputError, match="already exists"),
        files.json_last(tmp_path / "folder", "new", overwrite=False),
    ):
        said.append("written")
    assert not said


def test_lines_end_at_newlines_alone():
    """U+2028, U+2029 and U+0085 stand inside JSON's strings; str.splitlines would split there."""
    text = "a\u2028b\u2029c\u0085d\x0be\x1cf"
    assert files.split_lines(f"{text}\n\nx\r\n{text}") == [text, "", "x", text]
    assert files.split_lines("a\n") == files.split_lines("a") == ["a"]
    assert files.split_lines("") == []


def test_a_number_too_long_to_be_read_is_said(tmp_path):
    (tmp_path / "a.json").write_text("[" + "9" * 5000 + "]")
    with pytest.raises(InputError, match=r"a\.json: cannot be read: Exceeds the limit"):
        files.read_json(tmp_path / "a.json")


def test_half_a_character_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"a\.json: half a character"):
        files.write_json(tmp_path / "a.json", ["\ud83d"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_no_part_of_the_text(pack, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(pack("\ufeff[1]".encode()))
    assert files.read_json(path) == [1]


def test_an_output_that_is_its_own_input_is_refused(tmp_path, monkeypatch):
    source, folder = tmp_path / "a.jsonl", tmp_path / "set"
    source.write_text("x")
    folder.mkdir()
    (tmp_path / "link.jsonl").symlink_to(source)
    for path, sources in (
        (source, [source]),
        (tmp_path / "link.jsonl", [source]),
        (source, [tmp_path / "link.jsonl"]),
        (folder / "new.jsonl", [tmp_path / "other", folder]),
    ):
        with pytest.raises(InputError, match="is the input"):
            files.refuse_input(path, sources)
    monkeypatch.chdir(tmp_path)
    files.refuse_input("new.jsonl", ["a.jsonl", "set", "owner/name", ""])


def test_a_name_that_promises_another_format_is_refused():
    for name in ("a.csv", "a.parquet", "a.json", "a.gz", "a"):
        with pytest.raises(InputError, match=r"ends in \.jsonl, or in \.jsonl\.gz"):
            files.refuse_other_than_jsonl(name)
    for name in ("a.jsonl", "b.c.jsonl.gz"):
        files.refuse_other_than_jsonl(name)
