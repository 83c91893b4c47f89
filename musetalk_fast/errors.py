"""Every error a user can meet.

MuseTalkError                      what, where and a hint; a stable token; an exit code
├── UsageError                  2  flags that contradict each other
├── ConfigError                78  a setting that cannot be read
│   ├── ConfigFileError            the file is not TOML, or cannot be read
│   ├── UnknownSettingError        an unknown key (the nearest known one is named)
│   └── InvalidSettingError        a value outside its bounds
├── InputError                 65  what we were given cannot work
│   ├── InputNotFoundError     66
│   ├── InputUnreadableError   66  a directory, no permission
│   ├── ImageFormatError           not a picture we can read, or a broken one
│   ├── ImageSizeError             too small, too large, a bomb
│   ├── VideoFormatError           no video that we can decode, or a broken one
│   ├── AudioFormatError           no sound, broken sound
│   ├── AudioLengthError           empty, or longer than the limit
│   ├── AudioDamagedError          sound is missing in it, and --strict-audio asks for all
│   ├── NoFaceError                nothing to animate
│   ├── FaceSizeError              a face the model cannot use
│   ├── FaceTurnedError            one that lies on its side or stands upside down
│   ├── FaceOptionsError           a shift or a margin that this face does not allow
│   ├── MouthHiddenError           the picture ends above the mouth
│   ├── PlanError                  a plan that cannot be followed: damaged, or of other inputs
│   └── JobListError               a list of jobs, or jobs in it, that cannot be used
├── OutputError                73  the output cannot be created
│   ├── OutputExistsError
│   ├── OutputPlaceError           no such folder, a folder itself, closed to us
│   ├── OutputFormatError          unknown extension or container
│   ├── EncoderError               an encoder that does not open, with the reason
│   ├── OutputBusyError        75  another render is writing it
│   ├── PartsError                 parts missing, or made by another engine or model
│   └── OutputWriteError       74  disk full, folder gone
├── ServerError                69  the server is absent or failed
│   ├── ServerUnreachableError
│   │   └── TlsError               https that cannot be trusted, or that does not trust us
│   ├── NotAServerError            something else answers there
│   ├── ServerFailedError          it answered with an error
│   ├── ServerRefusedError     65  it says that our input cannot work
│   │   └── ServerLimitError       beyond what it, or a proxy before it, takes
│   ├── ServerBusyError        75  429 or 503: try later
│   ├── NotAuthorisedError     77
│   ├── JobCancelledError          410: somebody ended the request on the server
│   ├── FacesDifferError           409: the faces are not those the render began with
│   ├── EngineDiffersError         another engine or model than the render began with
│   ├── ServerSlowError            far behind the others, or silent
│   ├── ServersLostError           none of several is left; each one's last failure is named
│   └── ProtocolError              bytes that are not the wire
│       ├── ChecksumError
│       ├── MessageSizeError       a length beyond its limit, before any allocation
│       ├── FrameOrderError        an index that was not expected
│       ├── FrameShapeError        a crop of another shape or encoding
│       └── StreamCutError         the stream ended without `end`
├── ClusterError               69  the cluster of `--on` is absent, or lost what it was doing
├── EngineLoadError            78  the engine cannot run here
│   ├── WeightsMissingError        weights that are not there
│   ├── WeightsFormatError         damaged, cut, or of another network
│   ├── WeightsDifferError         not the files that were published, or that were pulled
│   └── DeviceError                no GPU that can be used, where one was asked for
├── DeviceMemoryError          75  the GPU has no more memory
├── CropNumbersError           70  the networks gave no numbers
├── WorkerError                75  a process that computes on a GPU ended
├── HubError                   69  what weights come from is no hub, or lacks them
│   ├── HubUnreachableError        no connection, a cut one, or its own fault (5xx)
│   ├── HubAccessError         77  401 or 403
│   └── HubBusyError           75  429 or 503: try later
├── ThreadLimitError           75  the system starts no more threads
├── MemoryLimitError           75  the system gives no more memory
├── FileLimitError             78  the system opens no more files
└── InternalError              70  a fault of ours
"""

from __future__ import annotations

from typing import ClassVar


class MuseTalkError(Exception):
    """An expected failure, with a message for the user.

    Args:
        message: what went wrong, with limit and value where there is one.
        where: the file, server or frame it happened at.
        hint: what the user can do about it; each leaf has a default.
    """

    token: ClassVar[str] = "MTF-ERROR"
    exit_code: ClassVar[int] = 70
    default_hint: ClassVar[str | None] = None

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint if hint is not None else self.default_hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class UsageError(MuseTalkError):
    """Flags that contradict each other or are out of range."""

    token = "MTF-USAGE"
    exit_code = 2
    default_hint = "see `musetalk-fast COMMAND --help`"


class ConfigError(MuseTalkError):
    """A setting that cannot be used."""

    token = "MTF-CONFIG"
    exit_code = 78
    default_hint = (
        "correct it where it stands; `musetalk-fast config path` prints where the file of the "
        "settings is"
    )


class ConfigFileError(ConfigError):
    """The configuration file cannot be read or is not TOML."""

    token = "MTF-CONFIG-FILE"


class UnknownSettingError(ConfigError):
    """A key in the file that names no setting."""

    token = "MTF-CONFIG-UNKNOWN"


class InvalidSettingError(ConfigError):
    """A value of the wrong type or outside its bounds."""

    token = "MTF-CONFIG-VALUE"


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


class OutputError(MuseTalkError):
    """The output cannot be created."""

    token = "MTF-OUTPUT"
    exit_code = 73


class OutputExistsError(OutputError):
    """The output is there and must not be replaced."""

    token = "MTF-OUTPUT-EXISTS"
    default_hint = "give another name, or allow it with --overwrite"


class OutputPlaceError(OutputError):
    """Nothing can be created there: no such folder, a folder itself, or closed to us."""

    token = "MTF-OUTPUT-PLACE"
    default_hint = "name a file in a folder that you may write to"


class OutputFormatError(OutputError):
    """A container or a combination that is not supported."""

    token = "MTF-OUTPUT-FORMAT"
    default_hint = "use a name that ends in .mp4, .mov, .webm or .mkv, or --format"


class SoundFormatError(OutputError):
    """Sound that the container does not take, or that cannot be copied into it."""

    token = "MTF-SOUND"
    default_hint = "leave out --sound, which then chooses what fits"


class EncoderError(OutputError):
    """An encoder that is not in the build or does not open here."""

    token = "MTF-ENCODER"
    default_hint = "`musetalk-fast doctor` lists the encoders that open on this machine"


class OutputBusyError(OutputError):
    """Another render is writing this output."""

    token = "MTF-OUTPUT-BUSY"
    exit_code = 75
    default_hint = "wait until it has ended, or give another name"


class PartsError(OutputError):
    """Finished parts are missing, or not by one engine and model."""

    token = "MTF-PARTS"
    default_hint = "make the missing segments with `musetalk-fast segment`"


class OutputWriteError(OutputError):
    """Writing failed: disk full, folder gone, no permission."""

    token = "MTF-OUTPUT-WRITE"
    exit_code = 74
    default_hint = "check free space and permissions of the output folder"


class ServerError(MuseTalkError):
    """The server is absent or failed."""

    token = "MTF-SERVER"
    exit_code = 69


class ServerUnreachableError(ServerError):
    """No connection, or no answer in time."""

    token = "MTF-SERVER-UNREACHABLE"
    default_hint = "start it, correct -s/--server, or use -s builtin for a preview without one"


class TlsError(ServerUnreachableError):
    """The TLS handshake failed, on our side or on the server's."""

    token = "MTF-SERVER-TLS"
    default_hint = "look at the server's certificate and its log"


class NotAServerError(ServerError):
    """Something answers there that is not a MuseTalk server."""

    token = "MTF-SERVER-FOREIGN"
    default_hint = "correct -s/--server, or use -s builtin for a preview without one"


class ServerFailedError(ServerError):
    """The server answered with an error of its own."""

    token = "MTF-SERVER-FAILED"
    default_hint = "look at the server's log"


class ServerRefusedError(ServerError):
    """The server says that what we sent cannot work."""

    token = "MTF-SERVER-REFUSED"
    exit_code = 65
    default_hint = "change what it names, or choose another server with -s/--server"


class ServerLimitError(ServerRefusedError):
    """More than the server takes, or of a kind that it does not have: asking again is no use."""

    token = "MTF-SERVER-LIMIT"
    default_hint = "give less, or choose another server with -s/--server"


class _BusyError(MuseTalkError):
    """Who was asked may have time later; `retry_after` is the seconds to wait, or None."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retry_after = retry_after


class ServerBusyError(_BusyError, ServerError):
    """429 or 503.

    Args:
        retry_after: seconds the server asked us to wait, or None.
    """

    token = "MTF-SERVER-BUSY"
    exit_code = 75
    default_hint = "try again later"


class NotAuthorisedError(ServerError):
    """401 or 403."""

    token = "MTF-SERVER-AUTH"
    exit_code = 77
    default_hint = "give the server's key with --api-key-file FILE or in MUSETALK_API_KEY"


class JobCancelledError(ServerError):
    """410: somebody cancelled the request on the server."""

    token = "MTF-JOB-CANCELLED"
    default_hint = "ask the server's owner; the same command again continues from the parts"


class FacesDifferError(ServerError):
    """409: the server's faces are not those the render began with."""

    token = "MTF-SERVER-FACES"
    default_hint = "use servers with the same engine and model, or start over with --fresh"


class EngineDiffersError(ServerError):
    """Another engine or model than the render began with."""

    token = "MTF-SERVER-ENGINE"
    default_hint = "use servers with the same engine and model, or start over with --fresh"


class ServerSlowError(ServerError):
    """No message in time, or far fewer frames a second than the other servers make."""

    token = "MTF-SERVER-SLOW"
    default_hint = "look at the server's load and its network"


class ServersLostError(ServerError):
    """None of several servers is left."""

    token = "MTF-SERVERS-LOST"
    default_hint = "run the same command again: finished parts are kept"


class ProtocolError(ServerError):
    """Bytes that are not the wire."""

    token = "MTF-WIRE"
    default_hint = (
        "the server does not keep to docs/protocol.md: look at its log and version, or use another"
    )


class ChecksumError(ProtocolError):
    """A message whose CRC-32C is wrong."""

    token = "MTF-WIRE-CHECKSUM"
    default_hint = "the connection or the server damages data; try again, or another server"


class MessageSizeError(ProtocolError):
    """A message longer than its limit."""

    token = "MTF-WIRE-SIZE"


class FrameOrderError(ProtocolError):
    """A frame whose index was not expected."""

    token = "MTF-WIRE-ORDER"


class FrameShapeError(ProtocolError):
    """A crop of another shape or encoding than announced."""

    token = "MTF-WIRE-SHAPE"


class StreamCutError(ProtocolError):
    """The stream ended before its `end` message."""

    token = "MTF-WIRE-CUT"
    default_hint = "the connection broke or the server stopped: try again, and look at its log"


class ClusterError(MuseTalkError):
    """The cluster that the work was given to is absent, cannot do it, or has lost it."""

    token = "MTF-CLUSTER"
    exit_code = 69
    default_hint = "look at it with `ray status`; the same command again continues"


class EngineLoadError(MuseTalkError):
    """An engine that cannot run here."""

    token = "MTF-ENGINE-LOAD"
    exit_code = 78


class WeightsMissingError(EngineLoadError):
    """Weights that are not there, or cannot be read."""

    token = "MTF-WEIGHTS-MISSING"
    default_hint = (
        "get them with `musetalk-fast models pull`, or name the folder that holds musetalkV15, "
        "sd-vae and whisper, as MuseTalk's download_weights.sh makes it, with --models-dir"
    )


class WeightsFormatError(EngineLoadError):
    """A file that holds no weights, or those of another network."""

    token = "MTF-WEIGHTS"
    default_hint = (
        "move the file away and get it again with `musetalk-fast models pull`; `musetalk-fast "
        "models verify` finds damage"
    )


class WeightsDifferError(EngineLoadError):
    """Files that are not the published ones, or no longer those that were pulled."""

    token = "MTF-WEIGHTS-DIFFER"
    default_hint = (
        "move them away and run `musetalk-fast models pull` again, or name another folder with "
        "--models-dir; weights of your own need no pull"
    )


class DeviceError(EngineLoadError):
    """No device that can do what was asked for."""

    token = "MTF-DEVICE"


class DeviceMemoryError(MuseTalkError):
    """The GPU has no more memory."""

    token = "MTF-GPU-MEMORY"
    exit_code = 75
    default_hint = "end other programs on the GPU (`nvidia-smi` lists them), or lower --batch-size"


class CropNumbersError(MuseTalkError):
    """The networks gave infinities, or no numbers at all."""

    token = "MTF-CROP-NUMBERS"
    default_hint = "the weights may be damaged: download them again; or compute with --half off"


class HubError(MuseTalkError):
    """What weights come from is no hub, lacks them, or sends other bytes than it says."""

    token = "MTF-HUB"
    exit_code = 69
    default_hint = "HF_ENDPOINT names the hub; without it, it is https://huggingface.co"


class HubUnreachableError(HubError):
    """No connection to the hub, one that broke, or a fault of its own."""

    token = "MTF-HUB-UNREACHABLE"
    default_hint = (
        "run the same command again: what came is kept. HTTPS_PROXY names a proxy, HF_ENDPOINT a "
        "mirror; a folder that was filled elsewhere can be copied here"
    )


class HubAccessError(HubError):
    """401 or 403."""

    token = "MTF-HUB-ACCESS"
    exit_code = 77
    default_hint = "correct HF_TOKEN, or unset it: the weights are public"


class HubBusyError(_BusyError, HubError):
    """429 or 503.

    Args:
        retry_after: seconds the hub asked us to wait, or None.
    """

    token = "MTF-HUB-BUSY"
    exit_code = 75
    default_hint = "run the same command again later: what came is kept"


class WorkerError(MuseTalkError):
    """A process that computes on one GPU ended, and is being started again."""

    token = "MTF-WORKER"
    exit_code = 75
    default_hint = "try again; if it happens again, look at the server's log and at `nvidia-smi`"


class ThreadLimitError(MuseTalkError):
    """The system starts no more threads."""

    token = "MTF-THREADS"
    exit_code = 75
    default_hint = (
        "raise the limit of processes and threads (`ulimit -u`, or the container's), or try again "
        "when fewer programs run"
    )


class MemoryLimitError(MuseTalkError):
    """The system gives no more memory."""

    token = "MTF-MEMORY"
    exit_code = 75
    default_hint = (
        "raise the limit (`ulimit -v`, or the container's), try again when fewer programs run, or "
        "use a smaller picture"
    )


class FileLimitError(MuseTalkError):
    """The system opens no more files."""

    token = "MTF-FILES"
    exit_code = 78
    default_hint = "raise the limit: `ulimit -n 1024` before the command, or the container's"


class InternalError(MuseTalkError):
    """A fault of ours."""

    token = "MTF-INTERNAL"
    default_hint = "please report it with the output of `musetalk-fast doctor --json`"


def error_class(token: str) -> type[MuseTalkError] | None:
    """The class of a token, as another process of ours prints it; None for none of these."""
    known: list[type[MuseTalkError]] = [MuseTalkError]
    for kind in known:
        if kind.token == token:
            return kind
        known.extend(kind.__subclasses__())
    return None
