"""Names that published tutorials import from here."""
