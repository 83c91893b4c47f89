"""Faces of a picture: where they are, their 478 landmarks, and MuseTalk's box."""

from musetalk_fast.media.face.box import mouth_box
from musetalk_fast.media.face.face_check import FoundFace, face_notes, find_face
from musetalk_fast.media.face.finder import FaceFinder
from musetalk_fast.media.face.landmarks import Landmarks
from musetalk_fast.media.face.selection import choose
from musetalk_fast.media.face.smoothing import BoxSmoother
from musetalk_fast.media.face.tracking import FaceTracker, TrackedFace

__all__ = [
    "BoxSmoother",
    "FaceFinder",
    "FaceTracker",
    "FoundFace",
    "Landmarks",
    "TrackedFace",
    "choose",
    "face_notes",
    "find_face",
    "mouth_box",
]
