"""An IR is read as layers and edges, whose constants stay in the .bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsconv.errors import ModelError
from dsconv.formats.openvino.model import CONSTANT, Edge, IrModel

XML = """<net name="n" version="11">
  <layers>
    <layer id="0" name="x" type="Parameter"><output>
      <port id="0" precision="FP32" names="x,features"><dim>-1</dim><dim>2</dim></port>
    </output></layer>
    <layer id="1" name="w" type="Const">
      <data element_type="f32" shape="2, 3" offset="4" size="24" />
      <output><port id="0" precision="FP32"><dim>2</dim><dim>3</dim></port></output>
    </layer>
    <layer id="2" name="y" type="MatMul"><data transpose_a="false" transpose_b="true" /></layer>
    <layer id="3" name="z/result" type="Result"><input>
      <port id="0" precision="f16" />
    </input></layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
  </edges>
  <rt_info><dsconv><dsconv_version value="9.9" /></dsconv></rt_info>
</net>
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An IR of one product."""
    path = tmp_path / "a.xml"
    path.write_text(XML, "utf-8")
    path.with_suffix(".bin").write_bytes(bytes(4) + np.arange(6, dtype="<f4").tobytes())
    return path


def test_layers_and_edges(path: Path) -> None:
    """Ports with their shapes, settings as text, edges by ids, what dsconv wrote."""
    model = IrModel(path)
    parameter, _, product, result = model.layers.values()
    (port,) = parameter.outputs
    assert (port.dtype, port.shape, port.names) == ("float32", (-1, 2), ("x", "features"))
    assert product.attributes == {"transpose_a": "false", "transpose_b": "true"}
    assert (result.result_name, result.inputs[0].dtype) == ("z", "float16")
    assert model.edges == [Edge("0", "0", "2", "0"), Edge("1", "0", "2", "1")]
    assert model.properties == {"dsconv_version": "9.9"}


def test_constants(path: Path) -> None:
    """Their type, shape and bytes."""
    model = IrModel(path)
    (layer,) = model.of_kind(CONSTANT)
    assert (layer.constant.dtype, layer.constant.shape) == ("float32", (2, 3))
    found = np.frombuffer(model.data(layer.constant).view, "<f4")
    np.testing.assert_array_equal(found, np.arange(6))


def test_a_bin_that_was_cut_off(path: Path) -> None:
    """Constants beyond its end are damage."""
    path.with_suffix(".bin").write_bytes(bytes(20))
    model = IrModel(path)
    with pytest.raises(ModelError, match=r"beyond the end of the \.bin"):
        model.data(model.of_kind(CONSTANT)[0].constant)


def test_an_edge_from_nowhere(path: Path) -> None:
    """Edges between layers that are not there are damage."""
    path.write_text(XML.replace('from-layer="1"', 'from-layer="9"'), "utf-8")
    with pytest.raises(ModelError, match="leads nowhere"):
        _ = IrModel(path).edges
