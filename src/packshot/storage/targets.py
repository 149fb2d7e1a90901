"""Where backups go: a folder, or a place in a bucket."""

from pathlib import Path

from packshot.storage.backup import BackupUnusable
from packshot.storage.buckets import BucketTarget
from packshot.storage.snapshots import Target

Place = Target | BucketTarget


def at(target: str | Path) -> Place:
    """The place that somebody named: an address like `s3://bucket/prefix`, or a folder. Raises: BackupUnusable."""
    text = str(target)
    if text.startswith("s3://"):
        return BucketTarget(text)
    if "://" in text:
        raise BackupUnusable(f"{text} is neither a folder nor a place in a bucket, which s3://BUCKET/PREFIX would be")
    return Target(Path(text))
