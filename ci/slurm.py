"""Runs what `farm export --to slurm` writes on a real slurmctld and slurmd, on loopback.

ci/slurm.py

All daemons run in a network namespace of their own and keep everything in a temporary folder.
Exit code 1 where something is not as it should be, 77 where they cannot run here (Debian:
`apt-get install slurmctld slurmd slurm-client munge`).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSIDE = "MTF_CI_INSIDE"
CANNOT_RUN = 77
TIMEOUT_SECS = 600
AT_ONCE = 2
SECS = 8
SEGMENTS = 4

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
KillWait=5
MinJobAge=3600
SchedulerParameters=sched_interval=2,batch_sched_delay=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP
"""


def main() -> int:
    """Run the cases and say what was seen."""
    lacking = [
        name for name in ("slurmctld", "slurmd", "munged", "unshare", "ip") if not _has(name)
    ]
    if lacking:
        print(f"not installed: {', '.join(lacking)}")
        return CANNOT_RUN
    if INSIDE not in os.environ:
        return _run_inside()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # With an address of loopback alone Slurm finds no family of addresses to listen with.
    subprocess.run(["ip", "addr", "add", "10.255.255.1/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as name:
        folder = Path(name)
        with _daemons(folder / "daemons"):
            return _cases(folder)


def _run_inside() -> int:
    # Slurm's daemons want to be root; in a namespace of users everybody may be.
    command = ["unshare", "-n" if os.geteuid() == 0 else "-rn", sys.executable, *sys.argv]
    if subprocess.run([*command[:2], "true"], check=False).returncode:
        print("no network namespace can be made here")
        return CANNOT_RUN
    return subprocess.run(command, check=False, env=os.environ | {INSIDE: "1"}).returncode


def _has(name: str) -> bool:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


@contextmanager
def _daemons(folder: Path) -> Iterator[None]:
    for each in (folder, folder / "state", folder / "spool"):
        each.mkdir(mode=0o755)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    configuration = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    configuration.write_text(CONFIGURATION.format(folder=folder, host=host))
    os.environ["SLURM_CONF"] = str(configuration)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with ExitStack() as stack:
        paths = [f"--{name}={folder / file}" for name, file in (
            ("key-file", "munge.key"), ("socket", "munge.socket"), ("pid-file", "munge.pid"),
            ("log-file", "munge.log"), ("seed-file", "munge.seed"),
        )]  # fmt: skip
        stack.enter_context(_running(folder, "munged", "-F", "--force", *paths))
        _until((folder / "munge.socket").exists, "munged", folder)
        stack.enter_context(_running(folder, "slurmctld", "-D"))
        stack.enter_context(_running(folder, "slurmd", "-D", "-N", host))
        _until(lambda: "idle" in _said("sinfo", "-h", "-o", "%T"), "an idle node", folder)
        yield


@contextmanager
def _running(folder: Path, *command: str) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cases(folder: Path) -> int:
    avatar, speech = ROOT / "examples/portrait.png", folder / "speech.wav"
    _repeat(ROOT / "tests/data/short.wav", speech)
    right = folder / "right.mp4"
    inputs = ["-i", str(avatar), "-a", str(speech)]
    options = ["-s", "builtin", "--resolution", "256x256", "--segment-secs", "2"]
    _musetalk(folder, "render", *inputs, "-o", str(right), *options)
    good = True
    for name, case in CASES.items():
        job = folder / name
        output = folder / f"{name}.mp4"
        _musetalk(
            *(folder, "farm", "export", "--to", "slurm", "--chunk", "1"),
            *("--at-once", str(AT_ONCE), *inputs, "-o", str(output), *options),
            *("--bundle", str(job)),
        )
        began = time.monotonic()
        seen = case(job, output)
        is_right = output.exists() and _digest(output) == _digest(right)
        is_good = is_right if name != "failure" else not output.exists()
        good &= is_good
        said = "as it should be" if is_good else "NOT as it should be"
        print(
            f"{name:10} {time.monotonic() - began:6.1f} s  {seen}; the video is {said}", flush=True
        )
    return 0 if good else 1


def _array(job: Path, _output: Path) -> str:
    tasks, join = _submit(job)
    most, waited = 0, set()
    while not _is_over(join):
        states = [line.split("|") for line in _queue(tasks)]
        most = max(most, sum(state == "RUNNING" for state, _, _ in states))
        waited |= {reason for state, reason, _ in states if state == "PENDING"}
        waited |= {reason for _, reason, _ in (line.split("|") for line in _queue(join))}
        time.sleep(0.2)
    assert most <= AT_ONCE, f"{most} tasks at a time"
    return f"{SEGMENTS} tasks, at most {most} at a time, waited for {_reasons(waited)}"


def _requeue(job: Path, _output: Path) -> str:
    tasks, join = _submit(job)
    _until(lambda: "RUNNING" in _state(f"{tasks}_0"), "a task at work", job)
    time.sleep(1)
    subprocess.run(["scontrol", "requeue", f"{tasks}_0"], check=True)
    _until(lambda: _restarts(f"{tasks}_0") == "1", "the task again", job)
    _until(lambda: _is_over(join), "the join", job)
    return f"task 0 requeued at work: Restarts={_restarts(f'{tasks}_0')}, {_state(f'{tasks}_0')}"


def _failure(job: Path, _output: Path) -> str:
    script = job / "tasks.sbatch"
    script.write_text(
        script.read_text().replace(
            "exec musetalk-fast", 'test "$numbers" != 1 || exit 70; exec musetalk-fast'
        )
    )
    tasks, join = _submit(job)
    _until(lambda: _is_over(join), "the join", job)
    _until(lambda: not _queue(tasks), "the tasks", job)
    return f"task 1: {_state(f'{tasks}_1')}, {_code(f'{tasks}_1')}; join: {_state(join)}"


def _cancelled(job: Path, output: Path) -> str:
    tasks, _ = _submit(job)
    _until(lambda: "RUNNING" in _state(f"{tasks}_0"), "a task at work", job)
    time.sleep(2)
    began = time.monotonic()
    subprocess.run(["scancel", tasks], check=True)
    _until(lambda: not _queue(tasks), "the end", job)
    secs, code = time.monotonic() - began, _code(f"{tasks}_0")
    unfinished = list(output.parent.rglob("*.tmp"))
    assert not unfinished, unfinished
    _, join = _submit(job)
    _until(lambda: _is_over(join), "the join", job)
    return f"scancel: {code} in {secs:.1f} s, nothing unfinished left; then submitted again"


CASES: dict[str, Callable[[Path, Path], str]] = {
    "array": _array,
    "requeue": _requeue,
    "failure": _failure,
    "scancel": _cancelled,
}


def _submit(job: Path) -> tuple[str, str]:
    done = _in_folder(job, str(job / "submit.sh"))
    tasks, join = re.findall(r"job (\d+)", done)
    return tasks, join


def _queue(job: str) -> list[str]:
    return _said("squeue", "-h", "-r", "-j", job, "-o", "%T|%r|%i").splitlines()


def _state(job: str) -> str:
    found = re.search(r"JobState=(\S+) Reason=(\S+)", _said("scontrol", "show", "job", job))
    return f"{found[1]} {found[2]}" if found else ""


def _code(job: str) -> str:
    found = re.search(r"ExitCode=(\S+)", _said("scontrol", "show", "job", job))
    return found[0] if found else ""


def _restarts(job: str) -> str:
    found = re.search(r"Restarts=(\d+)", _said("scontrol", "show", "job", job))
    return found[1] if found else ""


def _is_over(job: str) -> bool:
    return not _queue(job) and bool(_state(job))


def _reasons(reasons: set[str]) -> str:
    return ", ".join(sorted(reasons - {"None", ""}))


def _musetalk(folder: Path, *arguments: str) -> str:
    return _in_folder(folder, "musetalk-fast", *arguments)


def _in_folder(folder: Path, *command: str) -> str:
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _until(is_so: Callable[[], bool], what: str, folder: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_SECS
    while not is_so():
        if time.monotonic() > deadline:
            logs = "\n".join(
                f"{path.name}:\n{path.read_text(errors='replace')[-2000:]}"
                for path in (*folder.glob("*.out"), *folder.glob("*.log"))
            )
            raise TimeoutError(f"{what}\n{logs}")
        time.sleep(0.2)


def _repeat(speech: Path, path: Path) -> None:
    with wave.open(str(speech)) as given, wave.open(str(path), "w") as file:
        file.setparams(given.getparams())
        once = given.readframes(given.getnframes())
        count = SECS * given.getframerate() * given.getsampwidth() * given.getnchannels()
        file.writeframes((once * (count // len(once) + 1))[:count])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
