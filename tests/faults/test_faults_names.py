"""Names of channels and targets: remembered wherever frames can stand, and compared as scikit-learn does."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from faults import assert_refused
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import RNNClassifier, RNNRegressor, Sequence, SequenceArray, SequenceTransformer
from skrnn.preprocessing import PerStep, SlidingWindow, TokenEncoder, make_windows
from skrnn.sequences import as_sequence_array

SMALL = {"hidden_layer_sizes": 3, "cell": "elman", "tol": 10.0, "n_iter_no_change": 1, "random_state": 0}
RNG = np.random.default_rng(0)
FRAMES = [pd.DataFrame(RNG.normal(size=(n, 2)), columns=["hr", "bp"]) for n in (3, 4, 2, 5, 3, 4)]
Y = np.arange(6) % 2
ORDER, OTHER = "same order as they were in fit", "Feature names unseen at fit time:\n- pulse\nFeature names seen"


def frames(columns=("hr", "bp"), names=None):
    return [frame[list(columns)].set_axis(names or columns, axis=1) for frame in FRAMES]


def long(items):
    return pd.concat(items, keys=range(len(items)), names=["id", "step"]).reset_index()


CONTAINERS = {
    "list of frames": lambda items: items,
    "tuple of frames": tuple,
    "polars": lambda items: [pl.DataFrame(item.to_dict("list")) for item in items],
    "series of frames": lambda items: pd.Series(items, dtype=object),
    "cells": lambda items: [Sequence(item) for item in items],
    "packed": SequenceArray.from_list,
    "long": lambda items: SequenceArray.from_long(long(items), instance="id", time="step")[0],
    "long of polars": lambda items: SequenceArray.from_long(pl.DataFrame(long(items).to_dict("list")), instance="id",
                                                            time="step")[0],
    "taken": lambda items: SequenceArray.from_list(items[::-1])[::-1][np.arange(6)][:6],
    "joined": lambda items: SequenceArray.concatenate([as_sequence_array(items[:2]), as_sequence_array(items[2:])]),
    "copied": lambda items: pickle.loads(pickle.dumps(SequenceArray.from_list(items).copy())),
    "object array": lambda items: np.asarray(SequenceArray.from_list(items)),
    "series": lambda items: SequenceArray.from_list(items).to_series(),
    "series, assembled": lambda items: pd.concat([pd.Series([item], dtype="sequence") for item in items]),
    "series with a gap": lambda items: pd.Series([items[0], None, *items[1:]], dtype="sequence").dropna(),
    "arrow": lambda items: SequenceArray.from_arrow(SequenceArray.from_list(items).to_arrow()),
}  # fmt: skip
each_container = pytest.mark.parametrize("container", CONTAINERS)
ESTIMATORS = {"classifier": RNNClassifier(**SMALL), "regressor": RNNRegressor(**SMALL),
              "transformer": SequenceTransformer(**SMALL)}  # fmt: skip
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def output(model, X):
    return model.transform(X) if hasattr(model, "transform") else model.predict(X)


# -------------------------------------------------------------------------------------------------------- containers
@each_container
def test_other_names_and_another_order_are_refused(container):
    pack = CONTAINERS[container]
    assert as_sequence_array(pack(frames())).channel_names == ("hr", "bp")
    model = RNNRegressor(**SMALL).fit(pack(frames()), Y)
    assert model.feature_names_in_.tolist() == model.channel_names_.tolist() == ["hr", "bp"]
    assert (model.n_features_in_, model.n_channels_) == (2, 2)
    assert_refused(model, lambda m: m.predict(pack(frames(["bp", "hr"]))), ORDER)
    assert_refused(model, lambda m: m.predict(pack(frames(names=["pulse", "bp"]))), OTHER)
    for other in CONTAINERS.values():
        assert_array_equal(model.predict(other(frames())), model.predict(pack(frames())))


@each_container
def test_names_that_are_there_only_once_warn(container):
    X, bare = CONTAINERS[container](frames()), [frame.to_numpy() for frame in FRAMES]
    model = RNNRegressor(**SMALL).fit(X, Y)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but RNNRegressor was fitted with"):
        found = model.predict(bare)
    assert_array_equal(found, model.predict(X))
    model.fit(bare, Y)
    assert not hasattr(model, "feature_names_in_")
    assert not hasattr(model, "channel_names_")
    with pytest.warns(UserWarning, match="X has feature names, but RNNRegressor was fitted without feature names"):
        assert_array_equal(model.predict(X), found)


def test_frames_with_columns_of_sequences():
    """A column that is one channel gives it its name; the channels in a column are compared, too."""
    X = SequenceArray.from_list(frames())
    frame = pd.DataFrame({"age": np.arange(6.0), "signal": X.to_series()})
    assert as_sequence_array(frame).channel_names == ("age", "hr", "bp")
    model = RNNRegressor(**SMALL, time_channel=None).fit(frame, Y)
    assert (model.n_features_in_, model.n_channels_) == (2, 3)
    assert model.feature_names_in_.tolist() == ["age", "signal"]
    assert_array_equal(model.predict(as_sequence_array(frame)), model.predict(frame))
    turned = frame.assign(signal=SequenceArray.from_list(frames(["bp", "hr"])).to_series())
    assert_refused(model, lambda m: m.predict(turned), ORDER)
    assert_refused(model, lambda m: m.predict(frame[["signal", "age"]]), ORDER)
    only = frame[["signal"]]
    model.fit(X, Y)
    assert_array_equal(model.predict(only), model.predict(X))
    assert_refused(model, lambda m: m.predict(turned[["signal"]]), ORDER)
    model.fit(only, Y)
    assert_array_equal(model.predict(X), model.predict(only))
    assert_refused(model, lambda m: m.predict(only.rename(columns={"signal": "other"})), "unseen at fit time:\n- other")


@pytest.mark.parametrize("fitted", ["array", "list", "packed", "series"])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_column_of_sequences_after_a_fit_without_names(fitted, n_channels):
    """Where nothing that was fitted has a name, a frame of one column is its sequences, without a warning."""
    items = [frame.to_numpy()[:, :n_channels] for frame in FRAMES]
    X = SequenceArray.from_list(items)
    given = {"array": X.to_padded(), "list": items, "packed": X, "series": X.to_series()}[fitted]
    model = RNNRegressor(**SMALL).fit(given, Y)
    for column in (X.to_series(), pd.Series(items)):
        assert_array_equal(model.predict(column.to_frame("signal")), model.predict(X))
    assert_array_equal(model.predict(pl.DataFrame([X.to_polars("signal")])), model.predict(X))
    more = SequenceArray.from_list([np.c_[item, item] for item in items]).to_series().to_frame("signal")
    message = f"X has {2 * n_channels} channels per step, but RNNRegressor was fitted on {n_channels}"
    assert_refused(model, lambda m: m.predict(more), message)


def test_a_column_of_sequences_after_a_fit_on_a_table():
    table = RNG.normal(size=(6, 4))
    model, columns = RNNRegressor(**SMALL).fit(table, Y), pd.DataFrame({"signal": list(table)})
    assert_array_equal(model.predict(columns), model.predict(table))


def test_a_column_of_words_after_a_fit_without_names():
    words = [["a", "b"], ["b"], ["a", "a", "b"]]
    encoder = TokenEncoder().fit(words)
    assert encoder.transform(pd.DataFrame({"text": words})) == encoder.transform(words)


def test_sequences_of_one_container_agree():
    turned = [FRAMES[0], FRAMES[1][["bp", "hr"]]]
    for pack in (
        list,
        lambda items: [Sequence(item) for item in items],
        lambda items: pd.Series(items, dtype="sequence"),
    ):
        with pytest.raises(ValueError, match=r"sequence 1 has the columns \['bp', 'hr'\]"):
            SequenceArray.from_list(pack(turned))
    a, b = map(SequenceArray.from_list, ([turned[0]], [turned[1]]))
    with pytest.raises(ValueError, match=r"item 1 has the channels \['bp', 'hr'\], item 0 has \['hr', 'bp'\]"):
        SequenceArray.concatenate([a, b])
    with pytest.raises(ValueError, match="item 1 has the channels"):
        pd.concat([a.to_series(), b.to_series()])
    bare = SequenceArray(a.values, a.offsets)
    assert SequenceArray.concatenate([a, bare]).channel_names is None
    assert SequenceArray.from_list([FRAMES[0], FRAMES[1].to_numpy()]).channel_names is None


def test_names_of_a_container():
    X = SequenceArray(np.zeros((3, 2)), [0, 1, 3], channel_names=["a", "b"])
    assert X.channel_names == ("a", "b")
    bare = SequenceArray(X.values, X.offsets)
    assert bare == X
    assert X[0].shape == (1, 2)
    assert bare.channel_names is None
    assert "_channel_names" not in vars(bare)  # pickles and hashes of what has no names stay what they were
    assert joblib.hash(bare) != joblib.hash(X)
    with pytest.raises(AttributeError):
        X.channel_names = None
    for wrong in ("ab", ["a"], ["a", 1], 3):
        with pytest.raises(ValueError, match="channel_names"):
            SequenceArray(np.zeros((3, 2)), [0, 3], channel_names=wrong)
    with pytest.raises(TypeError, match="all str or all of other types, got 'a' and 1"):
        SequenceArray.from_list([pd.DataFrame({"a": [1.0], 1: [2.0]})])
    assert SequenceArray.from_list([pd.DataFrame([[1.0, 2.0]])]).channel_names is None
    assert X.to_long().columns.tolist() == ["instance", "step", "a", "b"]


def test_cells_of_older_pickles_have_no_names():
    cell = Sequence.__new__(Sequence)
    cell.__setstate__((None, {"values": np.zeros((2, 1))}))
    assert cell == Sequence([0.0, 0.0])
    assert cell.channel_names is None
    assert pickle.loads(pickle.dumps(Sequence(FRAMES[0]))).channel_names == ("hr", "bp")


def test_names_go_through_parquet(tmp_path):
    frame = pd.DataFrame({"signal": SequenceArray.from_list(frames()).to_series()})
    frame.to_parquet(tmp_path / "frame.parquet")
    assert as_sequence_array(pd.read_parquet(tmp_path / "frame.parquet")).channel_names == ("hr", "bp")


# ----------------------------------------------------------------------------------------------------------- methods
@each_estimator
def test_every_method_compares(name):
    model = clone(ESTIMATORS[name]).fit(frames(), Y)
    turned = frames(["bp", "hr"])
    methods = {
        "predict": lambda m: m.predict(turned),
        "predict_proba": lambda m: m.predict_proba(turned),
        "transform": lambda m: m.transform(turned),
        "hidden_states": lambda m: m.hidden_states(turned),
        "score": lambda m: m.score(turned, Y),
        "gradient_norms": lambda m: m.gradient_norms(turned, Y),
        "partial_fit": lambda m: m.partial_fit(turned, Y),
        "as_transformer": lambda m: m.as_transformer().transform(turned),
    }
    used = [call for method, call in methods.items() if hasattr(model, method)]
    assert len(used) >= 2
    for call in used:
        assert_refused(model, call, ORDER)
    model.fit(turned, Y)  # a new fit learns new names
    assert model.feature_names_in_.tolist() == ["bp", "hr"]
    output(model, turned)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_what_goes_on_and_what_is_held_out_is_compared(name):
    model = clone(ESTIMATORS[name]).set_params(warm_start=True).fit(frames(), Y)
    assert_refused(model, lambda m: m.fit(frames(["bp", "hr"]), Y), ORDER)
    held_out = clone(ESTIMATORS[name]).set_params(early_stopping=True)
    assert_refused(held_out, lambda m: m.fit(frames(), Y, X_val=frames(["bp", "hr"]), y_val=Y), f"(?s)X_val: .*{ORDER}")
    held_out.fit(frames(), Y, X_val=SequenceArray.from_list(frames()), y_val=Y)


def test_a_file_keeps_names(tmp_path):
    model = RNNRegressor(**SMALL).fit(frames(), pd.DataFrame({"a": Y, "b": -Y}))
    skrnn.save(model, tmp_path / "model.skrnn")
    same = skrnn.load(tmp_path / "model.skrnn")
    assert same.channel_names_.tolist() == ["hr", "bp"]
    assert_refused(same, lambda m: m.predict(frames(["bp", "hr"])), ORDER)
    assert_refused(same, lambda m: m.score(frames(), pd.DataFrame({"b": Y, "a": Y})), "y has the targets")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("channel_names_", 3),
        ("channel_names_", np.array(["hr"], dtype=object)),
        ("channel_names_", np.array([1.0, 2.0])),
        ("feature_names_in_", np.array(["hr", "bp", "t"], dtype=object)),
        ("target_names_", np.array([[1.0]])),
    ],
)
def test_a_file_with_other_names_is_refused(tmp_path, attribute, value):
    model = RNNRegressor(**SMALL).fit(frames(), Y)
    setattr(model, attribute, value)
    with pytest.raises(ValueError, match=f"{attribute} cannot be"):
        skrnn.save(model, tmp_path / "model.skrnn")


def test_a_structured_array_is_refused_with_advice():
    X = [frame.to_records(index=False) for frame in FRAMES]
    with pytest.raises(ValueError, match=r"sequence 0 must hold real numbers, got dtype .*pandas.DataFrame\(x\)"):
        RNNRegressor(**SMALL).fit(X, Y)
    model = RNNRegressor(**SMALL).fit([pd.DataFrame(x) for x in X], Y)
    assert model.channel_names_.tolist() == ["hr", "bp"]


# ------------------------------------------------------------------------------------------------ parameters by name
TIMED = [frame.assign(t=np.cumsum(RNG.uniform(1, 2, len(frame))), wind=np.arange(len(frame)) % 2) for frame in FRAMES]
NAMED = {
    "list of frames": lambda: TIMED,
    "long": lambda: SequenceArray.from_long(long(TIMED), instance="id", time="step")[0],
    "series": lambda: SequenceArray.from_list(TIMED).to_series(),
    "column": lambda: pd.DataFrame({"signal": SequenceArray.from_list(TIMED).to_series()}),
    "columns": lambda: pd.DataFrame({c: [f[c].to_numpy() for f in TIMED] for c in TIMED[0]}),
    "windows": lambda: make_windows(TIMED, window=1, stride=9).X,
}


@pytest.mark.parametrize("form", NAMED)
def test_channels_are_named_in_parameters(form):
    X = NAMED[form]()
    options = {"missing": "decay", "embedding_dim": 2}
    named = RNNRegressor(**SMALL, **options, time_channel="t", categorical_features=["wind"]).fit(X, Y)
    numbered = RNNRegressor(**SMALL, **options, time_channel=2, categorical_features=[3]).fit(X, Y)
    assert (named.inputs_.time_channel, list(named.inputs_.categories)) == (2, [3])
    assert_array_equal(named.predict(X), numbered.predict(X))
    with pytest.raises(ValueError, match=r"there is no channel 'wnd'; X has \['hr', 'bp', 't', 'wind'\]"):
        RNNRegressor(**SMALL, categorical_features="wnd").fit(X, Y)


def test_a_name_of_two_channels_is_no_parameter():
    X = [frame.set_axis(["t", "t"], axis=1) for frame in FRAMES]
    with pytest.raises(ValueError, match="2 channels have the name 't': give numbers"):
        RNNRegressor(**SMALL, categorical_features="t").fit(X, Y)


# ------------------------------------------------------------------------------------------------------ preprocessing
def test_a_transformer_of_steps_compares_and_hands_on():
    scaler = PerStep(StandardScaler()).fit(frames())
    assert scaler.feature_names_in_.tolist() == ["hr", "bp"]
    assert scaler.transform(frames()).channel_names == scaler.fit_transform(frames()).channel_names == ("hr", "bp")
    assert scaler.get_feature_names_out().tolist() == ["hr", "bp"]
    assert scaler.inverse_transform(scaler.transform(frames())).channel_names == ("hr", "bp")
    assert_refused(scaler, lambda s: s.transform(frames(["bp", "hr"])), ORDER)
    timed = make_pipeline(PerStep(StandardScaler()), RNNRegressor(**SMALL, time_channel="t")).fit(TIMED, Y)
    assert timed[-1].inputs_.time_channel == 2
    reduced = PerStep(make_pipeline(StandardScaler(), clone(scaler.transformer).set_params(with_std=False)))
    assert reduced.fit_transform(frames()).channel_names == ("hr", "bp")
    assert PerStep(Nameless()).fit_transform(frames()).channel_names is None
    assert PerStep(StandardScaler()).fit_transform([f.to_numpy() for f in FRAMES]).channel_names is None


class Nameless(StandardScaler):
    def get_feature_names_out(self, input_features=None):
        raise ValueError("no names")


def test_windows_have_the_names_of_the_series():
    frame = FRAMES[3]
    window = SlidingWindow(2).fit(frame)
    assert window.transform(frame).channel_names == ("hr", "bp")
    assert make_windows(frame, window=2, target="bp").X.channel_names == ("hr", "bp")
    packed = SequenceArray.from_list(FRAMES[:2])
    windows = make_windows(packed, window=1, target="bp")
    assert windows.X.channel_names == ("hr", "bp")
    assert_array_equal(windows.y, make_windows(FRAMES[:2], window=1, target="bp").y)
    assert make_windows(frame.to_numpy(), window=2).X.channel_names is None


def test_tokens_have_names():
    X = [pd.DataFrame({"word": ["a", "b"]}), pd.DataFrame({"word": ["b"]})]
    encoder = TokenEncoder().fit(X)
    assert encoder.feature_names_in_.tolist() == ["word"]
    assert encoder.transform(X).channel_names == ("word",)
    assert encoder.inverse_transform(encoder.transform(X)).channel_names == ("word",)
    assert_refused(
        encoder, lambda e: e.transform([x.set_axis(["tag"], axis=1) for x in X]), "unseen at fit time:\n- tag"
    )


def test_reconstructed_sequences_have_names():
    coder = SequenceTransformer(**SMALL, objective="reconstruct", n_points=2, categorical_features="wind").fit(TIMED)
    assert coder.inverse_transform(coder.transform(TIMED)).channel_names == ("hr", "bp", "t")


# ------------------------------------------------------------------------------------------------------------ targets
TARGETS = {
    "of steps": lambda names: [pd.DataFrame(f.to_numpy() > 0, columns=names) * 1.0 for f in FRAMES],
    "of steps, polars": lambda names: [pl.DataFrame(f.to_numpy() * 1.0, schema=list(names)) for f in FRAMES],
    "of steps, packed": lambda names: SequenceArray.from_list([f.set_axis(names, axis=1) for f in FRAMES]),
    "of steps, in a column": lambda names: pd.DataFrame({"y": [f.set_axis(names, axis=1) for f in FRAMES]}),
    "of sequences": lambda names: pd.DataFrame(RNG.normal(size=(6, 2)), columns=names),
    "of sequences, polars": lambda names: pl.DataFrame(RNG.normal(size=(6, 2)), schema=list(names)),
}


@pytest.mark.parametrize("form", TARGETS)
def test_other_targets_are_refused(form):
    make, X = TARGETS[form], frames()
    y, turned, renamed = make(["load", "price"]), make(["price", "load"]), make(["load", "cost"])
    model = RNNRegressor(**SMALL, warm_start=True).fit(X, y)
    assert model.target_names_.tolist() == ["load", "price"]
    said = r"y has the targets \['price', 'load'\], but RNNRegressor was fitted on \['load', 'price'\]"
    for call in ("score", "partial_fit", "fit", "gradient_norms"):
        assert_refused(model, lambda m, call=call: getattr(m, call)(X, turned), said)
        assert_refused(
            model, lambda m, call=call: getattr(m, call)(X, renamed), r"y has the targets \['load', 'cost'\]"
        )
        getattr(clone(model).fit(X, y), call)(X, y)
    held_out = RNNRegressor(**SMALL, early_stopping=True)
    assert_refused(held_out, lambda m: m.fit(X, y, X_val=X, y_val=turned), f"y_val, sample_weight_val: {said}")
    held_out.fit(X, y, X_val=X, y_val=y)
    model.set_params(warm_start=False).fit(X, turned)
    assert model.target_names_.tolist() == ["price", "load"]
    model.fit(X, Y)
    assert not hasattr(model, "target_names_")
    model.score(X, Y)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("cells", [Y * 1.0, [f["hr"].tolist() for f in FRAMES]], ids=["numbers", "sequences"])
def test_a_single_target_has_its_name(frame, cells):
    model = RNNRegressor(**SMALL).fit(frames(), frame({"load": cells}))
    known = isinstance(cells, np.ndarray)  # the name of a column of sequences is not that of a target
    assert getattr(model, "target_names_", np.array([])).tolist() == ["load"] * known
    if known:
        said = r"y has the targets \['price'\]"
        assert_refused(model, lambda m: m.score(frames(), frame({"price": cells})), said)
    model.score(frames(), frame({"load": cells}))


def test_labels_have_names():
    y = pd.DataFrame({"a": Y, "b": 1 - Y})
    model = RNNClassifier(**SMALL).fit(frames(), y)
    assert_refused(model, lambda m: m.score(frames(), y[["b", "a"]]), r"as by y\[\['a', 'b'\]\]")
    model.score(frames(), y)
