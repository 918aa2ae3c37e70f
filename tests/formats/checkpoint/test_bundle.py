"""Checkpoints give the variables that were saved; what is missing or damaged is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsconv.errors import ModelError
from dsconv.formats.checkpoint.bundle import open_checkpoint
from dsconv.formats.graphdef.dtypes import DataType
from tests.formats.checkpoint.writer import message, number, table, write_checkpoint

VARIABLES: dict[str, NDArray[Any]] = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
    "halves": np.arange(3, dtype=np.float16),
    "truths": np.array([True, False]),
}


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_values_and_shapes(shards: int, tmp_path: Path) -> None:
    """Of every type, from any number of data files."""
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "c-1", VARIABLES, shards=shards))
    assert dict(checkpoint) == {name: values.shape for name, values in VARIABLES.items()}
    for name, values in VARIABLES.items():
        array = checkpoint.tensor(name).array()
        assert array.dtype == values.dtype
        assert array.tolist() == values.tolist()


def test_values_stay_in_the_file(tmp_path: Path) -> None:
    """A tensor is a run of bytes of the mapped file, not a copy."""
    tensor = open_checkpoint(write_checkpoint(tmp_path / "c", VARIABLES)).tensor("matrix")
    assert tensor.content is not None
    assert not tensor.array().flags.owndata
    assert (tensor.dtype, tensor.nbytes, len(tensor.content)) == (DataType.FLOAT, 24, 24)


@pytest.mark.tensorflow
def test_equals_what_tensorflow_saved(tensorflow: Any, tmp_path: Path) -> None:
    """All variables of a Saver's checkpoint in two data files, of several types."""
    tf1 = tensorflow.compat.v1
    generator = np.random.default_rng(0)
    values: dict[str, NDArray[Any]] = {
        "layer_1/weights": generator.random((3, 5), np.float32),
        "layer_1/weights/Adam": generator.random((3, 5), np.float32),
        "layer_1/bias": generator.random(5, np.float32),
        "global_step": np.array(-3, np.int64),
        "flags": np.array([True, False, True]),
        "doubles": generator.random((2, 1, 2)),
        "bytes": np.arange(9, dtype=np.uint8),
        **{f"many/{n}": np.array([n], np.int32) for n in range(200)},
    }
    with tensorflow.Graph().as_default():
        variables = []
        for number_, (name, value) in enumerate(values.items()):
            with tensorflow.device(f"/cpu:{number_ % 2}"):
                variable = tf1.get_variable(name, initializer=value, use_resource=False)
                variables.append(variable)
        config = tf1.ConfigProto(device_count={"CPU": 2})
        with tf1.Session(config=config) as session:
            session.run([variable.initializer for variable in variables])
            saver = tf1.train.Saver(variables, sharded=True)
            prefix = Path(saver.save(session, str(tmp_path / "c")))
    assert len(list(tmp_path.glob("c.data-*-of-00002"))) == 2
    checkpoint = open_checkpoint(prefix)
    assert set(checkpoint) == set(values)
    for name, value in values.items():
        array = checkpoint.tensor(name).array()
        assert (array.dtype, array.shape) == (value.dtype, value.shape)
        assert array.tolist() == value.tolist()


def test_a_variable_that_is_not_there(tmp_path: Path) -> None:
    """Its name is in the error."""
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "c", VARIABLES))
    with pytest.raises(ModelError, match="no variable 'other'"):
        checkpoint.tensor("other")


def test_a_missing_data_file(tmp_path: Path) -> None:
    """The file is named; variables of the others can still be read."""
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "c", VARIABLES, shards=2))
    missing = tmp_path / "c.data-00001-of-00002"
    missing.unlink()
    assert checkpoint.tensor("matrix").array().tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(ModelError, match=f"{missing} is missing"):
        checkpoint.tensor("halves")


def test_a_data_file_that_was_cut_off(tmp_path: Path) -> None:
    """Variables that are whole can be read, the others are named."""
    checkpoint = open_checkpoint(write_checkpoint(tmp_path / "c", VARIABLES))
    data = tmp_path / "c.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:29])
    assert checkpoint.tensor("halves").array().tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="variable 'matrix' lies beyond the end of c.data-00000"):
        checkpoint.tensor("matrix")


def test_every_flipped_byte_of_a_value_is_noticed(tmp_path: Path) -> None:
    """The variable is named; the others can still be read."""
    prefix = write_checkpoint(tmp_path / "c", VARIABLES)
    path = tmp_path / "c.data-00000-of-00001"
    data = path.read_bytes()
    start = VARIABLES["halves"].nbytes
    for position in range(start, start + VARIABLES["matrix"].nbytes):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        checkpoint = open_checkpoint(prefix)
        with pytest.raises(ModelError, match=r"variable 'matrix' is damaged: its checksum"):
            checkpoint.tensor("matrix")
        assert checkpoint.tensor("scalar").array() == 7


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"header": number(2, 1)}, "big-endian"),
        ({"header": message(3, number(1, 1) + number(2, 2))}, "version 2"),
        ({"extra": message(7, b"")}, "'matrix' is stored in slices"),
        ({"extra": number(5, 23)}, "23 bytes, which do not fit float32 .2, 3."),
        ({"extra": number(1, DataType.STRING)}, "do not fit string"),
        ({"extra": number(1, 99)}, "unknown tensor data type 99"),
        ({"extra": number(3, 1)}, "data file 1 of 1"),
        ({"extra": number(4, 2**64 - 1)}, "beyond the end"),
        ({"extra": message(2, message(2, number(1, 2**64 - 1)))}, "has the shape"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    """A later field goes before an earlier one, so each of these is a damaged index."""
    prefix = write_checkpoint(tmp_path / "c", VARIABLES, **options)
    with pytest.raises(ModelError, match=says) as caught:
        open_checkpoint(prefix).tensor("matrix")
    assert str(prefix) in str(caught.value)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: path.write_bytes(table({b"a": b""})), "no header"),
        (lambda path: path.write_bytes(b"text"), "cut off"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.parent.mkdir(exist_ok=True), "does not exist"),
    ],
)
def test_no_index(write: Callable[[Path], object], says: str, tmp_path: Path) -> None:
    """What is no checkpoint's index is refused, and the file is named."""
    write(tmp_path / "c.index")
    with pytest.raises(ModelError, match=says) as caught:
        open_checkpoint(tmp_path / "c")
    assert "c.index" in str(caught.value)
