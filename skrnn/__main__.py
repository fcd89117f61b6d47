"""Commands: ``python -m skrnn precompile FILE ...`` compiles what saved estimators need to predict."""

import argparse

from ._precompile import precompile
from .persistence._estimators import load


def main():
    """Run a command."""
    parser = argparse.ArgumentParser("python -m skrnn", description="Recurrent neural networks for scikit-learn users.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("precompile", help="compile what saved estimators need to predict")
    command.add_argument("files", nargs="+", metavar="FILE", help="file of skrnn.save")
    for file in parser.parse_args().files:
        try:
            print(f"{file}: kernels in {precompile(load(file))}")
        except (OSError, ValueError) as error:
            parser.error(f"{file}: {error}")


if __name__ == "__main__":
    main()
