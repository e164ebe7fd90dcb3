"""Weights as small integers with scales, and back. Knows NumPy arrays only.

A matrix is taken as (N, K), one row per output, however it is stored, and is read a band of rows at a time: it may be mapped from
disk and larger than memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmask.errors import BundleError

Floats = NDArray[np.float32]
LARGEST = 64
"""Of an int8 code, using 7 of 8 bits: a CPU without VNNI adds pairs of products in 16 bits, where 2 * 255 * 127 overflows."""
WHOLE = 127  # the same where weights are widened to float32 before they are multiplied, so that no sum can overflow
BAND = 1 << 22  # weights converted at a time
TRIED = np.linspace(0.80, 1.0, 9, dtype=np.float32)  # shares of a block's range that are tried for 4-bit codes
HALF_MAX = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Columns:
    """w[n, k] = codes[k, n] * scales[n]."""

    codes: NDArray[np.int8]  # (K, N), within LARGEST
    scales: Floats  # (N,)


@dataclass(frozen=True)
class Blocks:
    """Unsigned codes around the middle of their range, with one scale for each block of a row: what MatMulNBits takes."""

    codes: NDArray[np.uint8]  # (N, blocks, block * bits / 8), low half-bytes first
    scales: Floats  # (N, blocks)


class NotFinite(BundleError):
    """A weight is NaN, or infinite where codes are made of it. Whoever knows the tensor's name puts it before the message."""


def _part(rows: NDArray[np.generic], band: slice) -> Floats:
    """A band of rows in float32. Raises NotFinite that names the place."""
    part = np.asarray(rows[band], np.float32)
    if not (finite := np.isfinite(part)).all():
        row, column = np.argwhere(~finite)[0]
        raise NotFinite(_place(band.start + row, column, part[row, column]))
    return part


def check_numbers(array: NDArray[np.generic]) -> None:
    """Raises NotFinite for NaN and infinity in an array of floats, but not for -infinity, which masks are made of."""
    if np.issubdtype(array.dtype, np.floating) and (wrong := np.isnan(array) | np.isposinf(array)).any():
        at = int(wrong.ravel().argmax())
        raise NotFinite(_place(*divmod(at, array.shape[-1] if array.ndim else 1), array.ravel()[at]))


def _place(row: int, column: int, number: np.generic) -> str:
    return f"[{row}, {column}] is {number}, which no model computes with; make the bundle again from weights without it"


def bands(rows: NDArray[np.generic]) -> Iterator[slice]:
    step = max(1, BAND // max(1, rows.shape[1]))
    return (slice(at, min(at + step, len(rows))) for at in range(0, len(rows), step))


def columns(rows: Floats) -> Columns:
    """(N, K) -> int8 codes of 7 bits around zero, with one scale per output."""
    codes, scales = np.empty(rows.shape[::-1], np.int8), np.empty(len(rows), np.float32)
    for band in bands(rows):
        part = _part(rows, band)
        scales[band] = _nonzero(np.abs(part).max(1) / LARGEST)
        codes[:, band] = np.clip(np.rint(part / scales[band, None]), -LARGEST, LARGEST).T
    return Columns(codes, scales)


def rounded(rows: Floats) -> tuple[NDArray[np.int8], Floats]:
    """(N, K) -> int8 codes (N, K) of 8 bits around zero, and one scale per output (N,): for products in float32."""
    codes, scales = np.empty(rows.shape, np.int8), np.empty(len(rows), np.float32)
    for band in bands(rows):
        part = _part(rows, band)
        scales[band] = _nonzero(np.abs(part).max(1) / WHOLE)
        codes[band] = np.rint(part / scales[band, None])
    return codes, scales


def blocks(rows: Floats, bits: int, block: int) -> Blocks:
    """(N, K) -> blocks of 4 or 8 bits; K is padded with zeros to whole blocks.

    The largest entry of a block gets the lowest code, whose side of the range has one code more. In 4 bits, a block covers the
    share of its range with the least squared error: rare large weights are clipped when that helps the others.
    """
    count = -(-rows.shape[1] // block)
    codes = np.empty((len(rows), count, block * bits // 8), np.uint8)
    scales = np.empty((len(rows), count), np.float32)
    for band in bands(rows):
        part = _part(rows, band)
        part = np.pad(part, ((0, 0), (0, count * block - part.shape[1]))).reshape(len(part), count, block)
        scales[band] = _scales(part, bits)
        codes[band] = _pack(_round(part, scales[band], bits), bits)
    return Blocks(codes, scales)


def halves(array: NDArray[np.generic]) -> NDArray[np.float16] | None:
    """The array in float16; None when a value is too large for it. Raises NotFinite for NaN."""
    rows = array if array.ndim == 2 else np.asarray(array).reshape(1, -1)
    out = np.empty(rows.shape, np.float16)
    for band in bands(rows):
        part = np.asarray(rows[band])
        check_numbers(part)
        if part.size and float(np.abs(part).max()) > HALF_MAX:
            return None
        out[band] = part
    return out.reshape(array.shape)


def _scales(part: Floats, bits: int) -> Floats:
    """(N, blocks, block) -> (N, blocks)."""
    furthest = np.take_along_axis(part, np.abs(part).argmax(-1)[..., None], -1)[..., 0]
    whole = _nonzero(furthest / -(1 << bits - 1))
    if bits > 4:
        return whole
    best, least = whole, np.full(whole.shape, np.inf, np.float32)
    for share in TRIED:
        tried = whole * share
        off = (_round(part, tried, bits) - (1 << bits - 1)) * tried[..., None] - part
        error = (off * off).sum(-1)
        best, least = np.where(error < least, tried, best), np.minimum(error, least)
    return best


def _round(part: Floats, scales: Floats, bits: int) -> Floats:
    middle = 1 << bits - 1
    rounded: Floats = np.clip(np.rint(part / scales[..., None]) + middle, 0, 2 * middle - 1)
    return rounded


def _pack(codes: Floats, bits: int) -> NDArray[np.uint8]:
    whole = codes.astype(np.uint8)
    return whole if bits == 8 else whole[..., 0::2] | (whole[..., 1::2] << 4)


def _nonzero(scales: Floats) -> Floats:
    """Scales of 1 for rows or blocks of zeros, which any scale fits."""
    return np.where(np.abs(scales) < np.finfo(np.float32).tiny, np.float32(1), scales).astype(np.float32)
