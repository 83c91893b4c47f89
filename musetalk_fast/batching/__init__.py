"""Many renders with one set of servers: the list of jobs, and running it."""

from musetalk_fast.batching.job_list import Job, Pairing, pair
from musetalk_fast.batching.run import BatchListener, Outcome, make_folder, plan_all, render_all

__all__ = [
    "BatchListener",
    "Job",
    "Outcome",
    "Pairing",
    "make_folder",
    "pair",
    "plan_all",
    "render_all",
]
