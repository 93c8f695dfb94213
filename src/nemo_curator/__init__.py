"""imagecurator: image curation that its users can trust, behind the `nemo_curator` import name.

Importing this package loads nothing else: every room is imported by the code that needs it.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
