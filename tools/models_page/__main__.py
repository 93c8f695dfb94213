"""Renew the tables of the page of models from the registry: python -m tools.models_page."""

from __future__ import annotations

from tools.models_page.tables import PAGE, renewed

if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
