"""What a checkpoint says of the training is checked when it is read: each entry missing, or of another kind."""

import copy

import numpy as np
import pytest

from skrnn import RNNRegressor
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.persistence._zip import read_archive, write_archive

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(16, 3, 2))
Y = X[:, :, 0].sum(axis=1)
SETTINGS = {"hidden_layer_sizes": 2, "cell": "elman", "max_iter": 2, "early_stopping": True, "random_state": 0}
JUNK = [None, "gru", -1, 1.5, 2**63, float("nan"), True, [], {}, [1.0], [None], np.zeros(3), np.zeros(3, np.float16)]


def resumed(path):
    """A fit that has ended goes on from its file, which takes no training."""
    callbacks = EarlyStopping(X, Y), LearningRateFinder(n_updates=10), Checkpoint(path, resume=True)
    return RNNRegressor(**SETTINGS, validation_fraction=0.25).set_callbacks(*callbacks).fit(X, Y)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.skrnn"
    resumed(path)
    return read_archive(path)[0]


def entries(value, path=()):
    """Ways to all entries of nested dicts and lists."""
    names = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield (*path, name)
        yield from entries(value[name], (*path, name))


def edited(content, path, value=None, *, without=False):
    content = copy.deepcopy(content)
    place = content
    for name in path[:-1]:
        place = place[name]
    if without:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


def assert_resumed_or_refused(path, content, names):
    """It goes on, or says which entry of which file is wrong, in the words of this package."""
    write_archive(path, content)
    said = None
    try:
        resumed(path)
    except ValueError as error:
        said = str(error)
    if said is not None:
        assert str(path) in said, names
        named = [name for name in names if str(name).rpartition(" ")[2] in said]
        assert named or "another fit" in said or "cannot be loaded" in said, f"{names}: {said}"
    return said is None


def test_every_entry_is_checked(content, tmp_path):
    path, ways = tmp_path / "run.skrnn", list(entries(content["training"], ("training",)))
    assert {"state", "fingerprint", "seed", "best_weights", "rate"} <= {way[-1] for way in ways}
    for k, way in enumerate(ways):
        without = assert_resumed_or_refused(path, edited(content, way, without=True), way)
        # files of earlier versions know nothing of a tail
        assert not without or isinstance(way[-1], int) or "notes" in way or way[-1].startswith("tail_"), way
        for junk in JUNK[k % 5 :: 5]:
            assert_resumed_or_refused(path, edited(content, way, junk), way)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", None),
        ("best", None),
        ("n_updates", "gru"),
        ("slots", []),
        ("theta", np.zeros(3)),
        ("loss_curve", [None]),
        ("validation_scores", []),
        ("first_epoch", 100),
        ("ended", 1),
        ("problem", 5),
        ("notes", {"x": {}}),
    ],
)
def test_a_wrong_entry_is_named(content, name, value, tmp_path):
    path = tmp_path / "run.skrnn"
    write_archive(path, edited(content, ("training", "state", name), value))
    with pytest.raises(ValueError, match=rf"run\.skrnn cannot be resumed: .*{name}"):
        resumed(path)


def test_callbacks_check_their_notes(content, tmp_path):
    path = tmp_path / "run.skrnn"
    for way, value in {
        ("0 EarlyStopping", "best_weights"): {"W": np.zeros(3)},
        ("0 EarlyStopping", "n_idle"): -1,
        ("1 LearningRateFinder", "rate"): "fast",
        ("1 LearningRateFinder", "losses"): np.zeros(99),
    }.items():
        write_archive(path, edited(content, ("training", "state", "notes", *way), value))
        with pytest.raises(ValueError, match=rf"run\.skrnn cannot be resumed: notes have .*{way[1]}"):
            resumed(path)
