"""What is in a Core ML model, read without coremltools."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsconv.acoustic.source import Source
from dsconv.errors import ModelError
from dsconv.inspect.coreml.network import WEIGHTS
from dsconv.inspect.registry import inspect_file
from dsconv.inspect.report import Inspection, render
from tests.inspect import coreml_models as made

DENSE_BYTES = 4 * made.PARAMETERS


def rows(inspection: Inspection) -> dict[str, str]:
    """The texts of the rows, by their names."""
    lines = (line.split(maxsplit=1) for line in render(inspection).splitlines()[1:] if line)
    return {line[0]: line[1] for line in lines if len(line) == 2}


@pytest.mark.parametrize(
    ("opset", "precision", "version", "systems"),
    [
        ("iOS15", "FLOAT32", 6, "iOS 15, macOS 12"),
        ("iOS16", "FLOAT16", 7, "iOS 16, macOS 13"),
        ("iOS17", "FLOAT32", 8, "iOS 17, macOS 14"),
        ("iOS18", "FLOAT16", 9, "iOS 18, macOS 15"),
        ("iOS26", "FLOAT32", 10, "iOS 26, macOS 26"),
    ],
)
def test_a_program_is_described(
    opset: str, precision: str, version: int, systems: str, tmp_path: Path
) -> None:
    """Kind, versions, ops without the constants, weights and their types."""
    found = inspect_file(made.package(tmp_path, opset, precision))
    info = found.core_ml
    assert info is not None
    assert (info.kind, info.specification_version, info.opset) == (
        "mlprogram",
        version,
        f"CoreML{version - 1}",
    )
    assert info.deployment_target == systems
    casts = {"cast": 2} if precision == "FLOAT16" else {}
    assert found.ops == casts | {"linear": 1, "softmax": 1}
    assert found.nodes == sum(found.ops.values())
    assert found.identity.weights == precision.lower()
    assert found.parameters == made.PARAMETERS
    assert found.parameter_bytes == DENSE_BYTES // (2 if precision == "FLOAT16" else 1)
    assert [weight.shape for weight in found.weights] == [[64, 64], [64]]
    assert (found.identity.quantized, found.compression) == (False, [])
    assert found.identity.exported_by is not None
    assert found.identity.exported_by.startswith("coremltools ")
    opens = f"{systems} and later"
    assert rows(found)["opens"] == f"on     {opens}"


COMPRESSED: dict[str, tuple[str, Callable[[Any], Any], str, str, int]] = {
    "affine": ("iOS17", made.quantized, "8-bit linear", "int8", 4096 + 64 + 256),
    "shift-scale": ("iOS18", made.quantized, "8-bit linear", "int8", 4096 + 256),
    "blocks": (
        "iOS18",
        lambda m: made.quantized(m, dtype="int4", granularity="per_block", block_size=32),
        "4-bit linear, per block",
        "int4",
        2048 + 512,
    ),
    "tensor": (
        "iOS18",
        lambda m: made.quantized(m, dtype="int4", granularity="per_tensor"),
        "4-bit linear",
        "int4",
        2048 + 4,
    ),
    "palette-bytes": (
        "iOS17",
        lambda m: made.palettized(m, nbits=6),
        "6-bit palettized",
        "uint6",
        3072 + 256,
    ),
    "palette": (
        "iOS18",
        lambda m: made.palettized(m, nbits=3),
        "3-bit palettized",
        "uint3",
        1536 + 32,
    ),
    "palettes": (
        "iOS18",
        lambda m: made.palettized(m, nbits=4, granularity="per_grouped_channel", group_size=16),
        "4-bit palettized, per group",
        "uint4",
        2048 + 256,
    ),
    "scaled-palette": (
        "iOS18",
        lambda m: made.palettized(m, nbits=4, enable_per_channel_scale=True),
        "4-bit palettized, per group, scaled palette",
        "uint4",
        2048 + 64 * 64 + 256,
    ),
    "quantized-palette": (
        "iOS18",
        lambda m: made.jointly_quantized(made.palettized(m, nbits=4), granularity="per_tensor"),
        "4-bit palettized, 8-bit linear palette",
        "uint4",
        2048 + 16 + 4,
    ),
    # 1,638 of the weights are left; a mask says which.
    "sparse-bytes": ("iOS17", made.pruned, "sparse", "float32", 4 * 1638 + 512),
    "sparse": ("iOS18", made.pruned, "sparse", "float32", 4 * 1638 + 512),
    "sparse-palette": (
        "iOS18",
        lambda m: made.palettized(made.pruned(m), joint=True, nbits=4),
        "4-bit palettized, sparse",
        "uint4",
        819 + 512 + 64,
    ),
    "sparse-linear": (
        "iOS18",
        lambda m: made.jointly_quantized(made.pruned(m)),
        "8-bit linear, sparse",
        "int8",
        1638 + 512 + 256,
    ),
}


@pytest.mark.parametrize("form", COMPRESSED)
def test_compression_of_weights_is_named(form: str, tmp_path: Path) -> None:
    """The way, the type of what is stored, all bytes of it, and the dense number of weights."""
    opset, compress, words, dtype, size = COMPRESSED[form]
    model = compress(made.converted(made.dense(opset=opset), opset))
    found = inspect_file(made.saved(model, tmp_path / "a.mlpackage"))
    weight = next(weight for weight in found.weights if weight.compression)
    assert (weight.compression, weight.dtype, weight.shape) == (words, dtype, [64, 64])
    assert (weight.parameters, weight.bytes) == (4096, size)
    assert len(found.weights) == 2
    assert found.parameters == made.PARAMETERS
    assert found.parameter_bytes == size + 256
    assert found.compression == [words]
    assert found.identity.quantized == (dtype != "float32")
    assert rows(found)["compression"] == words


def test_a_palette_of_vectors(tmp_path: Path) -> None:
    """Where each entry stands for several weights, there are fewer numbers than weights."""
    found = inspect_file(made.palette_of_vectors(tmp_path))
    weight, _ = found.weights
    assert weight.compression == "4-bit palettized, vectors of 2"
    assert (weight.shape, weight.parameters, weight.bytes) == ([64, 64], 4096, 1024 + 128)


def test_ranges_of_sizes(tmp_path: Path) -> None:
    """The least and the largest size, in both forms; the output is as open as the input."""
    path = made.flexible(tmp_path, lambda ct: ct.Shape((ct.RangeDim(1, 512, 16), 64)))
    found = inspect_file(path)
    (tensor,) = found.inputs
    assert (tensor.shape, tensor.ranges, tensor.shapes) == ([-1, 64], [[1, 512], [64, 64]], None)
    assert found.outputs[0].shape == [-1, 64]
    assert rows(found)["x"] == "float32 [1..512, 64]"


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ([[1, 64], [16, 64], [32, 64]], "[1|16|32, 64]"),
        ([[4, 64], [8, 64]], "[4|8, 64]"),
    ],
)
def test_enumerated_sizes(shapes: list[list[int]], text: str, tmp_path: Path) -> None:
    """All shapes; in the text only what differs."""
    found = inspect_file(made.flexible(tmp_path, lambda ct: ct.EnumeratedShapes(shapes)))
    (tensor,) = found.inputs
    assert (tensor.shapes, tensor.ranges) == (shapes, None)
    assert tensor.shape == [-1, 64]
    assert rows(found)["x"] == f"float32 {text}"


def test_sizes_that_go_together_and_without_limit() -> None:
    """No size is shown with another that it does not go with."""
    from dsconv.inspect.report import TensorInfo
    from dsconv.inspect.text import tensor_shape_text

    paired = TensorInfo("x", "float32", [-1, -1], shapes=[[1, 2], [3, 4]])
    assert tensor_shape_text(paired) == "[1, 2] | [3, 4]"
    assert tensor_shape_text(TensorInfo("x", "float32", [-1], ranges=[[2, -1]])) == "[2..]"


def test_states_are_inside(tmp_path: Path) -> None:
    """Neither inputs nor outputs; their sizes are known."""
    found = inspect_file(made.stateful(tmp_path))
    assert found.identity.states == "inside the model"
    (state,) = found.states
    assert state.input == state.output
    assert (state.dtype, state.shape) == ("float16", [1, 4])
    assert [tensor.name for tensor in found.inputs] == ["x"]
    assert rows(found)[state.input] == "float16 [1, 4]"
    assert "States:" in render(found)


def test_blocks_inside_ops_are_counted(tmp_path: Path) -> None:
    """The condition and the body of a loop, and the weights in it."""
    found = inspect_file(made.looping(tmp_path))
    assert found.ops == dict.fromkeys(
        ["tanh", "while_loop", "less", "squeeze", "add", "linear", "identity"], 1
    )
    assert found.parameters == made.PARAMETERS


def test_the_default_of_several_functions(tmp_path: Path) -> None:
    """Its ops, and the names of all."""
    found = inspect_file(made.of_two_functions(tmp_path))
    assert found.core_ml is not None
    assert found.core_ml.functions == ["one", "two"]
    assert found.ops == {"linear": 1, "softmax": 1}
    assert found.parameters == made.PARAMETERS
    assert [tensor.shape for tensor in found.inputs] == [[4, 64]]


@pytest.mark.parametrize(
    ("bits", "mode", "words", "dtype", "size"),
    [
        (None, "", None, "float32", DENSE_BYTES),
        (16, "linear", None, "float16", DENSE_BYTES // 2),
        (8, "linear", "8-bit linear", "uint8", 4160 + 8 * 64 + 8),
        (6, "linear", "6-bit linear", "uint6", 3120 + 8 * 64 + 8),
        (4, "linear_lut", "4-bit palettized", "uint4", 2080 + 2 * 64),
    ],
)
def test_a_neural_network_is_described(
    bits: int | None, mode: str, words: str | None, dtype: str, size: int, tmp_path: Path
) -> None:
    """Layers and weights; the classes, though its outputs have no shapes."""
    model = made.as_network(made.dense())
    if bits is not None:
        model = made.quantized_network(model, bits, mode)
    found = inspect_file(made.saved(model, tmp_path / "a.mlmodel"))
    info = found.core_ml
    assert info is not None
    assert (info.kind, info.opset, info.functions) == ("neuralnetwork", None, [])
    assert info.deployment_target == "iOS 13, macOS 10.15"
    assert found.ops == {"innerProduct": 1, "softmaxND": 1}
    assert [weight.shape for weight in found.weights] == [[64, 64], [64]]
    assert {weight.compression for weight in found.weights} == {words}
    assert (found.parameters, found.parameter_bytes) == (made.PARAMETERS, size)
    assert found.identity.weights == dtype
    assert found.identity.quantized == (words is not None)
    assert found.identity.classes == 64
    assert found.identity.output == "probabilities"
    assert found.outputs[0].shape is None
    data = (tmp_path / "a.mlmodel").read_bytes()
    assert (found.bytes, found.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_every_weight_of_every_layer_is_known() -> None:
    """The ways to the weights and their names are those of the schema."""
    made.coremltools()
    from coremltools.proto import NeuralNetwork_pb2 as schema

    def ways(message: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        for field in message.fields:
            kind = field.message_type
            if kind is None or kind.name == "NeuralNetwork":
                continue
            if kind.name == "WeightParams":
                yield (*way, field.name)
            elif not (way and kind.name == "ActivationParams"):
                yield from ways(kind, (*way, field.name))

    found: dict[str, set[str]] = {}
    for kind, *way in ways(schema.NeuralNetworkLayer.DESCRIPTOR):
        found.setdefault(kind, set()).add(".".join(way))
    assert found == {kind: set(weights) for kind, weights in WEIGHTS.items()}


def test_an_lstm_layer(tmp_path: Path) -> None:
    """All matrices of its gates, by their names and with their shapes."""
    found = inspect_file(made.lstm_network(tmp_path, inputs=3, hidden=5))
    assert found.ops == {"uniDirectionalLSTM": 1}
    assert found.parameters == 4 * (5 * 3 + 5 * 5)
    shapes = {weight.name: weight.shape for weight in found.weights}
    assert shapes["lstm.forgetGateWeightMatrix"] == [5, 3]
    assert shapes["lstm.outputGateRecursionMatrix"] == [5, 5]
    assert len(shapes) == 8


@pytest.mark.parametrize("kind", ["mlpackage", "mlmodel"])
def test_the_network_is_identified(kind: str, tmp_path: Path) -> None:
    """Steps, sizes, states and lengths of a streaming model, and what dsconv wrote about it."""
    program = made.streaming(steps=16, hidden=8)
    model = made.as_network(program) if kind == "mlmodel" else made.converted(program, "iOS15")
    model.author, model.license, model.version = "A. Uthor", "MPL-2.0", "1.2"
    model.short_description = "Hears."
    model.user_defined_metadata.update(
        metadata_version="6",
        metadata_sample_rate="8000",
        metadata_alphabet=json.dumps([" ", *map(chr, range(97, 123)), "'"]),
        dsconv_version="9.9",
        precision="fp32",
        source_sha256="ab" * 32,
    )
    found = inspect_file(made.saved(model, tmp_path / f"a.{kind}"))
    identity = found.identity
    assert identity.network == "streaming LSTM acoustic model"
    assert (identity.steps, identity.batch, identity.context, identity.features) == (16, 1, 9, 26)
    assert (identity.n_hidden, identity.classes, identity.takes_lengths) == (8, 29, True)
    assert (identity.states, identity.output) == ("inputs and outputs", "probabilities")
    assert (identity.exported_by, identity.graph_version) == ("dsconv 9.9", 6)
    assert (identity.sample_rate, len(identity.alphabet or [])) == (8000, 28)
    assert found.weights[0].shape == [29, 494]
    assert found.metadata["source_sha256"] == "ab" * 32
    info = found.core_ml
    assert info is not None
    assert (info.author, info.license, info.version) == ("A. Uthor", "MPL-2.0", "1.2")
    assert info.short_description == "Hears."
    assert info.properties["precision"] == "fp32"
    assert not any(key.startswith("metadata_") for key in info.properties)
    shown = rows(found)
    assert (shown["author"], shown["license"]) == ("A. Uthor", "MPL-2.0")
    assert (shown["version"], shown["description"]) == ("1.2", "Hears.")
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_bytes_and_hash_of_a_package(tmp_path: Path) -> None:
    """All files are measured; the hash is that of the content, not of the manifest's names."""
    path = made.package(tmp_path)
    found = inspect_file(path)
    files = [file for file in path.rglob("*") if file.is_file()]
    assert len(files) == 3
    assert found.bytes == sum(len(file.read_bytes()) for file in files)
    names = ["model.mlmodel", "weights/weight.bin"]
    lines = [
        f"{hashlib.sha256((path / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (f"Data/com.apple.CoreML/{name}" for name in names)
    ]
    assert found.sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()
    manifest = path / "Manifest.json"
    manifest.write_text(manifest.read_text().replace("-", "_"))
    assert Source(path).digest.hexdigest() == found.sha256
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    weights.rename(weights.with_name("renamed"))
    assert Source(path).digest.hexdigest() != found.sha256
    (path / "Data" / "empty").touch()
    assert len(Source(path).digest.hexdigest()) == 64


def write_manifest(path: Path, model: str) -> None:
    entries = {"a": {"path": model}}
    text = json.dumps({"itemInfoEntries": entries, "rootModelIdentifier": "a"})
    (path / "Manifest.json").write_text(text)


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


MODEL = "Data/com.apple.CoreML/model.mlmodel"
BLOBS = "Data/com.apple.CoreML/weights/weight.bin"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut model": (lambda p: halve(p / MODEL), "copy or download the model again"),
    "no model": (lambda p: (p / MODEL).unlink(), "model.mlmodel does not exist"),
    "empty model": (lambda p: (p / MODEL).write_bytes(b""), "model.mlmodel is empty"),
    "cut weights": (lambda p: halve(p / BLOBS), "weight.bin ends after the end of the file"),
    "cut within weights": (
        lambda p: (p / BLOBS).write_bytes((p / BLOBS).read_bytes()[:-1]),
        "weight.bin ends after the end of the file",
    ),
    "no weights": (lambda p: (p / BLOBS).unlink(), "weight.bin is missing"),
    "empty weights": (lambda p: (p / BLOBS).write_bytes(b""), "weight.bin is empty"),
    "other weights": (
        lambda p: replace(p / BLOBS, b"\xef\xbe\xad\xde", b"\xef\xbe\xad\xdf"),
        "weight.bin has no header",
    ),
    "other size": (
        lambda p: replace(p / BLOBS, (16384).to_bytes(8, "little"), (99).to_bytes(8, "little")),
        "weight.bin has 99 bytes and not 16,384",
    ),
    "weights elsewhere": (
        lambda p: replace(p / MODEL, b"@model_path/weights/", b"@model_path/../../x/"),
        "the weights lie outside of the package, in",
    ),
    "weights anywhere": (
        lambda p: replace(p / MODEL, b"@model_path/weights/", b"@modal_path/weights/"),
        "the weights lie outside of the package, in",
    ),
    "weights at the root": (
        lambda p: replace(p / MODEL, b"@model_path/weights/", b"@model_path//eights/"),
        "the weights lie outside of the package, in",
    ),
    "no opset": (lambda p: replace(p / MODEL, b"\x12\x07CoreML7", b"\x12\x07CoreMLX"), "CoreMLX"),
    "empty manifest": (lambda p: (p / "Manifest.json").write_text(""), "names no model"),
    "manifest of nothing": (lambda p: (p / "Manifest.json").write_text("{}"), "names no model"),
    "manifest that leads out": (
        lambda p: write_manifest(p, "../../a.mlmodel"),
        "leads out of the package",
    ),
    "manifest of a file elsewhere": (
        lambda p: write_manifest(p, "/etc/passwd"),
        "leads out of the package",
    ),
    "manifest of no file": (lambda p: write_manifest(p, "a\0b"), "damaged"),
    "manifest of two lines": (lambda p: write_manifest(p, "a\nb"), "leads out of the package"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package to be copied and damaged."""
    return made.package(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_packages_are_named(damage: str, whole: Path, tmp_path: Path) -> None:
    """One line with the package, and what is wrong."""
    change, words = DAMAGES[damage]
    path = shutil.copytree(whole, tmp_path / "a.mlpackage")
    change(path)
    with pytest.raises(ModelError, match=words) as raised:
        inspect_file(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cut_network_is_named(tmp_path: Path) -> None:
    """Whatever a cut file still looks like."""
    path = made.saved(made.as_network(made.dense()), tmp_path / "a.mlmodel")
    halve(path)
    with pytest.raises(ModelError, match="damaged"):
        inspect_file(path)


def test_a_network_with_too_few_weights_is_named(tmp_path: Path) -> None:
    """What its layer says and what the file holds must be equal."""
    model = made.as_network(made.dense())
    specification = model.get_spec()
    layer = specification.neuralNetwork.layers[0]
    del layer.innerProduct.weights.floatValue[-1:]
    path = tmp_path / "a.mlmodel"
    path.write_bytes(specification.SerializeToString())
    with pytest.raises(ModelError, match="the weights of layer 'dense' have 16,380 bytes"):
        inspect_file(path)


def test_a_layer_that_is_not_known_is_named(tmp_path: Path) -> None:
    """The file is of a newer Core ML."""
    layer = b"\x0a\x01x" + b"\xba\xf8\x03\x00"  # field 8071
    body = b"\x0a" + bytes([len(layer)]) + layer
    path = tmp_path / "a.mlmodel"
    path.write_bytes(b"\x08\x04\x12\x00" + b"\xa2\x1f" + bytes([len(body)]) + body)
    with pytest.raises(ModelError, match="layer 'x' has fields 8071"):
        inspect_file(path)


def test_other_kinds_are_named(tmp_path: Path) -> None:
    """Every kind of the schema but the two that are read."""
    made.coremltools()
    from coremltools.proto import Model_pb2

    path = tmp_path / "a.mlmodel"
    named = set()
    kinds = Model_pb2.Model.DESCRIPTOR.oneofs_by_name["Type"].fields
    for kind in kinds:
        model = Model_pb2.Model(specificationVersion=4)
        model.description.metadata.author = "x"
        getattr(model, kind.name).SetInParent()
        path.write_bytes(model.SerializeToString())
        if kind.name in ("neuralNetwork", "mlProgram"):
            continue
        with pytest.raises(ModelError, match="of another kind") as raised:
            inspect_file(path)
        assert "number" not in str(raised.value), kind.name
        named.add(str(raised.value))
    assert len(named) == len(kinds) - 2


def test_shapes_of_unequal_rank_are_damage(tmp_path: Path) -> None:
    """They cannot be the sizes of one input."""
    path = made.flexible(tmp_path, lambda ct: ct.EnumeratedShapes([[1, 64], [16, 64]]))
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model.FromString((path / MODEL).read_bytes())
    model.description.input[0].type.multiArrayType.enumeratedShapes.shapes[0].shape.append(1)
    (path / MODEL).write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="shapes of unequal rank"):
        inspect_file(path)


@pytest.mark.parametrize("part", [MODEL, BLOBS, "Manifest.json", ""])
def test_any_damage_is_inspected_or_named(part: str, whole: Path, tmp_path: Path) -> None:
    """Of 150 damaged files no inspection ends in another way."""
    rng = random.Random(4)
    path = tmp_path / "a"
    if part:
        shutil.copytree(whole, path)
        file = path / part
    else:
        made.saved(made.as_network(made.dense()), tmp_path / "a.mlmodel").rename(path)
        file = path
    data = file.read_bytes()
    outcomes = {"done": 0, "error": 0}
    for _ in range(150):
        changed = bytearray(data)
        index = rng.randrange(len(data) if rng.random() < 0.3 else min(len(data), 1200))
        changed[index : index + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        file.write_bytes(changed)
        try:
            render(inspect_file(path))
            outcomes["done"] += 1
        except ModelError as error:
            outcomes["error"] += 1
            assert str(path) in str(error)
            assert "\n" not in str(error)
    assert min(outcomes.values()) > 5, outcomes


def test_no_toolkit_is_imported(whole: Path, tmp_path: Path) -> None:
    """Neither coremltools nor numpy: inspecting is for machines without them too."""
    network = made.saved(made.as_network(made.dense()), tmp_path / "a.mlmodel")
    program = (
        "import sys\n"
        "from dsconv.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print([name for name in ('coremltools', 'numpy', 'google.protobuf')"
        " if name in sys.modules], file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, "inspect", str(whole), str(network)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "mlprogram" in done.stdout
    assert "neuralnetwork" in done.stdout


def test_command_line(whole: Path, tmp_path: Path) -> None:
    """Text and JSON of a package; a damaged one beside it is named and does not stop the rest."""
    damaged = shutil.copytree(whole, tmp_path / "damaged.mlpackage")
    (damaged / BLOBS).unlink()
    command = [sys.executable, "-m", "dsconv", "inspect"]
    text = subprocess.run([*command, str(whole)], capture_output=True, text=True, check=True)
    assert f"{whole}: Core ML package (mlpackage)\n" in text.stdout
    assert "mlprogram, specification version 8, opset CoreML7" in text.stdout
    done = subprocess.run(
        [*command, "--json", str(damaged), str(whole)], capture_output=True, text=True, check=False
    )
    assert done.returncode == ModelError.exit_code
    assert "Traceback" not in done.stderr
    first, second = json.loads(done.stdout)["files"]
    assert "weight.bin is missing" in first["error"]
    assert second["core_ml"]["kind"] == "mlprogram"
    assert second["inputs"][0]["ranges"] is None
    assert math.prod(second["weights"][0]["shape"]) == second["weights"][0]["parameters"]
