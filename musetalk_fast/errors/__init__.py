"""Every error a user can meet: one tree, whose families are modules of this package.

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
│   ├── AudioTrackError            the sound track that was asked for is not there
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
│   ├── SoundFormatError           sound that the container does not take
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
├── DeviceFaultError           70  the GPU failed, and stays so for this process
├── CropNumbersError           70  the networks gave no numbers
├── WorkerError                75  no process that computes on a GPU can be used now
│   ├── WorkerEndedError           it ended, and is being started again
│   ├── WorkerStuckError           it did not return from a call, and was ended
│   └── WorkersBusyError           none was free in time
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

from musetalk_fast.errors.cluster_errors import *
from musetalk_fast.errors.config_errors import *
from musetalk_fast.errors.engine_errors import *
from musetalk_fast.errors.hub_errors import *
from musetalk_fast.errors.input_errors import *
from musetalk_fast.errors.limit_errors import *
from musetalk_fast.errors.musetalk_error import *
from musetalk_fast.errors.output_errors import *
from musetalk_fast.errors.server_errors import *
