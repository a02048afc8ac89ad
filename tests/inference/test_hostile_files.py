"""Harmful files: each is refused with a reason, and nothing outside them is read."""

import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from imageflow_clients.inference import onnx_file
from imageflow_clients.inference.onnx_file import examine
from imageflow_clients.inference.trial import try_model
from imageflow_domain.errors import InvalidInput
from tests.inference.onnx_models import SIDE, endless, graph, mean_heat, pictures

SECRET = b"\x00\x00\x80\x3f" * (SIDE * SIDE)


def heat(*inputs: str) -> onnx.NodeProto:
    return helper.make_node("Add", list(inputs), ["heat"])


def external(location: str) -> onnx.TensorProto:
    tensor = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=[1, 1, SIDE, SIDE])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_a_good_file_says_what_it_takes_and_gives() -> None:
    interface = examine(mean_heat())
    assert [(tensor.name, tensor.shape) for tensor in interface.inputs] == [("image", (None, 3, SIDE, SIDE))]
    assert [(tensor.name, tensor.shape) for tensor in interface.outputs] == [("heat", (None, 1, SIDE, SIDE))]


@pytest.mark.parametrize("location", ["weights.bin", "../../secret.bin", "/etc/passwd"])
def test_weights_in_other_files_are_never_read(tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights.bin").write_bytes(SECRET)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="'weights' lie in another file, which is never read"):
        examine(graph([heat("image", "weights")], [external(location)]))


def test_weights_in_other_files_are_found_inside_nodes_and_inner_graphs() -> None:
    constant = helper.make_node("Constant", [], ["weights"], value=external("weights.bin"))
    inner = helper.make_graph([constant], "inner", [], [helper.make_tensor_value_info("weights", 1, None)])
    branch = helper.make_node("If", ["yes"], ["more"], then_branch=inner, else_branch=inner)
    yes = numpy_helper.from_array(np.array(True), "yes")
    for nodes, constants in (([constant, heat("image", "weights")], []), ([branch, heat("image", "more")], [yes])):
        with pytest.raises(InvalidInput, match="never read"):
            examine(graph(nodes, constants))


@pytest.mark.parametrize(
    ("default", "refusal"),
    [
        (helper.make_attribute("value", external("weights.bin")), "never read"),
        (
            helper.make_attribute(
                "body", helper.make_graph([helper.make_node("RandomNormal", [], ["drawn"], shape=[1])], "g", [], [])
            ),
            "random numbers",
        ),
        (
            helper.make_attribute("body", helper.make_graph([helper.make_node("Conjure", [], ["x"])], "g", [], [])),
            "operator 'Conjure'",
        ),
    ],
)
def test_what_a_function_brings_as_defaults_of_its_attributes_is_looked_at(
    default: onnx.AttributeProto, refusal: str
) -> None:
    imports = [helper.make_opsetid("", 18)]
    function = helper.make_function(
        "own", "Heat", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], imports, attribute_protos=[default]
    )
    uses = helper.make_node("Heat", ["image"], ["heat"], domain="own")
    model = onnx.ModelProto.FromString(graph([uses], imports=[("", 18), ("own", 1)]))
    model.functions.append(function)
    with pytest.raises(InvalidInput, match=refusal):
        examine(model.SerializeToString())


@pytest.mark.parametrize(
    ("operator", "domain", "named"),
    [
        ("Conjure", "", "'Conjure'"),
        ("Run", "com.example", "'com.example::Run'"),
        ("FusedConv", "com.microsoft", "'com.microsoft::FusedConv'"),
        ("ATen", "org.pytorch.aten", "'org.pytorch.aten::ATen'"),
    ],
)
def test_operators_that_are_not_of_onnx_are_refused_by_name(operator: str, domain: str, named: str) -> None:
    imports = [("", 18)] + ([(domain, 1)] if domain else [])
    with pytest.raises(InvalidInput, match=f"operator {named}, which is not of ONNX"):
        examine(graph([helper.make_node(operator, ["image"], ["heat"], domain=domain)], imports=imports))


def with_seeds() -> list[str]:
    """Every operator that ONNX gives a seed, in any of its versions; one of them only draws in training mode."""
    return sorted({each.name for each in onnx.defs.get_all_schemas_with_history() if "seed" in each.attributes})


@pytest.mark.parametrize("operator", [name for name in with_seeds() if name != "Dropout"])
def test_random_numbers_are_refused(operator: str) -> None:
    with pytest.raises(InvalidInput, match=f"draws random numbers \\('{operator}'\\)"):
        examine(graph([helper.make_node(operator, ["image"], ["heat"])]))


def test_a_function_that_only_bears_the_name_of_a_random_operator_hides_none() -> None:
    imports = [helper.make_opsetid("", 18)]
    same = helper.make_node("Identity", ["x"], ["y"])
    model = onnx.ModelProto.FromString(graph([helper.make_node("RandomNormalLike", ["image"], ["heat"])]))
    model.functions.append(helper.make_function("", "RandomNormalLike", ["x"], ["y"], [same], imports))
    with pytest.raises(InvalidInput, match="random numbers"):
        examine(model.SerializeToString())


RATIO = numpy_helper.from_array(np.array(0.5, np.float32), "ratio")
NO, YES = (numpy_helper.from_array(np.array(value), "training") for value in (False, True))


def dropout(training: str | None = "training") -> onnx.NodeProto:
    return helper.make_node("Dropout", ["image", "ratio"] + ([] if training is None else [training]), ["heat"])


def constant(value: onnx.TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["training"], value=value)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([dropout(None)], [RATIO]),
        ([dropout("")], [RATIO]),
        ([dropout()], [RATIO, NO]),
        ([dropout()], [RATIO, helper.make_tensor("training", TensorProto.BOOL, [], [False])]),
        ([constant(NO), dropout()], [RATIO]),
    ],
)
def test_dropout_that_surely_only_infers_is_taken(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> None:
    assert examine(graph(nodes, constants)).outputs


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([dropout()], [RATIO, YES]),
        ([constant(YES), dropout()], [RATIO]),
        ([dropout("image")], [RATIO]),
        ([helper.make_node("Not", ["no"], ["training"]), dropout()], [RATIO]),
        ([constant(NO), helper.make_node("Not", ["training"], ["training"]), dropout()], [RATIO]),
        ([dropout()], [RATIO, TensorProto(name="training", data_type=TensorProto.BOOL)]),
    ],
)
def test_dropout_that_may_draw_random_numbers_is_refused(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]
) -> None:
    with pytest.raises(InvalidInput, match=r"'Dropout' is in training mode, or may be.*export it for inference"):
        examine(graph(nodes, constants))


def test_a_constant_that_an_inner_graph_hides_switches_no_dropout_off() -> None:
    inner = helper.make_graph([dropout()], "inner", [], [helper.make_tensor_value_info("heat", 1, None)], [YES])
    branch = helper.make_node("If", ["yes"], ["heat"], then_branch=inner, else_branch=inner)
    yes = numpy_helper.from_array(np.array(True), "yes")
    with pytest.raises(InvalidInput, match="training mode"):
        examine(graph([branch], [RATIO, NO, yes]))


@pytest.mark.parametrize(
    ("outputs", "attributes", "opset"),
    [(["heat", "mean", "var"], {"training_mode": 1}, 15), (["heat", "mean", "var", "m", "v"], {}, 9)],
)
def test_normalisation_that_learns_from_what_it_is_asked_is_refused(
    outputs: list[str], attributes: dict[str, int], opset: int
) -> None:
    statistics = [numpy_helper.from_array(np.ones(3, np.float32), name) for name in "abcd"]
    node = helper.make_node("BatchNormalization", ["image", *"abcd"], outputs, **attributes)
    with pytest.raises(InvalidInput, match="'BatchNormalization' is in training mode"):
        examine(graph([node], statistics, imports=[("", opset)]))
    alone = helper.make_node("BatchNormalization", ["image", *"abcd"], ["heat"])
    assert examine(graph([alone], statistics, imports=[("", opset)])).outputs


def test_training_mode_that_a_function_takes_from_its_caller_is_refused() -> None:
    inner = helper.make_node("BatchNormalization", ["x", *"abcd"], ["y"])
    inner.attribute.append(onnx.AttributeProto(name="training_mode", ref_attr_name="mode", type=2))
    function = helper.make_function(
        "own", "Heat", ["x", *"abcd"], ["y"], [inner], [helper.make_opsetid("", 18)], attributes=["mode"]
    )
    uses = helper.make_node("Heat", ["image"] * 5, ["heat"], domain="own", mode=1)
    model = onnx.ModelProto.FromString(graph([uses], imports=[("", 18), ("own", 1)]))
    model.functions.append(function)
    with pytest.raises(InvalidInput, match="training mode"):
        examine(model.SerializeToString())


def test_a_file_that_was_cut_short_anywhere_is_refused_or_refused_by_its_trial() -> None:
    whole = mean_heat()
    for length in range(0, len(whole) - 1, 7):
        with pytest.raises(InvalidInput):
            examine(whole[:length])


def test_noise_ends_in_a_clear_error() -> None:
    dice = random.Random(5)  # noqa: S311 - not a secret
    whole = mean_heat()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with suppress(InvalidInput):  # a changed weight is no fault that shows
            examine(bytes(data))
    for size in (0, 1, 100, 10_000):
        with pytest.raises(InvalidInput):
            examine(dice.randbytes(size))


def test_files_and_constants_of_hostile_sizes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for dims in ([2**40], [2**20, 2**20], [-5], [2**62, 4]):
        huge = TensorProto(name="weights", data_type=TensorProto.FLOAT, dims=dims)
        with pytest.raises(InvalidInput, match="impossible shape"):
            examine(graph([heat("image", "weights")], [huge]))
    with pytest.raises(InvalidInput, match="impossible shape"):
        examine(graph([heat("image", "image")], shape=["N", 2**20, 2**20, 1]))
    monkeypatch.setattr(onnx_file, "MAX_FILE_BYTES", 100)
    with pytest.raises(InvalidInput, match="at most 100 are taken"):
        examine(mean_heat())


def test_a_graph_nested_without_end_is_refused() -> None:
    inner = b""
    for _ in range(5000):
        for field in (6, 5, 1):  # a graph in an attribute of a node of a graph
            inner = bytes([field << 3 | 2]) + _varint(len(inner)) + inner
    with pytest.raises(InvalidInput):
        examine(bytes([7 << 3 | 2]) + _varint(len(inner)) + inner)


def _varint(number: int) -> bytes:
    """Spell a number as protobuf does."""
    spelled = []
    while number > 127:
        spelled.append(number & 127 | 128)
        number >>= 7
    return bytes([*spelled, number])


def test_the_trial_gives_the_answers_of_a_good_model() -> None:
    given = pictures(3)
    answers = try_model(mean_heat(), {"image": given})
    np.testing.assert_allclose(answers["heat"], given.mean(axis=1, keepdims=True), atol=1e-6)


def test_a_model_that_does_not_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not done after 5 s"):
        try_model(endless(), {"image": pictures(1)}, seconds=5)


def test_a_model_that_wants_all_memory_is_refused() -> None:
    shape = numpy_helper.from_array(np.array([2**17, 2**17], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0),
        heat("image", "most"),
    ]
    with pytest.raises(InvalidInput, match=r"cannot run|brought the process down"):
        try_model(graph(nodes, [shape]), {"image": pictures(1)}, memory_bytes=2 * 2**30)


def test_a_model_whose_shapes_contradict_each_other_is_refused() -> None:
    bad = numpy_helper.from_array(np.zeros((1, 3, SIDE, 7), np.float32), "bad")
    with pytest.raises(InvalidInput, match="cannot run the model"):
        try_model(graph([heat("image", "bad")], [bad]), {"image": pictures(1)})
