"""One timer at a time, on whichever event loop: by it a line is looked at again when only time makes room.

The line sets and clears it under its own lock, from any thread. Here is also how one loop is told something by another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

__all__ = ("Alarm", "Loop", "Setting", "is_running", "post")

Loop: TypeAlias = asyncio.AbstractEventLoop


class Alarm:
    """A timer that moves from loop to loop."""

    __slots__ = ("_setting",)

    def __init__(self) -> None:
        """Be set to no time."""
        self._setting: Setting | None = None

    def set(self, loop: Loop, when: float, ring: Callable[[Setting], None]) -> bool:
        """Call `ring` on the loop at that time; one that is set there for an earlier time stays.

        Returns:
            False where the loop is closed.
        """
        if loop.is_closed():
            return False
        setting = self._setting
        if setting is not None and setting.loop is loop and setting.when <= when:
            return True
        self.clear()
        self._setting = setting = Setting(loop, when, ring)
        if is_running(loop):
            setting.start()
            return True
        return post(loop, setting.start)

    def clear(self) -> None:
        """Be set to no time."""
        setting, self._setting = self._setting, None
        if setting is not None:
            setting.cleared = True
            if is_running(setting.loop):
                setting.stop()
            else:
                post(setting.loop, setting.stop)

    def rang(self, setting: Setting) -> bool:
        """Take note of a call; False where it comes too late to count, since the alarm was set anew or cleared."""
        if self._setting is not setting:
            return False
        self._setting = None
        return True


class Setting:
    """What an alarm is set to. All that touches the timer runs on its loop."""

    __slots__ = ("_handle", "_ring", "cleared", "loop", "when")

    def __init__(self, loop: Loop, when: float, ring: Callable[[Setting], None]) -> None:
        """Be going to call `ring`; see `start`."""
        self.loop = loop
        self.when = when
        self.cleared = False
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the timer."""
        if not self.cleared:
            self._handle = self.loop.call_at(self.when, self._ring, self)

    def stop(self) -> None:
        """Stop it."""
        if self._handle is not None:
            self._handle.cancel()


def is_running(loop: Loop) -> bool:
    """Whether this loop is what the current thread runs."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def post(loop: Loop, callback: Callable[..., object], *arguments: object) -> bool:
    """Have a loop call something; False where it is closed."""
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        return False
    return True
