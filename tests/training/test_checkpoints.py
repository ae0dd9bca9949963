import logging

from gammapo.training import checkpoints


def write(run, step, keep=2):
    staged = checkpoints.staging(run) / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "weights.bin").write_bytes(bytes([step]) * 100)
    return checkpoints.commit(run, step, keep=keep)


def test_newest_is_found_and_old_ones_go(tmp_path):
    for step in (1, 2, 10):
        newest = write(tmp_path, step)
    assert checkpoints.last_good(tmp_path) == newest
    assert not checkpoints.folder(tmp_path, 1).exists()
    assert not checkpoints.staging(tmp_path).exists()


def test_corrupt_torn_and_unsealed_are_passed_over_aloud(tmp_path, caplog):
    good, bad = write(tmp_path, 1), write(tmp_path, 2)
    (bad / "weights.bin").write_bytes(b"\x02" * 99 + b"\x03")
    with caplog.at_level(logging.WARNING):
        assert checkpoints.last_good(tmp_path) == good
    assert "weights.bin has changed" in caplog.text
    (bad / "weights.bin").unlink()
    assert checkpoints.last_good(tmp_path) == good
    (bad / checkpoints.SEAL).unlink()
    assert checkpoints.last_good(tmp_path) == good


def test_a_checkpoint_being_written_does_not_count(tmp_path):
    (checkpoints.staging(tmp_path) / "checkpoint-5").mkdir(parents=True)
    assert checkpoints.last_good(tmp_path) is None


def test_a_checkpoint_that_was_passed_over_is_not_kept_in_place_of_a_whole_one(tmp_path):
    good, *bad = (write(tmp_path, step, keep=3) for step in (1, 2, 3))
    for folder in bad:
        (folder / "weights.bin").write_bytes(b"")
    assert checkpoints.last_good(tmp_path) == good
    again = write(tmp_path, 2, keep=1)
    assert checkpoints.last_good(tmp_path) == again
    assert not bad[1].exists()
