"""``edge-vitals models``: what the models are, whether their files are whole, and fetching the face models."""

from __future__ import annotations

import argparse


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "models",
        help="list the models, verify their files, fetch the face models",
        description="list: what each model is for, its version and variants. verify: every file against the SHA-256 "
        "of its card, then every variant against its golden answers on the runtimes installed here (exit code 3 when "
        "something does not pass). pull: fetch the pinned third-party face models and check their SHA-256.",
        epilog="example: edge-vitals models verify",
    )
    command.add_argument("action", choices=("list", "verify", "pull"), help="see above")
    command.add_argument("--quiet", action="store_true", help="pull: say nothing when all is there")
    command.add_argument("--root", metavar="FOLDER", help="another folder of models (also: EDGE_VITALS_MODELS)")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 3 when verification fails."""
    if args.action == "pull":
        from edge import face_models
        from edge.types import ConfigError

        if args.root is not None:
            raise ConfigError("models pull: --root is for list and verify; the face models have a place of their own")
        return face_models.pull(quiet=args.quiet)
    return _list(args.root) if args.action == "list" else _verify(args.root)


def _list(root: str | None) -> int:
    from edge import inference
    from edge.types import ModelError

    print(f"models in {inference.models_root(root)}")
    for name, card in inference.catalogue(root).items():
        if isinstance(card, ModelError):
            print(f"{name}: {card}")
            continue
        print(f"{name} {card.version}: {card.task}")
        beside = [("with each", part) for part in card.beside.values()]
        for word, part in [*((variant.id, variant) for variant in card.variants), *beside]:
            print(f"  {word:<12} {part.bytes / 1000:7.1f} kB  {part.sha256[:12]}  {part.file}")
    return 0


def _verify(root: str | None) -> int:
    from edge import inference

    checks = inference.verify(root)
    failed = [check for check in checks if not check.ok]
    for check in checks:
        print(
            f"{'ok' if check.ok else 'FAIL':<5} {check.model}/{check.file}" + (f": {check.text}" if check.text else "")
        )
    broken = {check.model for check in failed}
    for name in sorted({check.model for check in checks} - broken):
        for timing in inference.measure(name, root=root, runs=1):
            absent = not timing.ok and "not installed" in timing.text
            word = "ok" if timing.ok else "skip" if absent else "FAIL"
            print(f"{word:<5} {name} {timing.variant}: {'golden answers match' if timing.ok else timing.text}")
            failed += [] if timing.ok or absent else [inference.FileCheck(name, timing.variant, False, timing.text)]
    if not checks:
        print(f"FAIL  {inference.models_root(root)}: no models there")
    return 3 if failed or not checks else 0
