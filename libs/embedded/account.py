"""The account that runs Postgres. Postgres refuses to run as root, so that root needs another.

No folder's rights are changed. If root's folders are closed to others, the server gets one Linux
capability, with which it passes them.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_IXOTH
from typing import NamedTuple

from events.errors import Unusable

NAME = "gridcall-postgres"
SYSTEM_PATH = "/usr/sbin:/sbin"  # A service's PATH often lacks them, and useradd is there.
PR_SET_PDEATHSIG = 1  # <sys/prctl.h>

# Either one lets a process pass closed folders. The first gives less; containers often lack it.
CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}  # <linux/capability.h>

# Postgres looks for its own programs by access(2), which ignores capabilities without this bit.
ACCESS = "--securebits=+no_setuid_fixup"


class Account(NamedTuple):
    """The user as whom Postgres runs."""

    name: str
    uid: int
    gid: int

    @property
    def is_own(self) -> bool:
        """Tell whether it is the user of this process."""
        return self.uid == os.geteuid()

    def check_owner(self, folder: Path) -> None:
        """Raise Unusable for a folder of another user, unless root can make it the account's."""
        if folder.stat().st_uid != self.uid and os.geteuid():
            raise Unusable(
                f"{folder} belongs to another user than {self.name}: run gridcall as its owner, "
                "or name another folder in GRIDCALL_HOME"
            )

    def own(self, folder: Path) -> None:
        """Make the account the owner of a folder and of all that is in it.

        The folder itself comes last, so that an interrupted change is done again.
        """
        if folder.stat().st_uid == self.uid:
            return
        for parent, folders, files in os.walk(folder, topdown=False):
            for path in (*(os.path.join(parent, name) for name in (*folders, *files)), parent):
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def command(self, program: Path, *words: str, folder: Path) -> list[str]:
        """Return the command that runs a program as this account, in reach of a folder."""
        command = [str(program), *words]
        if self.is_own:
            return command
        user = [f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        options = passage(program, folder, effective_capabilities())
        return ["setpriv", *user, *options, "--pdeathsig=INT", "--", *command]

    @property
    def preparation(self) -> Callable[[], None] | None:
        """Return what a child calls before its program; for another user, setpriv does it."""
        return end_with_parent if self.is_own else None


def server_account() -> Account:
    """Return the account for Postgres: the user of this process, or for root one of its own.

    Raises Unusable if there is none.
    """
    if not os.geteuid():
        entry = system_user(NAME)
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    try:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid())
    except KeyError:
        raise Unusable(
            f"user {os.geteuid()} has no name in /etc/passwd, and the embedded Postgres needs "
            "one: add it, or name a database in GRIDCALL_DATABASE_URL"
        ) from None


def system_user(name: str) -> pwd.struct_passwd:
    """Return a user as whom nobody can log in, made if it does not exist. Raises Unusable."""
    with suppress(KeyError):
        return pwd.getpwnam(name)
    path = f"{os.environ.get('PATH', os.defpath)}:{SYSTEM_PATH}"
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    if useradd := shutil.which("useradd", path=path):
        # It fails if another process was first.
        subprocess.run([useradd, *options, name], check=False, capture_output=True)  # noqa: S603
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise Unusable(
            f"Postgres does not run as root, and a user {name} cannot be made for it: run "
            f"`useradd --system --user-group {name}`, or run gridcall as another user"
        ) from None


def passage(program: Path, folder: Path, permitted: int) -> list[str]:
    """Return the options of setpriv with which another user reaches a program and a folder.

    There are none if nothing on the way is closed. Raises Unusable if none of the `permitted`
    capabilities, a bit each, is enough.
    """
    on_way = [path for path in (program, *program.parents) if is_closed(path)]
    closed = on_way or [path for path in folder.parents if is_closed(path)]
    if not closed:
        return []
    for name, bit in CAPABILITIES.items():
        executes = name == "dac_override" or not is_closed(program)
        if executes and permitted >> bit & 1:
            options = [f"--inh-caps=+{name}", f"--ambient-caps=+{name}"]
            return [*options, ACCESS] if on_way else options
    raise Unusable(
        f"{closed[0]} is closed to {NAME}, as whom Postgres runs for root: name a folder in "
        "GRIDCALL_HOME that others may enter, such as /var/lib/gridcall"
    )


def is_closed(path: Path) -> bool:
    """Tell whether others may not enter a folder, or execute a program."""
    return not path.stat().st_mode & S_IXOTH


def effective_capabilities() -> int:
    """Return the capabilities of this process, a bit each."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def end_with_parent() -> None:
    """Let this process get SIGINT when its parent dies: Postgres's signal for a fast shutdown."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
