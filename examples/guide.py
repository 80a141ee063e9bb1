"""The usual guide to recommenders, heading by heading, with penchant.

    python examples/guide.py                         # the packaged MovieLens latest-small
    python examples/guide.py --ml-100k PATH          # the original u.data and u.item
    python examples/guide.py --user 42 --likes Comedy,Romance

docs/guide.md tells the same with the guides' code beside it.
"""

import argparse

import polars as pl

import penchant as pt

LATER = (
    "neural models (SASRec, GRU4Rec, two-tower)", "bandits and exploration", "A/B tests",
    "a web service with live updates", "Spark, Kafka and Flink", "erasing a person's data",
)  # fmt: skip


def heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def show(recs: pt.Recommendations, *columns: str) -> None:
    with pl.Config(tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True,
                   fmt_str_lengths=60, tbl_width_chars=140, tbl_rows=20):  # fmt: skip
        print(recs.to_frame().select("rank", "title", "genres", *columns))


def main(argv: list[str] | None = None) -> None:
    ask = argparse.ArgumentParser(description="The usual guide to recommenders, with penchant.")
    ask.add_argument("--ml-100k", metavar="PATH", help="folder with u.data and u.item")
    ask.add_argument("--user", type=int, default=196, help="whom to recommend to (default 196)")
    ask.add_argument("--likes", default="Action,Sci-Fi", help="genres of the new user")
    given = ask.parse_args(argv)

    heading("1. Load the data")
    data = pt.datasets.movielens(given.ml_100k)
    print(data)
    print("MovieLens, by GroupLens (Harper and Konstan 2015): non-commercial research use; "
          "penchant is not endorsed by them.")  # fmt: skip
    print(data.item_table.select("title", "genres").head(3))

    for line in data.reading.lines():
        print(line)  # what was understood of the file, and what was left out

    heading("2. Split it, 80 to 20")
    ratings = pt.split.random(data, fraction=0.2, rng=42)
    print(ratings)

    heading("3. Collaborative filtering: SVD and its RMSE")
    svd = pt.SVD().fit(ratings.train, rng=42)
    print(pt.evaluate(svd, ratings, [pt.RMSE(), pt.MAE()]))
    print(pt.predict(svd, [(given.user, 1), (given.user, 50)], ratings.train))

    heading("4. Content: TF-IDF of the genres, and cosine similarity")
    content = pt.ContentBased(columns={"genres": 1.0}).fit(ratings.train)
    print("most like item 1:")
    show(content.similar([1], k=5), "score")

    heading(f"5. A hybrid of 0.7 SVD and 0.3 content, for user {given.user}")
    guides = pt.Weighted([pt.SVD(), pt.ContentBased(columns={"genres": 1.0})], weights=[0.7, 0.3])
    guides.fit(ratings.train, rng=42)
    asked = ratings.train.queries(users=[given.user])
    show(guides.recommend(asked, k=10), "score", "reason")

    heading("6. A new user, known by two genres")
    new = data.queries(tastes=[dict.fromkeys(given.likes.split(","), 1.0)])
    show(content.recommend(new, k=5), "score", "reason")

    heading("7. Precision, recall, NDCG: is it any good?")
    latest = pt.split.last(data, fraction=0.2)
    parts = [pt.ItemKNN(), pt.ALS(), pt.EASE(), pt.ContentBased(), pt.Popularity()]
    models = {
        "0.7 SVD + 0.3 TF-IDF": guides.fit(latest.train, rng=42),
        "SVD alone": pt.SVD().fit(latest.train, rng=42),
        "learned hybrid": pt.Weighted(parts).fit(latest.train, rng=42),
    }
    print(pt.evaluate(models, latest, [pt.Precision(10), pt.Recall(10), pt.NDCG(10)]))
    print("An SVD foretells how many stars a film would get, not which film somebody picks next. "
          "To order films, learn from what people picked; keep the SVD for ratings.")  # fmt: skip

    heading("8. The hybrid that people can use")
    learned = models["learned hybrid"]
    show(learned.recommend(latest.train.queries(users=[given.user]), k=10), "reason")
    print("and for the new user:")
    show(learned.recommend(new, k=5), "reason")

    heading("9. Explicit and implicit feedback")
    print("a rating as a number to foretell (explicit): SVD, and a blend of two such models")
    blend = pt.Weighted(
        [pt.SVD(), pt.ItemKNN(target="rating")], weights=[0.5, 0.5], normalise="none"
    ).fit(ratings.train, rng=42)
    both = {"SVD": svd, "SVD + item kNN": blend}
    print(pt.evaluate(both, ratings, [pt.RMSE(), pt.MAE()]))
    print("a rating as a sign of interest (implicit): whether any, or only four stars and more")
    stars = pt.datasets.movielens(given.ml_100k, feedback=pt.Feedback(liked=4.0))
    strict = pt.split.last(stars, fraction=0.2)
    implicit = {
        "ALS, any rating": pt.ALS().fit(latest.train, rng=42),
        "ALS, liked only": pt.ALS().fit(strict.train, rng=42),
    }
    print(pt.evaluate(implicit, latest, pt.NDCG(10)))

    heading("Not yet there")
    print("The guides go on to what penchant does not have yet: " + "; ".join(LATER) + ".")


if __name__ == "__main__":
    main()
