"""Random access to the records of a built dataset. What goes wrong with its files is one line."""

import contextlib

import tensorflow_datasets as tfds


def open_builder(folder):
    """Open the TFDS builder of a dataset's folder.

    Raises:
        ValueError: the files that describe the dataset are damaged.
        OSError: they cannot be read.
    """
    try:
        return tfds.builder_from_directory(folder)
    except OSError:
        raise
    # TFDS and the libraries below it raise almost anything for damaged descriptions.
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        raise ValueError(f"the dataset in {str(folder)!r} is damaged: {type(error).__name__}: {said}") from error


class Records:
    """The records of a split; `records[row]` reads and decodes one. Pickles as the names of its files.

    Args:
        builder: builder of the dataset.
        split: the split, or several with "+".
        decoders: {feature: TFDS decoder} for features that are not decoded as usual.

    Raises:
        OSError: the files cannot be read, or are damaged; also when a record is read.
    """

    def __init__(self, builder, split, decoders=None):
        self._folder = str(builder.data_path)
        with self._named():
            self._source = builder.as_data_source(split, decoders=decoders)

    def __len__(self):
        return len(self._source)

    def __iter__(self):
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row):
        with self._named():
            return self._source[row]

    @contextlib.contextmanager
    def _named(self):
        try:
            yield
        except RuntimeError as error:  # The only kind of error that the files' reader has.
            said = str(error).partition(";")[0].partition("\n")[0][:200]
            raise OSError(f"the dataset in {self._folder!r} cannot be read: {said}") from error
