"""Videos as avatars: what is in a file, and its frames in any order, in bounded memory."""

from musetalk_fast.media.video.video_file import is_known
from musetalk_fast.media.video.video_source import VideoSource

__all__ = ["VideoSource", "is_known"]
