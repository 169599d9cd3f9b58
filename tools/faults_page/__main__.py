"""Writes the page."""

from tools.faults_page import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
