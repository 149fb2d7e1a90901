"""What is left when upkeep has been everywhere, with nobody else about: exactly the files that a live blob names."""

from pathlib import Path

from build import fail_loudly
from moments import with_ages
from packshot import app
from packshot.config import Settings
from packshot.services import upkeep
from packshot.services.upkeep import Round

AT_ONCE_S = -1
"""An age in upkeep for which not even what was made this second is too young."""


async def tidy(folder: Path, settings: Settings) -> tuple[Round, list[str]]:
    """Do a round of upkeep for which nothing is too young, but for the trash; what it did, and what stays though it
    should not."""
    async with app.open_core(folder, settings, fail_loudly) as core:
        ages = with_ages(core, AT_ONCE_S, AT_ONCE_S, grace_s=0, keep_s=core.trash.keep_s)
        done = await upkeep.run_once(ages)
        named = {row[0] for row in await core.db.all("SELECT key FROM blob WHERE state = 'live'")}
        stay = [f"a stranger stays: {key}" for key in set(await core.blobs.of_keys(0)) ^ named]
    if left := list((folder / "staging").iterdir()):
        stay.append(f"{len(left)} unfinished uploads stay")
    return done, stay
