"""The folders of `lena-jax train`: of the model, of the work on it, and what a model was made from.

Beside the folder of the model, `models/photos`, the work lies in `models/photos.partial` until it is finished, and the
model that was there before in `models/photos.before`.
"""

import contextlib
import hashlib
import itertools
import os
import shlex
import shutil
from pathlib import Path

import lena_jax
from lena_jax.runtime.untrusted import read_json

INPUT = "input.json"
_OPTIONS = ("group", "views", "fold_by", "missing", "follow_links", "strength", "folds", "config")


def made_from(arguments, folder, table, found):
    """Returns all that a model depends on, as JSON values.

    Args:
        arguments: those of the command line.
        folder: folder of pictures.
        table: path of the table.
        found: `Guess` of its columns.

    Returns:
        {"version", "table": digest, "pictures": digest of what is in the folder, "options": {name: value}}.
    """
    options = {name: getattr(arguments, name) for name in (*_OPTIONS, *arguments.of_pairs)}
    # Columns count whether they were given or guessed.
    options |= {"image_column": found.image, "score": found.score}
    return {
        "version": lena_jax.__version__,
        "table": hashlib.sha256(table.read_bytes()).hexdigest(),
        "pictures": _digest(folder, table, found),
        "options": options,
    }


def is_finished(output, made):
    """Tells whether the model is there, made from the same input; says so, or what has changed since.

    Args:
        output: folder of the model.
        made: see `made_from`.

    Raises:
        ValueError: something else is there, or a model that was made with other options.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    known = _read(output)
    if known is None:
        what = "a model made by another version" if (output / INPUT).is_file() else "something else"
        raise ValueError(f"{output} holds {what}: {_elsewhere(output)}, or delete it")
    if known["options"] != made["options"]:
        raise ValueError(f"{output} holds a model {_differs(known, made)}: {_elsewhere(output)}, or delete it")
    changed = [what for what in ("table", "pictures") if known[what] != made[what]]
    if not changed:
        if _read(_work(output)) == made:
            shutil.rmtree(_work(output), ignore_errors=True)
        print(f"{output} is already there, made from the same input: nothing to do")
        return True
    before = _before(output)
    if before.exists() and _read(before) is None:
        raise ValueError(f"{before} is in the way, where the model of now would be kept: move it, or choose another -o")
    print(
        f"{' and '.join(changed)} changed since {output} was made: it is made again from all of them, and the model of "
        f"now goes to {before}"
    )
    return False


@contextlib.contextmanager
def work_on(output, made):
    """Holds the folder of the work, `Path`, while the body runs; goes on with what is there for the same input.

    Raises:
        ValueError: another process works there, or something else is in the way.
        OSError: the folder cannot be made.
    """
    # Imported here so that --help answers at once.
    from lena_jax.runs.folder import write_json
    from lena_jax.runtime.locks import own

    work = _work(output)
    known = _read(work)
    if (
        work.is_dir()
        and not (work / INPUT).exists()
        and any(not one.name.startswith((".", INPUT)) for one in work.iterdir())
    ):
        raise ValueError(
            f"{work} is in the way, where the work on the model would lie: something else is in it. Move it, or choose "
            "another -o"
        )
    with own(str(work), "-o"):
        if known == made:
            print(f"going on with what is in {work}")
        else:
            if (work / INPUT).exists():
                print(f"table, pictures, options or version changed since {work} was begun: begun again")
            clear(work)
            write_json(work / INPUT, made)
        yield work


def clear(work):
    """Removes all from a folder of work but its lock."""
    for one in work.iterdir():
        if one.name == ".lock":
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()


def put(model, output):
    """Moves a finished model to its place; one that was there goes to `NAME.before`."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() and any(output.iterdir()):
        before = _before(output)
        shutil.rmtree(before, ignore_errors=True)
        os.rename(output, before)
    os.rename(model, output)


def _work(output):
    return output.with_name(f"{output.name}.partial")


def _before(output):
    return output.with_name(f"{output.name}.before")


def _read(folder):
    """Returns what a folder was made from, or None if that is not known."""
    try:
        known = read_json(folder / INPUT)
    except (OSError, ValueError):
        return None
    keys = {"version": str, "table": str, "pictures": str, "options": dict}
    fits = isinstance(known, dict) and set(known) == set(keys)
    return known if fits and all(isinstance(known[key], kind) for key, kind in keys.items()) else None


def _differs(known, made):
    """Says in which option two models differ."""
    name = next(name for name in {**made["options"], **known["options"]} if _option(known, name) != _option(made, name))
    return f"made {_option(known, name)}, not {_option(made, name)}"


def _option(made, name):
    value = made["options"].get(name)
    values = value if isinstance(value, list) else [] if value in (None, "", False) else [value]
    given = " ".join(shlex.quote(f"--{name}" if one is True else f"--{name}={one}") for one in values)
    return f"with {given}" if given else f"without --{name}"


def _elsewhere(output):
    free = next(one for number in itertools.count(2) if not (one := Path(f"{output}_{number}")).exists())
    return f"choose another folder, such as -o {shlex.quote(os.path.relpath(free))}"


def _digest(folder, table, found):
    """Returns a digest of the pictures' names, sizes and times: those of the table, or all where they are pairs."""
    from data_prep.picture_folder import place_of
    from data_prep.picture_names import PictureNames
    from data_prep.tables import files

    known = PictureNames(folder)
    if found.score:
        texts = map(str, files.top(table, None).column(found.image))
        names = sorted({name for text in texts if (name := known.find(text)) is not None})
    else:
        names = known.without([])
    digest = hashlib.sha256()
    for name in names:
        if (place := place_of(folder, name)) is not None:
            state = place.stat()
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()
