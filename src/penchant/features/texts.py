"""Encoders of texts that were trained elsewhere: sentence-transformers and static vectors.

A model is a folder on this machine, or a name in Hugging Face's cache of it. Nothing is fetched
from the network unless ``download=True`` says so. Which licence the weights are under is for
whoever uses them to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penchant.errors import BadParameter, MissingExtra

if TYPE_CHECKING:
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer


def sentence_transformer(
    model: str | Path, *, device: str | None = None, download: bool = False
) -> SentenceTransformer:
    """Open a sentence-transformer: vectors of what a text means, whatever its words.

    Reimers and Gurevych, "Sentence-BERT: sentence embeddings using Siamese BERT-networks", EMNLP
    2019.

    Parameters
    ----------
    model : a folder, or a name such as "sentence-transformers/all-MiniLM-L6-v2".
    device : "cpu", "cuda"; None takes what torch finds.
    download : fetch a named model that is not on this machine.

    Returns
    -------
    An encoder for ``embed``: the ``SentenceTransformer`` itself.

    Raises
    ------
    MissingExtra : sentence-transformers is not installed.
    BadParameter : no such model is on this machine, or it is none of this kind.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as e:
        raise MissingExtra("sentence_transformer", "sentence-transformers", "text") from e
    with _silently(), _opening(model, "a sentence-transformer"):
        return SentenceTransformer(
            _place(model, download), device=device, local_files_only=not download
        )


def static(model: str | Path, *, download: bool = False) -> StaticModel:
    """Open static vectors of word pieces that Model2Vec made: a text is a mean, at great speed.

    Tulkens and van Dongen, "Model2Vec: fast state-of-the-art static embeddings", 2024. For vectors
    of your own catalogue's words see ``penchant.features.words.distilled``.

    Parameters
    ----------
    model : a folder, or a name such as "minishlab/potion-base-8M".
    download : fetch a named model that is not on this machine.

    Returns
    -------
    An encoder for ``embed``: the ``StaticModel`` itself.

    Raises
    ------
    MissingExtra : model2vec is not installed.
    BadParameter : no such model is on this machine, or it is none of this kind.
    """
    try:
        from model2vec import StaticModel
        from safetensors import SafetensorError
    except ImportError as e:
        raise MissingExtra("static", "model2vec", "text") from e
    with _opening(model, "a model of Model2Vec", SafetensorError):
        return StaticModel.from_pretrained(_place(model, download))


def _place(model: str | Path, download: bool) -> str:
    """Return the folder of a model, or its name if it may be fetched."""
    if download or Path(model).is_dir():
        return str(model)
    from huggingface_hub import snapshot_download

    try:
        return str(snapshot_download(str(model), local_files_only=True))
    except (OSError, ValueError):
        raise BadParameter(
            f"{str(model)!r} is no folder, and Hugging Face's cache on this machine has no model "
            "of that name; pass the model's folder, or download=True to fetch it"
        ) from None


@contextmanager
def _opening(model: str | Path, kind: str, *other: type[Exception]) -> Iterator[None]:
    """Turn what a library raises at a folder of another kind into an error that names it."""
    try:
        yield
    except BadParameter:
        raise
    except (OSError, ValueError) + other as e:
        raise BadParameter(f"{str(model)!r} cannot be opened as {kind}: {e}") from e


@contextmanager
def _silently() -> Iterator[None]:
    """Keep transformers from drawing its bar while weights are loaded."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()
