"""Faces of a picture: where they are, their 478 landmarks, and MuseTalk's box."""

from musetalk_fast.inputs.face.box import mouth_box
from musetalk_fast.inputs.face.choice import choose
from musetalk_fast.inputs.face.finder import FaceFinder
from musetalk_fast.inputs.face.found import FoundFace, find_face
from musetalk_fast.inputs.face.mesh import Landmarks

__all__ = ["FaceFinder", "FoundFace", "Landmarks", "choose", "find_face", "mouth_box"]
