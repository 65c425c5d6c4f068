"""Nested dicts of variables: putting them together, and taking a part."""


def merge(*trees):
    """Nested dicts as one; of two leaves in one place the later tree's is taken."""
    result = {}
    for tree in trees:
        for name, value in tree.items():
            result[name] = merge(result.get(name, {}), value) if isinstance(value, dict) else value
    return result


def part_like(needed, tree):
    """The part of a nested dict that has the keys of `needed`."""
    return {name: part_like(value, tree[name]) for name, value in needed.items()} if isinstance(needed, dict) else tree
