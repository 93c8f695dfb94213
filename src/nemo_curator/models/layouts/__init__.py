"""How published folders lay an image tower out: what their settings files say, and where the arrays lie."""
