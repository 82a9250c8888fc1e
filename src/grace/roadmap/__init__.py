"""The road to scarce GPUs: phases, what proves them, gates, requests; reads what others left behind, starts nothing."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.roadmap.evidence import Evidence
    from grace.roadmap.ground import Ground
    from grace.roadmap.said import record_archive
    from grace.roadmap.status import Status

__all__ = ["Evidence", "Ground", "Status", "record_archive"]

__getattr__ = exported(__name__, Evidence="evidence", Ground="ground", Status="status", record_archive="said")
