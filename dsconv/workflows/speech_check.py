"""The validation of results over speech: the user's own, or some that dsconv brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsconv.acoustic.source import Source
from dsconv.errors import ModelError
from dsconv.progress import Progress, ignore_progress

if TYPE_CHECKING:
    from dsconv.acoustic.overrides import Overrides
    from dsconv.inspect.parity.validation import Validation
    from dsconv.speech.corpus import ClipSource

# Two clips, about six seconds: enough for the states to build up, and little to wait for.
_CLIPS = 2


@dataclass(frozen=True)
class SpeechCheck:
    """How results are compared with their source over speech.

    `audio` are WAVs, folders of WAVs and CSVs of clips, by default two packaged clips; they must
    have the model's sample rate and one channel unless `resample` is set. Another transcript than
    the source's is a failure with `strict`; so are a CER above `max_cer` and a WER that is above
    the source's by more than `max_wer_increase`. With `evaluated` a Core ML model is run in numpy
    also where Core ML could run it.
    """

    audio: tuple[Path, ...] = ()
    resample: bool = False
    strict: bool = False
    max_cer: float | None = None
    max_wer_increase: float | None = None
    evaluated: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """The options that were set, as they are called at the command line."""
        given = {
            "--audio": self.audio,
            "--resample": self.resample,
            "--strict": self.strict,
            "--max-cer": self.max_cer is not None,
            "--max-wer-increase": self.max_wer_increase is not None,
        }
        return tuple(option for option, value in given.items() if value)

    def clips(self) -> Sequence[ClipSource]:
        """The clips. Raises ModelError for audio that is not there, holds none or lacks texts."""
        from dsconv.fixtures.demo_model import SPEECH
        from dsconv.inspect.parity.cost import Limits
        from dsconv.speech.corpus import find_clips, shortest

        if not self.audio:
            return shortest(find_clips([SPEECH]), _CLIPS)
        clips = find_clips(self.audio)
        for clip in clips:
            if not clip.wav.is_file():
                raise ModelError(f"{clip.wav} does not exist; pass the path of a WAV recording.")
        Limits(self.max_cer, self.max_wer_increase).check(clips)
        return clips

    def validate(
        self,
        source: Source,
        outputs: Sequence[Path],
        overrides: Overrides,
        clips: Sequence[ClipSource],
        progress: Progress = ignore_progress,
    ) -> Validation:
        """Compare results with their source over the clips. Raises as `validate_models` does."""
        from dsconv.inspect.parity.validate import ValidationOptions, validate_models

        options = ValidationOptions(
            strict=self.strict,
            resample=self.resample or not self.audio,
            evaluated=self.evaluated,
            overrides=overrides,
            max_cer=self.max_cer,
            max_wer_increase=self.max_wer_increase,
            packaged_speech=not self.audio,
            exporters_way=False,
        )
        return validate_models(source, outputs, clips, options, progress=progress)
