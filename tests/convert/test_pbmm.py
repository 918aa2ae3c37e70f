"""The conversion to a memory-mappable package, and the way back."""

from pathlib import Path

import pytest

from dsconv.convert.options import Options
from dsconv.convert.registry import TARGETS
from dsconv.convert.run import convert_file, default_output
from dsconv.errors import ConversionError, ModelError, OutputError
from dsconv.formats.graphdef.edit import extract
from dsconv.formats.graphdef.graph import open_graph
from dsconv.formats.graphdef.package import MINIMUM_BYTES
from dsconv.formats.graphdef.write import new_node, write_graph
from tests.compare import assert_same_graph
from tests.formats.graphdef.test_graph import ORIGINALS

PBMM, PB = TARGETS["pbmm"], TARGETS["pb"]
FROZEN = [name for name in ORIGINALS if not name.startswith("not-frozen")]


@pytest.mark.models
@pytest.mark.parametrize("name", FROZEN)
def test_there_and_back_is_the_same_file(name: str, models: Path, tmp_path: Path) -> None:
    """pb to pbmm to pb is byte for byte the export; pbmm to pb to pbmm the package."""
    package = convert_file(PBMM, models / name, tmp_path / "a.pbmm").output
    graph = convert_file(PB, package, tmp_path / "a.pb").output
    again = convert_file(PBMM, graph, tmp_path / "b.pbmm").output
    assert graph.read_bytes() == (models / name).read_bytes()
    assert again.read_bytes() == package.read_bytes()
    assert_same_graph(open_graph(graph), open_graph(models / name))


@pytest.mark.models
def test_size_and_count_are_the_original_tools(models: Path, tmp_path: Path) -> None:
    """The original tool made 668,779 bytes of the 0.9.3 export and said 6 nodes."""
    conversion = convert_file(PBMM, models / "deepspeech-0.9.3-static.pb", tmp_path / "a.pbmm")
    assert (conversion.bytes, conversion.details) == (668_779, {"converted_nodes": 6})


def test_both_orders_of_attributes_come_back(small_model: Path, tmp_path: Path) -> None:
    """Exporters write a constant's two attributes in either order; both survive the round trip."""
    graph = open_graph(small_model)
    swapped = [
        new_node(
            node.name,
            "Const",
            (),
            {"value": node_message(node.span.view), "dtype": node.attributes["dtype"]},
        )
        if node.name == "layer_1/weights"
        else node
        for node in graph
    ]
    source = tmp_path / "swapped.pb"
    with source.open("wb") as file:
        write_graph(file, graph.replacing(swapped))
    assert source.read_bytes() != small_model.read_bytes()
    package = convert_file(PBMM, source, tmp_path / "swapped.pbmm").output
    back = convert_file(PB, package, tmp_path / "back.pb").output
    assert back.read_bytes() == source.read_bytes()


def node_message(data: memoryview) -> object:
    """The tensor of a serialized Const."""
    from dsconv.formats.graphdef.messages import NodeDef

    message = NodeDef.FromString(bytes(data))
    return next(entry.value.tensor for entry in message.attr if entry.key == "value")


def test_converts_constants_from_the_minimum_on(small_model: Path, tmp_path: Path) -> None:
    """A constant of 10,000 bytes is converted, strings and smaller ones are not."""
    package = open_graph(convert_file(PBMM, small_model, tmp_path / "a.pbmm").output)
    for node in package:
        if node.op in ("Const", "ImmutableConst"):
            large = package.tensor(node).nbytes >= MINIMUM_BYTES
            assert (node.op == "ImmutableConst") == large, node.name


def test_the_same_input_gives_the_same_bytes(small_model: Path, tmp_path: Path) -> None:
    """Nothing of the time or the folder gets into the file."""
    outputs = [
        convert_file(PBMM, small_model, tmp_path / name).output for name in ("a.pbmm", "b.pbmm")
    ]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_default_output_is_beside_the_source() -> None:
    """A graph's suffix is exchanged, any other kept."""
    assert default_output(Path("d/output_graph.pb"), PBMM, Options()) == Path("d/output_graph.pbmm")
    assert default_output(Path("d/model.v2"), PBMM, Options()) == Path("d/model.v2.pbmm")


def test_nothing_to_convert_is_refused(small_model: Path, tmp_path: Path) -> None:
    """0 nodes is an error that says why, not a package."""
    source = tmp_path / "front_end.pb"
    with source.open("wb") as file:
        write_graph(file, extract(open_graph(small_model), ["mfccs"]))
    with pytest.raises(ConversionError, match="0 nodes converted: .*no constant of 10,000 bytes"):
        convert_file(PBMM, source)
    assert [path.name for path in tmp_path.iterdir()] == ["front_end.pb"]


def test_a_package_and_a_graph_are_not_converted_to_themselves(
    small_model: Path, tmp_path: Path
) -> None:
    """What is in the format already is left alone."""
    package = convert_file(PBMM, small_model, tmp_path / "a.pbmm").output
    with pytest.raises(ConversionError, match="memory-mappable already"):
        convert_file(PBMM, package, tmp_path / "b.pbmm")
    with pytest.raises(ConversionError, match="frozen graph already"):
        convert_file(PB, small_model, tmp_path / "b.pb")


@pytest.mark.models
def test_an_unfrozen_graph_is_refused(models: Path, tmp_path: Path) -> None:
    """Weights in variables are named as the reason."""
    with pytest.raises(ConversionError, match="not frozen: 7 of its weights are variables"):
        convert_file(PBMM, models / "not-frozen-0.1.1.pb", tmp_path / "a.pbmm")


def test_a_name_that_runtimes_do_not_map_is_noted(small_model: Path, tmp_path: Path) -> None:
    """The original runtimes go by the suffix."""
    assert convert_file(PBMM, small_model, tmp_path / "a.pbmm").notes == ()
    (note,) = convert_file(PBMM, small_model, tmp_path / "model.mapped").notes
    assert ".pbmm in their path" in note


def test_an_existing_output_is_kept_unless_forced(small_model: Path, tmp_path: Path) -> None:
    """--force replaces, nothing else does."""
    output = tmp_path / "a.pbmm"
    output.write_text("mine")
    with pytest.raises(OutputError, match="exists; pass --force"):
        convert_file(PBMM, small_model, output)
    assert output.read_text() == "mine"
    assert convert_file(PBMM, small_model, output, force=True).bytes == output.stat().st_size


def test_a_model_can_replace_itself(small_model: Path, tmp_path: Path) -> None:
    """Reading and writing the same path works, because the new file takes its place at the end."""
    path = tmp_path / "model.pbmm"
    path.write_bytes(small_model.read_bytes())
    convert_file(PBMM, path, path, force=True)
    convert_file(PB, path, path, force=True)
    assert path.read_bytes() == small_model.read_bytes()


def test_damage_inside_a_tensor_is_an_error(small_model: Path, tmp_path: Path) -> None:
    """A tensor whose bytes do not fit its shape is never written."""
    data = small_model.read_bytes().replace(
        b"\x12\x09\x12\x03\x08\xee\x03\x12\x02\x08\x20",
        b"\x12\x09\x12\x03\x08\xef\x03\x12\x02\x08\x20",
    )
    assert data != small_model.read_bytes()
    source = tmp_path / "damaged.pb"
    source.write_bytes(data)
    with pytest.raises(ModelError, match="layer_1/weights.*damaged tensor"):
        convert_file(PBMM, source)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.pb"]
