import pytest

from lena_jax.runtime.files import write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(str(path), lambda file: file.write("old"))

    def fail(file):
        file.write("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(str(path), fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    write_whole(str(path), lambda file: file.write(b"\x00"), "wb")
    assert path.read_bytes() == b"\x00"
