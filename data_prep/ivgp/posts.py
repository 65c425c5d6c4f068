"""Turn activities into posts that can be compared: score them, split by author, group by time and author."""

import dataclasses
import datetime
import hashlib
from collections import Counter

from data_prep.ivgp.activities import Activities, Activity
from data_prep.virality_score import google_plus

WINDOW_DAYS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Post:
    """An activity with its score, split and group; only posts of one group are compared."""

    activity: Activity
    score: float
    split: str
    group: str

    @property
    def id(self) -> str:
        """The activity's id."""
        return self.activity.id


@dataclasses.dataclass(frozen=True)
class Posts:
    """The posts that can be compared, and how many activities of each kind there were.

    Attributes:
        posts: the posts, ordered by the hashes of their ids.
        activities: counts of all activities, of those that are not in `posts` (reshares, without_picture,
            without_time), and of posts without_author.
        window_days: posts are compared within windows of so many days; 0 compares posts of any time.
    """

    posts: tuple[Post, ...]
    activities: dict[str, int]
    window_days: int


def make(
    activities: Activities,
    there: set[str],
    test: float = 0.1,
    window_days: int | None = None,
    same_author: bool = False,
) -> Posts:
    """Score all posts; group and split those with a picture and, if windows are used, a time.

    The score's means are over all posts of the file, with or without a picture, so that a missing picture does not
    change the scores of others.

    Args:
        activities: the activities of a file.
        there: ids whose picture is in the folder, whatever the file says.
        test: share of authors whose posts are for testing. The hash of an author's id decides, so adding posts or
            authors never moves an author. A post without an author is split by its own id.
        window_days: compare only posts in the same window of so many days, counted from 1970. 0 compares posts of any
            time; None is 30 if any post has a time, else 0.
        same_author: compare only posts of one author.

    Raises:
        ValueError: a share or number of days out of range, windows or authors asked for although no post has them, or
            a split without posts.
    """
    if not 0 <= test < 1:
        raise ValueError(f"test: got {test}, expected a share from 0 to below 1")
    if window_days is not None and window_days < 0:
        raise ValueError(f"window_days: got {window_days}, expected at least 0")
    posts = activities.posts
    timed = any(post.published is not None for post in posts)
    if window_days is None:
        window_days = WINDOW_DAYS if timed else 0
    if window_days and not timed:
        raise ValueError(f"window_days: got {window_days}, but no post has a time; expected 0")
    if same_author and not any(post.author for post in posts):
        raise ValueError("same_author: no post has an author, expected some")
    scores = google_plus([post.plusoners for post in posts], [post.resharers for post in posts])
    counts = Counter(activities=len(posts) + activities.reshares, reshares=activities.reshares)
    counts |= Counter(without_picture=0, without_time=0, without_author=0)
    result = []
    for post, score in zip(posts, scores.tolist(), strict=True):
        if not post.has_picture and post.id not in there:
            counts["without_picture"] += 1
        elif window_days and post.published is None:
            counts["without_time"] += 1
        else:
            counts["without_author"] += not post.author
            result.append(Post(post, score, _split(post, test), _group(post, window_days, same_author)))
    for split in ("train", "test") if test else ("train",):
        if not any(post.split == split for post in result):
            raise ValueError(
                f"split {split!r}: got none of {len(result):,} posts with a picture, expected at least one; "
                f"test is {test:g}"
            )
    result.sort(key=lambda post: hashlib.sha256(post.id.encode()).digest())
    names = ("activities", "reshares", "without_picture", "without_time", "without_author")
    return Posts(tuple(result), {name: counts[name] for name in names}, window_days)


def _split(post: Activity, test: float) -> str:
    # A post without an author counts as by its own author, with an id that no author has.
    key = f"author {post.author}" if post.author else f"post {post.id}"
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()) / 2**256
    return "test" if place < test else "train"


def _group(post: Activity, window_days: int, same_author: bool) -> str:
    parts = []
    if same_author:
        parts.append(post.author or f"post {post.id}")
    if window_days:
        start = int(post.published // (86_400 * window_days)) * window_days
        parts.append((datetime.date(1970, 1, 1) + datetime.timedelta(days=start)).isoformat())
    return "/".join(parts)
