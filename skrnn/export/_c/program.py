"""A C file, from the description of a network."""

from typing import NamedTuple

from .convolution import write_convolution
from .helpers import helpers_for
from .inputs import write_code_function, write_inputs
from .layers import write_level
from .outputs import Output, write_label_function
from .pooling import POOLINGS
from .source import Source
from .text import bytes_of, comment, function, indented, loop, place, plain

BYTES_OF_A_LINE = 20  # of machine code, measured for lines of functions with gcc -Os on x86-64


class Model(NamedTuple):
    """What is written down.

    title : str
    network : Network
    encoder : InputEncoder
    weights : Weights
    poolings : tuple of str
    output : Output
    classes : ndarray or None
    """

    title: str
    network: object
    encoder: object
    weights: object
    poolings: tuple
    output: Output
    classes: object = None

    @property
    def gives_steps(self):
        """Whether each step of a sequence has an output of its own."""
        return self.poolings == ("steps",)


class Program(NamedTuple):
    """A C file, and the sizes that its head tells."""

    text: str
    constant_bytes: int
    state_bytes: int
    stack_bytes: int
    code_bytes: int
    n_products: int


def program(file_name, name, model, notes=()):
    """Write the C file of a model.

    Parameters
    ----------
    file_name : str
        Name of the file.
    name : str
        Prefix of all that the file makes public.
    model : Model
    notes : sequence of str
        Further lines of its head.
    """
    source, network = Source(name, model.network.dtype.name), model.network
    n_read, ctype = write_inputs(source, network.structure, model.encoder, model.weights)
    y = _write_advance(source, network, model)
    right, conv = 0, network.structure.convolution
    if conv is not None:
        right = write_convolution(source, conv, n_read, model.weights)
    _write_predict(source, network, model, y)
    signatures = _write_entries(source, model, n_read, ctype, right)
    if model.classes is not None:
        signatures.append(write_label_function(source, model.classes))
    if model.encoder.is_text:
        signatures.append(write_code_function(source, model.encoder))
    return _assembled(source, model, signatures, notes, file_name)


# ------------------------------------------------------------------------------------------------------- functions
def _write_advance(source, network, model):
    """The function that takes layers and pooling a step further; gives the expression for the last layer's output."""
    levels, lines, x = network.stack.levels, [], "v"
    for level in levels:
        y = None
        if level.normalization or level.residual:
            is_kept = level is levels[-1] and {"last", "steps"} & set(model.poolings)
            y = f"out{level.number}"
            if is_kept:
                y = source.remember("output", level.n_outputs, "output of the last layer")
            else:
                lines.append(source.local(y, level.n_outputs))
        calls, x = write_level(source, level, model.weights, x, y)
        lines += calls
    for pooling in _poolings(source, network, model):
        lines += pooling.add(x)
    about = "A step of all layers, from what the first one reads."
    source.define(f"static void advance({source.state} *s, const {source.real} *v)", lines, about)
    return x


def _poolings(source, network, model):
    weights = model.weights.of("pooling")
    return [POOLINGS[name](source, network.stack.n_top_units, weights) for name in model.poolings]


def _write_predict(source, network, model, y):
    """The function that makes of a state what is given for it."""
    raw = model.output.raw
    values = [pooling.value(y) for pooling in _poolings(source, network, model)]
    lines = [] if raw == "out" else [source.local(raw, network.head.n_outputs)]
    if model.output.is_pooled or network.head.readout is None:
        H = network.stack.n_top_units
        for k, value in enumerate(values):
            lines += loop("j", H, [f"{place(raw, k * H)} = {value};"])
    else:
        lines += _readout(source, network, model.weights, values[0], raw)
    signature = f"static int predict(const {source.state} *s, {source.real} *out)"
    source.define(signature, [*lines, *model.output.lines(source)], f"Of the state after a step: {model.output.about}.")


def _readout(source, network, weights, value, raw):
    """Lines for raw predictions, affine in pooled outputs; `value`: one of these, in C."""
    arrays, scales = weights.of("readout")
    H, K, lines, x = network.stack.n_top_units, network.head.n_outputs, [], value.removesuffix("[j]")
    if not x.replace("s->", "").isidentifier():
        lines += [source.local("pooled", H), *loop("j", H, [f"pooled[j] = {value};"])]
        x = "pooled"
    source.vector("readout_b", arrays["b"])
    product = source.product(arrays["W"], "readout_W", x, f"{raw}[j]", "readout", scales.get("W"))
    return [*lines, *loop("j", K, [f"{raw}[j] = readout_b[j];"]), *product]


def _write_entries(source, model, n_read, ctype, right):
    """The public functions; gives their signatures."""
    name, macro, real, state = source.name, source.macro, source.real, source.state
    reset = f"void {name}_reset({state} *s)"
    step = f"int {name}_step({state} *s, const {ctype} x[{macro}_N_CHANNELS], {real} out[{macro}_N_OUT])"
    run = f"int {name}_run(const {ctype} *x, int n_steps, {real} *out)"
    begin = [line for field in source.fields for line in field.reset()]
    _public(source, reset, begin, "Begin a sequence.")
    _public(source, step, _step(source, model, n_read, right), "Read a step: see the head of this file.")
    _public(source, run, _run(source, model, n_read, right), "Read a sequence: see the head of this file.")
    return [reset, step, run]


def _public(source, signature, body, about):
    source.functions += [*function(f"{source.macro}_API {signature}", body, about), ""]


def _step(source, model, n_read, right):
    conv, take = model.network.structure.convolution, "advance(s, v);"
    lines = [source.local("v", n_read)]
    if right:
        lines.append(f"{source.state} ahead;")
    lines += ["if (encode(s, x, v) < 0) {", "    return -1;", "}"]
    if conv is None:
        return [*lines, take, "return predict(s, out);"]
    if not right:
        return [*lines, "(void)take(s, v);", "return predict(s, out);"]
    ahead = loop("i", right, ["(void)take(&ahead, nothing);"])
    return [*lines, "(void)take(s, v);", "ahead = *s;", *ahead, "return predict(&ahead, out);"]


def _run(source, model, n_read, right):
    conv, macro = model.network.structure.convolution, source.macro
    each = ["result = predict(&s, out);", f"out += {macro}_N_OUT;"] if model.gives_steps else []
    take = ["advance(&s, v);", *each]
    if conv is not None:
        take = ["if (take(&s, v)) {", *indented(each), "}"] if each else ["(void)take(&s, v);"]
    body = ["if (encode(&s, x, v) < 0) {", "    return -1;", "}", *take, f"x += {macro}_N_CHANNELS;"]
    behind = [line.replace("v)", "nothing)") for line in take]
    return [
        f"{source.state} s;",
        f"{source.real} v[{n_read}];",
        *(["int result = -1;"] if each else []),
        "if (n_steps < 1) {",
        "    return -1;",
        "}",
        f"{source.name}_reset(&s);",
        *loop("t", "n_steps", body),
        *(loop("i", right, behind) if right else []),
        "return result;" if each else "return predict(&s, out);",
    ]


# ------------------------------------------------------------------------------------------------------ the file
def _assembled(source, model, signatures, notes, file_name):
    helpers = helpers_for(source.functions, source.dtype)
    n_lines = sum(line.endswith(";") for line in [*helpers, *source.functions])
    arrays = source.local_bytes + (source.state_bytes if "ahead = *s;" in "".join(source.functions) else 0)
    sizes = source.constant_bytes, source.state_bytes, arrays, n_lines * BYTES_OF_A_LINE
    head = _head(source, model, sizes, notes, file_name)
    lines = [
        *head,
        *_declarations(source, model, signatures),
        f"#ifndef {source.macro}_DECLARATIONS",
        "",
        "#include <math.h>",
        "",
        *source.constants,
        *helpers,
        *source.functions,
        f"#endif /* {source.macro}_DECLARATIONS */",
    ]
    return Program("\n".join(lines) + "\n", *sizes, source.n_products)


def _head(source, model, sizes, notes, file_name):
    """The comment at the beginning."""
    constants, state, stack, code = map(bytes_of, sizes)
    structure, name, macro = model.network.structure, source.name, source.macro
    layers = " and ".join(map(str, structure.hidden_layer_sizes))
    text = [
        f"{name}: {model.title}, as a program in C99 that needs nothing but <math.h> and <stdint.h>.",
        f"Written by skrnn.export.to_c. {structure.cell!r}, {layers} units.",
        "",
        *_usage(source, model),
        "",
        f"Constants    {constants}, which may stay in flash memory",
        f"State        {state} for each sequence that is read",
        f"Stack        arrays of up to {stack} in {name}_step; {name}_run has a state there, too",
        f"Code         about {code}: a guess by its length; `size` tells what a compiler makes of it",
        f"Work         {source.n_products} multiplications in the products of a step",
        *(["", *notes] if notes else []),
        "",
        "Add this file to a program as it is. Where its functions are called, write",
        "",
        f"    #define {macro}_DECLARATIONS",
        f'    #include "{file_name}"',
        "",
        f"Without the first line the functions themselves are there; with #define {macro}_API static before it,",
        "for this file only.",
    ]
    text = [plain(line) for line in text]
    return [f"/* {text[0]}", *(f" * {line}".rstrip() for line in text[1:]), " */"]


def _usage(source, model):
    """What the functions do, in words."""
    name, encoder, output = source.name, model.encoder, model.output
    returns = {True: "the index of the class", False: "0"}[model.classes is not None and "label" not in output.about]
    of_steps = "a row for each step" if model.gives_steps else "a row"
    lines = [
        f"{name}_reset(s)              begins a sequence.",
        f"{name}_step(s, x, out)       reads a step of {_channels(encoder)},",
        f"    and puts into out, of {output.n} {source.real}s: {output.about},",
        f"    from all steps so far. Returns {returns}, or -1 if x cannot be read; then s is as before.",
        f"{name}_run(x, n_steps, out)  reads the rows of x as the steps of a sequence, and gives {of_steps}.",
    ]
    if model.classes is not None:
        lines.append(f"{name}_label(index)          is the class of an index.")
    if encoder.is_text:
        lines.append(f"{name}_code(channel, token)  is the code of a token (UTF-8); 0 is that of all others.")
    if encoder.missing != "error" and len(encoder.numbers):
        lines += ["", "NAN is a missing value."]
    if encoder.time_channel is not None:
        lines += [
            "",
            f"x[{encoder.time_channel}] is a time stamp, which rises. Count from the start of the sequence: a",
            f"{source.real} has 24 bits." if source.real == "float" else "double has 53 bits.",
        ]
    return lines


def _channels(encoder):
    n = encoder.n_channels
    what = "codes of tokens" if encoder.is_text else "channels"
    return f"{n} {what if n > 1 else what.removesuffix('s').replace('codes', 'code')}"


def _declarations(source, model, signatures):
    macro, name = source.macro, source.name
    fields = [
        line
        for field in source.fields
        for line in (*comment(field.about), f"{field.ctype} {field.name}{f'[{field.size}]' if field.size else ''};")
    ]
    return [
        f"#ifndef {macro}_H",
        f"#define {macro}_H",
        "",
        "#include <stdint.h>",
        "",
        f"#ifndef {macro}_API",
        f"#define {macro}_API",
        "#endif",
        "",
        f"#define {macro}_N_CHANNELS {model.encoder.n_channels}",
        f"#define {macro}_N_OUT {model.output.n}",
        "",
        "/* What is remembered of the steps so far. */",
        f"typedef struct {name}_state {{",
        *indented(fields),
        f"}} {name}_state;",
        "",
        *(f"{macro}_API {signature};" for signature in signatures),
        "",
        f"#endif /* {macro}_H */",
        "",
    ]
