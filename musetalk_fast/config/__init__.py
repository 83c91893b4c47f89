"""Flag > environment > file > default, as frozen settings."""

from musetalk_fast.config.settings import (
    BUILTIN,
    DEFAULT_SERVER,
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    Settings,
)
from musetalk_fast.config.sources import Loaded, Sourced, load_settings

__all__ = [
    "BUILTIN",
    "DEFAULT_SERVER",
    "AvatarSettings",
    "Loaded",
    "OutputSettings",
    "ProcessingSettings",
    "ServerSettings",
    "Settings",
    "Sourced",
    "load_settings",
]
