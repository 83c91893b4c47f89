"""A terminal: a real pty, and a screen that obeys what our program writes to it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TOKEN = re.compile(r"\x1b\[(\??\d*)([A-Za-z])|(.)", re.DOTALL)
_END = b"\x05"


class Screen:
    """What a terminal shows: lines that it wraps where its edge is now.

    Args:
        rearranges: wraps anew when it is resized (VTE, kitty, tmux); else cuts what is too wide.
    """

    def __init__(self, columns: int, *, rearranges: bool) -> None:
        self.columns = columns
        self._rearranges = rearranges
        self._lines = [""]
        self._line, self._at = 0, 0
        self._wraps = True

    def resize(self, columns: int) -> None:
        if not self._rearranges:
            assert max(map(len, self._lines)) <= self.columns, "no test wraps here"
            self._lines = [line[:columns] for line in self._lines]
            self._at = min(self._at, columns - 1)
        self.columns = columns

    def rows(self) -> list[str]:
        """What one sees, without empty rows at the end."""
        rows = [row for line in self._lines for row in self._wrapped(line)]
        return "\n".join(row.rstrip() for row in rows).rstrip("\n").split("\n")

    def obey(self, text: str) -> None:
        for token in _TOKEN.finditer(text):
            number, code, letter = token.groups()
            if code == "J" and not number:
                assert self._line or self._at, "tmux keeps what is erased from the top"
                self._lines[self._line :] = [self._lines[self._line][: self._at]]
            elif code == "K":
                self._erase_row()
            elif code == "A":
                self._up(int(number))
            elif number == "?7":
                self._wraps = code == "h"
            elif letter == "\r":
                self._at -= self._at % self.columns
            elif letter == "\n":
                self._down()
            else:
                assert letter, token
                assert letter.isprintable()
                self._put(letter)

    def _wrapped(self, line: str) -> list[str]:
        return [line[at : at + self.columns] for at in range(0, max(1, len(line)), self.columns)]

    def _erase_row(self) -> None:
        begin = self._at - self._at % self.columns
        line = self._lines[self._line]
        rest = line[begin + self.columns :]
        self._lines[self._line] = line[:begin]
        if rest:
            self._lines.insert(self._line + 1, rest)

    def _up(self, rows: int) -> None:
        """From the beginning of a row to that of one above it."""
        assert self._at % self.columns == 0, "only from the beginning of a row"
        for _ in range(rows):
            if self._at:
                self._at -= self.columns
            else:
                self._line -= 1
                above = len(self._wrapped(self._lines[self._line]))
                self._at = (above - 1) * self.columns

    def _down(self) -> None:
        column = self._at % self.columns
        row_above = self._at // self.columns
        if row_above + 1 < len(self._wrapped(self._lines[self._line])):
            self._at += self.columns
            return
        self._line, self._at = self._line + 1, column
        if self._line == len(self._lines):
            self._lines.append("")

    def _put(self, letter: str) -> None:
        line = self._lines[self._line].ljust(self._at)
        self._lines[self._line] = line[: self._at] + letter + line[self._at + 1 :]
        if self._wraps or self._at % self.columns < self.columns - 1:
            self._at += 1


class Terminal:
    """A pty whose `stream` a program has as its stderr, and the screen at its other end."""

    def __init__(self, columns: int, *, rearranges: bool) -> None:
        self._ours, self.descriptor = pty.openpty()
        tty.setraw(self.descriptor)
        self.stream: TextIO = os.fdopen(self.descriptor, "w", encoding="utf-8")
        self.screen = Screen(columns, rearranges=rearranges)
        self.written = ""
        self.resize(columns)

    def resize(self, columns: int) -> None:
        self.rows()
        size = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)
        self.screen.resize(columns)

    def rows(self) -> list[str]:
        """What is seen after everything that was written so far."""
        os.write(self.descriptor, _END)
        came = b""
        while not came.endswith(_END):
            came += os.read(self._ours, 4096)
        text = came.removesuffix(_END).decode()
        self.written += text
        self.screen.obey(text.replace("\n", "\r\n"))
        return self.screen.rows()

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@contextmanager
def opened_terminal(columns: int, *, rearranges: bool = True) -> Iterator[Terminal]:
    terminal = Terminal(columns, rearranges=rearranges)
    try:
        yield terminal
    finally:
        terminal.close()
