"""A small program on X11 whose camera moves in every way that a game's may; it says what it is sent.

Run as a program of its own: `python board.py WIDTH HEIGHT LEFT TOP [edge] [dialog]`. The world is 1600x1200 px of noise
in squares; the window shows a part of it, with a minimap in its lower right corner. `edge`: the pointer at the window's
edge moves the camera. `dialog` covers a part until Escape is pressed.
"""

import os
import sys
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


def world() -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """Return the world: RGB, shape (1200, 1600, 3)."""
    squares = np.random.default_rng(5).integers(0, 256, (WORLD[1] // SQUARE, WORLD[0] // SQUARE, 3), dtype=np.uint8)
    return squares.repeat(SQUARE, axis=0).repeat(SQUARE, axis=1)


class Board:
    """The window."""

    def __init__(self, width: int, height: int, left: int, top: int, *, dialog: bool, edge: bool) -> None:
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
        # Tk keeps colours as they are: a minimap in one colour does not tell where it is
        self.minimap = (width - WORLD[0] // MINIMAP, height - WORLD[1] // MINIMAP)
        self.canvas.create_rectangle(*self.minimap, width, height, fill="#304050", width=0)
        self.dialog = self.canvas.create_rectangle(60, 60, 160, 120, fill="#ffffff", width=0) if dialog else 0
        self.drag_from: tuple[int, int] | None = None
        self.root.bind("<Key>", self.key)
        self.root.bind("<Button>", self.button)
        self.root.bind("<B3-Motion>", self.dragged)
        self.root.bind("<ButtonRelease>", self.released)
        if edge:
            self.root.after(PUSH_MS, self.edge)
        self.say("up", os.getuid(), Path.cwd())

    def say(self, *words: object) -> None:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()

    def go(self, dx: int, dy: int) -> None:
        for axis, (step, most) in enumerate(zip((dx, dy), WORLD, strict=True)):
            self.at[axis] = max(0, min(most - self.size[axis], self.at[axis] + step))
        self.canvas.coords(self.image, -self.at[0], -self.at[1])
        self.say("at", *self.at)

    def key(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("key", event.keysym, event.state & 5)
        if event.keysym == "Escape" and self.dialog:
            self.canvas.delete(self.dialog)
        step = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}.get(event.keysym)
        if step:
            self.go(STEP * step[0], STEP * step[1])

    def button(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("down", event.num, event.x, event.y, event.state & 5)
        step = {4: (0, -1), 5: (0, 1), 6: (-1, 0), 7: (1, 0)}.get(int(event.num))
        if step:
            across = bool(event.state & 1)  # Shift
            dx, dy = (step[1], 0) if across else step
            self.go(STEP * dx, STEP * dy)
        elif event.num == 3:
            self.drag_from = (event.x, event.y)
        elif event.x >= self.minimap[0] and event.y >= self.minimap[1]:
            where = [(event.x - self.minimap[0]) * MINIMAP, (event.y - self.minimap[1]) * MINIMAP]
            self.go(where[0] - self.at[0], where[1] - self.at[1])

    def dragged(self, event: "tk.Event[tk.Misc]") -> None:
        if self.drag_from is not None:
            self.go(self.drag_from[0] - event.x, self.drag_from[1] - event.y)
            self.drag_from = (event.x, event.y)

    def released(self, event: "tk.Event[tk.Misc]") -> None:
        self.say("let", event.num, event.x, event.y)
        self.drag_from = None

    def edge(self) -> None:
        x, y = (
            self.root.winfo_pointerx() - self.root.winfo_rootx(),
            self.root.winfo_pointery() - self.root.winfo_rooty(),
        )
        step = [STEP * ((at == size - 1) - (at == 0)) for at, size in zip((x, y), self.size, strict=True)]
        if any(step) and not (x in (0, self.size[0] - 1) and y in (0, self.size[1] - 1)):
            self.go(*step)
            self.say("pushed", *step)
        self.root.after(PUSH_MS, self.edge)


if __name__ == "__main__":
    Board(*map(int, sys.argv[1:5]), dialog="dialog" in sys.argv, edge="edge" in sys.argv).root.mainloop()
