"""For tests of pipelines and of users' own stages: builders of images and shards, and the contract of a score."""

from nemo_curator.testing.contract import assert_stage_contract
from nemo_curator.testing.contract_images import contract_images
from nemo_curator.testing.images import encoded, photo
from nemo_curator.testing.shards import make_tar, tar_bytes

__all__ = ["assert_stage_contract", "contract_images", "encoded", "make_tar", "photo", "tar_bytes"]
