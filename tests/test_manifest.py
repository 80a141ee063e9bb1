"""A damaged, truncated, foreign or edited model is refused, with what is wrong and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penchant as pt
from penchant import artifact


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    data = pt.datasets.planted()
    path = tmp_path_factory.mktemp("saved") / "m"
    pt.save(pt.Fallback([pt.ContentBased(), pt.Popularity()]).fit(data), path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "m")
    return tmp_path / "m"


def sealed(path: Path, content: object) -> None:
    """Write a manifest and a checksum that fits it, as somebody does who edits on purpose."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (path / "manifest.json").write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    (path / "manifest.sha256").write_text(f"{digest}  manifest.json\n")


def edited(path: Path, change) -> None:
    content = json.loads((path / "manifest.json").read_bytes())
    change(content)
    sealed(path, content)


def file_of(path: Path, end: str) -> Path:
    return next(f for f in sorted(path.rglob("*")) if f.name.endswith(end))


def replaced(path: Path, name: str, write) -> None:
    """Write another file and list it with its own size and hash."""
    file = path / name
    with file.open("wb") as f:
        write(f)

    def change(content):
        raw = file.read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        content["files"][name] = {"bytes": len(raw), "sha256": digest}

    edited(path, change)


def test_an_untouched_copy_loads(path):
    edited(path, lambda content: None)
    assert isinstance(pt.load(path), pt.Fallback)


def test_nothing_there(tmp_path):
    with pytest.raises(pt.BadArtifact, match="there is nothing at"):
        pt.load(tmp_path / "m")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(pt.BadArtifact, match="there is nothing at"):
        pt.load(tmp_path / "link")


def test_a_file_or_another_directory(tmp_path):
    (tmp_path / "m.pkl").write_bytes(b"\x80\x04N.")
    with pytest.raises(pt.BadArtifact, match=r"m.pkl is a file; .* is a directory"):
        pt.load(tmp_path / "m.pkl")
    (tmp_path / "link").symlink_to("m.pkl")
    with pytest.raises(pt.BadArtifact, match=r"holds no manifest.json: it is not a penchant model"):
        pt.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"name": "an app", "icons": []}', "foreign"),
        ("[]", "foreign"),
        ('{"format": "penchant model"', "damaged or foreign: not JSON"),
        ("", "damaged or foreign: not JSON"),
        ("\xff\xfe", "damaged or foreign: not JSON"),
        ("[" * 100_000, "damaged or foreign: not JSON"),
        ('{"format": "penchant model", "version": 1}', "does not list its files"),
        ('{"format": "penchant model", "version": 1, "files": [1]}', "does not list its files"),
        ('{"format": "penchant model", "version": 1, "files": {"a": 1}}', "does not list"),
    ],
)
def test_a_manifest_of_something_else(content, complaint, tmp_path):
    sealed(tmp_path, content.encode("latin-1"))
    with pytest.raises(pt.BadArtifact, match=complaint):
        pt.load(tmp_path)


@pytest.mark.parametrize("version", [2, 0, "1", None, [1]])
def test_another_version_of_the_format(path, version):
    edited(path, lambda content: content.update(version=version, penchant="9.0"))
    with pytest.raises(pt.BadArtifact, match=r"saved by penchant 9.0; .*upgrade with pip"):
        pt.load(path)


@pytest.mark.parametrize("verify", [True, False])
def test_an_edited_manifest(path, verify):
    file = path / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"seed": 0', b'"seed": 1'))
    with pytest.raises(pt.BadArtifact, match=r"was edited: manifest.sha256 does not fit it; copy"):
        pt.load(path, verify=verify)
    (path / "manifest.sha256").unlink()
    with pytest.raises(pt.BadArtifact, match=r"manifest.sha256 does not fit"):
        pt.load(path, verify=verify)


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("end", ["counts_.npy", "items.arrow", "items_.indices.npy"])
def test_missing_and_truncated_files(path, end, verify):
    file = file_of(path, end)
    whole = file.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1, len(whole) + 1):
        file.write_bytes((whole + b"\0")[:length])
        with pytest.raises(pt.BadArtifact, match=rf"{end} has {length} bytes .*truncated.* copy"):
            pt.load(path, verify=verify)
    file.unlink()
    with pytest.raises(pt.BadArtifact, match=rf"{end} is missing; copy"):
        pt.load(path, verify=verify)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_byte_is_noticed(saved, data):
    """With hashes always; without them there is an answer or a BadArtifact, never another error."""
    file = data.draw(st.sampled_from(sorted(f for f in saved.rglob("*") if f.is_file())))
    whole = file.read_bytes()
    end = 64 if file.name == "manifest.sha256" else len(whole)
    at = data.draw(st.integers(0, min(300, end - 1)) | st.integers(0, end - 1))
    other = data.draw(st.integers(0, 255).filter(lambda b: b != whole[at]))
    try:
        file.write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
        with pytest.raises(pt.BadArtifact):
            pt.load(saved)
        if file.suffix != ".arrow":  # polars says on stderr that it panicked
            with suppress(pt.BadArtifact):
                pt.load(saved, verify=False)
    finally:
        file.write_bytes(whole)


def test_without_verifying_no_array_is_read(path, monkeypatch):
    file = file_of(path, "counts_.npy")
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    with pytest.raises(pt.BadArtifact, match=r"counts_.npy is damaged: its hash is another; copy"):
        pt.load(path)
    monkeypatch.setattr(hashlib, "file_digest", None)  # not even called
    counts = pt.load(path, verify=False).parts_[1].counts_
    assert counts.view(np.uint8)[-1] == whole[-1]


def test_extra_files(path):
    (path / "parts_" / "1" / "notes.txt").write_text("mine")
    with pytest.raises(pt.BadArtifact, match=r"parts_/1/notes.txt, which is no part of it: move"):
        pt.load(path, verify=False)


@pytest.mark.parametrize("of", ["counts_.npy", "manifest.json", "1"])
def test_links(path, of, tmp_path):
    one = file_of(path, of)
    one.rename(tmp_path / "elsewhere")
    one.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(pt.BadArtifact, match=rf"{of} is a link or a device.* \(cp -rL\)"):
        pt.load(path)


def test_a_pipe_does_not_hang(path):
    (path / "manifest.json").unlink()
    os.mkfifo(path / "manifest.json")
    with pytest.raises(pt.BadArtifact, match=r"holds no manifest.json"):
        pt.load(path)


def test_the_path_itself_may_be_a_link(path, tmp_path):
    (tmp_path / "current").symlink_to(path)
    assert isinstance(pt.load(tmp_path / "current"), pt.Fallback)


@pytest.mark.parametrize(
    "name", ["../other.npy", "/etc/passwd", "a/../../b", "a//b", "./a", "a\\..\\b", "", ".."]
)
def test_names_that_lead_outside(path, name):
    (path.parent / "other.npy").write_bytes(b"x")
    edited(path, lambda content: content["files"].update({name: {"bytes": 1, "sha256": ""}}))
    with pytest.raises(pt.BadArtifact, match="which is outside of the folder"):
        pt.load(path, verify=False)


def test_a_value_that_names_a_file_outside(path):
    np.save(path.parent / "other.npy", np.zeros(100, np.float32))

    def change(content):
        node = content["models"][-2]["learned"]["counts_"]
        node["array"] = "../other.npy"

    edited(path, change)
    with pytest.raises(pt.BadArtifact, match=r"not describe a model .*not among its files"):
        pt.load(path)


def test_another_dtype_or_shape(path):
    name = file_of(path, "counts_.npy").relative_to(path).as_posix()
    for array in (np.zeros(50, np.float64), np.zeros((4, 25), np.float32)):
        replaced(path, name, lambda f, array=array: np.save(f, array))
        with pytest.raises(pt.BadArtifact, match=r"holds <f. of shape .* and manifest.json says"):
            pt.load(path)


def test_a_pickle_is_never_opened(path):
    name = file_of(path, "counts_.npy").relative_to(path).as_posix()
    bomb = np.array([pytest.fail], dtype=object)
    replaced(path, name, lambda f: np.save(f, bomb, allow_pickle=True))
    with pytest.raises(pt.BadArtifact, match=r"is not a whole .npy file"):
        pt.load(path)
    replaced(path, name, lambda f: np.savez(f, a=np.zeros(2)))
    with pytest.raises(pt.BadArtifact, match=r"is not a whole .npy file"):
        pt.load(path)


@pytest.mark.parametrize(
    "table",
    [{"id": ["1"]}, {"id": [1, None]}, {"id": [1.0]}, {"id": [1], "more": [1]}, {"ids": [1]}],
)
def test_ids_of_another_type(path, table):
    name = file_of(path, "items.arrow").relative_to(path).as_posix()
    replaced(path, name, lambda f: pl.DataFrame(table).write_ipc(f))
    with pytest.raises(pt.BadArtifact, match="holds no ids of type int"):
        pt.load(path)


def test_an_unknown_class_is_not_imported(path):
    def change(content):
        content["models"][-1]["class"] = "antigravity.Fallback"

    edited(path, change)
    with pytest.raises(pt.BadArtifact, match="a class of antigravity that penchant does not know"):
        pt.load(path)


def test_a_hyper_parameter_out_of_range(path):
    edited(path, lambda content: content["models"][-2]["fields"].update(prior=-1))
    with pytest.raises(pt.BadArtifact, match=r"prior must be at least 0.* fit it anew"):
        pt.load(path)
    edited(path, lambda content: content["models"][-2]["fields"].update(prior=1, later=2))
    with pytest.raises(pt.BadArtifact, match=r"'later'.*with the version it was saved with"):
        pt.load(path)


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        ({"weights": {"view": -1}}, "must be a number of at least 0"),
        ({"clip": {"rating": [1]}}, "must be \\(lowest, highest\\)"),
        ({"by_value": {"view": "x"}}, "must be 'linear' or 'log'"),
        ({"repeats": None}, "must be one of 'sum'"),
        ({"take_back": {"hide": 1}}, "take_back holds kinds"),
        ({"half_life": "soon"}, "a duration is written like"),
        ({"ids": "folded"}, "Feedback.ids is 'folded', and these ids are compared as 'exact'"),
        ({"unheard": 1}, "unheard"),
    ],
    ids=str,
)
def test_feedback_that_makes_no_sense(path, feedback, message):
    edited(path, lambda content: content["models"][-1]["training"]["feedback"].update(feedback))
    with pytest.raises(pt.BadArtifact, match=message):
        pt.load(path)


@pytest.mark.parametrize("name", ["training_", "_score_", "score", "__class__", "a b_", "_"])
def test_only_learned_attributes_are_set(path, name):
    edited(path, lambda content: content["models"][-1]["learned"].update({name: 1}))
    with pytest.raises(pt.BadArtifact, match="is no learned attribute"):
        pt.load(path)


def nodes(value, at=()):
    yield at
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from nodes(value[key], (*at, key))


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    names = st.sampled_from(["array", "csr", "ids", "kind", "table", "model", "x"])
    return st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
json_values = leaves | nested(leaves | nested(leaves))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), other=json_values)
def test_a_forged_manifest_never_raises_anything_else(saved, data, other):
    raw, line = ((saved / name).read_bytes() for name in ("manifest.json", "manifest.sha256"))
    content = json.loads(raw)
    *above, last = data.draw(st.sampled_from([n for n in nodes(content) if n]))
    where = content
    for step in above:
        where = where[step]
    if data.draw(st.booleans()):
        where[last] = other
    else:
        del where[last]
    try:
        sealed(saved, content)
        with suppress(pt.BadArtifact):
            assert isinstance(pt.load(saved, verify=False), pt.Recommender)
    finally:
        (saved / "manifest.json").write_bytes(raw)
        (saved / "manifest.sha256").write_bytes(line)


def test_a_model_that_is_replaced_while_it_is_read(path, tmp_path, monkeypatch):
    """Nothing of the one is mixed with the other, hashes or not."""
    data = pt.datasets.planted()
    other = pt.Popularity(prior=3.0).fit(data.where(np.arange(len(data)) % 2 == 0))
    same_shapes = pt.Popularity(prior=2.0).fit(data)
    for verify in (True, False):
        pt.save(same_shapes, path, overwrite=True)
        build, calls = artifact._Reader._model, []

        def interrupted(reader, entry, build=build, calls=calls):
            calls.append(entry)
            if len(calls) == 1:
                pt.save(other, path, overwrite=True)
            return build(reader, entry)

        monkeypatch.setattr(artifact._Reader, "_model", interrupted)
        loaded = pt.load(path, verify=verify)
        monkeypatch.undo()
        assert len(calls) == 2
        assert loaded.prior == 3.0
        np.testing.assert_array_equal(loaded.counts_, other.counts_)
