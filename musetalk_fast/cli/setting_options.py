"""Options that name settings, in groups; `render` and `batch` share them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click

from musetalk_fast.cli.grouped_help import GroupedOption
from musetalk_fast.cli.setting_types import ServerType, SettingType
from musetalk_fast.cli.settings_loading import keep_flag
from musetalk_fast.types import Container
from musetalk_fast.wire.media_types import WIRES

F = TypeVar("F", bound=Callable[..., Any])
_TYPES = {"server.url": ServerType}


def setting(
    name: str,
    *flags: str,
    group: str,
    help_text: str,
    metavar: str | None = None,
    multiple: bool = False,
) -> Callable[[F], F]:
    """An option for the setting `SECTION.KEY`; `--x/--no-x` without a metavar is a switch.

    Args:
        multiple: it may be given several times; its values are lists, and are put together.
    """
    section, _, key = name.partition(".")
    kind = _TYPES.get(name, SettingType)

    def keep(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if multiple:
            value = tuple(chain.from_iterable(value)) or None
        if value is not None:
            keep_flag(ctx, section, key, value)

    return click.option(
        *flags,
        cls=GroupedOption,
        group=group,
        help=help_text,
        metavar=metavar,
        type=kind(section, key) if metavar else None,
        default=None,
        multiple=multiple,
        expose_value=False,
        callback=keep,
    )


_CONNECTING = (
    setting(
        "server.url", "-s", "--server", metavar="URL", group="Server", multiple=True,
        help_text="http://HOST:PORT, https://HOST:PORT, unix:/PATH, or builtin: a preview made on "
        "this machine. Give it several times to use several. Default: http://localhost:8000; "
        "if no server answers there, `render` (no other command) uses builtin.",
    ),
    setting("server.api_key_file", "--api-key-file", metavar="FILE", group="Server",
            help_text="The server's API key is in this file (or in $MUSETALK_API_KEY)."),
    setting("server.ca_file", "--ca-file", metavar="FILE", group="Server",
            help_text="Trust these certificates (PEM) instead of the system's."),
    setting("server.cert", "--cert", metavar="FILE", group="Server",
            help_text="Show this certificate (PEM) to a server that asks for one."),
    setting("server.key", "--key", metavar="FILE", group="Server",
            help_text="The certificate's key, if it is not in the same file."),
)  # fmt: skip

_STREAMING = (
    setting("server.frame_timeout_secs", "--frame-timeout-secs", metavar="SECONDS", group="Server",
            help_text="Longest wait for the next frame, 0.1 to 36000 (default 300)."),
    setting("server.wire", "--wire", metavar="NAME", group="Server",
            help_text="How frames travel: auto (default, the best that the server has), or "
            f"{', '.join(wire.name for wire in WIRES)}."),
    setting("processing.max_retries", "--max-retries", metavar="NUMBER", group="Server",
            help_text="Failures in a row after the first until a server counts as lost, 0 to 100 "
            "(default 5)."),
)  # fmt: skip

_FILE = click.Path(path_type=Path, readable=False)
_FILES = {
    ("-i", "--avatar"): (
        (
            "The avatar: a picture (PNG, JPEG, WebP, BMP, TIFF, AVIF, HEIC), a video (MP4, MOV, "
            "MKV, WebM, AVI), an animated GIF, PNG or WebP, or pictures one after the other: their "
            "folder, or a pattern such as frames/%04d.png."
        ),
        "- is standard input.",
    ),
    ("-a", "--audio"): (
        "The recording: WAV, MP3, FLAC, M4A, OGG, ...",
        "- is standard input.",
    ),
    ("-o", "--output"): (
        (
            "The video: .mp4, .m4v, .mov, .webm or .mkv; a moving picture: .gif, .webp or .apng; "
            "or a file for each frame, in a folder of their own: frames/%06d.png, .jpg or .jpeg; "
            "raw frames: .y4m or .rgb."
        ),
        "- is standard output (--format mkv, the default, mp4, webm, y4m or rgb).",
    ),
}
"""Their help, and what it says beside that where a pipe can be given."""

_ENCODING = (
    setting("output.resolution", "--resolution", metavar="WxH", group="Video",
            help_text="Size of the video: 1280x720; 1920x-2 or -2x1080 (the other side follows); "
            "source (the avatar's own). Default: the avatar's own, scaled down to what phones "
            "play."),
    setting("output.fit", "--fit", metavar="HOW", group="Video",
            help_text="An avatar of other proportions: pad (default: bars of the --background), "
            "crop or stretch."),
    setting("output.max_side", "--max-side", metavar="PIXELS", group="Video",
            help_text="Scale down until no side is longer, 64 to 8192."),
    setting("output.quality", "--quality", metavar="NUMBER", group="Encoding",
            help_text="0 to 100, alike for all encoders (default 70); 10 more are about 40 % more "
            "bytes. This or one of the next three."),
    setting("output.crf", "--crf", metavar="NUMBER", group="Encoding",
            help_text="Quality by the encoder's own measure, 0 to 63, 0 is best (default 20 for "
            "libx264, 24 for libx265, 31 for libvpx-vp9, 32 for libsvtav1)."),
    setting("output.bitrate", "--bitrate", metavar="RATE", group="Encoding",
            help_text="Bits a second: 800k, 2.5M."),
    setting("output.lossless", "--lossless/--no-lossless", group="Encoding",
            help_text="Lose nothing of the frames."),
    setting("output.preset", "--preset", metavar="NAME", group="Encoding",
            help_text="Speed: ultrafast ... veryfast (default) ... placebo. Slower ones make "
            "smaller files."),
    setting("output.tune", "--tune", metavar="NAME", group="Encoding",
            help_text="The encoder's own tuning: film, grain, psnr, ..."),
    setting("output.gop", "--gop", metavar="FRAMES", group="Encoding",
            help_text="Most frames from one key frame to the next, 1 to 10000 (default: 10 "
            "seconds)."),
    setting("output.pix_fmt", "--pix-fmt", metavar="NAME", group="Encoding",
            help_text="The pixel format to encode: yuv444p, yuv420p10le, ..."),
    setting("output.encoder_option", "--encoder-option", metavar="NAME=VALUE", group="Encoding",
            multiple=True, help_text="One more option of the encoder; may be given several times."),
    setting("output.codec", "--codec", metavar="NAME", group="Encoding",
            help_text="h264 (default), hevc, av1, vp9 (default for .webm), prores, ffv1, an "
            "encoder that `doctor` lists, or auto: one in hardware, if any opens."),
    setting("output.still_rows", "--still-rows", metavar="MODE", group="Encoding",
            help_text="auto (default): of a still portrait, encode rows that never change once, "
            "where that pays (libx264); full: encode them with every frame."),
)  # fmt: skip

_PLANNING = (
    setting(
        "avatar.face", "--face", metavar="WHICH", group="Face",
        help_text="largest (default), left, right, or a number from 0 at the left. This or one of "
        "the next two.",
    ),
    setting("avatar.face_box", "--face-box", metavar="X,Y,W,H", group="Face",
            help_text="The face is in this rectangle of pixels."),
    setting("avatar.face_center", "--face-center", metavar="X,Y", group="Face",
            help_text="The face nearest to this point."),
    setting("avatar.face_check", "--face-check/--no-face-check", group="Face",
            help_text="Look for a face before anything is sent (default)."),
    setting("avatar.bbox_shift", "--bbox-shift", metavar="PIXELS", group="Face",
            help_text="Move the point of the nose that MuseTalk takes the mouth's box from: "
            "positive is down, and opens the mouth wider; -100 to 100."),
    setting("avatar.extra_margin", "--extra-margin", metavar="PIXELS", group="Face",
            help_text="Margin below the chin, 0 to 100 (default 10)."),
    setting("avatar.smooth", "--smooth/--no-smooth", group="Face",
            help_text="Smooth out the jitter of the face's box through a video."),
    setting("avatar.silence", "--silence", metavar="MODE", group="Face",
            help_text="In pauses: the model's mouth (model, default), or the avatar's own (hold)."),
    setting("avatar.background", "--background", metavar="COLOUR|FILE", group="Video",
            help_text="Behind transparent parts and in bars: a name or #RRGGBB, a picture, blur (a "
            "blurred copy) or transparent (default where the video can be, else white)."),
    setting("avatar.no_face", "--no-face", metavar="WHAT", group="Face",
            help_text="A source frame without a face: pass (default) shows it as it is, hold the "
            "one before it that has a face, fail ends the render."),
    setting("avatar.extend", "--extend", metavar="HOW", group="Video",
            help_text="A recording longer than the moving avatar: pingpong (default) plays it "
            "there and back, loop from its beginning, hold keeps its last frame, cut ends with "
            "it."),
    setting("avatar.speed_to_fit", "--speed-to-fit/--no-speed-to-fit", group="Video",
            help_text="Stretch the avatar's motion to the length of the recording."),
    setting("output.fps", "--fps", metavar="RATE", group="Video",
            help_text="Frames a second: 29.97, 30000/1001, ... Default: the avatar's own; of a "
            "still 25."),
    *_ENCODING,
    setting("output.format", "--format", metavar="NAME", group="Video",
            help_text=f"{', '.join(Container)}. Default: by the output's name."),
    setting("output.scaling", "--scaling", metavar="NAME", group="Video",
            help_text="How the mouth is scaled: bilinear (default) or lanczos (sharper)."),
    setting("output.match_colour", "--match-colour/--no-match-colour", group="Video",
            help_text="Give each mouth the colours of the avatar around it."),
    setting("output.match_source", "--match-source/--no-match-source", group="Video",
            help_text="The moving avatar's codec and bit rate, where they are not chosen, and its "
            "bits and HDR, in HEVC (AV1 in WebM) where its codec does not keep them. Default: HDR "
            "becomes SDR."),
    setting("processing.audio_track", "--audio-track", metavar="N|LANG", group="Sound",
            help_text="Of several sound tracks of the recording, this one: a number from 1, or a "
            "language (en, eng). Default: the first that can be decoded."),
    setting("processing.start", "--start", metavar="TIME", group="Sound",
            help_text="Begin there in the recording: 90, 1:30 or 0:01:30.5."),
    setting("processing.duration", "--duration", metavar="TIME", group="Sound",
            help_text="Use only so much of the recording: --duration 10 tries ten seconds of an "
            "hour."),
    setting("output.sound", "--sound", metavar="SOUND", group="Sound",
            help_text="auto (default): the recording's own packets where the video takes them, "
            "else encoded; copy: these or an error; aac, opus, flac; none: a silent video."),
    setting("output.audio_from_avatar", "--audio-from-avatar/--no-audio-from-avatar", group="Sound",
            help_text="Keep the sound of the avatar's own video; the mouth follows the recording."),
    setting("output.mix_background", "--mix-background", metavar="FILE", group="Sound",
            help_text="Mix this beneath the sound, repeated to the video's end."),
    setting("output.background_volume", "--background-volume", metavar="DB", group="Sound",
            help_text="Gain of --mix-background in decibels, -60 to 20 (default -20)."),
    setting("output.sound_bitrate", "--sound-bitrate", metavar="KBITS", group="Sound",
            help_text="Of sound that is encoded, 8 to 1536 kbit/s (default 80 a channel of aac, 64 "
            "of opus)."),
    setting("output.overwrite", "--overwrite/--no-overwrite", "-y", "--yes", group="Video",
            help_text="Replace an output that is there (default; on a terminal, without this flag "
            "or setting, it asks first)."),
    setting("processing.segment_secs", "--segment-secs", metavar="SECONDS", group="Processing",
            help_text="Length of the segments that are resumed and shared out, 1 to 600 "
            "(default 10)."),
    setting("processing.frame_encoding", "--frame-encoding", metavar="NAME", group="Processing",
            help_text="How crops are packed: raw (default), jpeg or png."),
    setting("processing.strict_audio", "--strict-audio/--no-strict-audio", group="Processing",
            help_text="Refuse a recording in which sound is damaged or cut off."),
)  # fmt: skip


def file_options(*, pipes: bool) -> Callable[[F], F]:
    """The options that name the two inputs and the output."""

    def add(command: F) -> F:
        for flags, (files, piped) in reversed(_FILES.items()):
            text = f"{files} {piped}" if pipes else files
            option = click.option(
                *flags, cls=GroupedOption, group="Files", type=_FILE, required=True,
                metavar="FILE", help=text,
            )  # fmt: skip
            command = option(command)
        return command

    return add


def connecting_options(command: F) -> F:
    """The options that say which server, and how to reach it."""
    for option in reversed(_CONNECTING):
        command = option(command)
    return command


def streaming_options(command: F) -> F:
    """The options that say how frames come from servers: `connecting_options` and more."""
    for option in reversed(_STREAMING):
        command = option(command)
    return connecting_options(command)


def encoding_options(command: F) -> F:
    """The options that say what the encoder shall do."""
    for option in reversed(_ENCODING):
        command = option(command)
    return command


def planning_options(command: F) -> F:
    """The options that stand in a plan: all but those about servers."""
    for option in reversed(_PLANNING):
        command = option(command)
    return command


def rendering_options(command: F) -> F:
    """All options that say how to render."""
    return streaming_options(planning_options(command))
