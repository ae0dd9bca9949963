"""Files that cannot be read or written are named, with the way to mend it; nothing is torn."""

import gzip

import pytest

from gammapo import files
from gammapo.errors import InputError


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
