"""Sequences out: dates, pronunciation, translation, text, music, and labels without alignment, on real data.

*dates*: twelve ways to write a date, to ISO. *g2p*: letters to phones of Hindi, Lithuanian, Greek and Romanian; the
word error rate is the share of words with any wrong phone. *eng_fra*, *multi30k*: English to French and German to
English, 5000 and 10,000 pairs; words that occur once in training are one word; greedy outputs. *shakespeare*: nats per
character of the last tenth of tiny Shakespeare, read as one text. *music*: nats per frame of 88 notes, summed over
notes and averaged over all frames, the first one included, which is predicted from nothing. *fsdd*: strings of two to
five spoken digits; label errors, for speakers that are in training, and with each of four left out.

Estimators have their defaults but for text and translations, whose choices are in ``_sequence_sets.py``. Scores
are means over seeds, three or the number of ``--seeds``, with the range. *fit*: seconds on two threads, the median.
With ``--held-out valid`` all is measured on validation parts, for choices; otherwise test parts are read, once. Sets
without a validation part are described in ``_sequence_sets.py``. Results are stored in ``build/sequences_out.jsonl``,
or in the file given by ``--results``, and are not computed again: remove the file to start anew.

*PyTorch*: a loop for the network of the fitted estimator (an encoder in both directions, maps of its last states, a
decoder that attends with its outputs, a readout), for as many epochs, with its batch size, Adam, clipping, schedule,
dropout and label smoothing. Batches are of about equal lengths, layers are packed where a direction would read padding,
``Adam(fused=True)``; on the faster of one and two threads (in brackets). Before, the weights of the estimator are
loaded into it, and the losses are compared. *times*: its seconds divided by those of the fit just before. *loss* is
that of a held-out label, in nats, given the true ones before it.

*epochs*: an epoch of a fit through the public interface and one of such a loop, in turns, with one thread each and with
two: the networks of pronunciation, translation, labels without alignment, and text.
"""

import argparse
import sys
import time
from pathlib import Path

import _sequence_sets as sets
import _sequences_torch as twins
import numpy as np
import torch
from _gated_fit import GatedFit
from _harness import (
    ROOT,
    Contender,
    at_least,
    at_most,
    goals,
    interleave,
    parse_arguments,
    progress,
    ratio,
    report,
    table,
    typical,
)
from accuracy import Results
from sklearn.base import clone

from skrnn.metrics import sequence_accuracy_score, token_error_rate

PARTS = ("dates", "g2p", "eng_fra", "multi30k", "shakespeare", "music", "fsdd", "epochs")
EPOCHS_OF = ("g2p", "translation", "labels", "text")
N_SEEDS, N_JOBS = 3, 2
WARM_UP = 64  # sequences of the fit that compiles
SHORT_TEXT = 5000  # characters, for the same
N_QUICK = 300  # sequences, and characters in hundreds, of --quick
AUTO_STREAMS, AUTO_PIECE = 32, 64  # what "auto" means to a generator of one long text
SAME = 1e-3  # relative difference of losses that floats in another order may make
NOISE = 1.02  # of a loss: what the seed may do
RESULTS = ROOT / "build" / "sequences_out.jsonl"
SCORES = ("task", "measure", "score", "range", "fit s", "floor or published")
TRANSLATIONS = ("task", "loss", "PyTorch", "BLEU", "PyTorch", "exact %", "fit s", "PyTorch s", "times")
TIMES = ("epoch of", "skrnn s, 1 thread", "PyTorch", "ratio", "skrnn s, 2 threads", "PyTorch", "ratio")


class Bench:
    """What all parts need: which part is held out, how many seeds, and the results so far."""

    def __init__(self, held_out, quick, n_seeds, results):
        self.held_out, self.quick, self.results = held_out, quick, results
        self.seeds = range(1 if quick else n_seeds)
        self.scores, self.translations, self.epochs, self.wanted = [], [], [], []

    def few(self, *parts):
        """Parts of data, cut down if `quick`."""
        return [part[:N_QUICK] if self.quick else part for part in parts]

    def run(self, key, make):
        """A result, a dict, from `make` if it is not there yet."""
        return self.results.get(f"{key}, {self.held_out}{', quick' * self.quick}", make)

    def fitted(self, estimator, *data, short=None, **validation):
        """A fitted estimator, and seconds; a fit before, of a few sequences or to `short` data, compiles."""
        if self.quick:
            estimator.set_params(max_iter=2)
        short = short or [part[:WARM_UP] for part in data]
        clone(estimator).set_params(max_iter=1, early_stopping=False).fit(*short)
        start = time.perf_counter()
        estimator.fit(*data, **validation)
        return estimator, time.perf_counter() - start

    def add(self, task, measure, runs, reference, form="{:.2f}"):
        """A row of the table; returns the mean score."""
        values = [run["score"] for run in runs]
        spread = f"{form.format(min(values))} .. {form.format(max(values))}"
        seconds = f"{np.median([run['seconds'] for run in runs]):.1f}"
        self.scores.append((task, measure, form.format(np.mean(values)), spread, seconds, reference))
        return float(np.mean(values))


# ------------------------------------------------------------------------------------------------------- estimators
def dates(bench):
    X, y, X_out, y_out = bench.few(*sets.dates(bench.held_out))

    def make(seed):
        model, seconds = bench.fitted(sets.translator("dates", seed, N_JOBS), X, y)
        return {"score": 100 * sequence_accuracy_score(y_out, model.predict(X_out)), "seconds": seconds}

    runs = [bench.run(f"dates, seed {seed}", lambda seed=seed: make(seed)) for seed in bench.seeds]
    score = bench.add("dates", "exact, %", runs, "-")
    bench.wanted.append(at_least("dates, exact", score, 99.5, "%", aim=100))
    bench.wanted.append(at_most("dates, fit", float(np.median([run["seconds"] for run in runs])), 60, "s"))


def g2p(bench):
    floors = {"hin": "SVC 12.0, LSTM 6.67", "lit": "24.7, 19.11", "gre": "18.2, 18.89", "rum": "12.2, 10.67"}
    means = []
    for language in sets.LANGUAGES:
        X, y, X_out, y_out = bench.few(*sets.g2p(language, bench.held_out))

        def make(seed, X=X, y=y, X_out=X_out, y_out=y_out):
            model, seconds = bench.fitted(sets.translator("g2p", seed, N_JOBS), X, y)
            found = model.predict(X_out)
            score = 100 * (1 - sequence_accuracy_score(y_out, found))
            return {"score": score, "phones": 100 * token_error_rate(y_out, found), "seconds": seconds}

        name = f"g2p {language}"
        runs = [bench.run(f"{name}, seed {seed}", lambda seed=seed, make=make: make(seed)) for seed in bench.seeds]
        means.append(bench.add(name, "word errors, %", runs, floors[language]))
        phones = [run | {"score": run["phones"]} for run in runs]
        bench.add(name, "phone errors, %", phones, "-")
    bench.wanted.append(at_most("g2p, mean word errors", np.mean(means), 15, "%", aim=13.8))


def shakespeare(bench):
    text, text_out = sets.shakespeare()
    if bench.quick:
        text, known = text[: 100 * N_QUICK], set(text[: 100 * N_QUICK])
        text_out = [character for character in text_out[: 10 * N_QUICK] if character in known]

    def make(seed):
        model, seconds = bench.fitted(sets.writer(seed, N_JOBS), [text], short=[[text[:SHORT_TEXT]]])
        return {"score": -model.score([text_out]), "seconds": seconds}

    runs = [bench.run(f"shakespeare, seed {seed}", lambda seed=seed: make(seed)) for seed in bench.seeds]
    score = bench.add("shakespeare", "nats per character", runs, "6-gram 1.698", "{:.4f}")
    bench.wanted.append(at_most("shakespeare", score, 1.60, "nats", aim=1.50))
    bench.wanted.append(at_most("shakespeare, fit", float(np.median([run["seconds"] for run in runs])), 180, "s"))


def music(bench):
    references = {
        ("JSB_Chorales", "independent"): ("GRU 8.43", 8.5, 8.43),
        ("JSB_Chorales", "dependent"): ("RNN-NADE 5.56", 7.0, 5.56),
        ("Nottingham", "independent"): ("LSTM 3.29", 3.6, 3.29),
        ("Nottingham", "dependent"): ("RNN-NADE 2.31", 3.0, 2.31),
    }
    for (name, notes), (reference, bar, aim) in references.items():
        X, X_val, X_out = map(sets.notes_of, bench.few(*sets.music(name, bench.held_out)))

        def make(seed, X=X, X_val=X_val, X_out=X_out, notes=notes):
            model, seconds = bench.fitted(sets.composer(notes, seed, N_JOBS), X, X_val=X_val)
            return {"score": -model.score(X_out), "seconds": seconds}

        key = f"{name}, {notes}"
        runs = [bench.run(f"{key}, seed {seed}", lambda seed=seed, make=make: make(seed)) for seed in bench.seeds]
        score = bench.add(key, "nats per frame", runs, reference, "{:.3f}")
        bench.wanted.append(at_most(key, score, bar, "nats", aim=aim))


def fsdd(bench):
    """In --held-out valid, known speakers have no part of their own: their takes for tests are left alone."""

    def make(data, seed):
        X, y, X_out, y_out = bench.few(*data)
        model, seconds = bench.fitted(sets.listener(seed, N_JOBS), X, y)
        return {"score": 100 * token_error_rate(y_out, model.predict(X_out)), "seconds": seconds}

    runs = []
    if bench.held_out == "test":
        known = sets.known_speakers()
        runs = [bench.run(f"fsdd known, seed {seed}", lambda seed=seed: make(known, seed)) for seed in bench.seeds]
        score = bench.add("fsdd, known speakers", "label errors, %", runs, "-")
        bench.wanted.append(at_most("fsdd, known speakers", score, 2, "%", aim=1))
    out = []
    for speaker in sets.SPEAKERS:
        data = sets.unknown_speaker(speaker, bench.held_out)
        out.append(bench.run(f"fsdd without {speaker}", lambda data=data: make(data, 0)))
    score = bench.add("fsdd, one speaker left out", "label errors, %", out, "SVC on cut digits 39")
    bench.wanted.append(at_most("fsdd, one speaker left out", score, 39, "%", aim=30))
    slowest = float(max(run["seconds"] for run in runs + out))
    bench.wanted.append(at_most("fsdd, fit", slowest, 90, "s"))


# ------------------------------------------------------------------------------------------------------ translation
def translate(bench, name, read):
    """A fit, and the loop of PyTorch just after it: the clock and other programs change."""
    *data, references = read(bench.held_out, N_QUICK if bench.quick else None)
    r = bench.run(name, lambda: _translation(bench, name, data, references))
    shown = {key: "-" if value is None else f"{value:.1f}" for key, value in r.items() if key != "key"}
    self_loss, other_loss = r["loss"], r["torch loss"]
    times = r["torch seconds"] / r["seconds"]
    bench.translations.append(
        (
            name,
            f"{self_loss:.3f}",
            f"{other_loss:.3f}",
            shown["bleu"],
            shown["torch bleu"],
            shown["exact"],
            shown["seconds"],
            f"{shown['torch seconds']} ({r['threads']})",
            f"{times:.1f}",
        )
    )
    bench.wanted.append(at_most(f"{name}, loss", self_loss, NOISE * other_loss, "nats", aim=other_loss))
    bench.wanted.append(at_least(f"{name}, times as fast as PyTorch", times, 3, aim=6))
    if r["bleu"] is not None:
        bench.wanted.append(
            at_least(f"{name}, BLEU over that of PyTorch", r["bleu"] - r["torch bleu"], -0.5, "", aim=0)
        )


def _translation(bench, name, data, references):
    X, y, X_out, y_out = data
    model, seconds = bench.fitted(sets.translator(name, 0, N_JOBS), X, y)
    n_labels = sum(len(labels) + 1 for labels in y_out)
    loss, found = -float(model.score_samples(X_out, y_out).sum()) / n_labels, model.predict(X_out)
    net, held_out = twins.Seq2Seq(model.structure_), twins.Translations(model, X_out, y_out)
    check_same(name, loss, net, model, lambda: twins.mean_label_loss(net, held_out))
    progress(f"{name}: {seconds:.1f} s, loss {loss:.3f}; PyTorch")
    torch.manual_seed(0)
    net = twins.Seq2Seq(model.structure_)
    other_seconds, n_threads = twins.Loop(model, net, twins.Translations(model, X, y), model.n_iter_).run()
    outputs = [model.classes_[codes] for codes in twins.greedy(net, held_out, model.max_output_length_)]
    return {
        "loss": loss,
        "torch loss": twins.mean_label_loss(net, held_out),
        "bleu": bleu(found, references),
        "torch bleu": bleu(outputs, references),
        "exact": 100 * sequence_accuracy_score(y_out, found),
        "seconds": seconds,
        "torch seconds": other_seconds,
        "threads": n_threads,
    }


def bleu(outputs, references):
    """Of sacrebleu, on the tokens as they are; None where it is not installed."""
    try:
        import sacrebleu
    except ModuleNotFoundError:
        progress("sacrebleu is not installed: no BLEU")
        return None
    texts, expected = ([" ".join(map(str, tokens)) for tokens in part] for part in (outputs, references))
    return float(sacrebleu.corpus_bleu(texts, [expected], tokenize="none", force=True).score)


def check_same(name, loss, net, model, torch_loss):
    """With the weights of the estimator, PyTorch's network must have its loss, or there is nothing to compare."""
    twins.load_weights(net, model.weights_)
    n_weights = sum(array.size for array in model.weights_.values())
    if twins.n_parameters(net) != n_weights:
        raise RuntimeError(f"{name}: skrnn has {n_weights} weights, PyTorch {twins.n_parameters(net)}")
    if not np.isclose(other := torch_loss(), loss, rtol=SAME):
        raise RuntimeError(f"{name}: skrnn and PyTorch differ with the same weights: loss {loss} and {other}")


# ----------------------------------------------------------------------------------------------------------- epochs
def epoch_of_g2p(bench):
    X, y, *_ = bench.few(*sets.g2p("lit", bench.held_out))
    _compare(bench, "letters to phones", sets.translator("g2p", 0, N_JOBS), X, y, twins.Seq2Seq, twins.Translations)


def epoch_of_translation(bench):
    X, y, *_ = sets.multi30k(bench.held_out, N_QUICK if bench.quick else 2000)
    model = sets.translator("multi30k", 0, N_JOBS)
    _compare(bench, "translation", model, X, y, twins.Seq2Seq, twins.Translations)


def epoch_of_labels(bench):
    X, y, *_ = bench.few(*sets.unknown_speaker("jackson", "valid"))
    _compare(bench, "labels without alignment", sets.listener(0, N_JOBS), X, y, twins.StepNetwork, twins.Unaligned)


def epoch_of_text(bench):
    text = sets.shakespeare()[0][: 1000 * N_QUICK // (10 if bench.quick else 1)]
    _compare(bench, "text", sets.writer(0, N_JOBS), [text], None, twins.StepNetwork, _streams)


def _streams(model, X, y, n_streams=None, n_steps=None):
    """As the estimator cuts a text, or in these sizes."""
    codes = np.array([model.vocabulary_[token] for token in X[0]])
    n_streams = n_streams or (AUTO_STREAMS if model.batch_size == "auto" else model.batch_size)
    n_steps = n_steps or (AUTO_PIECE if model.truncation == "auto" else model.truncation)
    return twins.Streams(codes, n_streams, n_steps)


def _compare(bench, name, *how):
    times = bench.run(f"epochs, {name}", lambda: _epochs(bench, name, *how))
    row = [name]
    for n in (1, 2):
        own, other, of_n = times[f"skrnn {n}"], times[f"torch {n}"], times[f"ratio {n}"]
        row += [f"{own:.2f}", f"{other:.2f}", f"{of_n:.1f}"]
        bench.wanted.append(at_least(f"epoch of {name}, {n} thread{'s' * (n > 1)} each", of_n, 3, aim=6))
    bench.epochs.append(row)


def _epochs(bench, name, estimator, X, y, network, make_data):
    """Typical seconds of each, and typical ratios."""
    data = (X,) if y is None else (X, y)
    fitted = clone(estimator).set_params(max_iter=1, early_stopping=False).fit(*data)
    few = [part[:WARM_UP] for part in data] if y is not None else [[X[0][:SHORT_TEXT]]]
    net = network(fitted.structure_)
    check_same(name, _own_loss(fitted, *few), net, fitted, lambda: _torch_loss(net, fitted, make_data, *few))
    contenders, fits = {}, {n: GatedFit(estimator, n, *data) for n in (1, 2)}
    for n, fit in fits.items():
        loop = twins.Loop(estimator, network(fitted.structure_), make_data(fitted, X, y), 10**6)
        contenders[f"skrnn {n}"] = fit.contender
        contenders[f"torch {n}"] = Contender(loop.epoch, prepare=lambda n=n: torch.set_num_threads(n))
    seconds = interleave(contenders, bench.quick, total=60)
    for fit in fits.values():
        fit.close()
    times = {who: float(typical(each)) for who, each in seconds.items()}
    return times | {f"ratio {n}": float(ratio(seconds, f"torch {n}", f"skrnn {n}")) for n in fits}


def _own_loss(model, X, y=None):
    """Of a label, of a sequence without alignment, or of a step of a text."""
    if y is None:
        return -float(model.score(X))
    log_p = model.score_samples(X, y)
    if hasattr(model, "max_output_length_"):
        return -float(log_p.sum()) / sum(len(labels) + 1 for labels in y)
    return -float(log_p.mean())


@torch.no_grad()
def _torch_loss(net, model, make_data, X, y=None):
    net.eval()
    if y is None:
        data = make_data(model, X, y, n_streams=1, n_steps=len(X[0]))
        return float(data.loss(net, 0))
    data = make_data(model, X, y)
    if isinstance(data, twins.Translations):
        return twins.mean_label_loss(net, data)
    return float(data.loss(net, torch.arange(len(X))))


# ------------------------------------------------------------------------------------------------------------- main
def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--held-out", choices=("valid", "test"), default="test")
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    arguments = parse_arguments(__doc__, parts=PARTS, epochs=EPOCHS_OF)
    if arguments.write and own.held_out != "test":
        sys.exit("--write needs the test parts")
    if not sets.is_there():
        sys.exit("the data are not there: set SKRNN_DATA to the folder of load.py")
    bench = Bench(own.held_out, arguments.quick, own.seeds, Results(own.results))
    runs = {"dates": dates, "g2p": g2p, "shakespeare": shakespeare, "music": music, "fsdd": fsdd}
    of_epochs = {"g2p": epoch_of_g2p, "translation": epoch_of_translation}
    of_epochs |= {"labels": epoch_of_labels, "text": epoch_of_text}
    runs["eng_fra"] = lambda bench: translate(bench, "eng_fra", sets.eng_fra)
    runs["multi30k"] = lambda bench: translate(bench, "multi30k", sets.multi30k)
    for part in arguments.parts:
        for run in [runs[part]] if part in runs else [of_epochs[name] for name in arguments.epochs]:
            run(bench)
    shown = [(SCORES, bench.scores), (TRANSLATIONS, bench.translations), (TIMES, bench.epochs)]
    tables = [table(header, rows) for header, rows in shown if rows]
    report("sequences_out", __doc__, [*tables, goals(bench.wanted)], arguments.write)


if __name__ == "__main__":
    main()
