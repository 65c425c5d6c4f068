"""Which pair each judge sees next, and what becomes of the answers."""

import dataclasses
import secrets
import threading

import numpy as np

from lena_jax.cli.judge.belief import Belief, random_pair

LABELS = {"left": 1.0, "right": 0.0, "tie": 0.5}
# Judges whose pairs are kept in memory; a judge who comes back later gets a new pair.
_MOST_JUDGES = 1000


@dataclasses.dataclass(frozen=True)
class Asked:
    """A pair to show: numbers of pictures, why it was chosen ("random" or "active"), and a key to answer it with."""

    left: int
    right: int
    how: str
    key: str

    @property
    def unordered(self):
        """The pair with the lower number first."""
        return min(self.left, self.right), max(self.left, self.right)


class Session:
    """All judges together. Every method may be called from any thread.

    A judge never sees a pair twice. The pair after the one on screen is chosen when a browser asks for it, so that it
    can load the pictures; its choice does not know the answer that is being given. Pictures are read outside the lock,
    so no judge waits for another's.

    Args:
        names: [n] names of the pictures, as they are written into the file.
        file: `ChoicesFile`; its rows are learned.
        is_good: picture number -> whether it can be shown; called once for each picture that is about to be shown.
        share: share of pairs that are drawn at random, so that an evaluation on them is unbiased, in [0, 1].
        mean: [n] strengths to start from; None for none.
        seed: of the draws; None for a new one each time.
    """

    def __init__(self, names, file, is_good, share=0.2, mean=None, seed=None):
        self._names, self._file, self._is_good = list(names), file, is_good
        self._place = {name: index for index, name in enumerate(self._names)}
        self._share, self._start = share, mean
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()
        self._usable, self._tested = np.ones(len(self._names), bool), np.zeros(len(self._names), bool)
        self._queues, self._history, self.unknown = {}, {}, 0
        self.belief = Belief(len(self._names), mean)
        self._learn(file.read())

    @property
    def bad(self):
        """How many pictures could not be shown so far."""
        return int((~self._usable).sum())

    def pairs(self, judge, ahead=False):
        """Return the pair for a judge to see now and the one after, `Asked`; None where there is none.

        Args:
            judge: name of the judge.
            ahead: whether to choose the one after, if that was not done before.
        """
        self._fill(judge, 1 + ahead)
        with self._lock:
            return tuple((self._queues[judge] + [None, None])[:2])

    def answer(self, judge, key, winner):
        """Store an answer, on the disk, and learn it.

        An answer to a pair that is no longer on the judge's screen (a key pressed twice, an old page) counts nothing.

        Args:
            judge: name of the judge.
            key: of the `Asked` that was shown.
            winner: "left", "right", "tie" or "skip".

        Raises:
            OSError: it could not be stored; the pair stays.
            ValueError: an unknown winner.
        """
        if winner not in (*LABELS, "skip"):
            raise ValueError(f"got winner {winner!r}, expected left, right, tie or skip")
        with self._lock:
            now = next(iter(self._queues.get(judge, ())), None)
            if now is None or now.key != key:
                return False
            rows = self._file.append(self._names[now.left], self._names[now.right], winner, judge, now.how)
            self._queues[judge].pop(0)
            self._learn(rows)
            return True

    def undo(self, judge):
        """Take back the judge's last answer and show its pair again; return whether there was one."""
        with self._lock:
            self._learn(self._file.read())
            known = self._history.get(judge)
            if not known:
                return False
            last = known[-1]
            self._learn(self._file.append(last["left"], last["right"], "undo", judge, last["how"]))
            left, right = self._place.get(last["left"]), self._place.get(last["right"])
            if left is not None and right is not None:
                again = Asked(left, right, last["how"], secrets.token_hex(8))
                self._queues[judge] = [again, *self._queues.get(judge, [])][:2]
            return True

    def progress(self, judge):
        """Return what the page says, as JSON values."""
        with self._lock:
            return {
                "mine": sum(row["winner"] != "skip" for row in self._history.get(judge, ())),
                "all": self.belief.choices,
                "judges": sum(map(bool, self._history.values())),
                "pictures": int(self._usable.sum()),
                "bad": self.bad,
                "reliability": round(self.belief.reliability(), 3),
                "cost": self.belief.cost_of_a_point(),
            }

    def _fill(self, judge, count):
        """Choose pairs until the judge's queue has `count`, or there is no further one."""
        while True:
            with self._lock:
                if judge not in self._queues and len(self._queues) >= _MOST_JUDGES:
                    del self._queues[next(iter(self._queues))]
                queue = self._queues.setdefault(judge, [])
                pair = None if len(queue) >= count else self._draw(judge)
            if pair is None:
                return
            good = all([self._can_show(one) for one in (pair.left, pair.right)])
            with self._lock:
                queue = self._queues.setdefault(judge, [])
                if good and len(queue) < count and pair.unordered not in self._asked(judge):
                    queue.append(pair)

    def _draw(self, judge):
        how = "random" if self._rng.random() < self._share else "active"
        draw = random_pair if how == "random" else self.belief.informative
        pair = draw(self._usable, self._asked(judge), self._rng)
        return None if pair is None else Asked(*pair, how, secrets.token_hex(8))

    def _asked(self, judge):
        pairs = map(self._sides, self._history.get(judge, ()))
        known = {(min(pair), max(pair)) for pair in pairs if None not in pair}
        return known | {one.unordered for one in self._queues[judge]}

    def _can_show(self, one):
        if not self._tested[one]:
            self._tested[one], self._usable[one] = True, self._is_good(one)
        return self._usable[one]

    def _sides(self, row):
        return self._place.get(row["left"]), self._place.get(row["right"])

    def _learn(self, rows):
        """Learn rows of the file; after an undo, all again."""
        again = False
        for row in rows:
            known = self._history.setdefault(row["judge"], [])
            if row["winner"] != "undo":
                known.append(row)
                if not again:
                    self._learn_one(row)
            elif known:
                known.pop()
                again = True
        if again:
            self.belief, self.unknown = Belief(len(self._names), self._start), 0
            for row in sorted((row for known in self._history.values() for row in known), key=lambda row: row["time"]):
                self._learn_one(row)

    def _learn_one(self, row):
        left, right = self._sides(row)
        if left is None or right is None:
            self.unknown += 1  # Of another folder, or renamed.
        elif row["winner"] in LABELS:
            self.belief.learn(left, right, LABELS[row["winner"]])
