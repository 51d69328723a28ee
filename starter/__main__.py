"""`python -m starter build` and `python -m starter evaluate`, from the root of the repository."""

import argparse
from dataclasses import replace
from math import inf


def main() -> None:
    """Parse the command line; each command imports only what it needs."""
    parser = argparse.ArgumentParser(prog="python -m starter", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="train and export (needs starter/requirements.txt)")
    build.add_argument("--tokens", type=int, help="a smaller token budget, for a trial")
    build.add_argument("--threads", type=int, default=2)
    build.add_argument("--minutes", type=float, default=inf, help="end by then at the latest")
    build.add_argument("--further", action="store_true", help="go on from the shipped model")
    evaluate = commands.add_parser("evaluate", help="ask the kept-out questions (needs mlx-lm)")
    evaluate.add_argument(
        "--failures", action="store_true", help="print wrong answers to the held-out questions too"
    )
    arguments = parser.parse_args()
    if arguments.command == "build":
        _build(arguments)
    else:
        _evaluate(arguments.failures)


def _build(arguments: argparse.Namespace) -> None:
    from starter.export import export, write_digests
    from starter.resume import load_shipped
    from starter.train import FURTHER, Recipe, train, train_further

    recipe = FURTHER if arguments.further else Recipe()
    recipe = replace(recipe, threads=arguments.threads, minutes=arguments.minutes)
    if arguments.tokens is not None:
        recipe = replace(recipe, tokens=arguments.tokens)
    if arguments.further:
        model, tokenizer = load_shipped()
        train_further(model, tokenizer, recipe)
    else:
        model, tokenizer = train(recipe)
    export(model, tokenizer)
    write_digests()


def _evaluate(failures: bool) -> None:
    from starter.evaluate import StarterModel, report
    from starter.judge import load_questions
    from starter.places import HELD_OUT, PRACTICE

    model = StarterModel()
    report("held out", model, load_questions(HELD_OUT), failures=failures)
    report("practice", model, load_questions(PRACTICE), failures=True)


if __name__ == "__main__":
    main()
