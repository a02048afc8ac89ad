"""The palette and small things that buildings and tiles are drawn with: one colour a pixel, no blending."""

import random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]

TILE_PX: Final = 32

GRASS: Final[Colour] = (104, 159, 76)
GRASS_DARK: Final[Colour] = (88, 142, 66)
GRASS_LIGHT: Final[Colour] = (124, 178, 88)
LEAF: Final[Colour] = (62, 118, 58)
LEAF_DARK: Final[Colour] = (42, 90, 50)
LEAF_LIGHT: Final[Colour] = (98, 152, 68)
PINE: Final[Colour] = (40, 98, 76)
PINE_DARK: Final[Colour] = (26, 70, 60)
PINE_LIGHT: Final[Colour] = (66, 130, 92)
TRUNK: Final[Colour] = (102, 74, 52)
SHADE: Final[Colour] = (70, 114, 58)
SAND: Final[Colour] = (226, 204, 148)
SAND_DARK: Final[Colour] = (200, 176, 120)
FOAM: Final[Colour] = (206, 232, 240)
WATER: Final[Colour] = (66, 132, 190)
WATER_LIGHT: Final[Colour] = (92, 158, 208)
WATER_DARK: Final[Colour] = (54, 116, 174)
ASPHALT: Final[Colour] = (92, 94, 104)
ASPHALT_DARK: Final[Colour] = (80, 82, 92)
KERB: Final[Colour] = (182, 178, 168)
PAVING: Final[Colour] = (204, 196, 178)
PAVING_DARK: Final[Colour] = (184, 174, 156)
LINE: Final[Colour] = (232, 228, 208)
OUTLINE: Final[Colour] = (58, 50, 58)
GLASS: Final[Colour] = (120, 172, 204)
GLASS_LIGHT: Final[Colour] = (190, 222, 236)
GLASS_DARK: Final[Colour] = (74, 112, 150)
CREAM: Final[Colour] = (240, 226, 194)
WHITE: Final[Colour] = (244, 242, 234)
STONE: Final[Colour] = (178, 174, 176)
STONE_DARK: Final[Colour] = (140, 136, 142)
DOOR: Final[Colour] = (112, 66, 48)

ROOFS: Final[tuple[Colour, ...]] = (
    (196, 84, 62),
    (214, 132, 66),
    (108, 108, 152),
    (92, 136, 124),
    (146, 84, 104),
    (120, 96, 80),
)
WALLS: Final[tuple[Colour, ...]] = (CREAM, WHITE, (226, 196, 160), (200, 152, 124), (206, 214, 208), (190, 120, 100))
FLOWERS: Final[tuple[Colour, ...]] = ((236, 216, 96), (232, 122, 132), (240, 240, 232), (180, 140, 210))


def darker(colour: Colour, steps: int = 1) -> Colour:
    """Take the same off red, green and blue with each step; none of them goes below 0."""
    return tuple(max(0, part - 26 * steps) for part in colour)  # type: ignore[return-value]  # a comprehension has no length


def lighter(colour: Colour, steps: int = 1) -> Colour:
    """Add the same to red, green and blue with each step; none of them goes above 255."""
    return tuple(min(255, part + 22 * steps) for part in colour)  # type: ignore[return-value]  # a comprehension has no length


def _grain(side_px: int, seed: int, colour: Colour) -> NDArray[np.uint8]:
    """A plain ground, one pixel in four a shade off: games' grounds are textured, and flat ones cannot be matched."""
    dice = np.random.default_rng(seed).integers(0, 8, (side_px, side_px))
    shades = np.array([colour] * 8) + np.array([-6, 6, 0, 0, 0, 0, 0, 0])[:, None]
    pixels: NDArray[np.uint8] = shades.clip(0, 255).astype(np.uint8)[dice]
    return pixels


class Canvas:
    """A sprite in the making, on grass.

    Args:
        side_px: Width and height; a multiple of a tile's.
        seed: Chooses the scattered details, never the layout.
    """

    def __init__(self, side_px: int, seed: int, ground: Colour = GRASS) -> None:
        self.side_px = side_px
        self.image = Image.fromarray(_grain(side_px, seed, ground))
        self.draw = ImageDraw.Draw(self.image)
        self.random = random.Random(seed)  # noqa: S311  decoration, not secrets

    def box(self, x: int, y: int, width: int, height: int, colour: Colour, outline: Colour | None = None) -> None:
        """Fill a rectangle whose top left pixel is (x, y); an outline is drawn on its outermost pixels."""
        self.draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour, outline=outline)

    def speckle(self, count: int, colours: tuple[Colour, ...], *, length: int = 1) -> None:
        """Scatter upright dashes of `length` px."""
        for _ in range(count):
            x, y = self.random.randrange(self.side_px), self.random.randrange(self.side_px - length + 1)
            self.draw.line((x, y, x, y + length - 1), fill=self.random.choice(colours))

    def meadow(self) -> None:
        """Give the grass some life."""
        area = self.side_px * self.side_px
        self.speckle(area // 60, (GRASS_DARK,), length=2)
        self.speckle(area // 90, (GRASS_LIGHT,), length=2)
        self.speckle(area // 500, FLOWERS)

    def tree(self, x: int, y: int, radius: int = 9) -> None:
        """A broad-leaved tree whose trunk stands at (x, y)."""
        self.draw.ellipse((x - radius + 4, y - 4, x + radius + 4, y + 5), fill=SHADE)
        self.box(x - 1, y - 5, 3, 6, TRUNK)
        top = y - radius - 6
        self.draw.ellipse((x - radius, top - radius + 2, x + radius, top + radius + 2), fill=LEAF_DARK)
        self.draw.ellipse((x - radius, top - radius, x + radius - 1, top + radius - 1), fill=LEAF)
        self.draw.ellipse((x - radius + 2, top - radius + 1, x + radius // 3, top + radius // 4), fill=LEAF_LIGHT)
        for _ in range(radius):
            dx, dy = self.random.randint(-radius + 3, radius - 3), self.random.randint(-radius + 4, radius - 3)
            self.draw.line((x + dx, top + dy, x + dx + 1, top + dy), fill=LEAF_DARK if dy > -2 else LEAF)

    def pine(self, x: int, y: int, height: int = 26) -> None:
        """A conifer whose trunk stands at (x, y)."""
        self.draw.ellipse((x - 5, y - 3, x + 11, y + 4), fill=SHADE)
        self.box(x - 1, y - 4, 3, 5, TRUNK)
        for storey in range(3):
            base, half = y - 4 - storey * height // 4, 10 - 2 * storey
            tip = base - height // 2
            self.draw.polygon(((x - half, base), (x + half, base), (x, tip)), fill=PINE)
            self.draw.polygon(((x, base), (x + half, base), (x, tip)), fill=PINE_DARK)
            self.draw.line((x - half + 2, base - 1, x - 1, tip + 2), fill=PINE_LIGHT)

    def bush(self, x: int, y: int) -> None:
        """A bush, 11 px wide, whose middle stands at (x, y)."""
        self.draw.ellipse((x - 5, y - 6, x + 5, y + 2), fill=LEAF_DARK)
        self.draw.ellipse((x - 5, y - 7, x + 4, y), fill=LEAF)
        self.draw.line((x - 3, y - 5, x, y - 6), fill=LEAF_LIGHT)

    def window(self, x: int, y: int, width: int = 6, height: int = 7) -> None:
        """A window with a dark frame, whose top left pixel is (x, y)."""
        self.box(x, y, width, height, GLASS, OUTLINE)
        self.draw.line((x + 1, y + 1, x + 1 + width // 3, y + 1), fill=GLASS_LIGHT)
