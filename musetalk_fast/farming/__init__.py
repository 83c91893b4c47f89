"""Jobs for the engines that render farms run: what each task types, written as their files."""

from musetalk_fast.farming.bundle import EXPORTERS, Exporter, write_bundle
from musetalk_fast.farming.clip_tasks import ClipTasks
from musetalk_fast.farming.farm_job import FarmJob, FarmOptions
from musetalk_fast.farming.list_tasks import ListTasks
from musetalk_fast.farming.portable_settings import portable_settings

__all__ = [
    "EXPORTERS",
    "ClipTasks",
    "Exporter",
    "FarmJob",
    "FarmOptions",
    "ListTasks",
    "portable_settings",
    "write_bundle",
]
