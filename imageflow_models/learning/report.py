"""The report of a learned model: one HTML file that holds its images."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imageflow_domain.errors import StoreUnavailable
from imageflow_models.learning.false_alarms import Threshold, percent
from imageflow_models.learning.photographs import read_pixels
from imageflow_models.learning.synthetic_defects import FoundShare

_SHOWN_PX = 260
_MOST_SHOWN = 48
_BINS = 40
_WIDTH, _HEIGHT = 640, 160
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
h1, h2 { font-weight: 600 } h2 { margin-top: 2rem }
figure { display: inline-block; margin: 0 1rem 1rem 0; vertical-align: top } figcaption { font-size: 13px }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
.found { color: #176b2c } .missed { color: #a3151c }
"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image with its score and heat."""

    name: str
    path: Path
    score: float
    heat: NDArray[np.float32] = field(repr=False)
    """Rows x columns; 0.5 at the threshold."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the report says."""

    name: str
    size: str
    threshold: Threshold
    cut: float
    """The score from which an image is bad."""
    scores: Sequence[float]
    """Of the good images, each by what the others taught."""
    worst: Sequence[Shown]
    suspects: Sequence[str]
    bad: Sequence[Shown]
    tried: Sequence[FoundShare]

    @property
    def auroc(self) -> float | None:
        """The area under the curve of true over false alarms, image by image; `None` without bad images."""
        if not self.bad:
            return None
        good, bad = np.array(self.scores), np.array([each.score for each in self.bad])
        wins = (bad[:, None] > good).mean() + 0.5 * (bad[:, None] == good).mean()
        return float(wins)

    @property
    def found(self) -> int:
        """How many bad images are judged bad."""
        return sum(each.score > self.cut for each in self.bad)


def write_report(path: Path, findings: Findings) -> None:
    """Write the report; raise `StoreUnavailable` where that fails."""
    try:
        path.write_text(_page(findings), encoding="utf-8")
    except OSError as error:
        raise StoreUnavailable(f"'{path}' cannot be written ({error.strerror}): name another folder.") from error


def _page(findings: Findings) -> str:
    name = escape(findings.name)
    parts = [
        f"<h1>{name}</h1><p>Learned from {len(findings.scores):,} good images, each stretched to "
        f"{findings.size} px.</p>",
        f"<h2>Threshold</h2><p>{escape(findings.threshold.describe())}</p>",
        _histogram(findings),
        "<p>Each good image is scored by a model that has not seen it.</p>",
        "<h2>Good images with the highest scores</h2>",
        _suspicion(findings.suspects),
        "".join(_figure(each, findings.cut, is_bad=False) for each in findings.worst),
        "<h2>Drawn defects</h2><p>Spots drawn on good images: how many were found, by width in pixels of the "
        "original image and by contrast.</p>",
        _table(findings.tried),
        _bad(findings),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _suspicion(names: Sequence[str]) -> str:
    if not names:
        return "<p>None of them lies far from the others.</p>"
    listed = escape(", ".join(names))
    return f"<p>Unlike all others: {listed}. If one of them is bad, remove it and learn again.</p>"


def _bad(findings: Findings) -> str:
    if not findings.bad:
        return ""
    text = (
        f"<h2>Bad images</h2><p>{findings.found} of {len(findings.bad)} are found; the area under the curve "
        f"(AUROC) is {findings.auroc:.3f}. None of them was learned from.</p>"
    )
    ranked = sorted(findings.bad, key=lambda each: each.score)[:_MOST_SHOWN]
    return text + "".join(_figure(each, findings.cut, is_bad=True) for each in ranked)


def _table(tried: Sequence[FoundShare]) -> str:
    contrasts = sorted({each.contrast for each in tried})
    head = "".join(f"<th>{percent(contrast)}</th>" for contrast in contrasts)
    rows = [
        f"<tr><th>{size} px</th>"
        + "".join(
            f"<td>{each.found} of {each.drawn}</td>"
            for contrast in contrasts
            for each in tried
            if (each.size_px, each.contrast) == (size, contrast)
        )
        + "</tr>"
        for size in sorted({each.size_px for each in tried})
    ]
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _histogram(findings: Findings) -> str:
    """Draw how often each score occurs: good images above the line, bad ones below it, and the threshold."""
    bad = [each.score for each in findings.bad]
    top = max(*findings.scores, *bad, findings.cut) * 1.05
    edges = np.linspace(0, top, _BINS + 1)
    counts = [np.histogram(values, edges)[0] for values in (findings.scores, bad)]
    highest = max(int(each.max(initial=0)) for each in counts) or 1
    middle, bar = _HEIGHT / 2, _WIDTH / _BINS
    bars = "".join(
        f'<rect x="{i * bar:.1f}" width="{bar - 1:.1f}" height="{height:.1f}" '
        f'y="{middle - height if upwards else middle:.1f}" fill="{colour}"/>'
        for upwards, colour, values in ((True, "#2f6f9f", counts[0]), (False, "#b8442a", counts[1]))
        for i, count in enumerate(values)
        if (height := (middle - 12) * count / highest)
    )
    at = _WIDTH * findings.cut / top
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="Histogram of scores">{bars}'
        f'<line x1="0" x2="{_WIDTH}" y1="{middle}" y2="{middle}" stroke="#999"/>'
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{_HEIGHT}" stroke="#000" stroke-dasharray="4 3"/>'
        f'<text x="{min(at + 4, _WIDTH - 130):.1f}" y="11" font-size="11">threshold {findings.cut:.2f}</text></svg>'
    )


def _figure(shown: Shown, cut: float, *, is_bad: bool) -> str:
    over = shown.score > cut
    verdict = {
        (True, True): '<span class="found">found</span>',
        (True, False): '<span class="missed">missed</span>',
        (False, True): '<span class="missed">false alarm</span>',
        (False, False): "passes",
    }[is_bad, over]
    name = escape(shown.name)
    return (
        f'<figure><img alt="{name}" src="data:image/jpeg;base64,{_picture(shown)}">'
        f"<figcaption>{name}<br>score {shown.score:.2f}, {verdict}</figcaption></figure>"
    )


def _picture(shown: Shown) -> str:
    """Return the image and, beside it, the image under its heat, as a JPEG in base 64."""
    pixels = cv2.cvtColor(read_pixels(shown.path), cv2.COLOR_RGB2BGR)
    scale = min(1.0, _SHOWN_PX / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    heat = cv2.resize(shown.heat, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_LINEAR)
    # From a quarter on: what is far below the threshold is not coloured.
    strength = np.clip((heat - 0.25) / 0.5, 0, 1)[..., None]
    colours = cv2.applyColorMap(np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_JET)
    covered = small * (1 - 0.6 * strength) + colours * (0.6 * strength)
    both = np.hstack([small, np.round(covered).astype(np.uint8)])
    done, data = cv2.imencode(".jpg", both, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done  # noqa: S101 - eight bits and three channels are always taken
    return base64.b64encode(data.tobytes()).decode()
