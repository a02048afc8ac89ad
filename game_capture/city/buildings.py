"""What stands on lots: houses of 3x3 tiles, and large buildings, parks and fields of 6x6 tiles."""

from collections.abc import Callable
from typing import Final

from PIL import Image

from game_capture.city import paint
from game_capture.city.paint import TILE_PX, Canvas, Colour, darker, lighter

SMALL_TILES: Final = 3
LARGE_TILES: Final = 6

_SMALL_PX: Final = SMALL_TILES * TILE_PX
_LARGE_PX: Final = LARGE_TILES * TILE_PX


def houses() -> list[Image.Image]:
    """Every house, each 96x96 px."""
    return [_house(kind) for kind in range(36)]


def towers() -> list[Image.Image]:
    """What stands in the middle of a town, each 192x192 px."""
    makers: tuple[Callable[[int], Image.Image], ...] = (_office, _flats, _office, _mall, _flats, _plaza)
    return [make(kind) for kind in range(3) for make in makers]


def outskirts() -> list[Image.Image]:
    """Large lots of the suburbs, each 192x192 px."""
    return [make(kind) for kind in range(2) for make in (_factory, _park, _stadium, _park, _flats)]


def fields() -> list[Image.Image]:
    """Farmland, each 192x192 px."""
    return [_field(kind) for kind in range(5)]


def _gable(canvas: Canvas, x: int, y: int, width: int, depth: int, colour: Colour) -> None:
    """A roof with its ridge from left to right."""
    half = depth // 2
    canvas.box(x, y, width, half, lighter(colour))
    canvas.box(x, y + half, width, depth - half, colour)
    for row in range(y + 3, y + depth, 4):
        shade = colour if row < y + half else darker(colour)
        canvas.draw.line((x, row, x + width - 1, row), fill=shade)
    canvas.draw.line((x, y + half, x + width - 1, y + half), fill=darker(colour, 2))
    canvas.draw.rectangle((x, y, x + width - 1, y + depth - 1), outline=paint.OUTLINE)


def _house(kind: int) -> Image.Image:
    canvas = Canvas(_SMALL_PX, seed=100 + kind)
    canvas.meadow()
    roof, wall = paint.ROOFS[kind % 6], paint.WALLS[(kind // 2) % 6]
    shape = kind // 6 % 3
    width, left = (56, 20) if shape == 0 else (44, 22 if shape == 1 else 14 + 12 * (kind % 3))
    top, depth, storey = 22 + 2 * (kind % 4), 26, 20 if shape != 2 else 30
    foot = top + depth + storey
    canvas.box(left + 6, top + 12, width + 4, depth + storey - 8, paint.SHADE)
    path = left + width // 2 - 5
    canvas.box(path, foot, 10, _SMALL_PX - foot, paint.PAVING)
    for row in range(foot + 3, _SMALL_PX, 6):
        canvas.draw.line((path, row, path + 9, row), fill=paint.PAVING_DARK)
    canvas.box(left + 2, top + depth - 2, width - 4, storey + 2, wall, paint.OUTLINE)
    canvas.draw.line((left + 3, foot - 2, left + width - 4, foot - 2), fill=darker(wall))
    _gable(canvas, left - 2, top, width + 4, depth, roof)
    if shape == 1:
        wing = left + width - 6 if kind % 2 else left - 18
        canvas.box(wing + 2, top + 24, 22, 28, darker(wall), paint.OUTLINE)
        _gable(canvas, wing, top + 12, 26, 18, darker(roof))
        canvas.window(wing + 9, top + 36)
    for row in range(foot - storey + 5, foot - 8, 12):
        for column in range(left + 7, left + width - 8, 12):
            if row < foot - 16 or abs(column + 3 - left - width // 2) > 6:
                canvas.window(column, row)
    canvas.box(left + width // 2 - 4, foot - 12, 8, 12, paint.DOOR, paint.OUTLINE)
    if kind % 3 != 1:
        canvas.box(left + width - 14, top + 3, 7, 9, paint.STONE, paint.OUTLINE)
        canvas.box(left + width - 12, top + 5, 3, 3, paint.OUTLINE)
    _garden(canvas, kind)
    return canvas.image


def _garden(canvas: Canvas, kind: int) -> None:
    style = kind % 5
    if style == 0:
        for x in (6, 16, 80, 90):
            canvas.bush(x, 92)
    elif style == 1:
        canvas.tree(12, 90)
    elif style == 2:
        canvas.box(66, 76, 24, 14, paint.WATER_LIGHT, paint.WHITE)
        canvas.draw.line((70, 80, 80, 80), fill=paint.FOAM)
    elif style == 3:
        canvas.tree(84, 92, 8)
        canvas.bush(8, 90)
    else:
        for x in range(2, 94, 6):
            if not 36 < x < 58:
                canvas.box(x, 88, 3, 6, paint.WHITE)
        canvas.draw.line((2, 90, 36, 90), fill=paint.WHITE)
        canvas.draw.line((60, 90, 94, 90), fill=paint.WHITE)
    for _ in range(6):
        x, y = canvas.random.randrange(4, 92), canvas.random.randrange(2, 14)
        canvas.box(x, y, 2, 2, canvas.random.choice(paint.FLOWERS))


def _paved(seed: int) -> Canvas:
    canvas = Canvas(_LARGE_PX, seed=seed, ground=paint.PAVING)
    for line in range(0, _LARGE_PX, 16):
        canvas.draw.line((0, line, _LARGE_PX, line), fill=paint.PAVING_DARK)
        canvas.draw.line((line, 0, line, _LARGE_PX), fill=paint.PAVING_DARK)
    return canvas


def _block(canvas: Canvas, x: int, y: int, width: int, roof_px: int, facade_px: int, wall: Colour) -> None:
    """A flat-roofed building seen from the south and above, its shadow to the east."""
    canvas.box(x + 10, y + 14, width + 8, roof_px + facade_px - 8, darker(paint.PAVING, 2))
    canvas.box(x, y + roof_px, width, facade_px, wall, paint.OUTLINE)
    canvas.box(x, y, width, roof_px, lighter(wall), paint.OUTLINE)
    canvas.draw.rectangle((x + 3, y + 3, x + width - 4, y + roof_px - 4), outline=darker(wall))
    for _ in range(3):
        across = canvas.random.randrange(x + 8, x + width - 22)
        down = canvas.random.randrange(y + 7, y + roof_px - 15)
        canvas.box(across, down, 12, 8, paint.STONE, paint.STONE_DARK)
        canvas.draw.line((across + 2, down + 4, across + 9, down + 4), fill=paint.STONE_DARK)


def _office(kind: int) -> Image.Image:
    canvas = _paved(200 + kind)
    for x, y, width, facade, wall in (
        (18, 6, 88, 104, (paint.GLASS_DARK, (92, 104, 128), (70, 118, 128))[kind]),
        (104, 44, 72, 84, (paint.STONE, paint.CREAM, (188, 142, 112))[kind]),
    ):
        _block(canvas, x, y, width, 44, facade, wall)
        for row in range(y + 50, y + 44 + facade - 14, 10):
            for column in range(x + 5, x + width - 7, 9):
                lit = canvas.random.random() < 0.2
                canvas.box(column, row, 6, 6, paint.GLASS_LIGHT if lit else paint.GLASS)
        canvas.box(x + width // 2 - 9, y + 44 + facade - 11, 18, 11, paint.OUTLINE)
        canvas.box(x + width // 2 - 7, y + 44 + facade - 9, 14, 9, paint.GLASS_LIGHT)
    for x in (10, 120, 150, 180):
        canvas.tree(x, 187, 8)
    return canvas.image


def _flats(kind: int) -> Image.Image:
    canvas = Canvas(_LARGE_PX, seed=300 + kind)
    canvas.meadow()
    canvas.box(0, 90, _LARGE_PX, 10, paint.PAVING)
    canvas.box(90, 0, 10, _LARGE_PX, paint.PAVING)
    wall = (paint.CREAM, (222, 178, 150), (196, 208, 214))[kind]
    for x, y in ((8, 2), (106, 2), (8, 98), (106, 98)):
        _block(canvas, x, y, 74, 26, 54, wall)
        for row in range(y + 31, y + 74, 13):
            for column in range(x + 5, x + 66, 16):
                canvas.window(column, row, 7, 8)
                canvas.box(column + 8, row + 3, 6, 6, paint.ROOFS[(kind + 3) % 6])
    for x, y in ((95, 60), (95, 150), (50, 92), (150, 92)):
        canvas.bush(x, y)
    return canvas.image


def _mall(kind: int) -> Image.Image:
    canvas = Canvas(_LARGE_PX, seed=400 + kind, ground=paint.ASPHALT)
    _block(canvas, 8, 4, 168, 66, 34, (paint.WHITE, paint.CREAM, paint.STONE)[kind])
    for x in range(20, 168, 26):
        canvas.box(x, 12, 14, 48, paint.GLASS, paint.GLASS_DARK)
        canvas.draw.line((x + 3, 14, x + 3, 56), fill=paint.GLASS_LIGHT)
    sign = paint.ROOFS[kind * 2 % 6]
    canvas.box(8, 74, 168, 10, sign, paint.OUTLINE)
    for x in range(14, 170, 12):
        canvas.box(x, 77, 6, 4, paint.WHITE)
    canvas.box(74, 88, 36, 16, paint.GLASS_LIGHT, paint.OUTLINE)
    for y in (116, 154):
        for x in range(8, 184, 14):
            canvas.draw.line((x, y, x, y + 26), fill=paint.LINE)
            if x < 176 and canvas.random.random() < 0.6:
                colour = canvas.random.choice(paint.ROOFS)
                canvas.box(x + 3, y + 4, 9, 18, colour, paint.OUTLINE)
                canvas.box(x + 5, y + 9, 5, 7, paint.GLASS)
    return canvas.image


def _plaza(kind: int) -> Image.Image:
    canvas = _paved(500 + kind)
    canvas.draw.ellipse((96, 100, 176, 170), fill=paint.STONE, outline=paint.STONE_DARK)
    canvas.draw.ellipse((102, 105, 170, 165), fill=paint.WATER_LIGHT, outline=paint.WATER_DARK)
    canvas.draw.ellipse((126, 122, 146, 140), fill=paint.FOAM)
    _block(canvas, 14, 40, 66, 24, 78, paint.STONE)
    _gable(canvas, 10, 30, 74, 56, paint.ROOFS[(kind + 2) % 6])
    canvas.box(30, 22, 30, 90, paint.CREAM, paint.OUTLINE)
    canvas.draw.polygon(((28, 24), (61, 24), (45, 2)), fill=paint.ROOFS[kind], outline=paint.OUTLINE)
    canvas.draw.ellipse((38, 32, 51, 45), fill=paint.WHITE, outline=paint.OUTLINE)
    canvas.draw.line((45, 35, 45, 39), fill=paint.OUTLINE)
    canvas.box(37, 118, 18, 24, paint.DOOR, paint.OUTLINE)
    for x in (100, 125, 150, 175):
        canvas.tree(x, 60)
        canvas.bush(x - 4, 182)
    return canvas.image


def _factory(kind: int) -> Image.Image:
    canvas = Canvas(_LARGE_PX, seed=600 + kind, ground=paint.PAVING_DARK)
    canvas.speckle(300, (paint.PAVING, paint.STONE_DARK), length=2)
    wall = (190, 120, 100) if kind == 0 else (150, 160, 168)
    for left in (10, 66, 122):
        _block(canvas, left, 36, 54, 56, 46, wall)
        canvas.draw.polygon(((left, 36), (left + 53, 36), (left + 53, 62)), fill=paint.GLASS_DARK)
        canvas.draw.line((left, 36, left + 53, 62), fill=paint.OUTLINE)
        for x in range(left + 6, left + 46, 12):
            canvas.window(x, 102, 8, 12)
    for x in (26, 56):
        canvas.box(x, 2, 13, 54, wall, paint.OUTLINE)
        canvas.box(x, 2, 13, 7, paint.WHITE, paint.OUTLINE)
        canvas.box(x, 16, 13, 5, paint.ROOFS[0])
    for x in range(14, 170, 32):
        canvas.box(x, 154, 26, 14, paint.ROOFS[(x // 32 + kind) % 6], paint.OUTLINE)
        for line in range(x + 4, x + 24, 5):
            canvas.draw.line((line, 155, line, 166), fill=darker(paint.ROOFS[(x // 32 + kind) % 6]))
    return canvas.image


def _park(kind: int) -> Image.Image:
    canvas = Canvas(_LARGE_PX, seed=700 + kind)
    canvas.meadow()
    canvas.draw.line((0, 20 + 60 * kind, 96, 96, 191, 60 + 90 * kind), fill=paint.SAND_DARK, width=11)
    canvas.draw.line((0, 20 + 60 * kind, 96, 96, 191, 60 + 90 * kind), fill=paint.SAND, width=7)
    pond = (40, 112, 128, 172) if kind == 0 else (84, 16, 176, 70)
    canvas.draw.ellipse(pond, fill=paint.SAND_DARK)
    left, top, right, bottom = pond
    canvas.draw.ellipse((left + 3, top + 3, right - 3, bottom - 3), fill=paint.WATER, outline=paint.FOAM)
    for _ in range(9):
        x, y = canvas.random.randrange(left + 18, right - 24), canvas.random.randrange(top + 14, bottom - 12)
        canvas.draw.line((x, y, x + 5, y), fill=paint.WATER_LIGHT)
    for _ in range(15):
        x, y = canvas.random.randrange(12, 180), canvas.random.randrange(32, 190)
        if not (left - 14 < x < right + 10 and top - 4 < y < bottom + 26):
            (canvas.tree if canvas.random.random() < 0.7 else canvas.pine)(x, y)
    return canvas.image


def _stadium(kind: int) -> Image.Image:
    canvas = _paved(800 + kind)
    canvas.draw.ellipse((10, 20, 188, 184), fill=darker(paint.PAVING, 2))
    canvas.draw.ellipse((4, 8, 184, 178), fill=paint.WHITE, outline=paint.OUTLINE)
    canvas.draw.ellipse((12, 16, 176, 168), fill=paint.ROOFS[2 * kind], outline=paint.OUTLINE)
    for ring in range(18, 34, 4):
        canvas.draw.ellipse((ring, ring + 4, 188 - ring, 180 - ring), outline=darker(paint.ROOFS[2 * kind]))
    canvas.draw.ellipse((36, 42, 152, 144), fill=paint.GRASS, outline=paint.WHITE)
    for x in range(54, 134, 16):
        canvas.box(x, 58, 8, 70, paint.GRASS_LIGHT)
    canvas.draw.rectangle((50, 58, 138, 127), outline=paint.WHITE)
    canvas.draw.line((94, 58, 94, 127), fill=paint.WHITE)
    canvas.draw.ellipse((82, 81, 106, 105), outline=paint.WHITE)
    return canvas.image


def _field(kind: int) -> Image.Image:
    crop: Colour = ((214, 184, 90), (150, 112, 74), (122, 170, 70), (196, 200, 100), (166, 128, 84))[kind]
    canvas = Canvas(_LARGE_PX, seed=900 + kind)
    canvas.meadow()
    canvas.box(5, 5, _LARGE_PX - 10, _LARGE_PX - 10, crop)
    for line in range(8, _LARGE_PX - 8, 8):
        ends = (line, 6, line, _LARGE_PX - 7) if kind % 2 else (6, line, _LARGE_PX - 7, line)
        canvas.draw.line(ends, fill=darker(crop), width=2)
    for _ in range(260):
        x, y = canvas.random.randrange(8, 182), canvas.random.randrange(8, 182)
        canvas.box(x, y, 2, 2, lighter(crop))
    if kind == 0:
        canvas.box(120, 36, 56, 54, paint.SHADE)
        canvas.box(112, 52, 56, 32, paint.ROOFS[0], paint.OUTLINE)
        _gable(canvas, 108, 24, 64, 36, paint.ROOFS[5])
        canvas.box(130, 66, 18, 18, paint.CREAM, paint.OUTLINE)
    for x in (3, 60, 130, 188):
        canvas.bush(x, 190)
    return canvas.image
