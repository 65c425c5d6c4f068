"""Format measures as short plain-text tables for the console."""

import os

from lena_jax.runs.folder import REPORT, path_of

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman", "kendall": "Kendall tau-b"}
_MORE = {"auc": "pair AUC", "ndcg@10": "NDCG@10", "ndcg@100": "NDCG@100"}
_OF_MAPS = {"pointing": "points at it", "pxap": "PxAP", "max_box_acc_v2": "MaxBoxAccV2"}


def table(metrics, workdir):
    """Formats the measures of one evaluation (`evaluation.evaluate`) and the paths of its files."""
    rows = [
        (f"{metrics['data']} {metrics['split']}", f"{metrics['pictures']} pictures, {metrics['pairs']:,} pairs"),
        ("pooling", f"{metrics['pooling']} (checkpoint of step {metrics['step']})"),
    ]
    if metrics.get("fusion", "none") != "none":
        gate = f", closed by {metrics['gate']:.2f}" if "gate" in metrics else ""
        rows.append(("objectness", metrics["fusion"] + gate))
    rows += [(name, _interval(metrics[key])) for key, name in (_MEASURES | _MORE).items() if key in metrics]
    if "accuracy_by_gap" in metrics:
        rows.append(
            (
                "accuracy by gap",
                ", ".join(_number(part["value"]) for part in metrics["accuracy_by_gap"])
                + "  (from the closest scores to the farthest apart)",
            )
        )
    if len(metrics.get("accuracy_by_group", ())) in range(1, 7):  # More groups would not fit on the line.
        rows.append(
            (
                "accuracy by group",
                ", ".join(f"{name} {_number(part['value'])}" for name, part in metrics["accuracy_by_group"].items()),
            )
        )
    if "calibration" in metrics:
        rows.append(
            (
                "calibration",
                f"ECE {_number(metrics['calibration']['ece'])}, Brier "
                f"{_interval(metrics['calibration']['brier'])}  (guessing: 0.250)",
            )
        )
    if "choices" in metrics:
        known = metrics["choices"]
        rows.append(
            (
                "people",
                f"two agree {_interval(known['agreement'])} ({known['two_votes']:,} pairs), so agreement with one "
                f"person is at most {_interval(known['ceiling'])}"
                if known["two_votes"]
                else f"no pair has two votes; by the labels, a ranker that is always right reaches "
                f"{_number(known['label_ceiling'])}",
            )
        )
        if "bradley_terry" in known:
            rows.append(("Bradley-Terry", f"{_interval(known['bradley_terry'])}  (other choices, without pixels)"))
        if "random_pairs" in known:
            rows.append(("random pairs", f"{_interval(known['random_pairs'])}  (the others were chosen to be hard)"))
        rows.append(
            (
                "soft labels",
                f"log loss {_interval(known['soft_log_loss'])}  (guessing: 0.693; least possible: "
                f"{_number(known['entropy'])}), ECE {_number(known['soft_ece'])}",
            )
        )
    if "eta" in metrics:
        size = metrics["eta"]["support_size"]
        rows.append(
            (
                "support N",
                f"median {size['50']:.1f} of {metrics['eta']['cells']} cells, "
                f"5 % to 95 % of channels {size['5']:.1f} to {size['95']:.1f}",
            )
        )
    for name, value in metrics.get("localization", {}).items():
        rows.append(
            (
                f"{name.replace('_', ' ')}",
                f"{value['energy_inside']:.1%} of positive energy inside the mask, "
                f"which is {value['area']:.1%} of the picture: "
                f"{value['ratio']:.1f} times",
            )
        )
        rows += [("", f"{title} {_interval(value[key])}") for key, title in _OF_MAPS.items() if key in value]
    if "map_checks" in metrics:
        rows += [
            (
                f"{name.replace('_', ' ')}",
                f"agrees with occlusion {_interval(value)}  (Spearman over cells, {value['pictures']} pictures)",
            )
            for name, value in metrics["map_checks"]["occlusion_agreement"].items()
        ]
        rows += [
            (
                f"{name.replace('_', ' ')}",
                f"insertion area {_interval(value['insertion_area'])}, deletion area "
                f"{_interval(value['deletion_area'])}",
            )
            for name, value in metrics["map_checks"]["insertion_deletion"].items()
        ]
    rows += [("", "")] + [
        (name, path_of(workdir, file, metrics["split"]))
        for name, file in (("where", "maps.png"), ("all numbers", "metrics.json"), ("each picture", "scores.csv"))
    ]
    rows.append(("on one page", os.path.join(workdir, REPORT)))
    return _align(rows)


def runs_table(results):
    """Formats the measures of several runs (`repeated_runs.run`)."""
    rows = [("run", "  ".join(f"{name:>13}" for name in _MEASURES.values()))]
    rows += [
        (name, "  ".join(f"{_number(metrics[key]['value']):>13}" for key in _MEASURES))
        for name, metrics in results["runs"].items()
    ]
    rows.append(("mean", "  ".join(f"{_number(results['mean'][key]['value']):>13}" for key in _MEASURES)))
    rows.append(
        (
            "95 %",
            "  ".join(
                f"[{_number(results['mean'][key]['low'])},{_number(results['mean'][key]['high'])}]" for key in _MEASURES
            ),
        )
    )
    return _align(rows)


def comparison_table(result, path):
    """Formats the comparison of two runs (`compare_runs.compare_runs`) and the path of its JSON file."""
    rows = [
        (f"{result['data']} {result['split']}", f"{result['pictures']} pictures, {result['pairs']:,} pairs"),
        ("first", result["workdirs"][0]),
        ("second", result["workdirs"][1]),
        ("", ""),
    ]
    for key, value in result.items():
        if key in _MEASURES:
            low, middle, high, p = (_decimals(value[name]) for name in ("low", "difference", "high", "p_value"))
            rows.append(
                (
                    _MEASURES[key],
                    f"{_number(value['first'])} - {_number(value['second'])} = {middle}  [{low}, {high}]  p = {p}",
                )
            )
    unit = {"picture": "pictures", "group": "groups", "set": "sets of pictures that pairs join"}[result["unit"]]
    rows += [
        ("", ""),
        ("intervals", f"95 %, both runs on the same resampled {unit} ({result['units']})"),
        ("p", f"of equal measures on new {unit}: sign flips"),
        ("all numbers", path),
    ]
    return _align(rows)


def _interval(value):
    return f"{_number(value['value'])}  [{_number(value['low'])}, {_number(value['high'])}]"


def _decimals(value):
    return "undefined" if value is None else f"{value:.4f}"


def _number(value):
    return "undefined" if value is None else f"{value:.3f}"


def _align(rows):
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)
