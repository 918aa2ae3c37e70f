"""Networks that were reported: each passes, or is refused by one line that names why."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dsconv.cli import main
from dsconv.inspect.registry import inspect_file
from dsconv.workflows.inspection import inspect_model
from tests.convert.toolkit.networks import TOOLKIT_TARGETS, named

pytestmark = [pytest.mark.tensorflow, pytest.mark.cases]

NMS = "nms/CombinedNonMaxSuppression"

REFUSED = {
    ("networks/combined_nms.pb", "coreml"): f"'{NMS}' (CombinedNonMaxSuppression)",
    ("networks/combined_nms.pb", "openvino"): f"'{NMS}' (CombinedNonMaxSuppression)",
    ("networks/combined_nms.pb", "tflite"): f"'{NMS}' (CombinedNonMaxSuppression)",
    **{("networks/cond_v1.pb", target): "(Switch)" for target in TOOLKIT_TARGETS},
    **{("networks/rankless.pb", target): "no fixed rank" for target in TOOLKIT_TARGETS},
    **{
        ("graphs/n1_speech_commands.pb", target): "from samples by 'Mfcc' (Mfcc)"
        for target in TOOLKIT_TARGETS
    },
}
"""What the line names. All others pass."""

STATES = ["new_state_c", "new_state_h"]
OUTPUTS = {
    "networks/combined_nms.pb": [NMS, f"{NMS}_1", f"{NMS}_2", f"{NMS}_3"],
    "networks/cond_v1.pb": [],
    "networks/ds_2lstm.pb": ["logits", *STATES, *(f"{name}_1" for name in STATES)],
    "networks/ds_relu6.pb": ["logits", *STATES],
    "networks/rankless.pb": [],
    "graphs/n1_speech_commands.pb": [],
    "graphs/n4_keep_prob.pb": ["y"],
    "graphs/n5_scalar.pb": ["loss"],
}


@pytest.mark.parametrize("target", TOOLKIT_TARGETS)
@pytest.mark.parametrize("case", OUTPUTS)
def test_what_becomes_of_it(case: str, target: str, cases: Path, tmp_path: Path) -> None:
    """All outputs are in the file and in the verdict; exit code 4 leaves nothing behind."""
    output = named(target, tmp_path)
    arguments = [target, str(cases / case), "-o", str(output), "--precision", "fp32"]
    done = CliRunner().invoke(main, arguments)
    reason = REFUSED.get((case, target))
    if reason is not None:
        assert done.exit_code == 4, done.output
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert list(tmp_path.iterdir()) == []
        return
    assert done.exit_code == 0, done.output
    assert "\npass: " in done.stdout
    found = sorted(tensor.name for tensor in inspect_file(output).outputs)
    assert found == sorted(OUTPUTS[case])
    for name in OUTPUTS[case]:
        assert f"{name} " in done.stdout


@pytest.mark.parametrize("case", OUTPUTS)
def test_what_inspection_promises(case: str, cases: Path) -> None:
    """No target that refuses the graph."""
    targets = inspect_model(cases / case).converts_to
    refused = {each.target for each in targets if each.refusal} & set(TOOLKIT_TARGETS)
    assert refused == {target for refusing, target in REFUSED if refusing == case}


def test_the_reported_input_with_a_default(cases: Path, tmp_path: Path) -> None:
    """It can be frozen to another value than its own."""
    output = named("openvino", tmp_path)
    source = str(cases / "graphs/n4_keep_prob.pb")
    arguments = ["openvino", source, "-o", str(output), "--freeze", "keep_prob=0.5"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert [tensor.name for tensor in inspect_file(output).inputs] == ["x"]


def test_features_of_samples_can_be_the_input(cases: Path, tmp_path: Path) -> None:
    """As the refusal says."""
    output = named("openvino", tmp_path)
    source = str(cases / "graphs/n1_speech_commands.pb")
    options = ["--inputs", "Mfcc", "--input-shape", "Mfcc=1,98,40", "--outputs", "labels_softmax"]
    done = CliRunner().invoke(main, ["openvino", source, "-o", str(output), *options])
    assert done.exit_code == 0, done.output
    assert "\npass: labels_softmax " in done.stdout
