"""What a child of the forge can do. Every step returns something that JSON can hold."""

import ctypes
import hashlib
import os
import resource
import signal
import tempfile
from pathlib import Path

#: changes of files so far, if they are counted
seen: list[str] = []
NEW_USER, NEW_MOUNTS, NEW_NETWORK = 0x10000000, 0x00020000, 0x40000000
READ_ONLY, REMOUNT, BIND, PRIVATE = 1, 32, 4096, 0x44000


def cli(*arguments) -> dict:
    """Run the command line; return its code and what it wrote."""
    from tinykd.cli import main

    return _caught(main, arguments)


def scenarios(*arguments) -> dict:
    """Run the command line of the scenarios; return its code and what it wrote."""
    from scenarios.__main__ import main

    return _caught(main, arguments)


def _caught(main, arguments) -> dict:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = os.dup(1), os.dup(2)
        os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2)
        try:
            code = main([str(argument) for argument in arguments])
        finally:
            import sys

            sys.stdout.flush(), sys.stderr.flush()
            os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8"))
    return {"code": code, "out": said[0], "err": said[1]}


def changes() -> int:
    """How many changes of files were counted."""
    return len(seen)


def listing(folder) -> list[str]:
    """Every file and folder below."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def digest(path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def own_mounts() -> None:
    """Mounts from here on are this process's alone, and go with it."""
    _unshare(NEW_MOUNTS)
    _mount("none", "/", None, PRIVATE)


def no_network() -> None:
    """Only a loopback that is down."""
    _unshare(NEW_NETWORK)


def small_disk(folder, size: str) -> None:
    """Put an empty disk of this size at ``folder``."""
    _mount("tmpfs", folder, "tmpfs", 0, f"size={size}")


def grow(folder, size: str) -> None:
    """Free some space."""
    _mount("tmpfs", folder, "tmpfs", REMOUNT, f"size={size}")


def read_only(folder) -> None:
    """Nobody can write below ``folder``, root included."""
    _mount(folder, folder, None, BIND)
    _mount("none", folder, None, REMOUNT | BIND | READ_ONLY)


def quota(size: int) -> None:
    """No file may grow larger: what a disk quota feels like from inside."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def signals(base, corpus, store, told, die=None) -> str:
    """Ask for a teacher's signals as a pupil of a class does; return their digest.

    Args:
        told: a line is added to this file each time that the teacher is really asked.
        die: while this file is there, a process that asks the teacher removes it and dies in the middle of its answers.
    """
    from tinykd import data, models, samples

    original = models.signals

    def counted(*arguments, **options):
        with open(told, "a") as file:
            file.write(f"{os.getpid()}\n")
        for number, row in enumerate(original(*arguments, **options)):
            if number == 5 and die and Path(die).exists():
                Path(die).unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            yield row

    models.signals = counted
    train = data.load(str(corpus))["train"]
    teacher, tokenizer = models.teacher(str(base), data.label_names(train), seed=7)
    transfer = samples.with_teacher(train, teacher, tokenizer, Path(store))
    return hashlib.sha256(repr(transfer["teacher_logits"][:]).encode()).hexdigest()


def finance_run(base, out, stream, size=64) -> None:
    """Save a reader to whom every text is bad news, a chart that soon raises alerts, and a stream of eight files."""
    from scenarios import finance
    from tinykd import data, models

    labels = finance.labels_of(data.load("finance"))
    model, tokenizer = models.teacher(str(base), labels, "classification")
    model.classifier.bias.data[[label.endswith("negative") for label in labels].index(True)] = 9.0
    models.save(model, tokenizer, Path(out) / "student")
    finance.save_chart(Path(out) / "chart.json", finance.Cusum(0.0, 1.5))
    lines = [finance.as_line(item) for item in finance.stream()[:size]]
    Path(stream).mkdir()
    for part in range(8):
        Path(stream, f"{part}.jsonl").write_bytes(b"\n".join(lines[part * size // 8 : (part + 1) * size // 8]) + b"\n")


def open_database(path, kill_at: int | None = None) -> int:
    """Open a monitor, and die just before its call number ``kill_at`` of DuckDB; return the number of calls."""
    import duckdb

    from scenarios import finance

    calls, connect = [], duckdb.connect

    class Counted:
        def __init__(self, path):
            self.connection = connect(path)

        def __getattr__(self, name):
            calls.append(name)
            if len(calls) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return getattr(self.connection, name)

    duckdb.connect = Counted
    with finance.Monitor(Path(path), None, finance.Cusum(0.0, 1.5)):
        return len(calls)


def _unshare(kind: int) -> None:
    user, group = os.getuid(), os.getgid()
    if user:  # who is not root becomes the root of a small world of its own
        kind |= NEW_USER
    _call("unshare", kind)
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _mount(what: str, where, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [value and str(value).encode() for value in (what, where, kind, options)]
    _call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])


def _call(name: str, *arguments) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def without(package: str) -> None:
    """The package is not there; a wheel for another processor fails in the same way, with an ImportError."""
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]
    sys.modules[package] = None


def backwards(base, corpus, out) -> list[list[str]]:
    """Train five epochs of three steps while the clock goes back a day an epoch; return the checkpoints after each."""
    from transformers import TrainerCallback

    from tinykd import artifacts, data, models, training
    from tinykd.training import runs, trainer

    seen = []

    class Back(TrainerCallback):
        def on_save(self, args, state, control, **kwargs):
            folders = trainer.checkpoints(Path(args.output_dir))
            assert all(artifacts.sealed(folder, trainer.MARK) for folder in folders)
            seen.append([folder.name for folder in folders])
            day = 2e9 - 86400 * state.global_step
            os.utime(folders[-1], (day, day))

    runs.Bar = lambda title: Back()
    train = data.load(str(corpus))["train"]
    model, tokenizer = models.teacher(str(base), data.label_names(train))
    settings = training.Settings(epochs=5, batch_size=8)
    training.fine_tune(model, tokenizer, train, Path(out), settings)
    return seen


def replace(folder, content: str) -> None:
    """Put a folder with two files in the place of another."""
    from tinykd.artifacts import new_folder

    with new_folder(Path(folder), "a") as unfinished:
        for name in ("a", "b"):
            (unfinished / name).write_text(content)


def write_note(path, content: str) -> None:
    """Put a note in the place of another."""
    from tinykd.artifacts import write_json

    write_json(Path(path), content)
