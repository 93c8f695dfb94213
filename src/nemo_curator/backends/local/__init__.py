"""The default executor: worker processes on this machine, no server."""

from nemo_curator.backends.local.executor import LocalExecutor

__all__ = ["LocalExecutor"]
