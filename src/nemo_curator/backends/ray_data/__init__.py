"""The executor on a cluster of Ray, by Ray Data. Importing this loads no Ray: that waits until something is run."""

from nemo_curator.backends.ray_data.executor import RayDataExecutor

__all__ = ["RayDataExecutor"]
