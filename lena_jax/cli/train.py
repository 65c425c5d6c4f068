"""`lena-jax train`: from a folder of pictures and a table of scores to a model with its report, in one command."""

import ast
import difflib
import hashlib
import itertools
import os
import shlex
import shutil
from pathlib import Path

import lena_jax
from data_prep.image_pairs import command as image_pairs
from lena_jax.cli import models, parsing, train_summary
from lena_jax.cli.plain_words import plain_words
from lena_jax.config import STRENGTHS, own_pictures_config
from lena_jax.runtime.untrusted import read_json

DESCRIPTION = """\
Trains a ranker on your own pictures. You need a folder of pictures and a table (CSV, Excel, JSON lines, Parquet) with a
score for each: likes, ratings, sales, any number; higher is better. Which table and which columns are guessed and said
where you leave them out. Instead of scores, the table may hold pairs and what people chose (--pairs): A/B tests, votes,
choices of `lena-jax judge`.

It reads the pictures, computes their features once, measures in five folds how well such a model ranks pictures that it
was not trained on, and trains the model itself on all pictures. What comes out is one folder: the model for
`lena-jax score`, a model card, report.html, metrics.json. Interrupted, the same command goes on; run again with the
same input, it does nothing.
"""

EXAMPLES = f"""\
strengths:
{chr(10).join(f"  {name:8} {said}" for name, said in STRENGTHS.items())}

examples:
  lena-jax train photos/
  lena-jax train photos/ --table=photos.xlsx --score=likes -o models/photos
  lena-jax train photos/ --score=likes --views=views --group=site
  lena-jax train photos/ --score=rating --fold_by=author --strength=quick
  lena-jax train photos/ --pairs=choices.csv
  lena-jax train thumbnails/ --pairs=tests.csv --left=a --right=b --left_clicks=clicks_a --left_views=shown_a \\
      --right_clicks=clicks_b --right_views=shown_b
  lena-jax train photos/ --config.pooling=average -o models/photos_average
"""

_INPUT = "input.json"


def add(commands, options):
    """Adds `train` to the command line."""
    parser = commands.add_parser(
        "train", help="train a model on your own pictures", description=DESCRIPTION, epilog=EXAMPLES, **options
    )
    parser.add_argument("pictures", metavar="FOLDER", help="folder of pictures")
    parser.add_argument(
        "--table", metavar="FILE", help="table of scores (default: the only one in the folder or beside)"
    )
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="table of pairs in the place of scores, see `python -m data_prep build image_pairs --help`; its columns "
        "are named below if they are not found",
    )
    parser.add_argument("--score", metavar="COLUMN", help="column to rank by (default: guessed)")
    parser.add_argument("--image_column", metavar="COLUMN", help="column of the pictures' paths (default: guessed)")
    parser.add_argument("--group", metavar="COLUMN", help="compare only pictures with the same value in this column")
    parser.add_argument("--views", metavar="COLUMN", help="column of views: rank by the score per view")
    parser.add_argument(
        "--fold_by", metavar="COLUMN", help="keep pictures with the same value (an author) on one side of every fold"
    )
    parser.add_argument(
        "--missing", action="append", default=[], metavar="VALUE", help="what stands for a missing score, such as -1"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="folder of the model (default: models/ and the folder's name)"
    )
    parser.add_argument(
        "--strength", choices=STRENGTHS, default="default", help="what to spend, see below (default: %(default)s)"
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="folds to measure in (default: %(default)s)")
    parser.add_argument(
        "--time_limit", type=float, metavar="MINUTES", help="measure in fewer folds if five would take longer"
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for those who know: any key of the config, also as --config.pooling=average",
    )
    columns = parser.add_argument_group("columns of a table of --pairs")
    shared = ("image_column", "group")
    parser.set_defaults(run=run, of_pairs=image_pairs.add_columns(columns, without=shared))


def run(arguments) -> int:
    """Returns the exit code 0."""
    folder = Path(arguments.pictures).expanduser()
    if not folder.is_dir():
        raise ValueError(f"got {arguments.pictures!r}, expected a folder of pictures{_other_folder(folder)}")
    if arguments.folds < 2:
        raise ValueError(f"got --folds={arguments.folds}, expected at least 2")
    if arguments.time_limit is not None and not arguments.time_limit > 0:
        raise ValueError(f"got --time_limit={arguments.time_limit:g}, expected minutes above 0")
    with models.ready():
        from data_prep.image_scores import look

        output = Path(arguments.output or Path("models") / folder.resolve().name).expanduser().absolute()
        table, found = _table_of(arguments, folder)
        config, key = _config(arguments), _key(arguments, folder, table, found)
        if output.exists():
            return _already(output, key)
        print(f"table {table}: {found.said}")
        if not arguments.pairs:
            given = (arguments.group, arguments.missing, arguments.fold_by)
            for line in look.lines(table, folder, found.image, found.score, *given):
                print(line)
        # Everything on the way to the model; the same command goes on from here.
        work = output.with_name(f"{output.name}.partial")
        _claim(work, key)
        try:
            built = _build(arguments, folder, table, found, work / "data")
            config.data.name, config.data.dir = built.name, str(work / "data")

            from lena_jax.studies import own_pictures

            own_pictures.check_enough(config, arguments.folds)
        except ValueError:
            # Nothing was done that another try could go on with.
            shutil.rmtree(work, ignore_errors=True)
            raise
        seconds = None if arguments.time_limit is None else 60 * arguments.time_limit
        try:
            with plain_words():
                measures = own_pictures.fit(config, work, output, arguments.folds, seconds, {_INPUT: key})
        except FileNotFoundError as error:
            if arguments.strength != "best" or error.errno is not None:
                raise
            raise FileNotFoundError(
                f"{error}. Without a network: --strength=default, with weights that are here"
            ) from error
        shutil.rmtree(work, ignore_errors=True)
        print(train_summary.text(measures, output))
    return 0


def _other_folder(folder):
    """Returns what a person could have meant by a folder that is none."""
    if folder.is_file():
        return ": name the folder first, and the table with --table"
    return f"; there is no such folder in {Path().resolve()}{parsing.near(folder)}"


def _table_of(arguments, folder):
    """Returns the table, and a `Guess` of its columns; a table of pairs finds its own columns."""
    from data_prep.image_scores import guess
    from data_prep.tables import files

    if arguments.pairs:
        for name in ("table", "score", "views", "missing"):
            if getattr(arguments, name):
                raise ValueError(f"got --pairs and --{name}, expected one of them: a table of pairs has no scores")
        columns = guess.Guess(arguments.image_column or "", "", "pairs and what was chosen")
        return Path(arguments.pairs).expanduser(), columns
    for name in arguments.of_pairs:
        if getattr(arguments, name) is not None:
            raise ValueError(f"got --{name} without --pairs, expected both: it names a column of a table of pairs")
    table = guess.table_of(folder) if arguments.table is None else Path(arguments.table).expanduser()
    if not arguments.score and {"left", "right"} <= set(files.column_names(table, 1)[0]):
        raise ValueError(f"{table} has columns of left and right pictures: to learn from pairs, pass --pairs={table}")
    others = [name for name in (arguments.group, arguments.views, arguments.fold_by) if name]
    return table, guess.columns(table, folder, arguments.image_column, arguments.score, others)


def _config(arguments):
    """Returns the config of the strength, with the keys that were set by hand."""
    config = own_pictures_config(arguments.strength)
    for text in arguments.config:
        key, equals, value = text.partition("=")
        *parents, last = key.split(".")
        node = config
        for name in [*parents, last]:
            known = list(node.keys()) if hasattr(node, "keys") else []
            if name not in known or not equals:
                near = difflib.get_close_matches(name, known, n=1)
                raise ValueError(
                    f"got --config.{text}, expected --config.KEY=VALUE with a key of the config"
                    + (f"; did you mean {near[0]!r}?" if near and name not in known else "")
                )
            node, parent = node[name], node
        if key.startswith("data."):
            raise ValueError(f"got --config.{key}, which this command sets itself: use its own options")
        try:
            parent[last] = _value(value)
        except TypeError as error:
            raise ValueError(f"got --config.{text}, expected a value of type {type(node).__name__}") from error
    return config


def _value(text):
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def _key(arguments, folder, table, found):
    """Returns all that the model depends on, as JSON values: options, and what table and pictures are."""
    if not table.is_file():
        raise ValueError(f"no such table: {table}")
    digest = hashlib.sha256(table.read_bytes())
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            digest.update(
                f"{path.relative_to(folder)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="replace")
            )
    options = ("group", "views", "fold_by", "missing", "strength", "folds", "config", *arguments.of_pairs)
    return {
        "input": digest.hexdigest(),
        "image": found.image,
        "score": found.score,
        "version": lena_jax.__version__,
        **{name: getattr(arguments, name) for name in options},
    }


def _already(output, key):
    """Says that the model is there; refuses a folder that holds another."""
    try:
        known = read_json(output / _INPUT)
    except (OSError, ValueError):
        known = None
    if known != key:
        differ = "something else" if not isinstance(known, dict) else "a model made from another input or other options"
        free = next(one for number in itertools.count(2) if not (one := Path(f"{output}_{number}")).exists())
        other = shlex.quote(os.path.relpath(free))
        raise ValueError(f"{output} holds {differ}: choose another folder, such as -o {other}, or delete it")
    print(f"{output} is already there, made from the same input: nothing to do")
    return 0


def _claim(work, key):
    """Makes the folder of the work, or goes on with it; one that was made from other input is made anew."""
    place = work / _INPUT
    try:
        if read_json(place) == key:
            print(f"going on with what is in {work}")
            return
    except (OSError, ValueError):
        pass
    from lena_jax.runs.folder import write_json

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    write_json(place, key)


def _build(arguments, folder, table, found, data_dir):
    """Builds the dataset, or finds it built."""
    from data_prep import command
    from data_prep.image_scores.command import clean_name

    name = clean_name(folder.resolve().name) or "pictures"
    options = ["image_pairs" if arguments.pairs else "image_scores", f"--images={folder}", f"--csv={table}"]
    options += [f"--name={name}", f"--data_dir={data_dir}", "--on-bad-image=skip"]
    if not arguments.pairs:
        options += [f"--image_column={found.image}", f"--score={found.score}"]
    else:
        names = ("image_column", *arguments.of_pairs)
        options += [f"--{name}={value}" for name in names if (value := getattr(arguments, name)) is not None]
    options += [f"--{name}={value}" for name in ("group", "fold_by") if (value := getattr(arguments, name))]
    options += [f"--missing={value}" for value in arguments.missing]
    if arguments.views:
        options += [f"--views={arguments.views}", "--transform=rate"]
    return command.built(options)
