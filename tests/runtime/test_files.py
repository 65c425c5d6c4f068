import pytest

from lena_jax.runtime import files
from lena_jax.runtime.files import write_whole
from lena_jax.runtime.locks import try_lock


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


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_writing(tmp_path):
    path, others = tmp_path / "a.json", ["b.json." + "0" * 32 + ".unfinished", "a.json.notes.unfinished"]
    for name in (f"a.json.{'1' * 32}.unfinished", f"a.json.{'2' * 32}.unfinished", *others):
        (tmp_path / name).write_text("half")
    with open(tmp_path / f"a.json.{'2' * 32}.unfinished") as under_way:
        assert try_lock(under_way)
        files.write_whole(path, lambda file: file.write("whole"))
        left = {entry.name for entry in tmp_path.iterdir()}
        assert left == {"a.json", f"a.json.{'2' * 32}.unfinished", *others}
    files.write_whole(path, lambda file: file.write("whole"), forget=False)
    assert {entry.name for entry in tmp_path.iterdir()} == left


def test_a_folder_to_fill_is_private_and_goes_with_those_of_killed_processes(tmp_path):
    killed = tmp_path / f".model.{'1' * 32}.unfinished"
    killed.mkdir()
    (killed / "lock").touch()
    (tmp_path / ".model.x.unfinished").symlink_to(tmp_path)
    with files.unfinished_folder(tmp_path / "model") as folder:
        assert not killed.exists() and folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
        with files.unfinished_folder(tmp_path / "model") as other:
            assert folder.exists() and other != folder
        (folder / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == [".model.x.unfinished"]


def test_what_is_unfinished_goes_when_the_process_ends_at_once(tmp_path):
    with files.unfinished(tmp_path / "a"), files.unfinished(tmp_path / "b"), files.unfinished(tmp_path / "c"):
        (tmp_path / "a").mkdir()
        (tmp_path / "a/file").touch()
        (tmp_path / "b").touch()
        files.remove_unfinished()
        assert list(tmp_path.iterdir()) == []
