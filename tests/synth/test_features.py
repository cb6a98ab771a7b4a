"""The builds that show what features cost, and the table by hand."""

from spikeloom.synth import features


def test_each_build_differs_from_the_plain_one_in_its_feature_alone():
    found = {config.name: config.to_dict() for config in features.builds()}
    plain = found[f"plain-{features.LANES}"]
    kinds = (features.PLAIN_LANES, features.COMPACT_LANES, features.FEATURES)
    assert len(found) == sum(map(len, kinds))
    for lanes in features.COMPACT_LANES:
        own = found[f"compact-{lanes}"]
        assert own == {**plain, "name": own["name"], "lanes": lanes, "compact": True}
    for feature, changes in features.FEATURES.items():
        own = found[features.build_name(feature)]
        assert {k: v for k, v in own.items() if v != plain[k] and k != "name"} == changes


def test_costs_by_hand():
    measured = [
        features.Measured(config, dict.fromkeys(features.RESOURCES, 32.0 + 8 * (config.graded)))
        for config in features.builds()
    ]
    lines = [line.split() for line in features.costs(measured).splitlines()]
    assert lines[2][-4:] == ["2.0"] * 4
    rows = {line[0]: line[1:] for line in lines[3:]}
    assert rows["graded"] == ["0.5"] * 4
    assert rows["groups"] == ["0.0"] * 4
