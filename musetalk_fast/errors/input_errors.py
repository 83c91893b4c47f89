"""Errors of what a render is made of: pictures, recordings, faces, plans and lists of jobs."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "AudioDamagedError",
    "AudioFormatError",
    "AudioLengthError",
    "AudioTrackError",
    "FaceOptionsError",
    "FaceSizeError",
    "FaceTurnedError",
    "ImageFormatError",
    "ImageSizeError",
    "InputError",
    "InputNotFoundError",
    "InputUnreadableError",
    "JobListError",
    "MouthHiddenError",
    "NoFaceError",
    "PlanError",
    "VideoFormatError",
]


class InputError(MuseTalkError):
    """An avatar or a recording that cannot be used."""

    token = "MTF-INPUT"
    exit_code = 65


class InputNotFoundError(InputError):
    """No such file."""

    token = "MTF-INPUT-MISSING"
    exit_code = 66
    default_hint = "check the path"


class InputUnreadableError(InputError):
    """A directory, or a file without read permission."""

    token = "MTF-INPUT-UNREADABLE"
    exit_code = 66
    default_hint = "give a file that you may read"


class ImageFormatError(InputError):
    """Not a picture, or a broken one."""

    token = "MTF-IMAGE-FORMAT"
    default_hint = "give a PNG, JPEG, WebP, BMP, TIFF or AVIF that other programs open"


class ImageSizeError(InputError):
    """A picture outside the size limits."""

    token = "MTF-IMAGE-SIZE"
    default_hint = "scale the picture so that both sides are between 64 and 8192 pixels"


class VideoFormatError(InputError):
    """No video, or one that cannot be decoded or used."""

    token = "MTF-VIDEO-FORMAT"
    default_hint = (
        "give an MP4, MOV, MKV, WebM or AVI with H.264, HEVC, VP9, AV1 or ProRes that other "
        "programs play"
    )


class AudioFormatError(InputError):
    """No sound, or sound that cannot be decoded."""

    token = "MTF-AUDIO-FORMAT"
    default_hint = "give a WAV, MP3, FLAC, M4A, OGG or a video with a sound track"


class AudioTrackError(InputError):
    """A sound track that is not there, or cannot be decoded, where one was asked for."""

    token = "MTF-AUDIO-TRACK"
    default_hint = "give --audio-track the number or the language of another track"


class AudioLengthError(InputError):
    """A recording that is empty or beyond the limit."""

    token = "MTF-AUDIO-LENGTH"


class AudioDamagedError(InputError):
    """A recording in which sound is missing, where only whole ones are wanted."""

    token = "MTF-AUDIO-DAMAGED"
    default_hint = "leave out --strict-audio to use what is whole, with silence for the rest"


class NoFaceError(InputError):
    """No face where one is needed."""

    token = "MTF-NO-FACE"
    default_hint = (
        "use a frontal portrait with the entire face visible, or name the place with "
        "--face-box X,Y,W,H"
    )


class FaceSizeError(InputError):
    """A face too small for the model."""

    token = "MTF-FACE-SIZE"
    default_hint = "use a larger picture or one where the face fills more of it"


class FaceTurnedError(InputError):
    """A face that lies on its side or stands upside down."""

    token = "MTF-FACE-TURNED"
    default_hint = "turn the picture so that the face stands upright"


class FaceOptionsError(InputError):
    """A shift or a margin that this face does not allow."""

    token = "MTF-FACE-OPTIONS"
    default_hint = "leave out --bbox-shift and --extra-margin"


class MouthHiddenError(InputError):
    """A face whose mouth is not in the picture."""

    token = "MTF-MOUTH-HIDDEN"
    default_hint = "use a picture that shows the entire face"


class PlanError(InputError):
    """A plan that cannot be followed: damaged, or its inputs have changed."""

    token = "MTF-PLAN"
    default_hint = "make the plan again with `musetalk-fast plan`"


class JobListError(InputError):
    """A list of jobs that cannot be read, or jobs in it that cannot be used.

    Args:
        details: what is wrong with each of them, `jobs.csv:7: ...`.
    """

    token = "MTF-JOB-LIST"
    default_hint = "correct the list; nothing was started"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.details = details
