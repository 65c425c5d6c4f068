"""Merge nested dicts of variables, and select parts of them."""


def merge(*trees):
    """Merge nested dicts into one. Where two have a leaf in the same place, the later one wins."""
    result = {}
    for tree in trees:
        for name, value in tree.items():
            result[name] = merge(result.get(name, {}), value) if isinstance(value, dict) else value
    return result


def part_like(needed, tree):
    """Select the part of a nested dict that has the keys of `needed`."""
    return {name: part_like(value, tree[name]) for name, value in needed.items()} if isinstance(needed, dict) else tree
