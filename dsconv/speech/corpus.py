"""Where speech for a check comes from: recordings, folders, CSV files of the training code."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dsconv.errors import ModelError


@dataclass(frozen=True)
class ClipSource:
    """A recording and its transcript, if that is known. Names are unique in a check."""

    name: str
    wav: Path
    transcript: str | None


def find_clips(paths: Iterable[Path]) -> list[ClipSource]:
    """The clips that paths stand for: a WAV, a folder of WAVs, or a CSV of the training code.

    The transcript of a WAV is in the .txt beside it, if there is one. A CSV has a column
    `wav_filename`, and may have one `transcript`. Raises ModelError if a path stands for no clip.
    """
    clips: list[ClipSource] = []
    for path in paths:
        found = list(_clips_of(path))
        if not found:
            raise ModelError(f"{path} holds no recordings; pass a WAV, a folder of WAVs or a CSV.")
        clips.extend(found)
    return _with_unique_names(clips)


def shortest(clips: Iterable[ClipSource], count: int) -> list[ClipSource]:
    """So many of the clips, those with the smallest files."""
    return sorted(clips, key=lambda clip: clip.wav.stat().st_size)[:count]


def _clips_of(path: Path) -> Iterator[ClipSource]:
    if path.is_dir():
        for wav in sorted(path.glob("*.wav")):
            yield _clip(wav)
    elif path.suffix.lower() == ".csv":
        yield from _csv_clips(path)
    else:
        yield _clip(path)


def _clip(wav: Path) -> ClipSource:
    text = wav.with_suffix(".txt")
    return ClipSource(wav.name, wav, text.read_text("utf-8").strip() if text.is_file() else None)


def _csv_clips(path: Path) -> Iterator[ClipSource]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{path} cannot be read as a CSV ({error}); pass one in UTF-8.") from error
    for row in rows:
        if not row.get("wav_filename"):
            raise ModelError(f"{path} has a row without wav_filename; pass a CSV with that column.")
        wav = path.parent / row["wav_filename"]
        yield ClipSource(wav.name, wav, row.get("transcript"))


def _with_unique_names(clips: list[ClipSource]) -> list[ClipSource]:
    seen: dict[str, int] = {}
    unique = []
    for clip in clips:
        count = seen.get(clip.name, 0)
        seen[clip.name] = count + 1
        name = f"{clip.name}#{count + 1}" if count else clip.name
        unique.append(ClipSource(name, clip.wav, clip.transcript))
    return unique
