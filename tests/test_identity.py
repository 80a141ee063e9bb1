"""Ids of the service: what is allowed, and new ones."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penchant import identity
from penchant.errors import BadParameter
from penchant.identity import clean_id, made_id


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No id was made yet."""
    monkeypatch.setattr(identity, "_counted", identity._Counted())


NOW = 1_750_000_000_000_000


@given(st.text(st.characters(codec=None), max_size=300))
def test_an_id_comes_out_clean_or_not_at_all(text):
    try:
        clean = clean_id(text)
    except BadParameter:
        normal = unicodedata.normalize("NFC", text)
        bad = {unicodedata.category(c) for c in normal} & {"Cc", "Cs", "Zl", "Zp"}
        assert bad or not 0 < len(normal) <= 256
        return
    assert clean == unicodedata.normalize("NFC", text)
    assert clean_id(clean) == clean
    assert clean.encode().decode() == clean
    assert "\0" not in clean
    assert len(clean.splitlines()) == 1


def test_what_looks_the_same_is_the_same():
    assert clean_id("Cafe\u0301") == clean_id("Caf\u00e9") == "Caf\u00e9"
    assert clean_id("\U0001f3ac") == "\U0001f3ac"
    assert clean_id(" spaces stay ") == " spaces stay "


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("", "1 to 256 characters, not 0: ''"),
        ("x" * 257, "1 to 256 characters, not 257: 'xxx"),
        ("\u00e9" * 100_000, "not 100000"),
        ("a\0b", r"no control characters, but 'a\\x00b' has '\\x00'"),
        ("a\x7f", "control characters"),
        ("a\u0085", "control characters"),
        ("a\ud800", "halves of surrogate pairs"),
        ("a\u2028b", "line separators"),
        (7, "is text, not int: 7"),
        (None, "is text, not NoneType"),
        (b"a", "is text, not bytes"),
    ],
)
def test_a_bad_id_is_shown(bad, said):
    with pytest.raises(BadParameter, match=said) as raised:
        clean_id(bad)
    assert len(str(raised.value)) < 200


def test_made_ids_sort_by_time_and_by_their_order():
    ids = [made_id(NOW + n * 100) for n in range(1000)]
    assert ids == sorted(set(ids))
    assert {len(one) for one in ids} == {20}
    assert "".join(ids).isalnum()


def test_made_ids_grow_when_the_clock_goes_back():
    before = made_id(NOW + 10**9)
    assert before < made_id(NOW) < made_id(NOW - 10**9)
    assert made_id(NOW + 2 * 10**9)[:7] > before[:7]


def test_threads_never_make_the_same_id():
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: made_id(NOW), range(4000)))
    assert len(set(ids)) == 4000


FORKING = """
import os
from penchant.identity import made_id
made_id(1)
reading, writing = os.pipe()
if not os.fork():
    os.write(writing, made_id(1).encode())
    os._exit(0)
print(made_id(1) != os.read(reading, 100).decode())
os.wait()
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="nothing forks here")
def test_a_child_does_not_count_on_from_its_parents_last():
    told = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "True\n"


@pytest.mark.parametrize("time", [-5, 0, 2**63])
def test_times_beyond_what_fits_still_make_ids(time):
    assert len(made_id(time)) == 20
