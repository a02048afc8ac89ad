"""A small program on X11 whose camera is moved by keys, over a land that ends in a slant, with a lake.

Run as a program of its own: `python landscape.py WIDTH HEIGHT [restless]`. What it shows is `land()`, from the camera's
place on; a light blinks where it is restless.
"""

import sys
import tkinter as tk

import numpy as np
from numpy.typing import NDArray

SIZE = (1280, 960)
PRESS = (32, 16)
LAKE = (slice(280, 640), slice(400, 800))
_SQUARE = 4


def land() -> NDArray[np.uint8]:
    """Return the land: RGB, shape (960, 1280, 3)."""
    squares = np.random.default_rng(11).integers(0, 256, (SIZE[1] // _SQUARE, SIZE[0] // _SQUARE, 3), np.uint8)
    pixels = squares.repeat(_SQUARE, axis=0).repeat(_SQUARE, axis=1)
    pixels[LAKE] = (30, 60, 120)
    return pixels


def last_x(y: int, width: int) -> int:
    """Return how far to the right the camera can be at a height: the land is narrower at its top."""
    return min(SIZE[0] - width, 512 + y // 16 * 32)


class Landscape:
    """The window."""

    def __init__(self, width: int, height: int, *, restless: bool) -> None:
        self.size = (width, height)
        self.x, self.y = 64, 32
        self.root = tk.Tk()
        self.root.geometry(f"{width}x{height}+0+0")
        self.canvas = tk.Canvas(self.root, width=width, height=height, highlightthickness=0)
        self.canvas.pack()
        header = f"P6 {SIZE[0]} {SIZE[1]} 255\n".encode()
        self.picture = tk.PhotoImage(data=header + land().tobytes(), format="PPM")
        self.image = self.canvas.create_image(-self.x, -self.y, image=self.picture, anchor="nw")
        self.root.bind("<Key>", self.pressed)
        self.root.focus_force()
        self.light = self.canvas.create_rectangle(20, 20, 60, 60, fill="#ffffff", width=0) if restless else 0
        if restless:
            self.blink(0)

    def blink(self, times: int) -> None:
        self.canvas.itemconfigure(self.light, fill=f"#ff{times % 256:02x}00")
        self.root.after(20, self.blink, times + 1)

    def pressed(self, event: "tk.Event[tk.Misc]") -> None:
        ways = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}
        across, down = ways.get(event.keysym, (0, 0))
        x, y = self.x + across * PRESS[0], self.y + down * PRESS[1]
        if 0 <= y <= SIZE[1] - self.size[1] and 0 <= x <= last_x(y, self.size[0]):
            self.x, self.y = x, y
            self.canvas.coords(self.image, -x, -y)


if __name__ == "__main__":
    Landscape(int(sys.argv[1]), int(sys.argv[2]), restless="restless" in sys.argv).root.mainloop()
