"""How many choices does a ranking take, with informative pairs and with random ones? A simulated judge answers.

    python experiments/simulate_judge.py --scores=oasis/scores.csv --column=valence --noise=0.5

The judge chooses the left picture with probability `sigmoid((score_left - score_right) / noise)`. The pairs are those
that `lena-jax judge` would show; no picture is read. `--model` is a CSV with the columns `id` and `predicted`
(`folds_scores.csv` of a run): the scores that a trained model gave pictures that it had not seen.

Prints Spearman's rho between the running estimate and the truth, and its reliability as the page says it. For
orientation also a bound: n normal strengths take `n / 2 log2(1 / (1 - r^2))` bits to be known to a correlation r, and
an answer about a random pair brings the bits that are said.
"""

import csv

import numpy as np
from absl import flags
from scipy import stats

from lena_jax.cli import scripts
from lena_jax.cli.judge.belief import Belief, random_pair

FLAGS = flags.FLAGS
flags.DEFINE_string("scores", None, "CSV with the true scores.", required=True)
flags.DEFINE_string("column", "score", "Its column of scores.")
flags.DEFINE_string("names", "image", "Its column of pictures, to find them in --model.")
flags.DEFINE_string("model", None, "CSV with the scores of a model, columns id and predicted.")
flags.DEFINE_multi_float("noise", [0.25, 0.5, 1.0], "Noise of the judge, in units of the score.")
flags.DEFINE_integer("choices", 3000, "Choices in each run.")
flags.DEFINE_integer("seeds", 5, "Runs, whose means are printed.")
flags.DEFINE_float("goal", 0.8, "Spearman's rho to reach.")

_STEP, _AT = 25, (100, 300, 1000, 3000)


def ask(truth, share, noise, choices, seed, mean=None):
    """Return (numbers of choices, Spearman's rho, reliability) along one run with a share of random pairs."""
    rng = np.random.default_rng(seed)
    belief, usable, asked, rows = Belief(len(truth), mean), np.ones(len(truth), bool), set(), []
    for number in range(1, choices + 1):
        draw = random_pair if rng.random() < share else belief.informative
        left, right = draw(usable, asked, rng)
        asked.add((min(left, right), max(left, right)))
        chosen = rng.random() < 1 / (1 + np.exp((truth[right] - truth[left]) / noise))
        belief.learn(left, right, float(chosen))
        if number % _STEP == 0:
            rows.append((number, stats.spearmanr(belief.mean, truth).statistic, belief.reliability()))
    return np.array(rows).T


def bound(truth, noise, goal):
    """Return the bits of an answer about a random pair, and how many answers at least have the bits of the goal."""
    left, right = np.triu_indices(len(truth), 1)
    likely = np.clip(1 / (1 + np.exp((truth[right] - truth[left]) / noise)), 1e-12, 1 - 1e-12)
    bits = 1 - np.mean(stats.entropy([likely, 1 - likely], base=2))
    correlation = 2 * np.sin(np.pi * goal / 6)  # Pearson's, of normal values with this Spearman's rho.
    return bits, len(truth) / 2 * np.log2(1 / (1 - correlation**2)) / bits


def main():
    with open(FLAGS.scores, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or FLAGS.column not in rows[0]:
        raise ValueError(f"{FLAGS.scores}: got no column {FLAGS.column!r}, expected one of scores")
    truth, mean = np.array([float(row[FLAGS.column]) for row in rows]), None
    kinds = {"random pairs": (1.0, None), "active, 20 % random": (0.2, None), "active": (0.0, None)}
    if FLAGS.model:
        with open(FLAGS.model, newline="", encoding="utf-8") as file:
            known = {row["id"]: float(row["predicted"]) for row in csv.DictReader(file)}
        mean = np.array([known.get(row[FLAGS.names], np.nan) for row in rows])
        mean = np.where(np.isnan(mean), np.nanmean(mean), mean)
        print(f"the model alone: Spearman {stats.spearmanr(mean, truth).statistic:.3f}")
        kinds["active, from the model"] = (0.0, mean)
        kinds["random, from the model"] = (1.0, mean)
    print(f"{len(truth):,} pictures, means of {FLAGS.seeds} runs; Spearman (reliability as the page says it)")
    for noise in FLAGS.noise:
        certain = np.mean(1 / (1 + np.exp(-np.abs(truth[:, None] - truth) / noise)))
        bits, least = bound(truth, noise, FLAGS.goal)
        print(f"noise {noise:g}: the judge decides a random pair as the truth does in {certain:.0%}")
        print(f"  {bits:.2f} bits an answer; {FLAGS.goal:g} takes about {least:,.0f} answers at least")
        first = None
        for name, (share, start) in kinds.items():
            runs = [ask(truth, share, noise, FLAGS.choices, seed, start) for seed in range(FLAGS.seeds)]
            numbers, rho, reliability = np.mean(runs, 0)
            there = [place for place, number in enumerate(numbers) if number in _AT]
            said = "  ".join(f"{int(numbers[i]):>5,}: {rho[i]:.3f} ({reliability[i]:.2f})" for i in there)
            reached = next((int(numbers[i]) for i in range(len(numbers)) if rho[i] >= FLAGS.goal), None)
            first = reached if name == "random pairs" else first
            goal = f"never {FLAGS.goal:g}" if reached is None else f"{FLAGS.goal:g} after {reached:,}"
            times = f", {reached / first:.2f} of random" if reached and first and name != "random pairs" else ""
            print(f"  {name:<24}{said}  {goal}{times}", flush=True)


if __name__ == "__main__":
    scripts.run(main)
