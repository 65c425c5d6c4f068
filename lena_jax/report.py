"""Measures as short plain-text tables for the console."""

_MEASURES = {"pair_accuracy": "pair accuracy", "spearman": "Spearman", "kendall": "Kendall tau-b"}


def table(metrics, workdir):
    """The measures of one evaluation (`evaluation.evaluate`), and where its files are."""
    rows = [(f"{metrics['data']} {metrics['split']}", f"{metrics['pictures']} pictures, {metrics['pairs']:,} pairs"),
            ("pooling", f"{metrics['pooling']} (checkpoint of step {metrics['step']})")]
    for key, name in _MEASURES.items():
        value = metrics[key]
        rows.append((name, f"{_number(value['value'])}  [{_number(value['low'])}, {_number(value['high'])}]"))
    if "eta" in metrics:
        size = metrics["eta"]["support_size"]
        rows.append(("support N", f"median {size['50']:.1f} of {metrics['eta']['cells']} cells, "
                                  f"5 % to 95 % of channels {size['5']:.1f} to {size['95']:.1f}"))
    for name, value in metrics.get("localization", {}).items():
        rows.append((f"{name.replace('_', ' ')}", f"{value['energy_inside']:.1%} of positive energy inside the mask, "
                                                  f"which is {value['area']:.1%} of the picture: "
                                                  f"{value['ratio']:.1f} times"))
    prefix = "" if metrics["split"] == "test" else metrics["split"] + "_"
    rows += [("", ""), ("where", f"{workdir}/{prefix}maps.png"), ("all numbers", f"{workdir}/{prefix}metrics.json"),
             ("each picture", f"{workdir}/{prefix}scores.csv"),
             ("on one page", f"{workdir}/report.html")]
    return _align(rows)


def runs_table(results):
    """The measures of several runs (`repeated_runs.run`)."""
    rows = [("run", "  ".join(f"{name:>13}" for name in _MEASURES.values()))]
    rows += [(name, "  ".join(f"{_number(metrics[key]['value']):>13}" for key in _MEASURES))
             for name, metrics in results["runs"].items()]
    rows.append(("mean", "  ".join(f"{_number(results['mean'][key]['value']):>13}" for key in _MEASURES)))
    rows.append(("95 %", "  ".join(f"[{_number(results['mean'][key]['low'])},{_number(results['mean'][key]['high'])}]"
                                   for key in _MEASURES)))
    return _align(rows)


def _number(value):
    return "undefined" if value is None else f"{value:.3f}"


def _align(rows):
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows)
