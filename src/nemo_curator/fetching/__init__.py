"""Lists of URLs to shards of images: downloads with manners, and an answer for every row."""

from nemo_curator.fetching.crew import Progress
from nemo_curator.fetching.fetch import Fetched, fetch
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.statuses import STATUSES

__all__ = ["STATUSES", "FetchSettings", "Fetched", "Progress", "fetch"]
