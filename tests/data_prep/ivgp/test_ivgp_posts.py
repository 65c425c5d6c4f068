"""Scores, windows of time and the split by author."""

import numpy as np
import pytest

from data_prep.ivgp.activities import Activities, Activity
from data_prep.ivgp.posts import make
from data_prep.virality_score import google_plus

DAY = 86_400


def posts(count=200, authors=20, **changes):
    rng = np.random.default_rng(0)
    return Activities(
        tuple(
            Activity(
                f"p{number}",
                *(int(n) for n in rng.integers(0, 50, 3)),
                published=number * DAY / 4,
                author=f"author {number % authors}",
                **changes,
            )
            for number in range(count)
        ),
        reshares=3,
    )


def test_scores_are_over_all_posts_also_those_without_picture():
    activities = posts()
    some = [
        post if number % 2 else Activity(**{**fields(post), "has_picture": False})
        for number, post in enumerate(activities.posts)
    ]
    made = make(Activities(tuple(some), 3), {"p0", "p2"}, test=0.3)
    assert made.activities == {
        "activities": 203,
        "reshares": 3,
        "without_picture": 98,
        "without_time": 0,
        "without_author": 0,
    }
    scores = google_plus([post.plusoners for post in activities.posts], [post.resharers for post in activities.posts])
    assert {post.id: post.score for post in made.posts} == {
        f"p{number}": scores[number] for number in [0, 2, *range(1, 200, 2)]
    }


def fields(post):
    return {name: getattr(post, name) for name in Activity.__slots__}


def test_groups_are_windows_of_time_and_authors():
    made = make(posts(), set(), test=0.3)
    assert made.window_days == 30
    assert {post.group for post in made.posts} == {"1970-01-01", "1970-01-31"}
    for days in (1, 7):
        for post in (made := make(posts(), set(), test=0.3, window_days=days)).posts:
            start = (np.datetime64(post.group) - np.datetime64("1970-01-01")).astype(int)
            assert start % days == 0 and start <= post.activity.published / DAY < start + days
    assert {post.group for post in make(posts(), set(), test=0.3, window_days=0).posts} == {""}
    made = make(posts(), set(), test=0.3, window_days=0, same_author=True)
    assert all(post.group == post.activity.author for post in made.posts)
    made = make(posts(), set(), test=0.3, same_author=True)
    assert all(post.group.startswith(post.activity.author + "/1970-01-") for post in made.posts)


def test_posts_without_time_are_left_out_if_times_matter():
    activities = posts()
    mixed = [
        post if number else Activity(**{**fields(post), "published": None})
        for number, post in enumerate(activities.posts)
    ]
    made = make(Activities(tuple(mixed), 0), set(), test=0.3)
    assert made.activities["without_time"] == 1 and len(made.posts) == 199
    assert len(make(Activities(tuple(mixed), 0), set(), test=0.3, window_days=0).posts) == 200
    timeless = [Activity(**{**fields(post), "published": None}) for post in activities.posts]
    assert make(Activities(tuple(timeless), 0), set(), test=0.3).window_days == 0


@pytest.mark.parametrize("test", [0.2, 0.5, 0.8])
def test_an_author_is_on_one_side_whatever_else_there_is(test):
    activities = [
        Activity(f"{author} {number}", number, 0, number, author=f"author {author}")
        for author in range(300)
        for number in range(3)
    ]
    side = {}
    for post in make(Activities(tuple(activities), 0), set(), test=test).posts:
        assert side.setdefault(post.activity.author, post.split) == post.split
    assert abs(np.mean([split == "test" for split in side.values()]) - test) < 0.1
    fewer = make(Activities(tuple(activities[:450]), 0), set(), test=test)
    assert all(side[post.activity.author] == post.split for post in fewer.posts)
    # A larger share takes authors over and gives none back.
    more = make(Activities(tuple(activities), 0), set(), test=test + 0.1)
    assert all(post.split == "test" for post in more.posts if side[post.activity.author] == "test")


def test_without_authors_posts_are_split_each_for_itself():
    activities = [Activity(f"p{number}", 1, 1, 1) for number in range(2000)]
    made = make(Activities(tuple(activities), 0), set(), test=0.25)
    share = np.mean([post.split == "test" for post in made.posts])
    assert 0.22 < share < 0.28 and made.activities["without_author"] == 2000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 1.0}, "test: got 1.0, expected a share"),
        ({"test": -0.1}, "test: got -0.1"),
        ({"window_days": -1}, "window_days: got -1"),
        ({"test": 0.001}, "split 'test': got none of 200 posts"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make(posts(), set(), **options)


def test_options_that_the_posts_cannot_serve():
    bare = Activities(tuple(Activity(f"p{number}", 1, 1, 1) for number in range(50)), 0)
    with pytest.raises(ValueError, match="window_days: got 7, but no post has a time"):
        make(bare, set(), window_days=7)
    with pytest.raises(ValueError, match="no post has an author"):
        make(bare, set(), same_author=True)
    with pytest.raises(ValueError, match="split 'train': got none of 0 posts"):
        make(Activities((), 0), set(), test=0)
