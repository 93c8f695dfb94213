"""Builders of images, samples and shards, for tests of pipelines and of users' own stages."""

from nemo_curator.testing.images import encoded, photo
from nemo_curator.testing.shards import make_tar, tar_bytes

__all__ = ["encoded", "make_tar", "photo", "tar_bytes"]
