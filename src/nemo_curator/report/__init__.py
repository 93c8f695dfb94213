"""The page that explains a run to people: numbers and thumbnails in one self-contained HTML file."""
