"""A save that is cut short leaves the old model or the new one, whole; only models are replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import penchant as pt
from penchant.directories import reading, replacing, standing

KILLED = """
import os, signal, sys
import penchant.models.popularity
from penchant import artifact

done, last = 0, 0

def step(name):
    global done
    done += 1
    if done == last:
        os.kill(os.getpid(), signal.SIGKILL)

def audited(event, args):
    if last and event in CALLS:
        step(event)

CALLS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "shutil.rmtree"}
sys.addaudithook(audited)
fsync = os.fsync
os.fsync = lambda file: (step("fsync"), fsync(file))

def forked(work):
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return os.waitpid(child, 0)[1]

def save():
    global last
    model = artifact.load(sys.argv[1])
    model.prior = float(n)
    last = n
    artifact.save(model, sys.argv[2], overwrite=True)

def look():
    found = artifact.load(sys.argv[2])
    print(n, status, int(found.prior), len(found.training_.items), flush=True)

n, status = 0, -1
while status:
    n += 1
    status = forked(save)
    if forked(look):
        raise SystemExit(f"nothing can be loaded after step {n}")
"""


def test_killed_at_any_step_a_save_leaves_a_whole_model(tmp_path):
    """A process is killed at its first, second, ... call that touches a file, and starts over."""
    data = pt.datasets.planted()
    model = pt.Popularity(prior=0).fit(data)
    pt.save(model, tmp_path / "source")
    (tmp_path / "models").mkdir()
    path = tmp_path / "models" / "m"
    pt.save(model, path)
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "source"), str(path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    steps = [tuple(map(int, line.split())) for line in ran.stdout.splitlines()]
    standing = 0.0
    survived = replaced = 0
    for n, status, prior, items in steps:
        assert status == (9 if n < len(steps) else 0)
        assert items == len(data.items)
        assert prior in (standing, n)  # the one before, or the new one
        survived, replaced = survived + (prior == standing), replaced + (prior == n)
        standing = prior
    assert survived >= 15
    assert replaced >= 4
    # The last one got through, and has put everything in order.
    assert prior == len(steps)
    assert os.listdir(tmp_path / "models") == ["m"]


def filled(path: Path, content: str) -> None:
    with replacing(path, lambda: None) as new:
        (new / "inner").mkdir()
        (new / "inner" / "file").write_text(content)


def cut_short(path: Path) -> None:
    with replacing(path, lambda: None) as new:
        (new / "half").write_text("a")
        raise KeyboardInterrupt


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "d"
    for there in (False, True):
        with pytest.raises(KeyboardInterrupt):
            cut_short(path)
        assert [p.name for p in tmp_path.iterdir()] == ["d"] * there
        filled(path, "whole")
    assert (path / "inner" / "file").read_text() == "whole"
    assert not (path / "half").exists()


def test_a_move_that_fails_is_undone(tmp_path, monkeypatch):
    path = tmp_path / "d"
    filled(path, "old")
    rename = os.rename

    def failing(source, target):
        if str(source).endswith("penchant-new"):
            raise OSError("disk on fire")
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="on fire"):
        filled(path, "new")
    assert (path / "inner" / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["d"]


def test_what_was_moved_aside_is_found_and_put_back(tmp_path):
    path = tmp_path / "d"
    assert standing(path) is None
    filled(path, "old")
    assert standing(path) == path
    aside = tmp_path / ".d.penchant-old"
    path.rename(aside)
    (tmp_path / ".d.penchant-new").mkdir()
    assert standing(path) == aside

    def refuse():
        raise PermissionError

    with pytest.raises(PermissionError), replacing(path, refuse):
        pass
    assert os.listdir(tmp_path) == ["d"]
    assert (path / "inner" / "file").read_text() == "old"


def test_what_is_replaced_while_it_is_read_is_read_again(tmp_path):
    path, aside, seen = tmp_path / "d", tmp_path / ".d.penchant-old", []

    def read(folder):
        seen.append(folder)
        if len(seen) == 1:  # the moment between the two moves
            path.rename(aside)
            raise FileNotFoundError
        if len(seen) == 2:  # another directory, though it says the same
            filled(path, "d")
            raise ValueError("a mixture of two")
        if len(seen) == 3:
            filled(path, "d")
        return (folder / "inner" / "file").read_text() + str(len(seen))

    with pytest.raises(FileNotFoundError):
        reading(path, read)
    assert not seen
    filled(path, "d")
    assert reading(path, read) == "d4"
    assert seen == [path, aside, path, path]
    (path / "inner" / "file").unlink()
    with pytest.raises(FileNotFoundError, match="inner/file"):
        reading(path, read)


@pytest.fixture(scope="module")
def model():
    return pt.Popularity().fit(pt.datasets.planted())


def test_a_model_is_replaced_only_if_asked_to(model, tmp_path):
    pt.save(model, tmp_path / "m")
    with pytest.raises(pt.BadParameter, match="holds a model already; pass overwrite=True"):
        pt.save(model, tmp_path / "m")
    before = pt.load(tmp_path / "m")
    pt.save(pt.Popularity(prior=1.0).fit(pt.datasets.planted()), tmp_path / "m", overwrite=True)
    assert pt.load(tmp_path / "m").prior == 1.0
    assert before.counts_.sum(where=~np.isnan(before.counts_)) > 0  # its files are gone, it is not
    # Cut short between the moves, there is a model all the same.
    (tmp_path / "m").rename(tmp_path / ".m.penchant-old")
    assert pt.load(tmp_path / "m").prior == 1.0
    with pytest.raises(pt.BadParameter, match="holds a model already"):
        pt.save(model, tmp_path / "m")


def test_a_damaged_model_may_be_replaced(model, tmp_path):
    pt.save(model, tmp_path / "m")
    (tmp_path / "m" / "counts_.npy").write_bytes(b"")
    (tmp_path / "m" / "items.arrow").unlink()
    pt.save(model, tmp_path / "m", overwrite=True)
    assert pt.load(tmp_path / "m").prior == model.prior


def test_nothing_but_a_model_is_ever_replaced(model, tmp_path):
    empty, full, file, link, noted = (tmp_path / n for n in ("empty", "full", "file", "link", "n"))
    empty.mkdir()
    full.mkdir()
    (full / "manifest.json").write_text(json.dumps({"name": "an app", "files": {}}))
    file.write_text("mine")
    pt.save(model, noted)
    link.symlink_to(noted)
    (noted / "notes.txt").write_text("mine")
    before = sorted(p.as_posix() for p in tmp_path.rglob("*"))
    complaints = {
        empty: "holds no manifest.json",
        full: "is foreign",
        file: "is a file",
        link: "is a link: save to what it points to",
        noted: "notes.txt, which save did not write",
    }
    for path, complaint in complaints.items():
        for overwrite in (True, False):
            with pytest.raises(pt.BadParameter, match=complaint):
                pt.save(model, path, overwrite=overwrite)
    assert sorted(p.as_posix() for p in tmp_path.rglob("*")) == before


def test_many_may_save_and_load_at_once(tmp_path):
    """Each model that is loaded is one that was saved: prior and counts belong together."""
    data = pt.datasets.planted()
    kinds = []
    for n in range(4):
        one = pt.Popularity(prior=float(n)).fit(data)
        one.counts_ = np.full(len(data.items), n, np.float32)
        kinds.append(one)
    path, failures = tmp_path / "m", []
    pt.save(kinds[0], path)

    def saving(model):
        for _ in range(20):
            pt.save(model, path, overwrite=True)

    def loading(verify):
        for _ in range(50):
            found = pt.load(path, verify=verify)
            if not (found.counts_ == found.prior).all():
                failures.append((found.prior, found.counts_[0]))

    def run(work, argument):
        try:
            work(argument)
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    jobs = [(saving, kinds[1]), (saving, kinds[2]), (loading, True), (loading, False)]
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert os.listdir(tmp_path) == ["m"]
