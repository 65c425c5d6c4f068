"""`lena-jax train`: from a folder of pictures and a table of scores to a model with its report, in one command."""

import ast
import difflib
import shutil
import time
from pathlib import Path

from data_prep.dataset_command import add_follow_links
from data_prep.image_pairs import command as image_pairs
from lena_jax.cli import models, parsing, train_folders, train_summary
from lena_jax.cli.plain_words import plain_words
from lena_jax.config import STRENGTHS, own_pictures_config

DESCRIPTION = """\
Trains a ranker on your own pictures. You need a folder of pictures and a table (CSV, Excel, JSON lines, Parquet) with a
score for each: likes, ratings, sales, any number; higher is better. Which table and which columns are guessed and said
where you leave them out. Instead of scores, the table may hold pairs and what people chose (--pairs): A/B tests, votes,
choices of `lena-jax judge`.

It reads the pictures, computes their features once, measures in five folds how well such a model ranks pictures that it
was not trained on, and trains the model itself on all pictures. What comes out is one folder: the model for
`lena-jax score`, a model card, report.html, metrics.json. Interrupted, the same command goes on. The same input again
does nothing. If the table or the pictures have changed, it makes the model again and keeps the one before beside it.
"""

_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")

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
    add_follow_links(parser)
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="folder of the model (default: models/ and the folder's name)"
    )
    parser.add_argument(
        "--strength", choices=STRENGTHS, default="default", help="what to spend, see below (default: %(default)s)"
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="folds to measure in (default: %(default)s)")
    parser.add_argument(
        "--time_limit",
        type=float,
        metavar="MINUTES",
        help="measure in fewer folds, at least one, if all would take longer than this; the model is the same",
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
    begun = time.monotonic()
    with models.ready():
        from data_prep.image_scores import look

        output = Path(arguments.output or Path("models") / folder.resolve().name).expanduser().absolute()
        table, found = _table_of(arguments, folder)
        config, made = _config(arguments), train_folders.made_from(arguments, folder, table, found)
        if train_folders.is_finished(output, made):
            return 0
        print(f"table {table}: {found.said}")
        if not arguments.pairs:
            given = (arguments.group, arguments.missing, arguments.fold_by, arguments.views)
            for line in look.lines(table, folder, found.image, found.score, *given):
                print(line)
        with train_folders.work_on(output, made) as work:
            try:
                built = _build(arguments, folder, table, found, work / "data")
                config.data.name, config.data.dir = built.name, str(work / "data")

                from lena_jax.studies import own_pictures

                own_pictures.check_enough(config, arguments.folds)
            except ValueError:
                # Nothing was done that another try could go on with.
                shutil.rmtree(work, ignore_errors=True)
                raise
            measures = _fitted(arguments, config, work, output, begun, made)
            shutil.rmtree(work, ignore_errors=True)
        print(train_summary.text(measures, output))
    return 0


def _other_folder(folder):
    """Returns what a person could have meant by a folder that is none."""
    if folder.is_file():
        # Imported here so that --help answers at once.
        from lena_jax.runtime import file_kinds

        with folder.open("rb") as file:
            kind = file_kinds.name_of(file.read(file_kinds.HEAD))
        if folder.suffix.lower() in _ARCHIVES:
            return f"; it is {kind or 'an archive'}: unpack it, and name the folder that comes out"
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
        files.check_there(table := Path(arguments.pairs).expanduser())
        return table, columns
    for name in arguments.of_pairs:
        if getattr(arguments, name) is not None:
            raise ValueError(f"got --{name} without --pairs, expected both: it names a column of a table of pairs")
    table = guess.table_of(folder) if arguments.table is None else Path(arguments.table).expanduser()
    if not arguments.score and {"left", "right"} <= set(files.top(table, 1).names):
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


def _fitted(arguments, config, work, output, begun, made):
    """Trains and measures, puts the model in its place, and returns its measures."""
    from data_prep.picture_folder import place_of
    from lena_jax.data.splits import open_pictures
    from lena_jax.runs import trained_pictures
    from lena_jax.studies import own_pictures

    folder = Path(arguments.pictures).expanduser()
    shutil.rmtree(work / "model", ignore_errors=True)
    until = None if arguments.time_limit is None else begun + 60 * arguments.time_limit
    try:
        with plain_words():
            measures = own_pictures.fit(
                config, work, work / "model", arguments.folds, until, {train_folders.INPUT: made}
            )
    except FileNotFoundError as error:
        if arguments.strength != "best" or error.errno is not None:
            raise
        raise FileNotFoundError(
            f"{error}. Without a network: --strength=default, with weights that are here"
        ) from error
    places = (place_of(folder, name) for name in open_pictures(config)["train"].ids.tolist())
    trained_pictures.write(work / "model", [place for place in places if place is not None])
    train_folders.put(work / "model", output)
    return measures


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
    options += ["--follow_links"] * arguments.follow_links
    if arguments.views:
        options += [f"--views={arguments.views}", "--transform=rate"]
    return command.built(options)
