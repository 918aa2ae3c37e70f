"""Core ML programs, by the messages of coremltools, and their file of weights."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dsconv.formats.toolkits import import_coremltools
from dsconv.speech.features import FloatArray
from tests.inspect.parity.sabotage.files import LAYERS, Array, NotHere, Tensor, gated

_DTYPES = {10: np.float16, 11: np.float32, 21: np.int8, 23: np.int32}
_BLOB_NUMBERS = {10: 1, 11: 2, 21: 4}
_FLOAT32, _INT32, _STRING = 11, 23, 2
_HEADER = struct.Struct("<IIQQQ32x")
_MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
_WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")
_GATES = "ifoc"
_INTEGERS = ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale")


class CoreMlFile:
    """A package with one program."""

    factors: FloatArray | None = None

    def __init__(self, path: Path) -> None:
        import_coremltools()
        from coremltools.proto import MIL_pb2, Model_pb2

        self.mil, self.package = MIL_pb2, path
        self.model = Model_pb2.Model()
        self.model.ParseFromString((path / _MODEL).read_bytes())
        function = self.model.mlProgram.functions["main"]
        self.block = function.block_specializations[function.opset]
        self.data = bytearray((path / _WEIGHTS).read_bytes())

    # What the file holds.

    def tensors(self) -> dict[str, Tensor]:
        """All weights."""
        found = {}
        for layer in LAYERS:
            product = self._maker(f"{layer}_product")
            found[f"{layer}/weights"] = self._weights(product, "weight")
            found[f"{layer}/bias"] = self._weights(product, "bias")
        lstm = self._lstm()
        names = {"lstm/W": "weight_ih", "lstm/R": "weight_hh", "lstm/b": "bias"}
        for name, given in names.items():
            found[name] = gated(self._weights(lstm, given), _GATES)
        return found

    def _weights(self, op: Any, given: str) -> Tensor:
        maker = self._maker(op.inputs[given].arguments[0].name)
        where = dict(maker.attributes) | {
            key: each.arguments[0].value for key, each in maker.inputs.items()
        }
        if maker.type in _INTEGERS:
            key = "quantized_data" if "quantized_data" in where else "data"
            values, scale = where[key], where["scale"]
            shape = self._array(scale).shape

            def store(numbers: Array, scales: Array | None) -> None:
                assert scales is not None
                self._put(values, numbers.T)
                self._put(scale, scales.reshape(shape))

            scales = np.asarray(self._array(scale), np.float32).reshape(-1)
            return Tensor(self._array(values).T, scales, store)
        held = where["source_val" if maker.type == "constexpr_cast" else "val"]
        return Tensor(self._array(held).T, None, lambda numbers, _: self._put(held, numbers.T))

    def _array(self, value: Any) -> Array:
        kind = value.type.tensorType
        shape = [each.constant.size for each in kind.dimensions]
        _, _, size, start, _ = _HEADER.unpack_from(self.data, value.blobFileValue.offset)
        data = bytes(self.data[start : start + size])
        return np.frombuffer(data, _DTYPES[kind.dataType]).reshape(shape)

    def _put(self, value: Any, numbers: Array) -> None:
        """A blob of its own, as equal constants share one."""
        kind = value.type.tensorType.dataType
        written = np.ascontiguousarray(numbers, _DTYPES[kind]).tobytes()
        self.data += bytes(-len(self.data) % 64)
        offset = len(self.data)
        header = (0xDEADBEEF, _BLOB_NUMBERS[kind], len(written), offset + 64, 0)
        self.data += _HEADER.pack(*header) + written
        value.blobFileValue.offset = offset

    # Errors in ops.

    def no_clip(self, layer: str) -> None:
        clip = self._maker(f"{layer}_clipped")
        clip.type = "relu"
        del clip.inputs["alpha"], clip.inputs["beta"]

    def no_relu(self, layer: str) -> None:
        clip = self._maker(f"{layer}_clipped")
        clip.type = "minimum"
        clip.inputs["y"].CopyFrom(clip.inputs["beta"])
        del clip.inputs["alpha"], clip.inputs["beta"]

    def no_softmax(self) -> None:
        softmax = self._softmax()
        softmax.type = "identity"
        del softmax.inputs["axis"]

    def two_softmaxes(self) -> None:
        softmax = self._softmax()
        first = self._inserted(softmax, "probabilities_once")
        softmax.inputs["x"].arguments[0].name = first.outputs[0].name

    def lengths_ignored(self) -> None:
        lengths = self._int32("every_length", [16])
        for op in self.block.operations:
            for given in op.inputs.values():
                for argument in given.arguments:
                    if argument.name == "input_lengths":
                        argument.name = lengths

    def last_step(self) -> None:
        gathers = [op for op in self.block.operations if op.type == "gather"]
        if not gathers:
            raise NotHere("no lengths")
        indices = gathers[-1].inputs["indices"].arguments[0]
        indices.name = self._int32("last_length", [16])

    def states_in_swapped(self) -> None:
        given = self._lstm().inputs
        hidden, cell = (given[key].arguments[0] for key in ("initial_h", "initial_c"))
        hidden.name, cell.name = cell.name, hidden.name

    def states_out_swapped(self) -> None:
        outputs = self._lstm().outputs
        outputs[1].name, outputs[2].name = outputs[2].name, outputs[1].name

    def states_reset(self, which: str) -> None:
        lstm = self._lstm()
        for key in {"both": ("initial_c", "initial_h"), "cell": ("initial_c",)}.get(
            which, ("initial_h",)
        ):
            given = lstm.inputs[key].arguments[0]
            zeros = self._inserted(lstm, f"zeros_{key}")
            zeros.type = "sub"
            zeros.outputs[0].type.CopyFrom(self._type_of(given.name))
            del zeros.outputs[1:]
            zeros.inputs.clear()
            for name in "xy":
                zeros.inputs[name].arguments.add().name = given.name
            given.name = f"zeros_{key}"

    def states_kept(self) -> None:
        for kind in "ch":
            name = f"new_state_{kind}"
            index, op, output = self._output(name)
            kept = self._inserted(op, name, index + 1)
            kept.type = "identity"
            kind_of = self._type_of(f"previous_state_{kind}")
            kept.outputs[0].type.CopyFrom(kind_of)
            del kept.outputs[1:]
            kept.inputs.clear()
            kept.inputs["x"].arguments.add().name = f"previous_state_{kind}"
            output.name = f"{name}_unused"

    def hard_sigmoid(self) -> None:
        self._activation("recurrent_activation", "sigmoid_hard")

    def tanh_gates(self) -> None:
        self._activation("recurrent_activation", "tanh")

    def sigmoid_cell(self) -> None:
        self._activation("cell_activation", "sigmoid")
        self._activation("activation", "sigmoid")

    def gates_rewired(self) -> None:
        """The op has one order; the blocks of all three tensors in another are the same error."""
        for name in ("weight_ih", "weight_hh", "bias"):
            tensor = self._weights(self._lstm(), name)
            i, f, o, c = np.split(np.arange(tensor.numbers.shape[-1]), 4)
            order = np.concatenate([i, o, f, c])
            scales = None if tensor.scales is None else tensor.scales[order]
            tensor.store(tensor.numbers[..., order], scales)

    def context_off(self) -> None:
        try:
            joined = self._maker("front_end_with_context")
        except NotHere as error:
            raise NotHere("no front end") from error
        edges = joined.inputs["values"].arguments
        constant = self._maker(edges[0].name)
        size = self._array(constant.attributes["val"]).shape
        for index, added in ((0, -1), (2, 1)):
            rows = size[0] + added
            made = self._inserted(constant, f"edge_{index}", 0)
            value = made.attributes["val"]
            for kind in (value.type, made.outputs[0].type):
                kind.tensorType.dimensions[0].constant.size = rows
            self._put(value, np.zeros((rows, size[1])))
            edges[index].name = f"edge_{index}"

    def epsilon(self) -> None:
        for op in self._norms():
            name = op.inputs["epsilon"].arguments[0].name
            value = self._maker(name).attributes["val"].immediateValue.tensor
            if value.WhichOneof("value") == "floats":
                value.floats.values[0] = 1e-3
            else:
                value.bytes.values = np.float16(1e-3).tobytes()

    def no_norm(self) -> None:
        for op in self._norms():
            op.type = "identity"
            for key in [key for key in op.inputs if key != "x"]:
                del op.inputs[key]

    def save(self, path: Path) -> None:
        """The package."""
        shutil.copytree(self.package, path, dirs_exist_ok=True)
        (path / _MODEL).write_bytes(self.model.SerializeToString())
        (path / _WEIGHTS).write_bytes(bytes(self.data))

    # How.

    def _norms(self) -> list[Any]:
        found = [op for op in self.block.operations if op.type == "layer_norm"]
        if not found:
            raise NotHere("no normalization")
        return found

    def _lstm(self) -> Any:
        return next(op for op in self.block.operations if op.type == "lstm")

    def _softmax(self) -> Any:
        return next(op for op in self.block.operations if op.type == "softmax")

    def _output(self, name: str) -> tuple[int, Any, Any]:
        for index, op in enumerate(self.block.operations):
            for output in op.outputs:
                if output.name == name:
                    return index, op, output
        raise NotHere(name)

    def _maker(self, name: str) -> Any:
        return self._output(name)[1]

    def _type_of(self, name: str) -> Any:
        for given in self.model.mlProgram.functions["main"].inputs:
            if given.name == name:
                return given.type
        return self._output(name)[2].type

    def _activation(self, which: str, function: str) -> None:
        """The functions share a constant where they are the same, so each gets its own."""
        lstm = self._lstm()
        given = lstm.inputs[which].arguments[0]
        made = self._inserted(self._maker(given.name), f"other_{which}", 0)
        made.attributes["val"].immediateValue.tensor.strings.values[0] = function
        given.name = f"other_{which}"

    def _int32(self, name: str, values: list[int]) -> str:
        shape = next(op for op in self.block.operations if op.outputs[0].name == "windows_shape_0")
        made = self._inserted(shape, name, 0)
        value = made.attributes["val"]
        for kind in (value.type, made.outputs[0].type):
            kind.tensorType.dimensions[0].constant.size = len(values)
        del value.immediateValue.tensor.ints.values[:]
        value.immediateValue.tensor.ints.values.extend(values)
        return name

    def _inserted(self, op: Any, name: str, index: int | None = None) -> Any:
        """A copy of an operation with another output, before it or at an index."""
        if index is None:
            index = self._output(op.outputs[0].name)[0]
        made = self.mil.Operation()
        made.CopyFrom(op)
        made.outputs[0].name = name
        self.block.operations.insert(index, made)
        return self.block.operations[index]
