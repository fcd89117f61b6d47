"""The scikit-learn surface: translates between scikit-learn and the network; holds no mathematics."""

from ._classifier import RNNClassifier
from ._ctc import CTCClassifier
from ._generator import SequenceGenerator
from ._outliers import SequenceOutlierDetector
from ._regressor import RNNRegressor
from ._seq2seq_classifier import Seq2SeqClassifier
from ._seq2seq_regressor import Seq2SeqRegressor
from ._transformer import SequenceTransformer

__all__ = [
    "CTCClassifier",
    "RNNClassifier",
    "RNNRegressor",
    "Seq2SeqClassifier",
    "Seq2SeqRegressor",
    "SequenceGenerator",
    "SequenceOutlierDetector",
    "SequenceTransformer",
]
