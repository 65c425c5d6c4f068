"""What a table says before any training."""

import numpy as np
import pytest

from data_prep.image_scores import look


def lines_of(tmp_path, scores, group=None, **columns):
    names = [f"{number}.jpg" for number in range(len(scores))]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * (1 + number * 7 % 11))
    path = tmp_path / "t.csv"
    rows = zip(names, scores, *columns.values(), strict=True)
    header = ",".join(["file", "likes", *columns])
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return look.lines(path, tmp_path, "file", "likes", group)


def test_pairs_few_pictures_and_nothing_else_to_say(tmp_path):
    scores = np.random.default_rng(0).permutation(40) + 1
    found = lines_of(tmp_path, scores, noise=np.random.default_rng(1).permutation(40))
    assert found[0] == "40 pictures with a score, 780 pairs to learn from"
    assert found[1].startswith("fewer than 200 pictures")
    assert not any("noise" in line for line in found)


def test_what_the_score_follows_is_named_the_strongest_first(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.permutation(300) + 1
    author = ["anna" if score > 150 else "ben" for score in scores]
    days = [f"2024-{1 + score // 30:02d}-{1 + score % 28:02d}" for score in scores]
    found = [line for line in lines_of(tmp_path, scores, day=days, author=author) if "follows" in line]
    assert "follows day (rank correlation 0.9" in found[0]
    assert "follows author (7" in found[1] and "consider --group=author or --fold_by=author" in found[1]


@pytest.mark.parametrize(
    "form", ["{month}/{day}/2024", "{day:02d}/{month:02d}/2024 10:30", "{day:02d}.{month:02d}.2024"]
)
def test_dates_of_other_countries_are_days(tmp_path, form):
    scores = np.random.default_rng(0).permutation(300) + 1
    days = [form.format(month=1 + score // 30, day=1 + score % 28) for score in scores]
    assert any("follows day (rank correlation 0.9" in line for line in lines_of(tmp_path, scores, day=days))


def test_thousands_are_read_as_the_build_reads_them(tmp_path):
    scores = [f'"{1 + number * 100:,}"' for number in range(30)]
    assert lines_of(tmp_path, scores)[0].startswith("30 pictures with a score, 435 pairs")


def test_many_themes_are_seen_and_titles_are_not(tmp_path):
    rng = np.random.default_rng(1)
    theme = rng.integers(0, 100, 300)
    scores = theme * 10 + rng.integers(0, 100, 300)
    titles = [f"title {number}" for number in range(300)]
    found = "\n".join(lines_of(tmp_path, scores, theme=[f"theme {one}" for one in theme], title=titles))
    assert "the score follows theme (" in found and "--fold_by=theme" in found and "title" not in found
    again = look.lines(tmp_path / "t.csv", tmp_path, "file", "likes", fold_by="theme")
    assert not any("theme" in line for line in again)
    shuffled = [f"theme {one}" for one in rng.permutation(theme)]
    assert "theme" not in "\n".join(lines_of(tmp_path, scores, theme=shuffled))


def test_within_groups_nothing_is_left_to_follow(tmp_path):
    rng = np.random.default_rng(0)
    site, level = np.repeat(["a", "b"], 100), np.repeat([0, 1000], 100)
    scores, price = rng.permutation(200) + level, rng.permutation(200) + level
    assert any("follows price" in line for line in lines_of(tmp_path, scores, site=site, price=price))
    grouped = lines_of(tmp_path, scores, "site", site=site, price=price)
    assert "9,900 pairs" in grouped[0] and not any("follows price" in line for line in grouped)


def test_heavy_tails_and_ties(tmp_path):
    scores = [100_000, *[1] * 150, *[2] * 149]
    found = lines_of(tmp_path, scores)
    assert any("heavy tail: the top 1 % of the pictures have 100%" in line for line in found)
    assert any("99% of the scores are equal" in line for line in found)


def test_one_score_is_not_enough(tmp_path):
    with pytest.raises(ValueError, match="got 1 pictures with a score in column 'likes', expected at least 10"):
        lines_of(tmp_path, [3, "n/a"])


def test_equal_scores_and_groups_of_one_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="all 12 scores in column 'likes' are 5, .*choose another column with --score"):
        lines_of(tmp_path, [5] * 12)
    with pytest.raises(ValueError, match="no two pictures of one site have different scores: leave --group=site away"):
        lines_of(tmp_path, range(12), "site", site=range(12))


def test_a_total_a_misspelled_name_and_a_repeated_row_do_not_count(tmp_path):
    lines_of(tmp_path, range(1, 31))
    rows = [f"{number}.JPG,{number + 1}" for number in range(29)]
    rows += ["7.jpg,8", "IMG_29.jpg,30", "Sum,5000"]
    (tmp_path / "t.csv").write_text("\n".join(["file,likes", *rows]) + "\n", encoding="utf-8")
    found = look.lines(tmp_path / "t.csv", tmp_path, "file", "likes")
    assert found[0] == "29 pictures with a score, 406 pairs to learn from"
    assert found[1] == "rows with a score that name no picture in the folder: 2, listed below"
    assert found[2] == "pictures in the folder that no row scores, not used: 1, such as '29.jpg'"
    assert not any("heavy tail" in line for line in found)


def test_views_are_offered_as_views_and_days_are_not(tmp_path):
    rng = np.random.default_rng(0)
    likes = np.sort(rng.permutation(300)[:60]) + 1
    days = [f"{1 + n % 28:02d}.{1 + n // 28:02d}.2024" for n in range(60)]
    found = lines_of(tmp_path, likes, Seen=likes * 9 + rng.integers(0, 9, 60), day=days, falls=1000 - likes)
    follows = {line.split()[3]: line for line in found if "follows" in line}
    assert set(follows) == {"Seen", "day", "falls"}
    assert "if these are views, --views=Seen ranks by likes per view" in follows["Seen"]
    assert not any("views" in follows[name] for name in ("day", "falls"))
