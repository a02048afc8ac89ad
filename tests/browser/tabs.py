"""Tabs that tests use one after the other, each as if it were new: a new one costs a second of a processor."""

from collections import defaultdict
from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Frame, Page

Complain = Callable[[str], None]


class Tabs:
    """The tabs of a test: those that it leaves are for the next ones."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._free: defaultdict[str, list[Tab]] = defaultdict(list)
        self._used: list[Tab] = []

    def open(
        self,
        url: str,
        *,
        complain: Complain,
        width: int = 1200,
        height: int = 800,
        scheme: str = "dark",
        motion: str = "no-preference",
        locale: str = "en",
        own: bool = False,
    ) -> Page:
        """Open an address; tell what the page complains of, of the content security policy too.

        Args:
            url: The address.
            complain: Hears of it.
            width: Of the page, in pixels.
            height: Likewise.
            scheme: `light` or `dark`.
            motion: `reduce` where much time passes: what moves is drawn sixty times a second, without a GPU.
            locale: The browser's language.
            own: For a test that changes the browser itself, as by a script that comes before those of all pages.
        """
        free = [] if own else self._free[locale]
        tab = free.pop() if free else Tab(self._browser.new_context(locale=locale), locale, own=own)
        self._used.append(tab)
        tab.listen(complain)
        tab.page.set_viewport_size({"width": width, "height": height})
        tab.page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        tab.page.goto(url)
        return tab.page

    def leave(self) -> None:
        """Leave the tabs of a test as new ones are."""
        used, self._used = self._used, []
        for tab in used:
            if tab.own:
                tab.page.context.close()
            else:
                tab.clear()
                self._free[tab.locale].append(tab)


class Tab:
    """One page in a context of its own."""

    def __init__(self, context: BrowserContext, locale: str, *, own: bool) -> None:
        self.page = context.new_page()
        self.locale = locale
        self.own = own
        self._debugger = context.new_cdp_session(self.page)
        self._origins: set[str] = set()
        self._complain: Complain = print
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("console", self._hear)
        self.page.on("framenavigated", self._note)

    def listen(self, complain: Complain) -> None:
        self._complain = complain

    def clear(self) -> None:
        """Forget everything: pages, storage, the cache, permissions, routes, where the pointer was."""
        context = self.page.context
        for other in context.pages:
            if other is not self.page:
                other.close()
        context.set_offline(False)
        context.clear_permissions()
        context.clear_cookies()
        self.page.goto("about:blank")
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.mouse.move(-1, -1)
        self._debugger.send("Network.clearBrowserCache")
        for origin in self._origins:
            self._debugger.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self._origins.clear()

    def _note(self, frame: Frame) -> None:
        parts = urlsplit(frame.url)
        if parts.netloc:
            self._origins.add(f"{parts.scheme}://{parts.netloc}")

    def _hear(self, said: ConsoleMessage) -> None:
        if "Content Security" in said.text:
            self._complain(said.text)
