"""TFLite files, by the object API of LiteRT's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dsconv.speech.features import FloatArray
from tests.inspect.parity.sabotage.files import LAYERS, Array, NotHere, Tensor

_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64, 9: np.int8}
_FLOAT32, _INT32 = 0, 2


class TfliteFile:
    """A file whose LSTM is a loop: subgraph 0 is the network, 2 a frame."""

    factors: FloatArray | None = None

    def __init__(self, path: Path) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        self.main, self.body = self.model.subgraphs[0], self.model.subgraphs[-1]
        if self._named(self.main, "windows/factors"):
            self.factors = self._tensor(self.main, "windows/factors").numbers.reshape(-1)

    # What the file holds.

    def tensors(self) -> dict[str, Tensor]:
        """All weights; the gates stand in the order of the graph."""
        found = {}
        for layer in LAYERS:
            for part in ("weights", "bias"):
                found[f"{layer}/{part}"] = self._tensor(self.main, f"{layer}/{part}")
        found["lstm/W"] = self._tensor(self.main, "lstm/input_kernel")
        found["lstm/b"] = self._tensor(self.main, "lstm/bias")
        found["lstm/R"] = self._tensor(self.body, "recurrent_kernel")
        return found

    def _tensor(self, graph: Any, name: str) -> Tensor:
        stored = self._named(graph, f"{name}/half") or self._named(graph, name)
        buffer, quantization = self.model.buffers[stored.buffer], stored.quantization
        numbers = np.frombuffer(bytes(buffer.data), _DTYPES[stored.type]).reshape(stored.shape)
        scales = None
        if quantization is not None and quantization.scale is not None:
            scales = np.asarray(quantization.scale, np.float32)

        def store(numbers: Array, scales: Array | None) -> None:
            own = self._buffer(np.ascontiguousarray(numbers.T).tobytes())
            stored.buffer = own
            if scales is not None:
                quantization.scale = scales.reshape(-1)

        return Tensor(numbers.T, scales, store)

    # Errors in ops.

    def no_clip(self, layer: str) -> None:
        self._bypass(self.main, self._maker(self.main, f"{layer}/clipped"))

    def no_relu(self, layer: str) -> None:
        self._maker(self.main, f"{layer}/output").builtinOptions.fusedActivationFunction = 0

    def no_softmax(self) -> None:
        softmax = self._maker(self.main, "logits")
        self._become(softmax, "MUL", [softmax.inputs[0], self._constant(self.main, 1.0)])
        softmax.builtinOptionsType = self.schema.BuiltinOptions.MulOptions
        softmax.builtinOptions = self.schema.MulOptionsT()

    def two_softmaxes(self) -> None:
        softmax = self._maker(self.main, "logits")
        again = self.schema.OperatorT()
        vars(again).update(vars(softmax))
        between = self._like(self.main, softmax.outputs[0], "logits/once")
        softmax.outputs = [between]
        again.inputs = [between]
        self.main.operators.insert(self.main.operators.index(softmax) + 1, again)
        again.outputs = [self._index(self.main, "logits")]

    def lengths_ignored(self) -> None:
        less = self._maker(self.body, "is_valid")
        less.inputs = [less.inputs[0], self._constant(self.body, [1000], np.int32)]

    def last_step(self) -> None:
        self._bypass(self.body, self._maker(self.body, "valid_hidden"), 1)

    def states_in_swapped(self) -> None:
        loop = self._loop()
        loop.inputs = _swapped(loop.inputs, 1, 2)

    def states_out_swapped(self) -> None:
        loop = self._loop()
        loop.outputs = _swapped(loop.outputs, 1, 2)

    def states_reset(self, which: str) -> None:
        loop = self._loop()
        cells = self.main.tensors[loop.inputs[1]].shape[-1]
        for index in {"both": (1, 2), "cell": (1,), "hidden": (2,)}[which]:
            loop.inputs[index] = self._constant(self.main, np.zeros((1, cells)))

    def states_kept(self) -> None:
        loop = self._loop()
        for index, name in ((1, "previous_state_c"), (2, "previous_state_h")):
            shown = loop.outputs[index]
            loop.outputs[index] = self._like(self.main, shown, f"{name}/unused")
            given = [self._index(self.main, name), self._constant(self.main, 1.0)]
            self._add(self.main, "MUL", given, shown, self.main.operators.index(loop) + 1)

    def hard_sigmoid(self) -> None:
        graph = self.body
        steps = (("MUL", 0.2), ("ADD", 0.5), ("MINIMUM", 1.0), ("MAXIMUM", 0.0))
        for sigmoid in self._of_kind(graph, "LOGISTIC"):
            index, source = graph.operators.index(sigmoid), sigmoid.inputs[0]
            graph.operators.remove(sigmoid)
            for number, (kind, value) in enumerate(steps):
                output = sigmoid.outputs[0]
                if number < len(steps) - 1:
                    output = self._like(graph, output, f"hard/{index}/{number}")
                self._add(graph, kind, [source, self._constant(graph, value)], output, index)
                source, index = output, index + 1

    def tanh_gates(self) -> None:
        for op in self._of_kind(self.body, "LOGISTIC"):
            op.opcodeIndex = self._code("TANH")

    def sigmoid_cell(self) -> None:
        for op in self._of_kind(self.body, "TANH"):
            op.opcodeIndex = self._code("LOGISTIC")

    def gates_rewired(self) -> None:
        (split,) = self._of_kind(self.body, "SPLIT")
        split.outputs = _swapped(split.outputs, 2, 3)

    def context_off(self) -> None:
        padding = self._named(self.main, "features/zeros")
        if padding is None:
            raise NotHere("no front end")
        ends = np.frombuffer(bytes(self.model.buffers[padding.buffer].data), np.int32).copy()
        ends[0] -= 1
        ends[1] += 1
        padding.buffer = self._buffer(ends.tobytes())

    def epsilon(self) -> None:
        for layer in LAYERS[:-1]:
            for op in self.main.operators:
                for index in op.inputs:
                    tensor = self.main.tensors[index]
                    if b"epsilon" in tensor.name and layer.encode() in tensor.name:
                        tensor.buffer = self._buffer(np.float32(1e-3).tobytes())

    def no_norm(self) -> None:
        for layer in LAYERS[:-1]:
            last = self._maker(self.main, f"{layer}/normalized")
            self._redirect(self.main, last.outputs[0], self._index(self.main, f"{layer}/clipped"))

    def save(self, path: Path) -> None:
        """The file, packed again."""
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))

    # How.

    def _loop(self) -> Any:
        (loop,) = self._of_kind(self.main, "WHILE")
        loop.inputs, loop.outputs = np.array(loop.inputs), np.array(loop.outputs)
        return loop

    def _named(self, graph: Any, name: str) -> Any:
        return next((t for t in graph.tensors if t.name == name.encode()), None)

    def _index(self, graph: Any, name: str) -> int:
        return next(i for i, t in enumerate(graph.tensors) if t.name == name.encode())

    def _maker(self, graph: Any, name: str) -> Any:
        for op in graph.operators:
            if any(graph.tensors[i].name == name.encode() for i in op.outputs):
                return op
        raise NotHere(name)

    def _kind(self, op: Any) -> int:
        code = self.model.operatorCodes[op.opcodeIndex]
        return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))

    def _of_kind(self, graph: Any, kind: str) -> list[Any]:
        number = getattr(self.schema.BuiltinOperator, kind)
        return [op for op in graph.operators if self._kind(op) == number]

    def _code(self, kind: str) -> int:
        number = getattr(self.schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == number:
                return index
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def _become(self, op: Any, kind: str, inputs: list[int]) -> None:
        op.opcodeIndex, op.inputs = self._code(kind), np.array(inputs, np.int32)

    def _add(self, graph: Any, kind: str, inputs: list[int], output: int, index: int) -> None:
        op = self.schema.OperatorT()
        self._become(op, kind, inputs)
        op.outputs = np.array([output], np.int32)
        options = {"MUL": "MulOptions", "ADD": "AddOptions"}.get(kind, "MaximumMinimumOptions")
        op.builtinOptionsType = getattr(self.schema.BuiltinOptions, options)
        op.builtinOptions = getattr(self.schema, f"{options}T")()
        graph.operators.insert(index, op)

    def _bypass(self, graph: Any, op: Any, given: int = 0) -> None:
        self._redirect(graph, op.outputs[0], op.inputs[given])
        graph.operators.remove(op)

    def _redirect(self, graph: Any, old: int, new: int) -> None:
        """What took a tensor takes another."""
        for op in graph.operators:
            op.inputs = np.array([new if i == old else i for i in op.inputs], np.int32)
        graph.outputs = np.array([new if i == old else i for i in graph.outputs], np.int32)

    def _buffer(self, data: bytes) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def _constant(self, graph: Any, value: Any, dtype: Any = np.float32) -> int:
        values = np.asarray(value, dtype)
        tensor = self.schema.TensorT()
        tensor.shape = np.array(values.shape, np.int32)
        tensor.type = _INT32 if dtype is np.int32 else _FLOAT32
        tensor.buffer = self._buffer(values.tobytes())
        tensor.name = f"constant_{len(graph.tensors)}".encode()
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def _like(self, graph: Any, index: int, name: str) -> int:
        tensor = self.schema.TensorT()
        vars(tensor).update(vars(graph.tensors[index]))
        tensor.name = name.encode()
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1


def _swapped(indices: Array, first: int, second: int) -> Array:
    found = np.array(indices)
    found[[first, second]] = found[[second, first]]
    return found
