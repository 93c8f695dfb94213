"""The picture of the tutorial, drawn from photos of the demo."""
