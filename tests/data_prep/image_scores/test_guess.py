"""Which table and which columns are meant, where nobody says so; and what is refused instead of guessed wrong."""

import pytest

from data_prep.image_scores import guess


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "beach").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "beach/c.jpg"):
        (folder / name).write_bytes(b"x")
    return folder


def table(path, header, *rows):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_the_only_table_that_names_files_of_the_folder(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="found none there.*--table=FILE.*lena-jax judge .*photos -o choices.csv"):
        guess.table_of(folder)
    other = table(tmp_path / "other.csv", "file,likes", "x.jpg,1", "y.jpg,2")
    # What is wrong with the only one is said of its columns.
    assert guess.table_of(folder) == other
    with pytest.raises(ValueError, match="other.csv: no column names files .* or name another table with --table"):
        guess.columns(other, folder)
    table(tmp_path / "more.csv", "file,likes", "x.jpg,1", "y.jpg,2")
    with pytest.raises(ValueError, match="none of the tables there names files in it .*other.csv"):
        guess.table_of(folder)
    rows = ("a.jpg\t1", "b.jpg\t2")
    inside = table(folder / "likes.tsv", "file\tlikes", *rows)
    assert guess.table_of(folder) == inside
    beside = table(tmp_path / "My likes.csv", "file\tlikes", *rows)
    table(tmp_path / "~$lock.csv", "file\tlikes", *rows)
    with pytest.raises(ValueError, match="found 2 tables .*--table=.*likes.tsv or --table='.*My likes.csv'"):
        guess.table_of(folder)
    inside.unlink()
    assert guess.table_of(folder) == beside
    # Where the command is typed is looked in as well.
    beside.unlink()
    elsewhere = tmp_path / "tables"
    elsewhere.mkdir()
    table(elsewhere / "t.csv", "file\tlikes", *rows)
    monkeypatch.chdir(elsewhere)
    assert guess.table_of(folder).resolve() == elsewhere / "t.csv"


def test_a_table_of_many_more_pictures_than_the_folder_has(folder, tmp_path):
    rows = [f"x{number}.jpg,{number}" for number in range(300)]
    path = table(tmp_path / "all.csv", "file,likes", *rows, "a.jpg,7", "beach/c.jpg,9")
    assert guess.table_of(folder) == path
    for given in (None, "file"):
        found = guess.columns(path, folder, given)
        assert (found.image, found.score) == ("file", "likes")


def test_names_in_another_spelling_are_names_of_pictures(folder):
    path = table(folder / "t.csv", "name,likes", "A,3", r"C:\Photos\B.JPG,4", "c.jpeg,9")
    assert guess.columns(path, folder).image == "name"
    # Numbers of rows could be names without endings: paths as they stand come first.
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        (folder / name).write_bytes(b"x")
    path = table(folder / "t.csv", "n,file,likes", "1,a.jpg,3", "2,b.jpg,4", "3,gone.jpg,9")
    assert guess.columns(path, folder).image == "file"


def test_likes_that_count_up_or_are_equal_are_still_likes(folder):
    counting = table(folder / "t.csv", "n,file,likes", "1,a.jpg,1", "2,b.jpg,2", "3,beach/c.jpg,3")
    assert guess.columns(counting, folder).score == "likes"
    equal = table(folder / "t.csv", "file,anything", "a.jpg,1", "b.jpg,1", "beach/c.jpg,1")
    assert guess.columns(equal, folder).score == "anything"


@pytest.mark.parametrize(
    "header, score",
    [
        ("n;file;likes;views", "likes"),
        ("n;file;Number of views;Like count", "Like count"),
        ("n;file;num_ratings;mean_rating", "mean_rating"),
        ("n;file;title;warmth", "warmth"),
        ("n;file;Reichweite;Gef\u00e4llt mir", "Gef\u00e4llt mir"),
        ("n;file;\u30b3\u30e1\u30f3\u30c8;\u3044\u3044\u306d\u6570", "\u3044\u3044\u306d\u6570"),
    ],
)
def test_the_score_is_what_people_rank_by(folder, header, score):
    path = table(folder / "t.csv", header, "1;a.jpg;7;1,5", "2;b.jpg;9;2,5", "3;beach/c.jpg;5;0,5")
    if "title" in header:
        path = table(folder / "t.csv", header, "1;a.jpg;sea;1,5", "2;b.jpg;sky;2,5", "3;beach/c.jpg;sand;0,5")
    found = guess.columns(path, folder)
    assert (found.image, found.score) == ("file", score)
    assert found.said.startswith(f"pictures: column 'file'; score: column '{score}'")


def test_a_title_above_the_header_and_a_row_with_a_comma_too_many(folder):
    path = table(folder / "t.csv", "My pictures", "", "file,likes", "a.jpg,3", '"b.jpg",4', "beach/c.jpg,9")
    assert guess.columns(path, folder).score == "likes"


def test_numbers_with_units_are_scores_if_they_are_called_so(folder):
    path = table(
        folder / "t.csv", "file,width,likes", 'a.jpg,640,"1,234 likes"', "b.jpg,480,2 likes", "beach/c.jpg,9,1 like"
    )
    assert guess.columns(path, folder).score == "likes"
    # One that cannot be read is not passed over for another column of numbers.
    path = table(folder / "t.csv", "file,width,likes", "a.jpg,640,3", "b.jpg,480,3%", "beach/c.jpg,9,7")
    with pytest.raises(ValueError, match="t.csv, row 3: likes is '3%', and '3' in row 2"):
        guess.columns(path, folder)


def test_headers_that_are_missing_or_there_twice_are_said(folder):
    with pytest.raises(ValueError, match="first row names a picture, 'a.jpg', expected a header: put a row with names"):
        guess.columns(table(folder / "t.csv", "a.jpg,3", "b.jpg,9", "beach/c.jpg,4"), folder)
    twice = table(folder / "t.csv", "file,likes,likes", "a.jpg,3,4", "b.jpg,9,5", "beach/c.jpg,4,6")
    with pytest.raises(ValueError, match="Passed over, as two columns have this name: likes; rename one"):
        guess.columns(twice, folder)
    with pytest.raises(ValueError, match="column 'likes' is there 2 times"):
        guess.columns(twice, folder, score="likes")
    for place in ("2", "B"):
        with pytest.raises(ValueError, match="did you mean 'likes'"):
            guess.columns(table(folder / "t.csv", "file,likes", "a.jpg,3", "b.jpg,9"), folder, score=place)


def test_what_cannot_be_told_is_asked_for(folder):
    rows = ("a.jpg,3,0.5", "b.jpg,9,0.1", "beach/c.jpg,4,0.2")
    with pytest.raises(ValueError, match="got no --score, expected the column to rank by; columns of numbers: x, y"):
        guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder)
    with pytest.raises(ValueError, match="no column names files in .*Columns: file, x.*--image_column"):
        guess.columns(table(folder / "t.csv", "file,x", "other/d.jpg,3", "other/e.jpg,4"), folder)
    with pytest.raises(ValueError, match="got --image_column=x, of which no value is a file in .*such as '3'"):
        guess.columns(table(folder / "t.csv", "file,x", "a.jpg,3", "b.jpg,4"), folder, image="x")
    with pytest.raises(ValueError, match="got column 'stars', expected one of file, x, y"):
        guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder, score="stars")
    with pytest.raises(ValueError, match="got column 'site', expected one of file, x, y"):
        guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder, others=["site"])
    with pytest.raises(ValueError, match="got column 'x' for two things"):
        guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder, score="x", others=["x"])
    assert guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder, others=["x"]).score == "y"
    with pytest.raises(ValueError, match="got 0 rows below the header"):
        guess.columns(table(folder / "t.csv", "file,x"), folder)
    assert guess.columns(table(folder / "t.csv", "file,x,y", *rows), folder, score="y").score == "y"
