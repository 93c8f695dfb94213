"""Pipelines of stages."""

from nemo_curator.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
