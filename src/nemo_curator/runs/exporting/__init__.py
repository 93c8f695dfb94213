"""From verdicts to a delivered data set, and what may be done to one."""

from nemo_curator.runs.exporting.export import DeliveredFile, Exported, export
from nemo_curator.runs.exporting.manifest import MANIFEST, delivered_files, write_manifest

__all__ = ["MANIFEST", "DeliveredFile", "Exported", "delivered_files", "export", "write_manifest"]
