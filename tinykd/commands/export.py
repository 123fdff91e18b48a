"""``tinykd export``: an ONNX folder that predicts without torch, on a server, in a browser or on a phone."""

import tempfile
from pathlib import Path

from tinykd.commands import quoted


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("export", help="write an ONNX folder that predicts without torch")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    said = "dynamic (if left out): weights and activations in 8 bits; weights: as small a file, computed in float32"
    parser.add_argument("--int8", nargs="?", const="dynamic", choices=("dynamic", "weights"), help=said)
    parser.add_argument("--max-length", type=int, default=128, metavar="N")
    return parser


def call(options) -> None:
    """Export, check, and say how large it is."""
    from tinykd import models
    from tinykd.deploy import export, int8

    model, tokenizer = models.load(options.model)
    if options.int8:
        with tempfile.TemporaryDirectory() as place:
            plain = export.to_onnx(model, tokenizer, Path(place) / "plain", options.max_length)
            kinds = {"dynamic": int8.dynamic_int8, "weights": int8.weight_only_int8}
            kinds[options.int8](plain, options.out)
    else:
        export.to_onnx(model, tokenizer, options.out, options.max_length)
    for file in sorted((options.out / "onnx").glob("*.onnx")):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    print(f'try it: tinykd predict --model {quoted(options.out)} "Mara Hope left Jordan for Nice."')
