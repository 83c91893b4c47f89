"""Checks a plan from a file: it must be one that `plan_render` can have made.

Whoever follows a plan may not be who wrote it, and its identity keeps nobody from writing another:
a plan configures native encoders, whose options can name any file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from musetalk_fast.config.number_kinds import Number
from musetalk_fast.config.settings import (
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    kinds,
)
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import OutputFormatError, PlanError, UsageError
from musetalk_fast.media.audio_decoder import MAX_SECS
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.transparency import BLUR
from musetalk_fast.media.sound_copy_facts import TrackFacts
from musetalk_fast.media.video.tone_curve import is_hdr
from musetalk_fast.planning.concurrency import MAX_THREADS
from musetalk_fast.planning.plan import Plan, cut, segment_frames
from musetalk_fast.planning.sound_choice import copy_obstacle, encodable
from musetalk_fast.planning.source_frames import Showing, count_frames, source_runs
from musetalk_fast.types import Extend, Sound, SourceRun
from musetalk_fast.video.containers import CONTAINERS, check_pictures
from musetalk_fast.video.encoder_options import SHALLOW, has_alpha
from musetalk_fast.video.encoder_selection import has_kernel_and_name, resolve_again
from musetalk_fast.video.frame_names import FrameNames

if TYPE_CHECKING:
    from musetalk_fast.planning.inputs import Inputs


_WHERE_TRANSPARENT = "transparent where avatar and pix_fmt have alpha, and only there"


def check_plan(plan: Plan) -> None:
    """Refuse a plan that no choices of a user lead to.

    Raises:
        errors.PlanError: the message names the member.
    """
    _check_settings(plan)
    _check_frames(plan)
    _check_segments(plan)
    _check_sources(plan)
    _check_encoder(plan)
    _check_pictures(plan)
    _check_sound(plan)


def check_inputs(plan: Plan, inputs: Inputs) -> None:
    """Refuse a plan that is not one of its own inputs.

    Raises:
        errors.PlanError: the message names the member.
    """
    avatar, speech = inputs.avatar, inputs.speech
    _demand(plan.duration == speech.duration, "duration", "that of the recording")
    if not plan.audio_from_avatar:
        _check_copy(plan, speech.track)
    size = (avatar.width, avatar.height)
    _demand((plan.width, plan.height) == size, "width and height", f"the avatar's, {size}")
    is_transparent = has_alpha(avatar.pix_fmt)
    _demand(plan.is_transparent == is_transparent, "background", _WHERE_TRANSPARENT)
    fit = plan.duration if plan.speed_to_fit else None
    showing = Showing(fps=plan.fps, extend=plan.extend, fit=fit)
    frames = count_frames(avatar, plan.duration, showing)
    _demand(plan.frames == frames, "frames", f"{frames}, as the avatar's and the recording's end")
    runs = source_runs(avatar, plan.frames, showing)
    _demand(plan.sources == runs, "sources", "the avatar's source frames")


def _check_copy(plan: Plan, track: TrackFacts) -> None:
    if plan.sound is Sound.COPY:
        why = copy_obstacle(track, CONTAINERS[plan.encoder.format])
        _demand(why is None, "sound", f"encoded: {why}")


def _check_sound(plan: Plan) -> None:
    container = CONTAINERS[plan.encoder.format]
    taken = [Sound.NONE, *[Sound.COPY] * bool(container.sounds), *encodable(container)]
    _demand(plan.sound in taken, "sound", " or ".join(taken))
    is_pair = (plan.mix_background is None) == (plan.mix_background_sha256 is None)
    _demand(is_pair, "mix_background", "a file with its hash")
    is_cut = not plan.audio_from_avatar and plan.frames / plan.fps < plan.duration
    _demand(plan.sound is not Sound.COPY or not is_cut, "sound", "encoded, as the video cuts it")


def _check_settings(plan: Plan) -> None:
    """By the kinds of the settings that the values come from."""
    for member, kind, value in _chosen(plan):
        try:
            kind.check(value)
        except ValueError as error:
            raise PlanError(f"the plan: {member} {error}") from None
    _check_background(plan)


def _check_background(plan: Plan) -> None:
    """A colour, `BLUR`, `TRANSPARENT` or a picture with its hash: one of them."""
    is_picture = plan.background is None
    members = plan.background_image, plan.background_sha256
    is_clear = all((member is not None) == is_picture for member in members)
    _demand(is_clear, "background", "a colour, or a picture with its hash")
    if plan.background in (None, BLUR) or plan.is_transparent:
        return
    try:
        parse_colour(plan.background)
    except UsageError as error:
        raise PlanError(f"the plan: background: {error.message}") from None


def _chosen(plan: Plan) -> Iterator[tuple[str, Kind, Any]]:
    output, avatar = kinds(OutputSettings), kinds(AvatarSettings)
    yield "fps", output["fps"], plan.fps
    yield "width and height", output["resolution"], (plan.width, plan.height)
    if plan.background is not None:
        yield "background", avatar["background"], plan.background
    for item in fields(plan.options):
        value = getattr(plan.options, item.name)
        if value is not None:
            yield f"options: {item.name}", avatar[item.name], value


def _check_frames(plan: Plan) -> None:
    _demand(0 < plan.duration <= MAX_SECS, "duration", f"more than 0 and at most {MAX_SECS} s")
    frames = max(1, math.ceil(plan.duration * plan.fps))
    is_cut = plan.extend is Extend.CUT and plan.frames < frames
    _demand(plan.frames == frames or is_cut, "frames", f"{frames}, as duration and fps say")


def _check_segments(plan: Plan) -> None:
    """As long as the setting permits, all alike but for the last one, one after the other."""
    bounds, length = kinds(ProcessingSettings)["segment_secs"], plan.segments[0].frames
    assert isinstance(bounds, Number)
    shortest, longest = (
        min(plan.frames, segment_frames(plan.fps, secs)) for secs in (bounds.low, bounds.high)
    )
    _demand(shortest <= length <= longest, "segments", f"{shortest} to {longest} frames long")
    segments = cut(plan.frames, plan.fps, length / plan.fps)
    _demand(plan.segments == segments, "segments", "of all frames, and follow one another")


def _check_sources(plan: Plan) -> None:
    _demand(all(map(_is_run, plan.sources)), "sources", "runs of source frames")
    count = sum(run.count for run in plan.sources)
    _demand(count == plan.frames, "sources", f"those of {plan.frames} frames, not of {count}")


def _is_run(run: SourceRun) -> bool:
    last = run.first + run.step * (run.count - 1)
    return run.step in (-1, 0, 1) and run.count > 0 <= min(run.first, last)


def _check_encoder(plan: Plan) -> None:
    given, again = plan.encoder, resolve_again(plan.encoder, plan.fps)
    _demand(given.threads <= MAX_THREADS, "encoder: threads", f"at most {MAX_THREADS}")
    if again is None:
        raise PlanError(f"the plan: encoder: choices are none of {given.codec} in {given.format}")
    for item in fields(again):
        value = getattr(again, item.name)
        _demand(getattr(given, item.name) == value, f"encoder: {item.name}", f"{value}")
    is_transparent = has_alpha(given.pix_fmt)
    _demand(plan.is_transparent == is_transparent, "background", _WHERE_TRANSPARENT)
    _demand(plan.bit_depth == given.bit_depth, "bit_depth", f"{given.bit_depth}")
    _demand(has_kernel_and_name(plan.colour), "colour", "tags that our kernels and FFmpeg know")
    is_wide = plan.match_source and plan.bit_depth > SHALLOW
    _demand(is_wide or not is_hdr(plan.colour), "colour", "SDR, or that of a source with 10 bits")


def _check_pictures(plan: Plan) -> None:
    """The files of a sequence have names in its folder."""
    container = CONTAINERS[plan.encoder.format]
    names = None if plan.frame_names is None else FrameNames.parse(plan.frame_names)
    is_named = (names is not None) == container.is_sequence
    _demand(is_named, "frame_names", "a pattern such as %06d.png for a sequence, and only there")
    try:
        check_pictures(container, plan.width, plan.height, plan.frames, plan.fps)
    except OutputFormatError as error:
        raise PlanError(f"the plan: {error.message}") from None


def _demand(is_met: bool, member: str, wanted: str) -> None:
    if not is_met:
        raise PlanError(f"the plan: {member} must be {wanted}")
