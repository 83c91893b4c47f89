"""Flag > environment > file > default, as frozen settings."""

from musetalk_fast.config.load import Loaded, SettingValue, load_settings
from musetalk_fast.config.settings import (
    AUTO_CODEC,
    AUTO_WIRE,
    BUILTIN,
    DEFAULT_SERVER,
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    Settings,
)

__all__ = [
    "AUTO_CODEC",
    "AUTO_WIRE",
    "BUILTIN",
    "DEFAULT_SERVER",
    "AvatarSettings",
    "Loaded",
    "OutputSettings",
    "ProcessingSettings",
    "ServerSettings",
    "SettingValue",
    "Settings",
    "load_settings",
]
