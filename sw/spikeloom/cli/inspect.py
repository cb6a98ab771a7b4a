"""``spikeloom inspect``: what an artefact holds."""

from __future__ import annotations

import argparse

from ..report import table, to_json

NAME = "inspect"
HELP = "show what an artefact holds: network, ranges, build, where it came from"
EXAMPLE = "spikeloom inspect runs/digits/small --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the subcommand."""
    parser.add_argument("artefact", help="folder of the artefact")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def main(args: argparse.Namespace) -> int:
    """Print the artefact's facts."""
    from ..artefact import read_artefact
    from ..compile.proof import population_bound

    artefact = read_artefact(args.artefact)
    manifest, network = artefact.manifest, artefact.network()
    bounds = {p.name: population_bound(network, p) for p in network.order()}
    populations = [
        {
            **p.to_dict(),
            "n_neurons": p.n_neurons,
            **{k: [int(v.min()), int(v.max())] for k, v in p.tensors().items()},
            "h_range": [bounds[p.name].low, bounds[p.name].high],
        }
        for p in network.order()
    ]
    projections = [
        {
            **p.to_dict(),
            "shape": list(p.weights.shape),
            "range": [int(p.weights.min()), int(p.weights.max())],
            "zeros": float((p.weights == 0).mean()),
        }
        for p in network.projections
    ]
    build = manifest.build
    facts = {
        "artefact": args.artefact,
        "spikeloom": manifest.spikeloom,
        "input": manifest.input.to_dict(),
        "populations": populations,
        "projections": projections,
        "outputs": list(network.outputs),
        "build": {"id": build.id, **build.config.to_dict()} if build else None,
        "provenance": dict(manifest.provenance),
        "files": {name: entry["bytes"] for name, entry in manifest.files.items()},
    }
    if args.json:
        print(to_json(facts), end="")
        return 0
    print(f"input: {manifest.input.shape} {manifest.input.axes}, {manifest.input.ticks} ticks, "
          f"encoder {dict(manifest.input.encoder)}\n")  # fmt: skip
    rows = [
        (p["name"], p["n_neurons"], p["reset"], *(_span(p[k]) for k in _PARAMETERS))
        for p in populations
    ]
    print(table(rows, ("population", "neurons", "reset", *_PARAMETERS)))
    print()
    rows = [
        (f"{p['source']}->{p['destination']}", _product(p["shape"]), p["weight_bits"],
         _span(p["range"]), f"{100 * p['zeros']:.1f} %")
        for p in projections
    ]  # fmt: skip
    print(table(rows, ("projection", "weights", "bits", "range", "zeros")))
    if build:
        print(f"\nbuild: {build.config.name}, id {build.id}")
    else:
        print("\nbuild: none; run spikeloom compile")
    for key, value in manifest.provenance.items():
        _print_origin(key, value)
    return 0


def _print_origin(key: str, value: object) -> None:
    """Print a fact of the provenance; choices of an import, and the like, a line each."""
    if isinstance(value, dict) and set(value) == {"value", "from"}:
        print(f"{key}: {value['value']} ({value['from']})")
    elif isinstance(value, dict) and any(isinstance(v, dict) for v in value.values()):
        for name, item in value.items():
            _print_origin(f"{key}.{name}", item)
    else:
        print(f"{key}: {value}")


_PARAMETERS = ("threshold", "decay", "bias", "h_range")


def _span(span: list[int]) -> str:
    low, high = span
    return str(low) if low == high else f"{low} to {high}"


def _product(shape: list[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
