"""Many renders with one set of servers: the list of jobs, running it, and its report."""

from musetalk_fast.batching.batch_job import Job, Jobs
from musetalk_fast.batching.batch_plans import Planned, plan_all
from musetalk_fast.batching.finished import FinishedVideos
from musetalk_fast.batching.job_collection import collect_jobs
from musetalk_fast.batching.job_list import JobListDefaults
from musetalk_fast.batching.job_selection import Selection
from musetalk_fast.batching.outcome import BatchListener, Outcome
from musetalk_fast.batching.report_folder import ReportFolder
from musetalk_fast.batching.report_keeper import ReportKeeper
from musetalk_fast.batching.run import BatchOptions, render_all

__all__ = [
    "BatchListener",
    "BatchOptions",
    "FinishedVideos",
    "Job",
    "JobListDefaults",
    "Jobs",
    "Outcome",
    "Planned",
    "ReportFolder",
    "ReportKeeper",
    "Selection",
    "collect_jobs",
    "plan_all",
    "render_all",
]
