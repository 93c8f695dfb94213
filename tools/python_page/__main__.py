"""Renew the tables of the page of Python names: python -m tools.python_page."""

from __future__ import annotations

from tools.python_page.tables import PAGE, renewed

if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
