"""What a user finds on the page of `monoctl console`: by role and label, as a screen reader does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from playwright.sync_api import Error, Locator, Page, expect

from tests.support.browser import WAIT_MS

_DROPPED = """files => {
  const all = new DataTransfer();
  for (const [name, content] of Object.entries(files)) {
    all.items.add(new File([typeof content === 'string' ? content : new Uint8Array(content)], name));
  }
  return all;
}"""

LEFT_MS = 10_000
"""How long a page may take to be as it was: another one would take as long."""

expect.set_options(timeout=WAIT_MS)


class ConsolePage:
    """The console in one tab."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def begin(cls, page: Page, address: str) -> Self:
        """Open an address that the terminal showed, and wait until the console is there."""
        page.goto(address)
        found = cls(page)
        found.has_begun()
        return found

    def has_begun(self) -> None:
        expect(self.heading("Secrets")).to_be_visible()

    def is_left_as_found(self) -> bool:
        """Leave what stands over the page, and go back to all secrets; whether that was possible."""
        over = self.page.locator("dialog[open]")
        for _ in range(over.count()):
            self.page.keyboard.press("Escape")
            leave = self.page.get_by_role("button", name="Leave", exact=True)
            leave.evaluate_all("all => all.forEach(one => one.click())")
        if not self.page.get_by_role("banner").count():
            return False
        try:
            expect(over).to_have_count(0, timeout=LEFT_MS)
            self.page.get_by_role("link", name="monoctl console, to the secrets").click(timeout=LEFT_MS)
            expect(self.page.get_by_role("searchbox")).to_have_value("", timeout=LEFT_MS)
            expect(self.heading("Secrets")).to_be_visible(timeout=LEFT_MS)
        except (AssertionError, Error):
            return False
        return True

    # --- places ---

    def heading(self, title: str) -> Locator:
        return self.page.get_by_role("heading", level=1, name=title, exact=True)

    def go(self, title: str) -> None:
        self.page.get_by_role("navigation", name="Views").get_by_role("link", name=title, exact=True).click()
        expect(self.heading(title)).to_be_visible()

    def show(self, uri: str) -> None:
        self.search(uri)
        # By the keyboard: a list that grows shorter may move a row away from under a pointer that is pressed.
        self.row(uri).get_by_role("link", name=uri).press("Enter")
        expect(self.page.get_by_role("heading", level=1)).to_have_text(uri)

    def act(self, uri: str, action: str) -> Form:
        self.show(uri)
        self.page.get_by_role("button", name=action, exact=True).click()
        return self.form()

    # --- the table of secrets ---

    def search(self, words: str) -> None:
        self.page.get_by_role("searchbox", name="Search secrets").fill(words)

    def row(self, uri: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("link", name=uri, exact=True))

    # --- forms ---

    def open_put(self) -> Form:
        self.page.get_by_role("banner").get_by_role("button", name="Put a secret").click()
        return self.form()

    def form(self) -> Form:
        return Form(self.page, self.page.get_by_role("dialog").first)


class Form:
    def __init__(self, page: Page, panel: Locator) -> None:
        self._page = page
        self.panel = panel

    def field(self, label: str) -> Locator:
        return self.panel.get_by_label(label, exact=True)

    def to(self, store: str, path: str) -> Self:
        self.field("Store").select_option(store)
        self.field("Path").fill(path)
        return self

    def value(self, key: str, value: str, *, number: int = 1) -> Self:
        self.field(f"Key {number}").fill(key)
        self.field(f"the value of {key}").fill(value)
        return self

    def drop(self, files: Mapping[str, str | bytes]) -> None:
        """Drop files with these names and contents (bytes only if they are few) on the place for files."""
        contents = {name: content if isinstance(content, str) else list(content) for name, content in files.items()}
        dropped = self._page.evaluate_handle(_DROPPED, contents)
        self.panel.get_by_text("Drop files here").dispatch_event("drop", {"dataTransfer": dropped})

    def press(self, button: str) -> None:
        """Press a button of the form; of two, the one at its end."""
        self.panel.get_by_role("button", name=button, exact=True).last.click()

    def values(self) -> list[str]:
        found: list[str] = self.panel.locator("textarea").evaluate_all("all => all.map(one => one.value)")
        return found

    def sent(self, button: str) -> Locator:
        """Press the button that sends, and return the results, once they are there."""
        self.press(button)
        return self.results()

    def results(self) -> Locator:
        results = self.panel.get_by_role("status").filter(has=self._page.get_by_role("list"))
        expect(results).to_be_visible()
        return results
