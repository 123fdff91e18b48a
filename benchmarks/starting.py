"""How long from the return key to the answer? Whole processes, from their start to their end.

* ``python``                     an interpreter that does nothing: the floor
* ``import tinykd``              limit 0.3 s
* ``tinykd --help``              limit 0.5 s
* ``tinykd predict, torch``      one sentence, a student of three layers
* ``tinykd predict, exported``   the same student as an int8 ONNX folder: torch is never imported

python benchmarks/starting.py [--repeats 5] [--rounds 3]
"""

import statistics
import subprocess
import sys
import time

import turns

SENTENCE = "Mara Hope left Jordan for Nice."
COMMANDS = {
    "python": ["-c", "pass"],
    "import tinykd": ["-c", "import tinykd"],
    "tinykd --help": ["-m", "tinykd", "--help"],
    "tinykd predict, torch": ["-m", "tinykd", "predict", "--model", "{work}/student", SENTENCE],
    "tinykd predict, exported": ["-m", "tinykd", "predict", "--model", "{work}/int8", SENTENCE],
}
LIMITS = {"import tinykd": 0.3, "tinykd --help": 0.5}
OPTIONS = {
    "--repeats": {
        "type": int,
        "default": 5,
        "help": "processes in a round, after one that warms; default: %(default)s",
    },
    "--base": {"default": "minilm", "help": "the teacher, as for tinykd distill; default: %(default)s"},
    "--student": {"default": "cut:3", "help": "default: %(default)s"},
}


def prepare(options) -> None:
    """Save an untrained student, plain and exported."""
    from tinykd import data, models
    from tinykd.deploy import export, int8

    if not (options.work / "int8").exists():
        teacher, tokenizer = models.teacher(options.base, data.label_names(data.load("newswire")))
        student = models.student(options.student, teacher)
        models.save(student, tokenizer, options.work / "student")
        int8.dynamic_int8(export.to_onnx(student, tokenizer, options.work / "float32"), options.work / "int8")


def measure(name: str, options) -> dict:
    """Seconds of one process, the median of some; the first is not counted."""
    command = [sys.executable, *(part.format(work=options.work) for part in COMMANDS[name])]
    seconds = []
    for _ in range(options.repeats + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds[1:])}


def main(arguments: list[str] | None = None) -> dict | None:
    """Run every contestant in a process of its own, some rounds, and print medians and spread."""
    return turns.run(__file__, __doc__, COMMANDS, measure, OPTIONS, prepare, arguments=arguments)


if __name__ == "__main__":
    main()
