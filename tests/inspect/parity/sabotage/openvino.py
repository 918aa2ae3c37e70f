"""OpenVINO IRs: the XML by ElementTree, the constants in the .bin."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from dsconv.speech.features import FloatArray
from tests.inspect.parity.sabotage.files import LAYERS, Array, NotHere, Tensor

_DTYPES = {"f32": np.float32, "f16": np.float16, "i8": np.int8, "i32": np.int32, "i64": np.int64}


class OpenVinoFile:
    """An IR whose steps are unrolled."""

    factors: FloatArray | None = None

    def __init__(self, path: Path) -> None:
        self.root = Xml.parse(path).getroot()
        self.data = bytearray(path.with_suffix(".bin").read_bytes())
        self.layers, self.edges = _child(self.root, "layers"), _child(self.root, "edges")
        self.named = {layer.get("name", ""): layer for layer in self.layers}

    # What the file holds.

    def tensors(self) -> dict[str, Tensor]:
        """All weights; the gates stand in the order of the graph."""
        found = {}
        for layer in LAYERS:
            found[f"{layer}/weights"] = self._matrix(f"{layer}/weights")
            found[f"{layer}/bias"] = self._bias(f"{layer}/bias")
        found["lstm/W"], found["lstm/R"] = self._matrix("lstm/W"), self._matrix("lstm/R")
        found["lstm/b"] = self._bias("lstm/B")
        return found

    def _constant(self, name: str) -> Array:
        data = _child(self.named[name], "data").attrib
        start, size = int(data["offset"]), int(data["size"])
        shape = [int(each) for each in data["shape"].split(",") if each.strip()]
        values = np.frombuffer(
            bytes(self.data[start : start + size]), _DTYPES[data["element_type"]]
        )
        return values.reshape(shape)

    def _put(self, name: str, values: Array) -> None:
        """New values behind all others, as equal constants share their place."""
        data = _child(self.named[name], "data")
        old = self._constant(name)
        written = np.ascontiguousarray(values, old.dtype).tobytes()
        self.data += bytes(-len(self.data) % 64)
        data.set("offset", str(len(self.data)))
        data.set("size", str(len(written)))
        self.data += written

    def _bias(self, name: str) -> Tensor:
        return Tensor(
            self._constant(name).reshape(-1), None, lambda numbers, _: self._put(name, numbers)
        )

    def _matrix(self, name: str) -> Tensor:
        stored = next(n for n in (f"{name}/integers", f"{name}/half", name) if n in self.named)
        scaled = f"{name}/scales"

        def store(numbers: Array, scales: Array | None) -> None:
            self._put(stored, numbers.T)
            if scales is not None:
                self._put(scaled, scales)

        scales = self._constant(scaled).reshape(-1) if scaled in self.named else None
        return Tensor(self._constant(stored).T, scales, store)

    # Errors in ops.

    def no_clip(self, layer: str) -> None:
        self._become(f"{layer}/clipped", "ReLU")

    def no_relu(self, layer: str) -> None:
        _child(self._layer(f"{layer}/clipped"), "data").set("min", "-3e38")

    def no_softmax(self) -> None:
        self._become("logits", "Clamp", min="-3e38", max="3e38")

    def two_softmaxes(self) -> None:
        softmax = self._layer("logits")
        first = self._copy(softmax, "logits/once")
        edge = self._edges_to("logits")[0]
        source = edge.get("from-layer", ""), edge.get("from-port", "")
        edge.set("from-layer", first.get("id", ""))
        edge.set("from-port", _output(first))
        self._connect(*source, first.get("id", ""), edge.get("to-port", ""))

    def lengths_ignored(self) -> None:
        steps = [name for name in self.named if name.endswith("/number") and "step_" in name]
        if not steps:
            raise NotHere("no lengths")
        for name in steps:
            self._put(name, np.full_like(self._constant(name), -1))

    def last_step(self) -> None:
        steps = [name for name in self.named if name.endswith("/valid_hidden")]
        if not steps:
            raise NotHere("no lengths")
        for name in steps:
            self._redirect(name, name.replace("/valid_hidden", "/hidden"))

    def states_in_swapped(self) -> None:
        first, second = (self.named[f"previous_state_{kind}"].get("id", "") for kind in "ch")
        swap = {first: second, second: first}
        for edge in self.edges:
            source = edge.get("from-layer", "")
            edge.set("from-layer", swap.get(source, source))

    def states_out_swapped(self) -> None:
        ports = [self._port(f"new_state_{kind}") for kind in "ch"]
        for port, name in zip(ports, ("new_state_h", "new_state_c"), strict=True):
            port.set("names", name)
        edges = [self._edges_to(f"new_state_{kind}/result")[0] for kind in "ch"]
        for key in ("from-layer", "from-port"):
            first, second = (edge.get(key, "") for edge in edges)
            edges[0].set(key, second)
            edges[1].set(key, first)

    def states_reset(self, which: str) -> None:
        # Constants would be folded, which the plugin fails at with integers.
        for kind in {"both": "ch", "cell": "c", "hidden": "h"}[which]:
            given = self.named[f"previous_state_{kind}"]
            zeros = self._clamp(f"zeros_{kind}", _child(given, "output")[0], "0", "0")
            self._redirect(f"previous_state_{kind}", f"zeros_{kind}")
            self._connect(given.get("id", ""), "0", zeros.get("id", ""), "0")

    def states_kept(self) -> None:
        for kind in "ch":
            port = self._port(f"new_state_{kind}")
            maker = next(layer for layer in self.layers if port in list(layer.iter("port")))
            del port.attrib["names"]
            clip = self._clamp(f"kept_{kind}", port, "-3e38", "3e38")
            target = next(iter(_child(clip, "output")))
            target.set("names", f"new_state_{kind}")
            results = [
                edge
                for edge in self.edges
                if edge.get("from-layer") == maker.get("id") and self._is_result(edge)
            ]
            for edge in results:
                edge.set("from-layer", clip.get("id", ""))
                edge.set("from-port", _output(clip))
            source = self.named[f"previous_state_{kind}"]
            self._connect(source.get("id", ""), "0", clip.get("id", ""), "0")

    def hard_sigmoid(self) -> None:
        for layer in self._of_kind("Sigmoid"):
            layer.set("type", "HSigmoid")
            layer.set("version", "opset5")

    def tanh_gates(self) -> None:
        for layer in self._of_kind("Sigmoid"):
            layer.set("type", "Tanh")

    def sigmoid_cell(self) -> None:
        for layer in self._of_kind("Tanh"):
            layer.set("type", "Sigmoid")

    def gates_rewired(self) -> None:
        for layer in self._of_kind("Split"):
            if "/step_" in layer.get("name", ""):
                ports = [port.get("id", "") for port in _child(layer, "output")]
                swap = {ports[2]: ports[3], ports[3]: ports[2]}
                for edge in self._edges_from(layer):
                    port = edge.get("from-port", "")
                    edge.set("from-port", swap.get(port, port))

    def context_off(self) -> None:
        if "features/padded" not in self.named:
            raise NotHere("no front end")
        for name, added in (("features/before", -1), ("features/behind", 1)):
            ends = self._constant(name).copy()
            ends[0] += added
            self._put(name, ends)

    def epsilon(self) -> None:
        for layer in self._norms():
            _child(layer, "data").set("eps", "0.001")

    def no_norm(self) -> None:
        for layer in self._norms():
            name = layer.get("name", "").removesuffix("/unit_variance")
            self._redirect(f"{name}/normalized", f"{name}/clipped")

    def save(self, path: Path) -> None:
        """Both files."""
        Xml.ElementTree(self.root).write(path, encoding="utf-8", xml_declaration=True)
        path.with_suffix(".bin").write_bytes(bytes(self.data))

    # How.

    def _norms(self) -> list[Any]:
        found = self._of_kind("MVN")
        if not found:
            raise NotHere("no normalization")
        return found

    def _layer(self, name: str) -> Any:
        if name not in self.named:
            raise NotHere(name)
        return self.named[name]

    def _of_kind(self, kind: str) -> list[Any]:
        return [layer for layer in self.layers if layer.get("type") == kind]

    def _become(self, name: str, kind: str, **attributes: str) -> None:
        layer = self._layer(name)
        layer.set("type", kind)
        layer.set("version", "opset1")
        for data in layer.findall("data"):
            layer.remove(data)
        if attributes:
            layer.insert(0, Xml.Element("data", attributes))

    def _copy(self, layer: Any, name: str) -> Any:
        """A copy of a layer with a name and a number of its own."""
        made = copy.deepcopy(layer)
        made.set("name", name)
        made.set("id", str(max(int(each.get("id", "0")) for each in self.layers) + 1))
        for port in made.iter("port"):
            if "names" in port.attrib and layer.get("type") != "Parameter":
                del port.attrib["names"]
        self.layers.append(made)
        self.named[name] = made
        return made

    def _clamp(self, name: str, like: Any, least: str, most: str) -> Any:
        """A layer that clips numbers of the shape of a port."""
        clip = self._copy(self.named["layer_5/clipped"], name)
        _child(clip, "data").attrib.update(min=least, max=most)
        for port in clip.iter("port"):
            for dimension, size in zip(port, like, strict=True):
                dimension.text = size.text
        return clip

    def _connect(self, source: str, port: str, target: str, to_port: str) -> None:
        attributes = {"from-layer": source, "from-port": port}
        attributes |= {"to-layer": target, "to-port": to_port}
        Xml.SubElement(self.edges, "edge", attributes)

    def _redirect(self, old: str, new: str) -> None:
        """What took the output of a layer takes that of another, which gets its name."""
        layer, other = self._layer(old), self._layer(new)
        names = _child(layer, "output")[0].attrib.get("names")
        for edge in self._edges_from(layer):
            edge.set("from-layer", other.get("id", ""))
            edge.set("from-port", _output(other))
        if names and layer.get("type") != "Parameter":
            del _child(layer, "output")[0].attrib["names"]
            _child(other, "output")[0].set("names", names)

    def _edges_from(self, layer: Any) -> list[Any]:
        return [edge for edge in self.edges if edge.get("from-layer") == layer.get("id")]

    def _edges_to(self, name: str) -> list[Any]:
        number = self._layer(name).get("id")
        return [edge for edge in self.edges if edge.get("to-layer") == number]

    def _is_result(self, edge: Any) -> bool:
        numbers = {layer.get("id") for layer in self._of_kind("Result")}
        return edge.get("to-layer") in numbers

    def _port(self, name: str) -> Any:
        for layer in self.layers:
            for port in layer.iter("port"):
                if name in port.get("names", "").split(","):
                    return port
        raise NotHere(name)


def _child(element: Any, name: str) -> Any:
    found = element.find(name)
    assert found is not None, name
    return found


def _output(layer: Any) -> str:
    return str(_child(layer, "output")[0].get("id"))
