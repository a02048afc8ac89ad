"""The net that is trained: its layers as data, which `training` computes and `export` writes as an ONNX graph.

A picture becomes, on a grid of 24 x 24 cells, a score for each kind of defect and the box of what the cell lies on,
and, on 48 x 48 places, how sure it is that each of them is part of a defect.
"""

from dataclasses import dataclass

from imageflow_models.products import SIZE_PX, DefectKind

KINDS = tuple(DefectKind)
CELL_PX = 8
CELLS = SIZE_PX // CELL_PX
PLACE_PX = 4
PLACES = SIZE_PX // PLACE_PX
MEAN = (0.4, 0.4, 0.4)
STD = (0.2, 0.2, 0.2)
IMAGE = "image"
SCORES, SIDES, HEAT = "score_logits", "side_logits", "heat_logits"


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """Padded so that stride 1 keeps the size; then `plus` is added, then negative values become 0."""

    name: str
    of: str
    channels: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    plus: str | None = None
    rectified: bool = True

    @property
    def padding(self) -> int:
        """Zeros on every side, in values of the layer before."""
        return self.kernel // 2 * self.dilation


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean over the whole picture: 1 x 1."""

    name: str
    of: str


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A coarse layer, each value repeated 2 x 2, and the channels of a fine one behind it."""

    name: str
    coarse: str
    fine: str


Layer = Convolution | Mean | Joined

LAYERS: tuple[Layer, ...] = (
    Convolution(name="stem", of=IMAGE, channels=16, kernel=5, stride=2),
    Convolution(name="fine", of="stem", channels=24, stride=2),
    Convolution(name="finer", of="fine", channels=24, plus="fine"),
    Convolution(name="coarse", of="finer", channels=48, stride=2),
    Convolution(name="near", of="coarse", channels=48, plus="coarse"),
    Convolution(name="middle", of="near", channels=48, dilation=2, plus="near"),
    Convolution(name="far", of="middle", channels=48, dilation=4, plus="middle"),
    Mean(name="overall", of="far"),
    Convolution(name="design", of="overall", channels=48, kernel=1),
    # Which mark is right depends on the whole product: what is known of it is added to every cell.
    Convolution(name="informed", of="design", channels=48, kernel=1, plus="far"),
    Convolution(name="judged", of="informed", channels=48, plus="informed"),
    Convolution(name=SCORES, of="judged", channels=len(KINDS), kernel=1, rectified=False),
    Convolution(name=SIDES, of="judged", channels=4, kernel=1, rectified=False),
    Joined(name="joined", coarse="judged", fine="finer"),
    Convolution(name="mixed", of="joined", channels=24, kernel=1),
    Convolution(name="sharp", of="mixed", channels=24, plus="mixed"),
    Convolution(name=HEAT, of="sharp", channels=len(KINDS), kernel=1, rectified=False),
)


def input_channels() -> dict[str, int]:
    """Return how many channels go into each convolution."""
    channels, into = {IMAGE: 3}, {}
    for layer in LAYERS:
        match layer:
            case Convolution():
                into[layer.name] = channels[layer.of]
                channels[layer.name] = layer.channels
            case Mean():
                channels[layer.name] = channels[layer.of]
            case Joined():
                channels[layer.name] = channels[layer.coarse] + channels[layer.fine]
    return into
