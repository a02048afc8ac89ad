"""A small program on X11 whose camera moves in every way that a game's may; it says what it is sent.

Run as a program of its own: `python board.py WIDTH HEIGHT LEFT TOP [WORD]...`. The world is 1600x1200 px of noise in
squares; the window shows a part of it, with a minimap in its lower right corner. The words:
`edge`: the pointer at the window's edge moves the camera, and in no corner.
`corner`: the pointer in the window's lower right corner moves the camera, and in no other place.
`glides`: the camera goes as far as a key is held long, with a start that varies, up to a limit; nothing else moves it.
`dialog` covers a part until Escape is pressed.
`menu` covers all, and takes every key, until its button is clicked: `MENU_BUTTON`.
`panel` covers the left of the map for good.
`late=MS`: a cover of its own lies over all for so long, and stands still.
`popup=N`: at the Nth key, a dialog comes up that takes every later key.
`dies=N`: it ends at the Nth key; with `once=FILE` only where that file is not there yet, which it then writes.
`hides=N`: its window goes at the Nth key, and it lives on.
`slips`: once, at the 3rd movement, the camera goes 10 px less far.
`warps`: a while after a drag it puts the pointer back where that began, and it marks the place under the pointer.
`tiles=PX`: a click on the minimap brings the middle of a tile of that size to the window's middle.
`light`: a light in the world that never stands still, at `LIGHT`.
"""

import os
import sys
import time
import tkinter as tk
from pathlib import Path

import numpy as np

WORLD = (1600, 1200)
STEP = 40
"""Pixels that a key, a notch or a push at the edge moves the camera."""
MINIMAP = 10
"""Pixels of the world for each pixel of the minimap."""
SQUARE = 8
PUSH_MS = 150
WARP_MS = 400
GLIDE_PX_PER_S = 500
GLIDE_VARIES_PX = (3, 9, 18)
MOST_GLIDE_PX = 60
MENU_BUTTON = (100, 60)
"""Middle of the menu's button, in the window."""
PANEL = 80
"""Width of the panel."""
LIGHT = (500, 30, 540, 50)
"""Left, top, right and bottom in the world."""


def world() -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """Return the world: RGB, shape (1200, 1600, 3)."""
    squares = np.random.default_rng(5).integers(0, 256, (WORLD[1] // SQUARE, WORLD[0] // SQUARE, 3), dtype=np.uint8)
    return squares.repeat(SQUARE, axis=0).repeat(SQUARE, axis=1)


class Board:
    """The window."""

    def __init__(self, width: int, height: int, left: int, top: int, words: "list[str]") -> None:
        self.words = dict(word.partition("=")[::2] for word in words)
        dialog, edge = "dialog" in self.words, "edge" in self.words
        self.keys = self.moves = 0
        self.size = (width, height)
        self.at = [0, 0]
        self.root = tk.Tk()
        self.root.geometry(f"{width}x{height}+{left}+{top}")
        self.canvas = tk.Canvas(self.root, width=width, height=height, highlightthickness=0)
        self.canvas.pack()
        pixels = world()
        header = f"P6 {WORLD[0]} {WORLD[1]} 255\n".encode()
        self.picture = tk.PhotoImage(data=header + pixels.tobytes(), format="PPM")
        self.image = self.canvas.create_image(0, 0, image=self.picture, anchor="nw")
        # Tk keeps colours as they are: a minimap in one colour does not show where it is
        self.minimap = (width - WORLD[0] // MINIMAP, height - WORLD[1] // MINIMAP)
        self.canvas.create_rectangle(*self.minimap, width, height, fill="#304050", width=0)
        self.light = self.canvas.create_rectangle(*LIGHT, fill="#ffffff", width=0) if "light" in self.words else 0
        self.covers: list[tk.PhotoImage] = []
        if "panel" in self.words:
            self.cover(PANEL, height)
        self.menu = self.cover(width, height) if "menu" in self.words else 0
        if "late" in self.words:
            self.root.after(int(self.words["late"]), self.canvas.delete, self.cover(width, height))
        self.popup = 0
        self.dialog = self.canvas.create_rectangle(60, 60, 160, 120, fill="#ffffff", width=0) if dialog else 0
        self.drag_from: tuple[int, int] | None = None
        self.root.bind("<Key>", self.key)
        if "glides" in self.words:
            self.root.bind("<Key>", self.hold)
            self.root.bind("<KeyRelease>", self.glide)
            self.held_since = 0.0
        self.root.bind("<Button>", self.button)
        self.root.bind("<B3-Motion>", self.dragged)
        self.root.bind("<ButtonRelease>", self.released)
        self.begun: tuple[int, int] | None = None
        if "warps" in self.words:
            self.mark = self.canvas.create_rectangle(-9, -9, -9, -9, outline="#ffffff")
            self.root.bind("<Motion>", self.marked)
        if self.light:
            self.blink(0)
        if edge or "corner" in self.words:
            self.root.after(PUSH_MS, self.edge)
        self.say("up", os.getuid(), Path.cwd())

    def say(self, *words: object) -> None:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()

    def cover(self, width: int, height: int) -> int:
        """Put a picture of its own over the window's upper left part."""
        pixels = np.random.default_rng(9).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
        shown = pixels.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
        self.covers.append(tk.PhotoImage(data=f"P6 {width} {height} 255\n".encode() + shown.tobytes(), format="PPM"))
        return self.canvas.create_image(0, 0, image=self.covers[-1], anchor="nw")

    def blink(self, times: int) -> None:
        self.canvas.itemconfigure(self.light, fill=f"#ff{times % 256:02x}00")
        self.root.after(20, self.blink, times + 1)

    def go(self, dx: int, dy: int) -> None:
        self.moves += 1
        if "slips" in self.words and self.moves == 3:
            dx, dy = (step - 10 * ((step > 0) - (step < 0)) for step in (dx, dy))
        for axis, (step, most) in enumerate(zip((dx, dy), WORLD, strict=True)):
            self.at[axis] = max(0, min(most - self.size[axis], self.at[axis] + step))
        self.canvas.coords(self.image, -self.at[0], -self.at[1])
        if self.light:
            x, y = self.at
            self.canvas.coords(self.light, LIGHT[0] - x, LIGHT[1] - y, LIGHT[2] - x, LIGHT[3] - y)
        self.say("at", *self.at)

    def key(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("key", event.keysym, event.state & 5)
        self.keys += 1
        if self.keys == int(self.words.get("dies", 0)) and not self.died_before():
            self.say("out of luck")
            os._exit(3)
        if self.keys == int(self.words.get("hides", 0)):
            self.root.withdraw()
        if self.menu or self.popup:
            return
        if self.keys == int(self.words.get("popup", 0)):
            self.popup = self.cover(self.size[0] // 2, self.size[1] // 2)
            return
        if event.keysym == "Escape" and self.dialog:
            self.canvas.delete(self.dialog)
        step = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}.get(event.keysym)
        if step:
            self.go(STEP * step[0], STEP * step[1])

    def hold(self, _: "tk.Event[tk.Misc]") -> None:
        self.held_since = time.monotonic()

    def glide(self, event: "tk.Event[tk.Misc]") -> None:
        self.keys += 1
        far = round((time.monotonic() - self.held_since) * GLIDE_PX_PER_S)
        far = min(MOST_GLIDE_PX, far + GLIDE_VARIES_PX[self.keys % len(GLIDE_VARIES_PX)])
        step = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}.get(event.keysym)
        if step:
            self.go(far * step[0], far * step[1])

    def died_before(self) -> bool:
        once = self.words.get("once")
        if once is None:
            return False
        seen = Path(once).exists()
        Path(once).touch()
        return seen

    def button(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("down", event.num, event.x, event.y, event.state & 5)
        if self.menu:
            if max(abs(event.x - MENU_BUTTON[0]), abs(event.y - MENU_BUTTON[1])) <= 10:
                self.canvas.delete(self.menu)
                self.menu = 0
            return
        step = {4: (0, -1), 5: (0, 1), 6: (-1, 0), 7: (1, 0)}.get(int(event.num))
        if step:
            across = bool(event.state & 1)  # Shift
            dx, dy = (step[1], 0) if across else step
            self.go(STEP * dx, STEP * dy)
        elif event.num == 3 and "glides" not in self.words:
            self.drag_from = self.begun = (event.x, event.y)
        elif event.x >= self.minimap[0] and event.y >= self.minimap[1]:
            where = [(event.x - self.minimap[0]) * MINIMAP, (event.y - self.minimap[1]) * MINIMAP]
            if "tiles" in self.words:
                tile = int(self.words["tiles"])
                where = [px // tile * tile + tile // 2 - size // 2 for px, size in zip(where, self.size, strict=True)]
            self.go(where[0] - self.at[0], where[1] - self.at[1])

    def dragged(self, event: "tk.Event[tk.Misc]") -> None:
        if self.drag_from is not None:
            self.go(self.drag_from[0] - event.x, self.drag_from[1] - event.y)
            self.drag_from = (event.x, event.y)

    def released(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("let", event.num, event.x, event.y)
        self.drag_from = None
        if "warps" in self.words and self.begun is not None:
            self.root.after(WARP_MS, self.warp, *self.begun)

    def warp(self, x: int, y: int) -> None:
        self.root.event_generate("<Motion>", warp=True, x=x, y=y)

    def marked(self, event: "tk.Event[tk.Misc]") -> None:
        self.canvas.coords(self.mark, event.x - 9, event.y - 9, event.x + 9, event.y + 9)

    def edge(self) -> None:
        x, y = (
            self.root.winfo_pointerx() - self.root.winfo_rootx(),
            self.root.winfo_pointery() - self.root.winfo_rooty(),
        )
        step = [STEP * ((at == size - 1) - (at == 0)) for at, size in zip((x, y), self.size, strict=True)]
        is_corner = x in (0, self.size[0] - 1) and y in (0, self.size[1] - 1)
        is_where = min(step) > 0 if "corner" in self.words else not is_corner
        if any(step) and is_where:
            self.go(*step)
            self.say("pushed", *step)
        self.root.after(PUSH_MS, self.edge)


if __name__ == "__main__":
    Board(*map(int, sys.argv[1:5]), sys.argv[5:]).root.mainloop()
