"""The page of a validation shows what was found, needs no network, and appears whole or not."""

import math
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.errors import OutputError, ToolkitError
from dsconv.inspect.parity.charts import (
    draw,
    duration,
    file_size,
    number,
    peaks,
    percent,
    rounded_up,
)
from dsconv.inspect.parity.numbers import Difference, Divergence
from dsconv.inspect.parity.page import (
    ConversionRow,
    Conversions,
    render_page,
    write_page,
)
from dsconv.inspect.parity.pictures import picture_of
from dsconv.inspect.parity.result import (
    CandidateResult,
    ClipInfo,
    ClipResult,
    Finding,
    ModelInfo,
    Severity,
)
from dsconv.inspect.parity.tolerances import TOLERANCES, Tolerance
from dsconv.inspect.parity.transcripts import Transcript, TranscriptComparison
from dsconv.inspect.parity.validation import Validation
from dsconv.speech.alphabet import Alphabet
from dsconv.speech.rates import Edits, ErrorRates, corpus_rates
from tests.browser import Browser

EVIL_PATH = "out/\"quoted\" & 'single' <script>alert(1)</script>.onnx"
EVIL_TEXT = '<script>alert("text")</script> said  twice'
VOID = {"meta", "link", "br", "hr", "img", "input"}
SAME = ErrorRates(0.0, 0.0)


class Page(HTMLParser):
    """A page as a person sees it: its `text`, and its elements with their attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.pieces: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("br", "dd", "dt"):
            self.handle_data(" ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.pieces.append(data)
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        """All that is written, with single spaces."""
        return " ".join("".join(self.pieces).split())

    def row(self, name: str) -> list[str]:
        """The cells of the first row whose name starts so, with single spaces."""
        cells = ([" ".join(cell.split()) for cell in row] for row in self.rows)
        return next(row for row in cells if row[0].startswith(name))

    def attributes(self, tag: str, **expected: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind that have those values."""
        return [a for t, a in self.elements if t == tag and expected.items() <= a.items()]

    def badges(self) -> list[str]:
        """The classes of the badges, which give them their colours."""
        found = [a["class"].split() for a in self.attributes("span") if "class" in a]
        return [classes[1] for classes in found if classes[0] == "badge"]


def model(path: str, precision: str = "fp32", digit: str = "a") -> ModelInfo:
    return ModelInfo(path, digit * 64, path.rpartition(".")[2], "some runtime", precision)


def difference(tensor: str, largest: float, tolerance: float, above: int = 0) -> Difference:
    return Difference(
        tensor=tensor,
        tolerance=tolerance,
        max_abs=largest,
        mean_abs=largest / 4,
        values=4640,
        above=above,
        not_finite=above if math.isinf(largest) else 0,
        argmax_agreement=0.9999 if tensor == "probabilities" else None,
        onset=None,
        divergence=Divergence(3, largest, largest - tolerance, 0.1) if above else None,
        windows=[],
    )


def transcripts(clip: str, text: str, truth: str | None = None) -> TranscriptComparison:
    equal = text == "two birds"
    rates = SAME if equal else ErrorRates(1.5, 0.875)
    return TranscriptComparison(
        clip,
        Transcript("two birds", "two birds"),
        Transcript(text, text),
        rates,
        truth,
        None if truth is None else ErrorRates(0.5, 0.125),
        None if truth is None else rates,
    )


def passing() -> CandidateResult:
    clip = ClipResult(
        "birds.wav",
        [difference("probabilities", 2.5e-7, 1e-5), difference("new_state_c", 1.1e-6, 1e-4)],
        [0.0, 1e-7, 2.5e-7, 1e-8],
    )
    return CandidateResult(
        model("good/model.tflite", digit="b"),
        TOLERANCES["fp32"],
        [Finding("structure", Severity.NOTE, "steps: 1, the reference has 16")],
        [clip],
        [transcripts("birds.wav", "two birds", "two birds")],
    )


def failing() -> CandidateResult:
    clip = ClipResult(
        "birds.wav",
        [difference("probabilities", math.inf, 5e-3, above=12)],
        [1e-4, math.inf, math.nan, 0.25],
    )
    return CandidateResult(
        model(EVIL_PATH, "fp16", "c"),
        TOLERANCES["fp16"],
        [
            Finding(
                "transcripts", Severity.WARNING, f"birds.wav: another transcript: {EVIL_TEXT!r}"
            ),
            Finding("numbers", Severity.FAILURE, "probabilities: 12 numbers are not finite"),
        ],
        [clip],
        [transcripts("birds.wav", EVIL_TEXT)],
    )


@pytest.fixture
def validation() -> Validation:
    """A candidate that passes and one that fails, over one clip."""
    clips = [ClipInfo("birds.wav", 1.234, 1600, "two birds"), ClipInfo("hum.wav", 0.5, 25, None)]
    return Validation(model("models/output_graph.pb"), clips, [passing(), failing()])


@pytest.fixture
def page(validation: Validation, tmp_path: Path) -> Page:
    """The page of `validation` as it was written."""
    path = tmp_path / "report.html"
    write_page(validation, path)
    assert list(tmp_path.iterdir()) == [path]
    return Page(path.read_text(encoding="utf-8"))


def test_every_element_is_closed_where_it_belongs(page: Page) -> None:
    """The page is well-formed: it opens with a doctype, nothing is left open, ids are unique."""
    assert page.source.startswith("<!DOCTYPE html>")
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert ids == ["reference", "clips", "candidate-1", "candidate-2"]
    links = [attributes["href"] for attributes in page.attributes("a")]
    assert links == ["#candidate-1", "#candidate-2", "#reference", "#clips"]


def test_the_page_needs_nothing_else(page: Page) -> None:
    """There is no address, no script and no other file in the page."""
    for reference in ("http", "src=", "url(", "@import", "//"):
        assert reference not in page.source.replace(EVIL_TEXT, "")
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in page.elements}


def test_verdicts_are_words_in_colour(page: Page) -> None:
    """The whole verdict comes first, then one for each candidate; each badge has its colour."""
    assert page.text.startswith(
        "Validation: fail Validation fail 2 candidates: 1 pass, 1 fail. "
        f"pass good/model.tflite fail {EVIL_PATH}"
    )
    assert page.badges()[:3] == ["fail", "pass", "fail"]
    styles = re.findall(r"\.badge\.(\w+)", page.source)
    assert set(page.badges()) - {"note"} <= set(styles)


@pytest.mark.parametrize(
    ("severities", "word"),
    [([], "pass"), (["note"], "pass"), (["warning"], "warning"), (["failure", "note"], "fail")],
)
def test_the_whole_verdict_is_the_worst(severities: list[str], word: str) -> None:
    """A candidate that is worse than the others decides what is said first."""
    worst = CandidateResult(
        model("other.onnx"),
        TOLERANCES["fp32"],
        [Finding("numbers", Severity(severity), "something") for severity in severities],
    )
    page = Page(render_page(Validation(model("a.pb"), [], [worst, passing()])))
    assert page.text.startswith(f"Validation: {word} Validation {word} 2 candidates: ")


def test_models_are_named_with_their_digests(page: Page) -> None:
    """Reference and candidates show path, runtime, precision and the start of the sha256."""
    for path, precision, digit in (
        ("models/output_graph.pb", "fp32", "a"),
        ("good/model.tflite", "fp32", "b"),
        (EVIL_PATH, "fp16", "c"),
    ):
        assert f"file {path} format" in page.text
        assert f"runtime some runtime precision {precision} sha256 {digit * 12} " in page.text
        assert page.attributes("code", title=digit * 64)
        assert digit * 13 not in page.text


def test_clips_are_listed(page: Page) -> None:
    """A clip has its seconds, its frames and its expected transcript, or that it is not known."""
    assert page.row("birds.wav") == ["birds.wav", "1.23", "1,600", "two birds"]
    assert page.row("hum.wav") == ["hum.wav", "0.50", "25", "not known"]


def test_findings_are_in_the_order_of_the_levels(page: Page) -> None:
    """Findings stand under their level, numbers before transcripts, with their severity."""
    assert "Findings structure note steps: 1, the reference has 16 Differences" in page.text
    assert (
        "Findings numbers failure probabilities: 12 numbers are not finite "
        "transcripts warning birds.wav: another transcript: " in page.text
    )


def test_differences_that_pass(page: Page) -> None:
    """A tensor's row holds its numbers; not quite all frames are not rounded to all."""
    row = ["probabilities", "2.50e-07", "6.25e-08", "1.00e-05", "0 of 4,640", "2.50e-07", "99.9%"]
    assert page.row("probabilities") == row
    state = ["new_state_c", "1.10e-06", "2.75e-07", "1.00e-04", "0 of 4,640", "1.10e-06", ""]
    assert page.row("new_state_c") == state


def test_differences_that_fail_are_marked(page: Page) -> None:
    """A failed row has a word and a colour, and says that no tolerance would have passed."""
    assert page.row("probabilities fail") == [
        "probabilities fail",
        "infinite",
        "infinite",
        "5.00e-03",
        "12 of 4,640 12 not finite",
        "none",
        "99.9%",
    ]
    assert len(page.attributes("tr", **{"class": "failed"})) == 1


def test_each_clip_has_a_chart(page: Page) -> None:
    """A candidate's clip is drawn with the tolerance and labelled axes; infinity is at the top."""
    names = [a["aria-label"] for a in page.attributes("svg")]
    assert names == ["Difference in each frame of birds.wav"] * 2
    assert "largest 2.50e-07; dashed: tolerance 1.00e-05 1e-9 1e-6 1e-3 1 0 1 3 frame" in page.text
    assert "2 of 4 frames not finite, drawn at the top" in page.text
    good, bad = (heights(a["points"]) for a in page.attributes("polyline"))
    assert good[0] == max(good)
    assert bad[1] == bad[2] == min(bad)
    assert len(page.attributes("line", **{"class": "tolerance"})) == 2


def test_transcripts_are_beside_each_other(page: Page) -> None:
    """A clip's texts are shown with their error rates, and whether they are equal."""
    rows = [row for row in page.rows if row[0] == "birds.wav" and len(row) == 7]
    good, bad = ([" ".join(cell.split()) for cell in row] for row in rows)
    zero = "0.000 / 0.000"
    assert good[1:] == ["two birds", "two birds", "equal", zero, zero, "0.500 / 0.125"]
    assert bad[3:] == ["different", "1.500 / 0.875", "not known", "not known"]
    assert rows[1][2] == EVIL_TEXT
    assert "1 of 1 equal the reference's." in page.text
    assert "0 of 1 equal the reference's." in page.text


def test_nothing_of_the_input_becomes_markup(validation: Validation) -> None:
    """Names, texts and messages with markup are shown as they are, wherever they stand."""
    worst = failing()
    evil = '"><script>alert(2)</script>'
    worst.clips[0] = replace(worst.clips[0], clip=evil)
    worst.findings.append(Finding(evil, Severity.NOTE, evil))
    worst.transcripts.append(replace(worst.transcripts[0], clip=evil))
    reference = replace(validation.reference, path=evil, sha256=evil, runtime=evil)
    page = Page(render_page(Validation(reference, [ClipInfo(evil, 1.0, 1, evil)], [worst])))
    assert not page.attributes("script")
    assert "<script" not in page.source
    assert page.attributes("svg", **{"aria-label": f"Difference in each frame of {evil}"})
    assert page.text.count(evil) == 8


def test_what_was_not_compared_is_said() -> None:
    """Without numbers, texts or candidates the page says so; no verdict is made up."""
    other = CandidateResult(model("x.onnx"), TOLERANCES["fp32"])
    page = Page(render_page(Validation(model("a.pb"), [], [other])))
    for words in ("No clip was run", "No numbers were", "No transcripts were", "Nothing to report"):
        assert words in page.text
    page = Page(render_page(Validation(model("a.pb"), [], [])))
    assert page.text.startswith("Validation Validation No candidate was compared.")
    assert page.badges() == []


def test_a_name_that_is_not_unicode_is_written(validation: Validation, tmp_path: Path) -> None:
    """Bytes of a file name that no encoding knows are shown, instead of stopping the report."""
    odd = replace(validation, reference=model("odd\udcff.pb"))
    write_page(odd, tmp_path / "report.html")
    assert "odd\\udcff.pb" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_existing_file_is_kept_without_force(validation: Validation, tmp_path: Path) -> None:
    """A report replaces a file only with force."""
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_page(validation, path)
    assert path.read_text() == "mine"
    write_page(validation, path, force=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_behind_on_failure(
    validation: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error is an OutputError, and neither a page nor a part of one remains."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_page(validation, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_template_library_is_named(
    validation: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without jinja2 the error says what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ToolkitError, match=r"needs jinja2.*dsconv\[report\]"):
        write_page(validation, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def heights(points: str) -> list[float]:
    """The pixels from the top of a polyline's points."""
    return [float(point.split(",")[1]) for point in points.split()]


@pytest.mark.parametrize("frames", [0, 1, 2, 302, 303, 10_000])
def test_charts_stay_inside_their_frame(frames: int) -> None:
    """A clip of any length is drawn inside the axes, with no more points than pixels."""
    chart = draw("clip", [10.0 ** (i % 14 - 12) for i in range(frames)], 1e-5)
    assert len(chart.points.split()) <= 302
    assert (len(chart.points.split()) >= 2) == (frames > 0)
    assert all(10 <= height <= 150 for height in heights(chart.points))
    assert all(48 <= float(p.split(",")[0]) <= 350 for p in chart.points.split())
    assert [int(tick.label) for tick in chart.across][-1:] == ([frames - 1] if frames else [])
    assert chart.frames == frames


@pytest.mark.parametrize("largest", [0.0, 1e-300, 1.0, 1.01, 3e4, 1e300])
def test_the_axis_reaches_every_finite_difference(largest: float) -> None:
    """Logits differ by more than 1: the axis grows with them, and its labels stay few."""
    chart = draw("clip", [largest, math.inf], 1e-5)
    finite, infinite = heights(chart.points)
    assert infinite == 10 <= finite <= 150
    assert 2 <= len(chart.up) <= 5
    assert chart.up[0].label == "1e-9"
    assert 10 < chart.tolerance_at < 150


def test_a_peak_survives_thinning() -> None:
    """Of each run of frames the largest is kept, at its own frame; no number counts as infinite."""
    values = [0.0] * 1000
    values[501], values[777] = 0.5, math.nan
    kept = peaks(values, 100)
    assert len(kept) == 100
    assert (501, 0.5) in kept
    assert (777, math.inf) in kept


@pytest.mark.parametrize("value", [0.0, 1e-5, 1.0001e-5, 9.9991e-3, 0.1 + 0.2, 123.456])
def test_a_tolerance_read_off_the_page_passes(value: float) -> None:
    """The smallest tolerance is rounded up, never below the difference that it has to allow."""
    assert value <= float(rounded_up(value)) <= value * 1.01


def test_numbers_are_words_where_they_are_none() -> None:
    """Infinity and NaN are written as words; a share is 100 % only if nothing is missing."""
    assert [number(v) for v in (1e-5, 0.0, math.inf, math.nan)] == [
        "1.00e-05",
        "0",
        "infinite",
        "not a number",
    ]
    assert [percent(share) for share in (1.0, 0.99999, 0.5)] == ["100.0%", "99.9%", "50.0%"]


def test_a_tolerance_of_its_own_is_drawn() -> None:
    """The dashed line is at the probabilities' tolerance, not at that of another tensor."""
    candidate = passing()
    candidate.tolerance = Tolerance(mfccs=1e-5, probabilities=1e-3, states=1e-1)
    page = Page(render_page(Validation(model("a.pb"), [], [candidate])))
    (line,) = page.attributes("line", **{"class": "tolerance"})
    grid = page.attributes("line", **{"class": "grid"})
    assert line["y1"] == line["y2"] == grid[2]["y1"]


LETTERS = "two birds"
FRAMES, CLASSES = 60, 29
COLOURS_OF_PIXELS = """
async (anchor) => {
  const image = document.querySelector(`#${anchor} .drawing image`);
  const picture = new Image();
  picture.src = image.getAttribute("href");
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const data = [...context.getImageData(0, 0, picture.width, picture.height).data];
  return [picture.width, picture.height, data];
}
"""
CONTRASTS = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (parts(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (["TITLE", "STYLE"].includes(element.tagName.toUpperCase())) continue;
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(colour), light(ground(element))].sort((x, y) => y - x);
    found[`${element.tagName} ${element.className.baseVal ?? element.className}`] =
      (a + 0.05) / (b + 0.05);
  }
  return found;
})()
"""


def spoken() -> NDArray[Any]:
    """Probabilities of frames in which "two birds" is said, then silence: [frames, classes]."""
    labels = Alphabet.english().texts
    path = np.full(FRAMES, CLASSES - 1)
    path[3 : 3 + 5 * len(LETTERS) : 5] = [labels.index(letter) for letter in LETTERS]
    probabilities = np.full((FRAMES, CLASSES), 0.002, np.float32)
    probabilities[np.arange(FRAMES), path] = 0.9
    return probabilities


@pytest.fixture
def pictured() -> Validation:
    """A candidate that is equal to the reference but in frame 20, by more than its tolerance."""
    expected = spoken()
    found = expected.copy()
    found[20, 7] += 1e-3
    found[40, 9] += 1e-7
    good, bad = passing(), passing()
    states = replace(difference("new_state_c", 1e-3, 1e-4, above=1), windows=[1e-6, 1e-3, 1e-7])
    for candidate, run_seconds, more in ((good, 0.25, []), (bad, 0.5, [states])):
        clip = candidate.clips[0]
        candidate.clips[0] = replace(
            clip,
            differences=[*clip.differences[:1], *more],
            run_seconds=run_seconds,
            state_ends=[16, 32, 60],
        )
    good.model = replace(good.model, bytes=250_000)
    bad.model = replace(bad.model, path="bad.onnx", format="onnx", bytes=1_000_000)
    bad.findings.append(Finding("numbers", Severity.FAILURE, "birds.wav: frame 20 differs"))
    allowed = [1e-5, 1e-5]
    picture = picture_of(
        "birds.wav", expected, [expected, found], allowed, Alphabet.english(), 100.0
    )
    clips = [ClipInfo("birds.wav", 1.25, FRAMES, LETTERS, 1.0)]
    reference = replace(model("models/output_graph.pb"), bytes=1_000_000)
    heard = corpus_rates([Edits(0, 2, 1, 9), Edits(1, 2, 2, 9)])
    good.error_rates = bad.error_rates = heard
    return Validation(reference, clips, [good, bad], [picture], heard)


def test_bars_are_in_proportion(pictured: Validation) -> None:
    """Bytes and seconds of all models stand beside each other, the longest bar is full."""
    page = Page(render_page(pictured))
    widths = [a["style"] for a in page.attributes("span") if a.get("style", "").startswith("width")]
    shares = [float(width.removeprefix("width:").removesuffix("%")) for width in widths]
    assert shares == [100, 25, 100, 100, 25, 50]
    assert "reference 1.0 MB good/model.tflite 250.0 kB bad.onnx 1.0 MB" in page.text
    assert "reference 800 ms good/model.tflite 200 ms bad.onnx 400 ms" in page.text


def test_times_of_another_machine_are_not_made_up(pictured: Validation) -> None:
    """A run without times has no bar; without two bars there is no comparison."""
    good, bad = pictured.candidates
    bad.clips[0] = replace(bad.clips[0], run_seconds=None)
    assert "reference 800 ms good/model.tflite 200 ms </" not in render_page(pictured)
    assert "bad.onnx 400 ms" not in Page(render_page(pictured)).text
    good.clips[0] = replace(good.clips[0], run_seconds=None)
    assert "Time for one second of speech" not in render_page(pictured)


def test_links_lead_to_places_on_the_page(pictured: Validation) -> None:
    """Every link has its anchor, every anchor is there once."""
    page = Page(render_page(pictured))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"].removeprefix("#") for attributes in page.attributes("a")}
    assert links <= set(ids)
    assert {"figures", "maps", "candidate-2", "candidate-2-1"} <= links


def test_pictures_are_in_the_page_itself(pictured: Validation) -> None:
    """Pictures are data, and nothing else is an address; each drawing is described."""
    page = Page(render_page(pictured))
    addresses = [attributes["href"] for attributes in page.attributes("image")]
    assert len(addresses) == 10
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    rest = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", page.source)
    for reference in ("http", "src=", "url(", "@import", "//"):
        assert reference not in rest
    drawings = [a for a in page.attributes("svg") if a.get("aria-hidden") != "true"]
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert any("likeliest letters: two birds" in a["aria-label"] for a in drawings)


def test_the_clips_that_are_drawn_are_said(pictured: Validation) -> None:
    """Of many clips a few are drawn; the page says how many and which."""
    assert "of 1 clips" not in render_page(pictured)
    many = replace(pictured, clips=pictured.clips * 7)
    words = "These are 1 of 7 clips: those in which a candidate uses up the largest share of its"
    assert words in Page(render_page(many)).text


def test_of_many_clips_the_worst_have_charts() -> None:
    """Thousands of clips do not make thousands of charts; the order of the clips stays."""
    candidate = passing()
    (clip,) = candidate.clips
    sizes = [1e-9 * (number * 7 % 100) for number in range(100)]
    candidate.clips = [
        replace(clip, clip=f"{size:.0e}.wav", differences=[difference("probabilities", size, 1e-5)])
        for size in sizes
    ]
    page = Page(render_page(Validation(model("a.pb"), [], [candidate])))
    worst = [f"{size:.0e}.wav" for size in sizes if size > 75.5e-9]
    names = [a["aria-label"].split()[-1] for a in page.attributes("svg", **{"class": "chart"})]
    assert names == worst
    assert len(worst) == 24
    assert "24 of 100 clips: those that use up the largest share of the tolerance." in page.text


def test_of_thousands_of_clips_the_page_lists_those_that_matter() -> None:
    """The worst clips, the texts that differ, the first findings; it says how many there are."""
    candidate = passing()
    (clip,) = candidate.clips
    names = [f"{number:04}.wav" for number in range(3000)]
    odd = set(range(7, 3000, 100))
    candidate.clips = [
        replace(
            clip, clip=name, differences=[difference("probabilities", 1e-6 + 1e-10 * index, 1e-5)]
        )
        for index, name in enumerate(names)
    ]
    candidate.transcripts = [
        transcripts(name, "two words" if index in odd else "two birds")
        for index, name in enumerate(names)
    ]
    candidate.findings = [
        Finding("transcripts", Severity.WARNING, f"{names[index]}: another transcript")
        for index in sorted(odd)
    ]
    clips = [ClipInfo(name, 1.0, 50, None) for name in names]
    source = render_page(Validation(model("a.pb"), clips, [candidate]))
    page = Page(source)
    listed = [row[0].strip() for row in page.rows if row[0].strip().endswith(".wav")]
    assert listed[:50] == names[-50:]
    assert set(listed[50:]) > {names[index] for index in odd}
    assert len(listed) == 100
    assert "50 of 3,000 clips: those in which a candidate uses up the largest share" in page.text
    assert "2970 of 3000 equal" in page.text
    assert "These are 50 of them, the farthest from the reference's." in page.text
    assert page.text.count(": another transcript") == 10
    assert "transcripts: 20 more; --json lists them all." in page.text
    assert len(source) < 300_000


def test_error_rates_of_all_models_stand_together() -> None:
    """With their intervals, each leading to its model; none where no transcript is expected."""
    candidates = [passing(), failing()]
    candidates[0].error_rates = corpus_rates([Edits(1, 10, 2, 40), Edits(0, 10, 0, 50)])
    known = corpus_rates([Edits(0, 10, 1, 40), Edits(0, 10, 0, 50)])
    page = Page(render_page(Validation(model("a.pb"), [], candidates, [], known)))
    assert page.row("reference")[1:3] == ["2", "0.000 (0.000 to 0.000)"]
    row = page.row("good/model.tflite")
    assert (row[1], row[2][:7]) == ("2", "0.050 (")
    assert [row[0] for row in page.rows].count(EVIL_PATH) == 0
    assert {"href": "#candidate-1"} in page.attributes("a")
    assert "95 % confidence" in page.text
    assert "Errors" not in Page(render_page(Validation(model("a.pb"), [], candidates[1:]))).text


def test_targets_without_a_file_say_why(pictured: Validation) -> None:
    """The page of all targets lists what was written and what was not, then the validation."""
    rows = [
        ConversionRow("onnx", "pass", "", "a.onnx", 998689, 0.07, 142.4, "d" * 64),
        ConversionRow("coreml", "not installed", "pip install 'dsconv[coreml]'"),
    ]
    page = Page(render_page(pictured, Conversions("a.pb", "pass", rows)))
    assert page.text.startswith(
        "Conversion to all targets: pass Conversion to all targets pass "
        "2 targets: 1 pass, 1 not installed. "
    )
    assert page.row("onnx") == ["onnx", "pass", "a.onnx", "998,689", "0.07", "142", "d" * 64]
    assert page.row("coreml") == ["coreml", "not installed", "pip install 'dsconv[coreml]'"]
    assert "The reference's probabilities" in page.text
    alone = Page(render_page(None, Conversions("a.pb", "converted", rows)))
    assert alone.row("onnx")[2] == "a.onnx"
    assert "Reference" not in alone.text


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_a_person_sees_the_page(
    pictured: Validation, browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    """Nothing is asked for, reported or cut off, and all text stands out from its ground."""
    path = tmp_path / "report.html"
    write_page(pictured, path)
    browser.open(path, width, dark=dark)
    assert browser.requests == [path.as_uri()]
    assert browser.errors == []
    browser.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    seen = browser.evaluate("document.body.innerText")
    assert "2 candidates: 1 pass, 1 fail." in seen
    assert "frame 20 differs" in seen
    assert "0.250 (0.000 to 0.500)" in seen
    root = "document.documentElement"
    wide, fits = browser.evaluate(f"[{root}.scrollWidth, {root}.clientWidth]")
    assert wide <= fits
    assert fits > width - 20
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 10
    assert {what: ratio for what, ratio in contrasts.items() if ratio < 4.5} == {}
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")


def pixels(browser: Browser, anchor: str) -> NDArray[Any]:
    """The first picture of a drawing, as the browser decodes it: [height, width, 4]."""
    width, height, data = browser.evaluate(f"({COLOURS_OF_PIXELS})('{anchor}')")
    return np.array(data).reshape(height, width, 4)


def test_heat_maps_show_what_was_heard(
    pictured: Validation, browser: Browser, tmp_path: Path
) -> None:
    """A column a frame, the likeliest class most opaque, its letter above that very column."""
    path = tmp_path / "report.html"
    write_page(pictured, path)
    browser.open(path)
    heat = pixels(browser, "clip-1")
    assert heat.shape == (CLASSES, FRAMES, 4)
    assert heat[:, :, 3].argmax(axis=0).tolist() == spoken().argmax(axis=1).tolist()
    script = """
    (() => {
      const middle = (box) => box.left + box.width / 2;
      const drawing = document.querySelector("#clip-1 .scroll svg");
      const left = drawing.querySelector("image").getBoundingClientRect().left;
      return [...drawing.querySelectorAll(".letter")].map(
        (text) => [text.firstChild.data, (middle(text.getBoundingClientRect()) - left) / 8]);
    })()
    """
    letters = browser.evaluate(script)
    assert "".join(text for text, _ in letters) == LETTERS.replace(" ", "␣")
    assert [int(frame) for _, frame in letters] == [3 + 5 * i for i in range(len(LETTERS))]
    labels = browser.evaluate(
        "[...document.querySelectorAll('#clip-1 .drawing > svg text')].map(t => t.firstChild.data)"
    )
    assert labels[:3] == ["␣", "a", "b"]
    assert labels[CLASSES - 1 :] == ["blank", "1 tflite", "2 onnx"]


def test_difference_maps_tell_where(pictured: Validation, browser: Browser, tmp_path: Path) -> None:
    """What is above the tolerance is red, what is below it is not, and no difference is clear."""
    path = tmp_path / "report.html"
    write_page(pictured, path)
    browser.open(path)
    found = pixels(browser, "candidate-2-1")
    assert np.argwhere(found[:, :, 3] > 0).tolist() == [[7, 20], [9, 40]]
    above, within = found[7, 20], found[9, 40]
    assert above[0] > 2 * above[2]
    assert within[2] > within[0]
    assert not pixels(browser, "candidate-1-1")[:, :, 3].any()
    titles = browser.evaluate(
        "[...document.querySelectorAll('#candidate-2-1 rect title')].map(t => t.textContent)"
    )
    assert titles == [
        "call 1, frames 0 to 15: new_state_c 1.00e-06",
        "call 2, frames 16 to 31: new_state_c 1.00e-03",
        "call 3, frames 32 to 59: new_state_c 1.00e-07",
    ]
    assert browser.evaluate("document.querySelector('#candidate-2 details:last-of-type').open")


def test_sizes_and_times_have_units() -> None:
    """Bytes in powers of 1000, seconds down to their millionths."""
    sizes = [999, 1000, 264_872, 1_008_794, 2_500_000_000]
    assert [file_size(n) for n in sizes] == ["999 B", "1.0 kB", "264.9 kB", "1.0 MB", "2.5 GB"]
    assert [duration(s) for s in (1234.5, 12.34, 0.0317, 6.71e-4)] == [
        "1,234 s",
        "12.3 s",
        "31.7 ms",
        "671 µs",
    ]
