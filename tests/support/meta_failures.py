"""Which container cannot go through which meta-estimator, with which error, and the table of it for the docs.

``python tests/support/meta_failures.py`` prints what docs/meta_estimators.rst has to contain.
"""

import textwrap
from typing import NamedTuple

from meta_data import CONTAINERS
from meta_trials import FURTHER, TRIALS


class Failure(NamedTuple):
    """Trials that fail with containers, by their error message, and what to do instead."""

    containers: tuple
    messages: dict
    remedy: str


# Trials by what they make of X: NUMBERS an array of floats if it is an array of objects, ANYTHING an array as it comes.
NUMBERS = (
    "SelfTrainingClassifier",
    "OneVsOneClassifier",
    "GridSearchCV(OneVsOne)",
    "OneVsOne(Bagging)",
    "SelfTraining(OneVsRest)",
)
ANYTHING = (
    "BaggingClassifier, BaggingRegressor",
    "OutputCodeClassifier",
    "permutation_importance",
    "Bagging(Pipeline)",
)
CHAINS = ("ClassifierChain, RegressorChain", "ClassifierChain(Bagging)")
BOOSTING, BAGGED_BOOSTING = ("AdaBoostClassifier, AdaBoostRegressor",), ("Bagging(AdaBoost)",)
SELECTION, ELIMINATION = ("SequentialFeatureSelector",), ("RFE",)
PASSTHROUGH, TO_LINEAR = ("Stacking, passthrough to a network",), ("Stacking, passthrough to a linear model",)
ARRAY = NUMBERS + ANYTHING + CHAINS + BAGGED_BOOSTING + SELECTION + ELIMINATION

FAILURES = (
    Failure(
        ("list", "token lists"),
        {
            "inhomogeneous shape": ARRAY + BOOSTING + PASSTHROUGH + TO_LINEAR,
            "Expected 2D array, got 1D array instead": ("ColumnTransformer",),
        },
        "scikit-learn tries to convert the list to one array. Pack it: ``X = SequenceArray.from_list(X)``.",
    ),
    Failure(
        ("3-D",),
        {
            "Found array with dim 3": ARRAY,
            "should be a 2D NumPy array": ("ColumnTransformer",),
            "must have same number of dimensions": PASSTHROUGH + TO_LINEAR,
            "contains NaN": BOOSTING,
        },
        "scikit-learn requires two dimensions, or treats padding as missing values. Pack it: "
        "``X = SequenceArray.from_padded(X)``.",
    ),
    Failure(
        ("objects",),
        {
            "setting an array element with a sequence": NUMBERS + CHAINS + SELECTION + ELIMINATION + TO_LINEAR,
            "The truth value of an array with more than one element is ambiguous": BOOSTING + BAGGED_BOOSTING,
        },
        'scikit-learn inspects the arrays in the cells. Use the dtype: ``X = X.astype({"signal": "sequence"})``.',
    ),
    Failure(
        ("polars",),
        {
            "The truth value of an array with more than one element is ambiguous": (
                CHAINS + BOOSTING + BAGGED_BOOSTING + SELECTION
            ),
            "setting an array element with a sequence": TO_LINEAR,
            "a minimum of 2 is required": ELIMINATION,
        },
        "scikit-learn inspects the lists in the cells. Use pandas and the dtype: "
        '``X = X.to_pandas().astype({"signal": "sequence"})``.',
    ),
    Failure(
        ("SequenceArray", "tokens"),
        {"SequenceArray is not a supported array type": ("array_api_dispatch=True",)},
        "with ``array_api_dispatch=True``, scikit-learn only accepts arrays and frames. Pass a frame: "
        "``X = X.to_series().to_frame()``.",
    ),
    Failure(
        ("channels",),
        {"they must be equally long": ("permutation_importance",)},
        "permuting the sequences of one channel combines sequences of unequal lengths in a row. Put all channels in "
        "one column, or use sequences of equal lengths.",
    ),
    Failure(
        ("SequenceArray", "frame", "tokens"),
        {"a minimum of 2 is required": SELECTION + ELIMINATION},
        "there is only one column to select from. To select channels, put each into its own column.",
    ),
    Failure(
        ("tokens",),
        {"a frame holds only one of both": CHAINS + PASSTHROUGH},
        "these add columns of numbers, but a network reads numbers or tokens, not both. Encode the tokens as integers, "
        "and name their channel in ``categorical_features``.",
    ),
    Failure(
        ("SequenceArray", "frame", "channels", "tokens"),
        {"a Sequence is not a number": TO_LINEAR},
        "the final estimator receives the sequences, which a linear model cannot read. Use ``passthrough=False``, a "
        "network, or a pipeline that first turns the sequences into a table.",
    ),
)
EXPECTED = {  # by container and trial
    (container, title): (number, message)
    for number, failure in enumerate(FAILURES, 1)
    for message, titles in failure.messages.items()
    for title in titles
    for container in failure.containers
}


def n_passed(container, trials=TRIALS):
    return sum((container, title) not in EXPECTED for title in trials)


def _cell(container, title):
    number, _ = EXPECTED.get((container, title), (None, ""))
    return "yes" if number is None else rf"\({number})"  # without the backslash it is item 1 of a list


def _line(cells):
    names = [*TRIALS, *FURTHER]
    widths = [max(map(len, names)), *(max(len(name), 4) for name in CONTAINERS)]
    return "  ".join(cell.ljust(width, "=" if cell == "=" else " ") for cell, width in zip(cells, widths, strict=True))


def _remedy(number, failure):
    messages = " or ".join(f"``{message}``" for message in failure.messages)
    text = f"{number}. {messages}: {failure.remedy}"
    return textwrap.fill(text, 118, subsequent_indent="   ", break_on_hyphens=False, break_long_words=False)


def table():
    """The table of trials and containers in reStructuredText, and below it what to do instead, by number."""
    trials = {**TRIALS, **FURTHER}
    rule = _line("=" * (1 + len(CONTAINERS)))
    rows = [_line([title, *(_cell(container, title) for container in CONTAINERS)]) for title in trials]
    rows.append(_line([f"of {len(trials)}", *(str(n_passed(container, trials)) for container in CONTAINERS)]))
    remedies = [_remedy(number, failure) for number, failure in enumerate(FAILURES, 1)]
    lines = [line.rstrip() for line in (rule, _line(["trial", *CONTAINERS]), rule, *rows, rule, "", *remedies)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
