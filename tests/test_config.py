"""The config: defaults, and differences between configs."""

from ml_collections import ConfigDict

from lena_jax.config import as_json, default_config, differences, differing_keys, with_defaults


def test_differing_keys_are_named_in_full():
    ours = {"steps": 3, "data": {"name": "a", "dir": "x"}, "only": 1}
    theirs = {"steps": 3, "data": {"name": "b", "dir": "x"}, "other": None}
    assert differing_keys(ours, theirs) == ["data.name", "only"]
    assert differing_keys(ours, ours) == []
    assert as_json(ConfigDict({"data": {"sizes": (1, 2)}}))["data"]["sizes"] == [1, 2]


def test_only_what_makes_another_run_counts_as_a_difference():
    ours, theirs = default_config(), default_config()
    theirs.data.dir, theirs.data.workers = "elsewhere", 3
    assert differences(ours, theirs) == []
    theirs.steps = 7
    assert differences(ours, as_json(theirs)) == ["steps"]


def test_a_config_stored_before_a_key_existed_gets_its_default():
    stored = as_json(default_config())
    del stored["fusion"]
    stored["pooling_options"] = {"lena": {"init_share": 0.3}}
    again = with_defaults(stored)
    assert again["fusion"] == "none" and again["pooling_options"] == {"lena": {"init_share": 0.3}}
