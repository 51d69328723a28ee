"""What acts that take files away have in common: off the event loop, measured, never cut short."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from app.authority.approvals.acts import Effect
from app.authority.catalog.removal import handles
from app.authority.catalog.removal.handles import Foreign
from app.authority.catalog.removal.moving import OtherVolume
from app.authority.catalog.removal.purging import Removed
from app.domain.refusals import Refusal


def effect_of(found: Removed, *, data: Mapping[str, Any]) -> Effect:
    """The effect of a removal: partial where something could not be removed, failed where nothing
    could."""
    return Effect(
        done=bool(found.files or found.freed_bytes) or not found.failed,
        freed_bytes=found.freed_bytes,
        files=found.files,
        failed=tuple(found.failed),
        reason="Some files were not what they should be, or could not be changed."
        if found.failed
        else "",
        data=dict(data),
    )


async def removed(work: Callable[[], Effect]) -> Effect:
    """Run `work` on a thread to its end, whoever stops waiting; a failure is an effect too."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except OtherVolume:
        return Effect(
            done=False,
            reason="The trash lies on another volume than the store, so nothing can be moved there "
            "in one step. Put LMX_HOME/trash and LMX_HOME/store on one volume.",
        )
    except Refusal as refusal:
        return Effect(done=False, reason=refusal.message)
    except (Foreign, OSError) as error:
        said = handles.said(error)
        return Effect(done=False, failed=(f"the model's directory: {said}",), reason=said)
    finally:
        if not task.done():
            await asyncio.wait({task})
