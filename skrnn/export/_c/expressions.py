"""Element-wise equations as lines of C."""

from .text import number

ADDITION, PRODUCT, SIGN, CALL = range(4)  # how strongly an expression holds together
OPERATORS = {"add": ("+", ADDITION), "subtract": ("-", ADDITION), "multiply": ("*", PRODUCT), "divide": ("/", PRODUCT)}
# Functions of <math.h> have a letter behind them for floats; the others are in `helpers`.
LIBRARY = {"absolute": "fabs", "copy_sign": "copysign", "exp": "exp", "square_root": "sqrt", "tanh": "tanh"}
OWN = {"maximum", "minimum", "sigmoid"}


def written(equations, inputs, dtype):
    """Lines that compute equations, and expressions for their outputs.

    A value that is needed once becomes a part of the expression that needs it; others become constants.

    Parameters
    ----------
    equations : Equations
    inputs : dict of str to str
        Expressions for the inputs, which are names.
    dtype : numpy.dtype
        Of the numbers.
    """
    ctype, needed = ("float" if dtype == "float32" else "double"), _counts(equations)
    known, lines = {name: (text, CALL) for name, text in inputs.items()}, []
    for step in equations.steps:
        text, strength = _expression(step.operation, [_known(x, known, dtype) for x in step.operands], dtype)
        if needed[step.result] > 1:
            lines.append(f"const {ctype} {step.result} = {text};")
            text, strength = step.result, CALL
        known[step.result] = text, strength
    return lines, [_known(x, known, dtype)[0] for x in equations.outputs]


def _counts(equations):
    counts = {}
    for step in equations.steps:
        for name in step.operands:
            # the condition and the values of a choice stand in the text once each, as do all other operands
            counts[name] = counts.get(name, 0) + 1
    for name in equations.outputs:
        counts[name] = counts.get(name, 0) + 1
    return {step.result: counts.get(step.result, 0) for step in equations.steps}


def _known(operand, known, dtype):
    return known[operand] if isinstance(operand, str) else (number(operand, dtype), CALL if operand >= 0 else SIGN)


def _expression(operation, operands, dtype):
    """The text of an operation, and how strongly it holds together."""
    if operation in OPERATORS:
        sign, strength = OPERATORS[operation]
        (a, s), (b, t) = operands
        # On the right equals are enclosed, too: floats are added in the order of the equations.
        return f"{_enclosed(a, s < strength)} {sign} {_enclosed(b, t <= strength)}", strength
    texts = [text for text, _ in operands]
    if operation == "negate":
        return f"-{_enclosed(texts[0], operands[0][1] < CALL)}", SIGN
    if operation in ("if_positive", "where_positive"):
        a, b, c = texts if operation == "if_positive" else (*texts, number(0, dtype))
        return f"({_enclosed(a, operands[0][1] < CALL)} > {number(0, dtype)} ? {b} : {c})", CALL
    name = operation if operation in OWN else library(LIBRARY[operation], dtype)
    return f"{name}({', '.join(texts)})", CALL


def library(name, dtype):
    """The function of <math.h> for numbers of this dtype."""
    return f"{name}f" if dtype == "float32" else name


def _enclosed(text, is_needed):
    return f"({text})" if is_needed else text
