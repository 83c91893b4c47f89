"""Where the time of a frame goes on this machine."""

from musetalk_fast.benching.stages import Bench, Stage, run_bench

__all__ = ["Bench", "Stage", "run_bench"]
