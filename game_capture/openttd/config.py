"""OpenTTD's configuration for surveys: nothing pops up, nothing is saved, nothing moves but on command."""

from collections.abc import Mapping
from typing import Literal

from imageflow_domain.geometry import Size

Landscape = Literal["temperate", "arctic", "tropic", "toyland"]

_NEWS = (
    "arrival_player", "arrival_other", "accident", "company_info", "open", "close", "economy", "production_player",
    "production_other", "production_nobody", "advice", "new_vehicles", "acceptance", "subsidies", "general",
)  # fmt: skip


def configuration(window: Size, *, map_side: int, landscape: Landscape) -> str:
    """Return the text of `openttd.cfg`.

    Args:
        window: The game's window, toolbars included.
        map_side: Tiles on a side of a new map: a power of two, 64 to 4096. Savegames bring their own.
        landscape: A new map's climate.
    """
    exponent = map_side.bit_length() - 1
    sections: Mapping[str, Mapping[str, object]] = {
        "misc": {
            "display_opt": "SHOW_TOWN_NAMES|SHOW_STATION_NAMES|SHOW_SIGNS|FULL_ANIMATION|FULL_DETAIL|WAYPOINTS",
            "graphicsset": '"OpenGFX"',
            "soundsset": '"NoSound"',
            "musicset": '"NoMusic"',
            "language": "english.lng",
            "resolution": f"{window.width_px},{window.height_px}",
            "fullscreen": "false",
            "screenshot_format": '"png"',
        },
        "gui": {
            "autosave": "off",
            "smooth_scroll": "false",
            "pause_on_newgame": "true",
            "auto_scrolling": 0,
            "scroll_mode": 3,
            "hover_delay_ms": 0,
            "errmsg_duration": 1,
            "gui_scale": 100,
            "zoom_min": 0,
            "zoom_max": 5,
            "sprite_zoom_min": 2,
            "screenshot_shows_ui": "false",
            "startup_popups": "false",
        },
        "news_display": dict.fromkeys(_NEWS, "off"),
        "difficulty": {"max_no_competitors": 0, "disasters": "false"},
        "game_creation": {"map_x": exponent, "map_y": exponent, "landscape": landscape, "starting_year": 1990},
    }
    return "\n".join(
        f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in keys.items()) + "\n"
        for name, keys in sections.items()
    )
