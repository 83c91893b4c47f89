"""What one render is made from."""

from __future__ import annotations

from dataclasses import dataclass

from musetalk_fast.media.image import Asset
from musetalk_fast.planning import Inputs, Plan
from musetalk_fast.rendering.job_state import JobState


@dataclass(frozen=True, slots=True, eq=False)
class RenderJob:
    """A plan's record with its inputs.

    Attributes:
        picture: the avatar as servers get it.
    """

    state: JobState
    inputs: Inputs
    picture: Asset

    @property
    def plan(self) -> Plan:
        """What is to be made."""
        return self.state.plan
