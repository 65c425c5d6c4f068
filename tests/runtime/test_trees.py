from lena_jax.runtime.trees import merge, part_like


def test_of_two_trees_the_later_one_counts():
    one, other = {"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"y": 4, "z": {"w": 5}}, "c": 6}
    assert merge(one, other) == {"a": {"x": 1, "y": 4, "z": {"w": 5}}, "b": 3, "c": 6}
    assert merge(one, {}) == one and merge({}, one) == one and merge() == {}
    assert one == {"a": {"x": 1, "y": 2}, "b": 3}  # The arguments are not changed.


def test_a_part_has_the_keys_it_is_asked_for():
    tree = {"a": {"x": 1, "y": 2}, "b": 3}
    assert part_like({"a": {"y": 0}}, tree) == {"a": {"y": 2}} and part_like(tree, tree) == tree
