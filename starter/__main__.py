"""`python -m starter build` and `python -m starter evaluate`, from the root of the repository."""

import argparse


def main() -> None:
    """Parse the command line; each command imports only what it needs."""
    parser = argparse.ArgumentParser(prog="python -m starter", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="train and export (needs starter/requirements.txt)")
    build.add_argument("--tokens", type=int, help="a smaller token budget, for a trial")
    build.add_argument("--threads", type=int, default=2)
    evaluate = commands.add_parser("evaluate", help="ask the kept-out questions (needs mlx-lm)")
    evaluate.add_argument(
        "--failures", action="store_true", help="print wrong answers to the held-out questions too"
    )
    arguments = parser.parse_args()
    if arguments.command == "build":
        _build(arguments.tokens, arguments.threads)
    else:
        _evaluate(arguments.failures)


def _build(tokens: int | None, threads: int) -> None:
    from starter.export import export, write_digests
    from starter.train import Recipe, train

    recipe = Recipe(threads=threads) if tokens is None else Recipe(tokens=tokens, threads=threads)
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
