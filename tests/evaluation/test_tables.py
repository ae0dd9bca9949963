import csv

import numpy as np
import pytest

from gammapo.errors import InputError
from gammapo.evaluation import tables as module
from gammapo.evaluation.tables import official_tables, packaged_tables, tables_from


def test_the_packaged_tables_hold_figures_and_no_texts():
    tables = packaged_tables()
    assert tables.source == "packaged"
    assert tables.difficulty.shape == tables.reference_length.shape == (805,)
    assert len(tables.index) == 805
    assert tables.gamed_preference.shape == (1610,)
    assert ((tables.gamed_preference >= 0) & (tables.gamed_preference <= 1)).all()
    folder = module.resources.files("gammapo.evaluation") / "tables"
    for name in ("instruction_difficulty.csv", "gamed_baselines.csv"):
        for row in csv.DictReader((folder / name).read_text().splitlines()):
            for key, value in row.items():
                if key not in {"instruction_sha256", "model"}:
                    float(value)


def test_instructions_are_found_by_hash(annotation_files):
    from gammapo.evaluation import read_annotations

    rows = read_annotations(annotation_files["claude-2.1"])
    places = packaged_tables().positions([*rows.instructions[:3], "never asked"])
    assert places.tolist() == [0, 1, 2, -1]
    every = packaged_tables().positions(rows.instructions)
    assert (packaged_tables().reference_length[every] == rows.reference_lengths).all()


def official_folder(tmp_path, rows: int = 805):
    packaged = packaged_tables()
    with (tmp_path / "df_gamed.csv").open("w") as out:
        writer = csv.writer(out)
        writer.writerow(["model", "index", "std_delta_len", "instruction_difficulty", "preference"])
        for name in ("verbose", "concise"):
            for index in range(rows):
                writer.writerow([name, index, 0.5, packaged.difficulty[index] + 1, 0.25])
    return tmp_path


def test_an_official_folder_is_read_and_named(tmp_path):
    tables = tables_from(str(official_folder(tmp_path)))
    assert tables.source.startswith("official (")
    assert tables.difficulty == pytest.approx(packaged_tables().difficulty + 1)
    assert (tables.gamed_length_gap == 0.5).all()
    assert tables.gamed_preference.shape == (1610,)


def test_an_incomplete_official_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="covers 800 instructions"):
        official_tables(official_folder(tmp_path, rows=800))
    (tmp_path / "df_gamed.csv").write_text("index,preference\n0,1\n")
    with pytest.raises(InputError, match="columns are missing: instruction_difficulty, std_delta_len"):
        official_tables(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        official_tables(tmp_path / "nowhere")


def test_an_unreachable_hub_says_what_to_use_instead(monkeypatch):
    import huggingface_hub

    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    with pytest.raises(InputError, match="could not be fetched .OSError.*use the packaged tables"):
        tables_from("hub")


def test_the_hub_gives_the_official_tables(tmp_path, monkeypatch):
    import huggingface_hub

    folder = official_folder(tmp_path)
    asked = []

    def download(repository, name, repo_type):
        asked.append((repository, name, repo_type))
        return str(folder / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert tables_from("hub").source.startswith("official (")
    assert asked == [("tatsu-lab/alpaca_eval", "df_gamed.csv", "dataset")]
    assert np.isfinite(tables_from(None).difficulty).all()


def test_an_official_table_with_a_broken_cell_is_refused(tmp_path):
    path = tmp_path / "df_gamed.csv"
    path.write_text("index,std_delta_len,instruction_difficulty,preference\n0,,0.1,0.5\n")
    with pytest.raises(InputError, match=r"df_gamed.csv: a cell is no number"):
        official_tables(tmp_path)
