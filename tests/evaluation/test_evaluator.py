import io
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console

import naive_ranking as naive
import penchant as pt
from penchant.evaluation import evaluator
from penchant.evaluation.metrics import (
    F1,
    MAE,
    MAP,
    MRR,
    NDCG,
    RMSE,
    Coverage,
    Diversity,
    HitRate,
    MAPOverRelevant,
    Novelty,
    Precision,
    Recall,
)
from penchant.recommender import Recommender, column_scores

USERS, ITEMS = 40, 30


@dataclass(kw_only=True)
class Fixed(Recommender):
    """Answers from a table of scores by user and item code, or with none."""

    table: NDArray[np.float32] | None = None
    meaning: str = "rank"
    label: str = "Fixed"

    @property
    def reads(self):
        return frozenset({"user"})

    @property
    def scores(self):
        return self.meaning

    @property
    def name(self):
        return self.label

    def _fit(self, data, rng, on_epoch):
        table = np.full((len(data.users), len(data.items)), np.nan)
        self.table_ = np.array(table if self.table is None else self.table, np.float32)

    def _score(self, queries, items):
        return column_scores(self.table_[queries.user], items)


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    rows = [(u, int(i)) for u in range(USERS) for i in rng.permutation(ITEMS)[:12]]
    frame = pl.DataFrame(
        {
            "user": [u for u, _ in rows],
            "item": [i for _, i in rows],
            "rating": rng.integers(1, 6, len(rows)),
            "timestamp": np.arange(len(rows)) * 60,
        }
    )
    table = pl.DataFrame({"item": range(ITEMS), "genres": [f"g{i % 5}" for i in range(ITEMS)]})
    return pt.split.last(pt.Dataset.of(frame, items=table), n=4)


@pytest.fixture(scope="module")
def noisy(split):
    """A model whose scores are partly the truth, and one that guesses."""
    rng = np.random.default_rng(1)
    truth = np.zeros((USERS, ITEMS))
    truth[split.test.queries.user[split.test.truth.person()], split.test.truth.item] = 1
    good = Fixed(table=truth + rng.normal(0, 0.7, truth.shape), label="Good")
    blind = Fixed(table=rng.random(truth.shape), label="Blind")
    return good.fit(split.train), blind.fit(split.train)


def test_values_equal_the_definitions_on_each_list(split, noisy):
    wanted = [NDCG(5), Recall(3), MAP(10), Precision(50)]
    result = pt.evaluate(noisy[0], split, wanted, baseline=None)
    lists = noisy[0].recommend(split.test.queries, k=50).ids()
    for metric in wanted:
        expected = []
        for row, found in enumerate(lists):
            truth = split.train.items.decode(split.test.truth.take(slice(row, row + 1)).item)
            expected.append(naive.metric(type(metric).__name__, metric.k, found, truth))
        assert result.per_query(metric).tolist() == pytest.approx(expected)
        assert result[metric] == result.value(metric, "Good") == pytest.approx(np.mean(expected))


def test_popularity_is_shown_beside_it_and_compared(split, noisy):
    result = pt.evaluate(noisy[0], split, [NDCG(5), Coverage(5)])
    assert result.models == ("Good", "Popularity")
    assert result.baseline == "Popularity"
    alone = pt.evaluate(pt.Popularity().fit(split.train), split, NDCG(5))
    assert alone.models == ("Popularity",)
    assert alone.value(NDCG(5)) == result.value(NDCG(5), "Popularity")
    apart = result.difference(NDCG(5))
    assert apart.value == pytest.approx(result[NDCG(5)] - alone[NDCG(5)])
    assert 0 < apart.low < apart.value < apart.high
    assert not hasattr(evaluator.POPULARITY, "training_")


def test_the_interval_is_that_of_the_mean(split, noisy):
    result = pt.evaluate(noisy, split, NDCG(5), baseline=None, draws=4000)
    values = result.per_query(NDCG(5), "Good")
    found = result.estimate(NDCG(5), "Good")
    error = values.std() / len(values) ** 0.5
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_differences_are_paired(split, noisy):
    good, blind = noisy
    shifted = Fixed(table=good.table_ + 5, label="Same lists").fit(split.train)
    result = pt.evaluate([good, blind, shifted], split, NDCG(5), baseline=None)
    assert result.difference(NDCG(5), "Good", "Same lists") == (0, 0, 0)
    there, back = (
        result.difference(NDCG(5), "Good", "Blind"),
        result.difference(NDCG(5), "Blind", "Good"),
    )
    assert there == pytest.approx((-back.value, -back.high, -back.low))
    apart = result.per_query(NDCG(5), "Good") - result.per_query(NDCG(5), "Blind")
    error = apart.std() / len(apart) ** 0.5
    assert there.low == pytest.approx(apart.mean() - 1.96 * error, abs=0.4 * error)


def test_seeded(split, noisy):
    def interval(rng):
        return pt.evaluate(noisy[0], split, NDCG(5), rng=rng).estimate(NDCG(5))

    assert interval(None) == interval(0)
    assert interval(3) == interval(3) != interval(4)
    assert interval(np.random.default_rng(3)) == interval(np.random.default_rng(3))


def test_an_unanswered_asker_scores_zero_and_is_noted(split, noisy):
    table = noisy[0].table_.copy()
    table[:10] = np.nan
    silent = Fixed(table=table).fit(split.train)
    result = pt.evaluate(silent, split, [NDCG(5), Novelty(5)])
    assert (result.per_query(NDCG(5))[:10] == 0).all()
    assert np.isnan(result.per_query(Novelty(5))[:10]).all()
    assert "Fixed had no list for 10 of 40 askers" in result.notes
    # Novelty is compared on the thirty askers that both have a list for.
    both = slice(10, None)
    apart = result.per_query(Novelty(5))[both] - result.per_query(Novelty(5), "Popularity")[both]
    found = result.difference(Novelty(5))
    assert found.value == pytest.approx(apart.mean())
    assert found.low < apart.mean() < found.high


def test_rating_errors_own_pairs_and_shared_pairs(split):
    rng = np.random.default_rng(2)
    truth = split.test.truth
    one = rng.uniform(0, 7, (USERS, ITEMS)).astype(np.float32)
    two = one + 1
    one[:8] = np.nan
    two[5:15] = np.nan
    two[:, ::6] = np.nan
    names = {"one": one, "two": two}
    models = {n: Fixed(table=t, meaning="rating").fit(split.train) for n, t in names.items()}
    result = pt.evaluate(models, split, [RMSE(), MAE(), NDCG(3)])

    assert result.models == ("one", "two", "Popularity")
    user = split.test.queries.user[truth.person()]
    errors = {n: np.clip(t[user, truth.item], 1, 5) - truth.value for n, t in names.items()}
    both = ~np.isnan(errors["one"]) & ~np.isnan(errors["two"])
    for name, wrong in errors.items():
        known = wrong[~np.isnan(wrong)].astype(np.float64)
        assert result.value(RMSE(), name) == pytest.approx(np.sqrt(np.mean(known**2)))
        assert result.value(MAE(), name) == pytest.approx(np.abs(known).mean())
        share = f"{len(known) / len(wrong):.1%}"
        assert f"{name} predicted {share} of {len(wrong)} test ratings" in result.notes
    assert any(f"{both.mean():.1%} all predicted" in note for note in result.notes)
    apart = np.sqrt(np.mean(errors["two"][both] ** 2)) - np.sqrt(np.mean(errors["one"][both] ** 2))
    found = result.difference(RMSE(), "two", "one")
    assert found.value == pytest.approx(apart, abs=1e-6)
    assert found.low < found.value < found.high
    # Popularity only ranks.
    assert np.isnan(result.value(RMSE(), "Popularity"))
    assert np.isnan(result.difference(RMSE(), "one").value)
    per_asker = result.per_query(RMSE(), "one")
    assert np.isnan(per_asker[:8]).all()
    wrong = errors["one"][truth.person() == 9]
    assert per_asker[9] == pytest.approx(np.sqrt(np.mean(wrong**2)), rel=1e-5)


def test_rating_errors_alone_have_no_popularity_beside_them(split):
    model = Fixed(table=np.full((USERS, ITEMS), 3), meaning="rating").fit(split.train)
    assert pt.evaluate(model, split, [RMSE()]).models == ("Fixed",)
    flat = Fixed(table=np.full((USERS, ITEMS), 2), meaning="rating", label="Flat")
    assert pt.evaluate(model, split, [RMSE()], baseline=flat).models == ("Fixed", "Flat")
    with pytest.raises(pt.BadParameter, match="Popularity only ranks"):
        pt.evaluate(pt.Popularity().fit(split.train), split, RMSE())


def test_blocks_change_nothing(split, noisy, monkeypatch):
    table = np.where(np.arange(ITEMS) % 7 == 0, np.nan, noisy[0].table_)
    model = Fixed(table=table, meaning="rating").fit(split.train)
    whole = pt.evaluate(model, split, [NDCG(5), RMSE(), Diversity(5)])
    monkeypatch.setattr("penchant.recommender.BLOCK_BYTES", 4 * ITEMS * 3)
    monkeypatch.setattr("penchant.evaluation.evaluator.BLOCK_BYTES", 4 * ITEMS * 3)
    blocks = pt.evaluate(model, split, [NDCG(5), RMSE(), Diversity(5)])
    assert whole.to_frame().equals(blocks.to_frame())


def test_a_part_of_the_test(split, noisy):
    mask = np.arange(len(split.test)) % 2 == 0
    whole = pt.evaluate(noisy[0], split, NDCG(5))
    half = pt.evaluate(noisy[0], split, NDCG(5), part=split.test.where(mask))
    assert half.per_query(NDCG(5)).tolist() == whole.per_query(NDCG(5))[mask].tolist()
    assert half.asked == whole.asked[::2]
    assert "20 chosen askers" in half.description[0]


def test_a_model_that_met_other_data_is_named(split, noisy):
    everything = split.train.where(np.ones(len(split.train), bool))
    assert everything.fingerprint() == split.train.fingerprint()
    smaller = split.train.where(np.arange(len(split.train)) > 10)
    other = Fixed(table=noisy[0].table_, label="Other").fit(smaller)
    result = pt.evaluate([noisy[0], other], split, NDCG(5))
    warnings = [note for note in result.notes if "other data" in note]
    assert len(warnings) == 1
    assert warnings[0].startswith("Other was fitted on other data")


def test_names_that_occur_twice_are_numbered(split, noisy):
    again = replace(noisy[0]).fit(split.train)
    assert pt.evaluate([noisy[0], again], split, NDCG(5)).models == ("Good", "Good 2", "Popularity")
    named = pt.evaluate({"a": noisy[0], "b": again}, split, NDCG(5), baseline=again)
    assert named.models == ("a", "b")
    assert named.baseline == "b"


def test_a_baseline_of_ones_own_is_fitted_if_it_is_not(split, noisy):
    baseline = pt.Popularity(half_life="30d")
    result = pt.evaluate(noisy[0], split, NDCG(5), baseline=baseline)
    assert result.models == ("Good", "Popularity")
    assert not hasattr(baseline, "training_")
    assert pt.evaluate(noisy[0], split, NDCG(5), baseline=noisy[1]).baseline == "Blind"


def test_frame(split, noisy):
    frame = pt.evaluate(noisy[0], split, [NDCG(5), Coverage(5)]).to_frame()
    assert frame["model"].to_list() == ["Good", "Good", "Popularity", "Popularity"]
    assert frame["metric"].to_list() == ["NDCG@5", "Coverage@5"] * 2
    assert frame["askers"].to_list() == [40, None, 40, None]
    assert frame["difference_low"].null_count() == 3
    assert frame["low"].null_count() == 2
    assert frame["value"].null_count() == 0


def test_text_says_how_it_was_measured(split, noisy):
    result = pt.evaluate(noisy, split, [NDCG(5), Recall(5, relevant=4.0), Coverage(5)], rng=7)
    text = str(result)
    for said in ("Popularity (baseline)", "95% interval", "minus Popularity", "NDCG@5:",
                 "Recall@5 (>=4): hits among the first 5 / relevant; relevant: test interactions",
                 "each person's last 4 events", "40 test askers", "all 30 items",
                 "1,000 resamples of the askers, seed 7", "of equal",
                 f"{result[NDCG(5)]:.4f}", "relevant: every test interaction"):  # fmt: skip
        assert said in text
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 100
    page = result._repr_html_()
    assert "<th>NDCG@5</th>" in page
    assert "Recall@5 (&gt;=4)" in page
    out = io.StringIO()
    Console(file=out, width=60).print(result)
    narrow = out.getvalue()
    assert max(map(len, narrow.splitlines())) <= 60
    assert "…" not in narrow
    assert repr(result) == "<Evaluation of Good, Blind, Popularity on 40 askers>"


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"metrics": []}, pt.BadParameter, "at least one"),
        ({"metrics": ["NDCG@10"]}, pt.BadParameter, "values such as NDCG"),
        ({"metrics": [NDCG]}, pt.BadParameter, "values such as NDCG"),
        ({"models": []}, pt.BadParameter, "no model"),
        ({"models": pt.Popularity()}, pt.NotFitted, "fit"),
    ],
)
def test_mistakes_are_named(split, noisy, change, error, said):
    with pytest.raises(error, match=said):
        pt.evaluate(**{"models": noisy[0], "split": split, "metrics": [NDCG(5)], **change})


def test_asking_for_what_was_not_measured(split, noisy):
    result = pt.evaluate(noisy[0], split, [NDCG(5), Coverage(5)], baseline=None)
    with pytest.raises(pt.UnknownId, match="not measured"):
        result[NDCG(10)]
    with pytest.raises(pt.UnknownId, match="no model is called 'EASE'"):
        result.value(NDCG(5), "EASE")
    with pytest.raises(pt.BadParameter, match="one value for all lists"):
        result.per_query(Coverage(5))
    with pytest.raises(pt.BadParameter, match="no baseline"):
        result.difference(NDCG(5))


def test_movielens_popularity_as_ranx(last_fifth):
    # ranx 0.3.21, evaluate() on the same lists and truth.
    expected = {
        NDCG(10): 0.086732,
        MAPOverRelevant(10): 0.018404,
        Recall(10): 0.039847,
        MRR(10): 0.188645,
        Precision(10): 0.072295,
        F1(10): 0.039423,
        HitRate(10): 0.377049,
    }
    result = pt.evaluate(pt.Popularity().fit(last_fifth.train), last_fifth, list(expected))
    for metric, value in expected.items():
        assert result[metric] == pytest.approx(value, abs=1e-6)
    assert any("items nobody met in train" in note for note in result.notes)


def test_rules_say_what_may_be_recommended() -> None:
    split = pt.split.cold_items(pt.datasets.planted(noise=0.1), fraction=0.2)
    cold = split.train.items.decode(np.unique(split.test.truth.item))
    model = pt.ContentBased().fit(split.train)
    among_all = pt.evaluate(model, split, pt.HitRate(3), baseline=None)
    among_cold = pt.evaluate(model, split, pt.HitRate(3), baseline=None, rules=pt.Rules(only=cold))
    assert among_cold[pt.HitRate(3)] > among_all[pt.HitRate(3)]
    assert f"the {len(cold)} items that the rules allow" in str(among_cold)
