"""Writes the page."""

from tools.codes_page import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
