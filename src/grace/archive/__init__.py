"""Archives: all of an experiment in one BagIt bag, verified byte for byte, and its results made again from it."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.archive.create import ArchiveRequest, create_archive
    from grace.archive.reproduce import reproduce_archive
    from grace.archive.store import store_at
    from grace.archive.verify import verify_archive

__all__ = ["ArchiveRequest", "create_archive", "reproduce_archive", "store_at", "verify_archive"]

__getattr__ = exported(
    __name__,
    ArchiveRequest="create",
    create_archive="create",
    reproduce_archive="reproduce",
    store_at="store",
    verify_archive="verify",
)
