"""From verdicts to a delivered data set, and what may be done to one."""

from nemo_curator.runs.exporting.arranging import PlannedShard
from nemo_curator.runs.exporting.delivered import DeliveredFile, Exported, Missing
from nemo_curator.runs.exporting.documents import DOCUMENT_NAMES, add_documents, refuse_documents
from nemo_curator.runs.exporting.export import export
from nemo_curator.runs.exporting.findings import Verification
from nemo_curator.runs.exporting.manifest import (
    DOCUMENTS,
    MANIFEST,
    REMOVING,
    delivered,
    delivered_files,
    exported_before,
    files_in,
    leftovers,
    shard_stem,
    write_manifest,
)
from nemo_curator.runs.exporting.mds_index import INDEX, is_index, lists_only
from nemo_curator.runs.exporting.plan import ExportPlan, plan_export
from nemo_curator.runs.exporting.removal import Removal, remove_samples
from nemo_curator.runs.exporting.settings import ExportSettings
from nemo_curator.runs.exporting.verify import verify

__all__ = [
    "DOCUMENTS",
    "DOCUMENT_NAMES",
    "INDEX",
    "MANIFEST",
    "REMOVING",
    "DeliveredFile",
    "ExportPlan",
    "ExportSettings",
    "Exported",
    "Missing",
    "PlannedShard",
    "Removal",
    "Verification",
    "add_documents",
    "delivered",
    "delivered_files",
    "export",
    "exported_before",
    "files_in",
    "is_index",
    "leftovers",
    "lists_only",
    "plan_export",
    "refuse_documents",
    "remove_samples",
    "shard_stem",
    "verify",
    "write_manifest",
]
