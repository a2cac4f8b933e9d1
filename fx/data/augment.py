"""Random image deformation: one affine map an image, sampled bilinearly, for a whole batch at once.

Shift, rotation, scale and shear multiply into a single 2×2 matrix and an offset; an optional
smooth random field (elastic distortion) is added to the same coordinates, so the pixels are read
only once. Then strokes may become thicker or thinner.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from fx.errors import FxValueError

# Elastic distortion draws its displacements on a grid of this many nodes a side, which lie about
# two strokes of the pen apart.
_ELASTIC_NODES = 5


@dataclass(frozen=True)
class Augment:
    """Deforms each image of a batch by its own random affine map (and smooth displacement field).

    Every field is a bound: each image draws its own value uniformly from ``[-bound, bound]``. With
    all bounds 0 the images come back unchanged, bit for bit.

    Args:
        shift: pixels, along each axis.
        rotate: degrees, about the image's centre.
        scale: relative change of size along each axis; 0.1 draws factors from 0.9 to 1.1.
        shear: horizontal displacement for each vertical pixel (the tangent of the slant).
        elastic: pixels that the nodes of a coarse grid are displaced by, interpolated in between
            (after Simard, Steinkraus and Platt, "Best practices for convolutional neural networks
            applied to visual document analysis", 2003).
        stroke: how far each pixel goes towards the brightest (a thicker stroke) or the darkest (a
            thinner one) of itself and its four neighbours; 1 goes all the way, about a pixel.

    Raises:
        FxValueError: a bound is negative or not finite, `scale` is 1 or more, or `stroke` above 1.

    >>> import numpy as np
    >>> images = np.zeros((2, 28, 28), np.float32)
    >>> images[:, 10:18, 13:15] = 1.0
    >>> deformed = Augment(shift=2, rotate=15)(images, np.random.default_rng(0))
    >>> deformed.shape, deformed.dtype
    ((2, 28, 28), dtype('float32'))
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    stroke: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            bound = getattr(self, field.name)
            if not (math.isfinite(bound) and bound >= 0):
                raise FxValueError(
                    f"Augment: expected {field.name} >= 0 and finite, got {bound!r}; it bounds a "
                    "random value on both sides, so give its size without a sign"
                )
        if self.stroke > 1:
            raise FxValueError(
                f"Augment: expected stroke <= 1, got {self.stroke!r}; it is a share, and 1 makes "
                "strokes thicker or thinner by about a pixel on each side"
            )
        if self.scale >= 1:
            raise FxValueError(
                f"Augment: expected scale < 1, got {self.scale!r}; sizes are drawn from "
                "1 - scale to 1 + scale, so 0.1 means plus or minus 10 %"
            )

    def __call__(self, images, rng: np.random.Generator) -> np.ndarray:
        """Deforms a batch of images. Pixels outside an image count as 0.

        Args:
            images: shape (batch, height, width) or (batch, height, width, channels), floats or
                uint8 (rounded back to uint8).
            rng: the only source of randomness: equal generators give equal results.

        Returns:
            An array of the same shape and dtype.
        """
        images = np.asarray(images)
        if images.ndim not in (3, 4):
            raise FxValueError(
                "Augment: expected images of shape (batch, height, width) or (batch, height, "
                f"width, channels), got {images.shape}; add a batch axis with images[None]"
            )
        height, width = images.shape[1:3]
        if images.size == 0:
            return images.copy()
        rows, columns = self._coordinates(len(images), height, width, rng)
        deformed = _sample(images, rows, columns)
        if self.stroke > 0:
            share = rng.uniform(-self.stroke, self.stroke, len(images)).astype(np.float32)
            deformed = _thicken(deformed, share.reshape(-1, *[1] * (images.ndim - 1)))
        if images.dtype == np.uint8:
            return np.rint(deformed).astype(np.uint8)
        return deformed.astype(images.dtype, copy=False)

    def _coordinates(self, count, height, width, rng):
        """For each output pixel, where in its image to read: two arrays (count, height, width)."""

        def draw(bound, *shape):
            return rng.uniform(-bound, bound, (count, *shape)).astype(np.float32)

        angle = draw(math.radians(self.rotate))
        slant = draw(self.shear)
        # The map runs from output to input, so an image is enlarged by dividing.
        row_factor, column_factor = 1 / (1 + draw(self.scale)), 1 / (1 + draw(self.scale))
        row_shift, column_shift = draw(self.shift), draw(self.shift)
        cos, sin = np.cos(angle), np.sin(angle)
        # [row; column] = S · K · R: rotate, then shear columns by rows, then scale.
        matrix = (
            (row_factor * cos, -row_factor * sin),
            (column_factor * (sin + slant * cos), column_factor * (cos - slant * sin)),
        )
        centre_row, centre_column = (height - 1) / 2, (width - 1) / 2
        y = np.arange(height, dtype=np.float32)[:, None] - np.float32(centre_row)
        x = np.arange(width, dtype=np.float32)[None, :] - np.float32(centre_column)

        def place(factors, shift, centre):
            by_row, by_column = (factor[:, None, None] for factor in factors)
            return by_row * y + by_column * x + (shift + np.float32(centre))[:, None, None]

        rows = place(matrix[0], row_shift, centre_row)
        columns = place(matrix[1], column_shift, centre_column)
        if self.elastic > 0:
            nodes = _ELASTIC_NODES
            from_rows, from_columns = _interpolation(nodes, height), _interpolation(nodes, width).T
            rows += from_rows @ draw(self.elastic, nodes, nodes) @ from_columns
            columns += from_rows @ draw(self.elastic, nodes, nodes) @ from_columns
        return rows, columns


def _thicken(images: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Goes that share of the way to a grey dilation (erosion where negative) by a cross."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)) + ((0, 0),) * (images.ndim - 3), "edge")
    up, down = padded[:, :-2, 1:-1], padded[:, 2:, 1:-1]
    left, right = padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]
    brightest = np.maximum(np.maximum(np.maximum(up, down), np.maximum(left, right)), images)
    darkest = np.minimum(np.minimum(np.minimum(up, down), np.minimum(left, right)), images)
    return images + np.abs(share) * (np.where(share > 0, brightest, darkest) - images)


def _interpolation(nodes: int, size: int) -> np.ndarray:
    """The matrix (size, nodes) that interpolates linearly from evenly spaced nodes to pixels."""
    position = np.linspace(0, nodes - 1, size, dtype=np.float32)[:, None]
    return np.maximum(0, 1 - np.abs(position - np.arange(nodes, dtype=np.float32)))


def _sample(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Reads `images` at fractional coordinates, bilinearly, with zeros outside."""
    count, height, width = images.shape[:3]
    dtype = np.result_type(images.dtype, np.float32)
    # A border of zeros makes every clipped coordinate read valid memory, with no masks: one row
    # above and two below, because the neighbour of the last clipped position must exist too.
    border = ((0, 0), (1, 2), (1, 2)) + ((0, 0),) * (images.ndim - 3)
    padded = np.pad(images.astype(dtype, copy=False), border)
    pitch = width + 3
    flat = padded.reshape((count * (height + 3) * pitch, *images.shape[3:]))

    rows = np.clip(rows, -1, height) + 1
    columns = np.clip(columns, -1, width) + 1
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = (rows - top).astype(dtype, copy=False), (columns - left).astype(dtype, copy=False)
    if images.ndim == 4:
        down, right = down[..., None], right[..., None]
    first = np.arange(count, dtype=np.intp)[:, None, None] * ((height + 3) * pitch)
    index = first + top * pitch + left

    upper = flat[index]
    upper += right * (flat[index + 1] - upper)
    index += pitch
    lower = flat[index]
    lower += right * (flat[index + 1] - lower)
    upper += down * (lower - upper)
    return upper
