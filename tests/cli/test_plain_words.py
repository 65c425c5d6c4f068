"""What training prints on the way from a folder to a model."""

import pytest

from lena_jax.cli import plain_words


def test_details_become_signs_of_life(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(plain_words.time, "monotonic", lambda: now[0])
    with plain_words.plain_words():
        print("fold 1 of 5")
        for second in range(0, 33, 3):
            now[0] = second
            print("inner validation: freedom", end=" ")
            print("10 of supports")
        print("sorted maps: 0.1 GB of memory")
        print("warning: something")
    assert capsys.readouterr().out.splitlines() == [
        "fold 1 of 5",
        "choosing settings on the training pictures: 5 tried",
        "choosing settings on the training pictures: 9 tried",
        "warning: something",
    ]


def test_an_error_gives_the_output_back(capsys):
    with pytest.raises(ValueError, match="bad"), plain_words.plain_words():
        raise ValueError("bad")
    print("inner validation: said by somebody else")
    assert capsys.readouterr().out == "inner validation: said by somebody else\n"
