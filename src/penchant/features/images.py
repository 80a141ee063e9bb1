"""Vectors of images, from any network that takes images in torch."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penchant.errors import BadEvents, BadParameter, MissingExtra
from penchant.features.vectors import Matrix

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Channels = tuple[float, float, float]

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue that most networks were trained with."""


@dataclass(frozen=True, kw_only=True)
class ImageEncoder:
    """An encoder of images: the numbers a network gives, before it names what it sees.

    An image is scaled so that its shorter side is ``size / crop``, and its middle is cut out: what
    most networks were tested with.

    Parameters
    ----------
    net : takes (n, 3, size, size) float32 and gives (n, d), or (n, d, h, w), of which the mean over
        places is taken. A ``torch.nn.Module`` must be in evaluation mode; often a method such as
        ``net.extract_features`` gives what stands before the last layer.
    size : pixels along each side that the network sees.
    mean, std : of red, green and blue, from 0 to 1; what the network was trained with.
    crop : the share of the shorter side that is kept.
    device : where the network is: "cpu", "cuda".
    batch : images given to the network at a time.

    Raises
    ------
    BadParameter : a network in training mode, which answers with chance in it; a number out of
        range.
    """

    net: Callable[[Tensor], Tensor]
    size: int = 224
    mean: Channels = IMAGENET[0]
    std: Channels = IMAGENET[1]
    crop: float = 0.875
    device: str = "cpu"
    batch: int = 32

    def __post_init__(self) -> None:
        if getattr(getattr(self.net, "__self__", self.net), "training", False):
            raise BadParameter("the network is in training mode; call its eval() first")
        if self.size < 1 or self.batch < 1 or not 0 < self.crop <= 1 or not min(self.std) > 0:
            raise BadParameter(
                "size and batch are at least 1, crop is in (0, 1] and std is positive, got "
                f"{self.size}, {self.batch}, {self.crop} and {self.std}"
            )

    def encode(self, images: Sequence[Any], /) -> Matrix:
        """Return (n, d) float32.

        Parameters
        ----------
        images : paths; the bytes of image files; uint8 arrays (h, w) grey, (h, w, 3) or (h, w, 4);
            or images of Pillow.

        Raises
        ------
        MissingExtra : torch or Pillow is not installed.
        BadEvents : an image that cannot be read.
        """
        try:
            import torch
        except ImportError as e:
            raise MissingExtra("encoding images", "torch", "image") from e
        blocks = []
        for lo in range(0, len(images), self.batch):
            pixels = np.stack([self._pixels(image) for image in images[lo : lo + self.batch]])
            with torch.inference_mode():
                found = self.net(torch.from_numpy(pixels).to(self.device))
            blocks.append(found.float().cpu().numpy())
        found = np.concatenate(blocks)
        return found.mean(axis=(2, 3)) if found.ndim == 4 else found

    def _pixels(self, image: Any) -> NDArray[np.float32]:
        """Return (3, size, size) float32, as the network wants it."""
        picture = _opened(image)
        scale = self.size / self.crop / min(picture.size)
        wide, high = (max(round(side * scale), self.size) for side in picture.size)
        left, top = (wide - self.size) // 2, (high - self.size) // 2
        middle = picture.resize((wide, high), resample=3).crop(  # 3: bicubic
            (left, top, left + self.size, top + self.size)
        )
        colours = (np.asarray(middle, np.float32) / 255 - self.mean) / self.std
        return np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)


def _opened(image: Any) -> Image:
    """Return an image in red, green and blue."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as e:
        raise MissingExtra("encoding images", "pillow", "image") from e
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if isinstance(image, (str, Path, bytes)):
        try:
            with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as file:
                return file.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as e:
            raise BadEvents(f"the image {image!r:.80} cannot be read: {e}") from e
    if not isinstance(image, np.ndarray):
        raise BadEvents(f"an image is a path, bytes, an array or one of Pillow, got {image!r:.80}")
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] in ((3,), (4,))):
        raise BadEvents(
            "an array of an image holds uint8 and is (h, w), (h, w, 3) or (h, w, 4), got "
            f"{image.dtype} {image.shape}"
        )
    if not image.size:
        raise BadEvents(f"an image has no pixels: its shape is {image.shape}")
    return Image.fromarray(image).convert("RGB")
