"""Embeds texts piece by piece and keeps each piece, so that a killed build does not begin again.

texts by content hash -> kept pieces, model -> vectors; deleted when the index is written
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from serving.embedder import Embedder

Vectors = dict[str, npt.NDArray[np.float32]]
_PIECE = 1_000


def embed_texts(
    texts: Mapping[str, str],
    embedder: Embedder,
    folder: Path,
    on_progress: Callable[[int, int], None],
) -> Vectors:
    """Return a vector for each content hash; what a killed build has embedded is taken over."""
    vectors = {name: vector for name, vector in _kept(folder, embedder) if name in texts}
    missing = [name for name in texts if name not in vectors]
    for start in range(0, len(missing), _PIECE):
        piece = missing[start : start + _PIECE]
        before = len(vectors)
        embedded = embedder.embed(
            [texts[name] for name in piece],
            lambda done, _, before=before: on_progress(before + done, len(texts)),  # type: ignore[misc]
        )
        if len(missing) > _PIECE:
            _keep(folder, embedder, piece, embedded)
        vectors.update(zip(piece, embedded, strict=True))
    return vectors


def forget(folder: Path) -> None:
    """Delete what was kept."""
    shutil.rmtree(folder, ignore_errors=True)


def _kept(folder: Path, embedder: Embedder) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for path in sorted(folder.glob("*.npz")):
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as piece:
                is_ours = str(piece["model"]) == embedder.model
                names, matrix = piece["names"], piece["matrix"]
        except (OSError, ValueError, KeyError, BadZipFile):
            # Cut short by the kill: its texts are embedded again.
            continue
        if is_ours and matrix.shape == (len(names), embedder.dimensions):
            yield from zip(names.tolist(), matrix, strict=True)


def _keep(
    folder: Path, embedder: Embedder, names: list[str], matrix: npt.NDArray[np.float32]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(8)}.npz"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, model=np.array(embedder.model), names=np.array(names), matrix=matrix)
    os.replace(part, path)  # noqa: PTH105
