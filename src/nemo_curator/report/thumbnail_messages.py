"""What a report says to the process that makes its thumbnails, and what it hears.

A request is a side in pixels, a length and so many bytes: an encoded image. An answer is a status, width, height, a
length and so many bytes: the thumbnail, or one sentence.
"""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<HQ")
ANSWER = struct.Struct("<?HHQ")
SIDE = 224
"""Longer side of a thumbnail in pixels, unless another is asked for; shown at about 160, for dense screens."""
