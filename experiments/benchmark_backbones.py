"""Time the backbones against PyTorch's: forward, and forward and backward.

    python experiments/benchmark_backbones.py
    python experiments/benchmark_backbones.py --backbones=vgg16,resnet18 --size=128 --batch_size=32
    python experiments/benchmark_backbones.py --backbones= --convolutions

Prints a Markdown table with a row per backbone: pictures per second forward and in training (the value and the
gradient of the mean feature with respect to all parameters, with BatchNorm in inference mode), the ratio to PyTorch's
speed, and the seconds that compilation takes. JAX and PyTorch take turns in one process, and the fastest round counts,
so that other load on the machine disturbs both alike. When more programs run than there are cores, PyTorch loses more
than JAX, and the ratios flatter JAX. PyTorch uses its default layout (NCHW) unless you pass --channels_last.

--convolutions adds a table of single convolutions of these backbones, in GFLOP/s: XLA's own, this package's
(`lena_jax.backbones.conv`) and PyTorch's, forward and for the gradients of pictures and kernel.

The PyTorch networks are those of timm (vision transformers and ConvNeXts), of tests/backbones/torch_backbones.py and of
the package efficientnet_lite_pytorch, with random weights. What is not installed (or with --notorch) is a dash in the
table. Where JAX uses a GPU, PyTorch uses it too.
"""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags

_REPOSITORY = Path(__file__).resolve().parents[1]

# Height and width, channels in and out, kernel, stride and padding as in PyTorch.
_CONVOLUTIONS = {
    "VGG16 1_1": (224, 3, 64, 3, 1, 1),
    "VGG16 1_2": (224, 64, 64, 3, 1, 1),
    "VGG16 2_1": (112, 64, 128, 3, 1, 1),
    "VGG16 2_2": (112, 128, 128, 3, 1, 1),
    "VGG16 3_2": (56, 256, 256, 3, 1, 1),
    "VGG16 4_2": (28, 512, 512, 3, 1, 1),
    "VGG16 5_1": (14, 512, 512, 3, 1, 1),
    "ResNet stem": (224, 3, 64, 7, 2, 3),
    "ResNet 3x3": (56, 64, 64, 3, 1, 1),
    "ResNet 3x3 / 2": (56, 64, 128, 3, 2, 1),
    "ResNet 1x1": (56, 64, 256, 1, 1, 0),
    "ResNet 1x1 / 2": (56, 256, 512, 1, 2, 0),
    "Lite stem": (224, 3, 32, 3, 2, 1),
    "Lite 1x1": (14, 672, 112, 1, 1, 0),
    "AlexNet stem": (224, 3, 64, 11, 4, 2),
}

_TRANSFORMERS = ("vit_small_patch16_224", "vit_base_patch16_224", "convnext_tiny")

_NAMES = flags.DEFINE_list(
    "backbones",
    None,
    "names of backbones, separated by commas; by default the convolutional ones, two transformers and a ConvNeXt; none "
    "with --backbones=",
)
_SIZE = flags.DEFINE_integer("size", 224, "height and width of the pictures", lower_bound=64)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "pictures per batch", lower_bound=1)
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "type to compute in, for PyTorch too")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds, after one for warm-up", lower_bound=1)
_TORCH = flags.DEFINE_bool("torch", True, "compare with PyTorch if it is installed")
_CHANNELS_LAST = flags.DEFINE_bool("channels_last", False, "run PyTorch in its channels_last layout")
_CONVOLUTION_TABLE = flags.DEFINE_bool("convolutions", False, "also print the table of single convolutions")


def fastest(calls):
    """Time each call that is not None, in turns over several rounds; return the fewest seconds of each."""
    calls = {name: call for name, call in calls.items() if call is not None}
    times = {name: [] for name in calls}
    for _ in range(_ROUNDS.value + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: min(each[1:]) for name, each in times.items()}


def compiled(function, *args):
    """Compile a function; return a call without arguments that waits for the result, and the compilation's seconds."""
    import jax

    start = time.perf_counter()
    executable = jax.jit(function).lower(*args).compile()
    return lambda: jax.block_until_ready(executable(*args)), time.perf_counter() - start


def torch_module():
    """Return PyTorch, or None if it is not installed or not wanted."""
    if not _TORCH.value or importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


def torch_device():
    """Return where PyTorch runs: on a GPU if JAX does."""
    import jax

    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def waited_for(torch, call):
    """Return the call, waiting for its result."""

    def call_and_wait():
        call()
        torch.cuda.synchronize()

    return call if torch_device() == "cpu" else call_and_wait


def to_torch(torch, array):
    """Convert an array to a tensor of the type and layout that the flags ask for."""
    tensor = torch.from_numpy(array).to(torch_device(), getattr(torch, _DTYPE.value))
    return tensor.to(memory_format=torch.channels_last if _CHANNELS_LAST.value else torch.contiguous_format)


def torch_network(name):
    """Return PyTorch's network and the function up to the backbone's first endpoint, or None."""
    from lena_jax.backbones import BACKBONES

    if name.startswith("efficientnet_lite"):
        if importlib.util.find_spec("efficientnet_lite_pytorch") is None:
            return None
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name(name.replace("_", "-"), image_size=[_SIZE.value] * 2)
        return network, network.extract_features
    record = BACKBONES[name]
    if record.translate is not None:
        if importlib.util.find_spec("timm") is None:
            return None
        import timm

        model = record.source.removeprefix("hf:timm/").partition(".")[0]
        size = {} if model.startswith("convnext") else {"img_size": _SIZE.value}
        network = timm.create_model(model, num_classes=0, **size)
        return network, network.forward_features
    path = _REPOSITORY / "tests/backbones/torch_backbones.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location("torch_backbones", path)
    networks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(networks)
    network = networks.build("vgg16" if name == "vgg16_caffe" else name, BACKBONES[name].endpoints[0], 32)
    return network, network


def torch_backbone_calls(torch, name, pictures):
    """Return two calls of PyTorch's network, forward and training, or two None."""
    found = torch_network(name) if torch else None
    if found is None:
        return None, None
    network, features = found
    layout = torch.channels_last if _CHANNELS_LAST.value else torch.contiguous_format
    network.eval().to(torch_device(), getattr(torch, _DTYPE.value)).to(memory_format=layout)
    x = to_torch(torch, np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))

    def forward():
        with torch.no_grad():
            features(x)

    def training():
        network.zero_grad()
        features(x).mean().backward()

    return waited_for(torch, forward), waited_for(torch, training)


def backbone_row(torch, name):
    """Measure a row of the first table."""
    import jax
    import jax.numpy as jnp

    from lena_jax.backbones import BACKBONES

    pictures = np.random.default_rng(0).normal(size=(_BATCH_SIZE.value, _SIZE.value, _SIZE.value, 3))
    pictures = pictures.astype(np.float32)
    module = BACKBONES[name].build(dtype=jnp.dtype(_DTYPE.value))
    x = jnp.asarray(pictures)
    variables = jax.jit(module.init)(jax.random.key(0), x[:1])
    params, rest = variables["params"], {key: value for key, value in variables.items() if key != "params"}

    def mean_feature(params, rest, x):
        return jnp.mean(module.apply({"params": params, **rest}, x).astype(jnp.float32))

    forward, seconds = compiled(lambda p, rest, x: module.apply({"params": p, **rest}, x), params, rest, x)
    training, seconds_training = compiled(jax.value_and_grad(mean_feature), params, rest, x)
    torch_forward, torch_training = torch_backbone_calls(torch, name, pictures)
    cells = [name]
    for ours, theirs in ((forward, torch_forward), (training, torch_training)):
        taken = fastest({"ours": ours, "theirs": theirs})
        cells += [rate(len(pictures), taken, "ours"), rate(len(pictures), taken, "theirs"), ratio(taken)]
    return [*cells, f"{seconds:.1f} + {seconds_training:.1f}"]


def convolution_row(torch, name, height, channels_in, channels_out, taps, stride, padding):
    """Measure a row of the second table."""
    import jax
    import jax.numpy as jnp

    from lena_jax.backbones.conv import conv, plain_conv

    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(_BATCH_SIZE.value, height, height, channels_in)).astype(np.float32)
    weights = rng.normal(size=(taps, taps, channels_in, channels_out)).astype(np.float32)
    x, kernel = (jnp.asarray(array, _DTYPE.value) for array in (pictures, weights))
    form = ((stride,) * 2, ((padding,) * 2,) * 2, (1, 1))
    forward, both, flops = {}, {}, 0
    for key, function in (("XLA's", plain_conv), ("ours", conv)):

        def apply(x, kernel, function=function):
            return function(x, kernel, *form)

        def gradients(x, kernel, g, apply=apply):
            return jax.vjp(apply, x, kernel)[1](g)

        g = jnp.ones_like(apply(x, kernel))
        flops = 2 * g.size * weights.size // channels_out
        forward[key], both[key] = compiled(apply, x, kernel)[0], compiled(gradients, x, kernel, g)[0]
    if torch:
        tensors = [
            to_torch(torch, np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))),
            to_torch(torch, np.ascontiguousarray(weights.transpose(3, 2, 0, 1))),
        ]
        upstream = torch.ones_like(torch.conv2d(*tensors, None, stride, padding))

        def torch_forward():
            with torch.no_grad():
                torch.conv2d(*tensors, None, stride, padding)

        def torch_gradients():
            torch.ops.aten.convolution_backward(
                upstream, *tensors, None, (stride,) * 2, (padding,) * 2, (1, 1), False, (0, 0), 1, (True, True, False)
            )

        forward["theirs"], both["theirs"] = waited_for(torch, torch_forward), waited_for(torch, torch_gradients)
    cells = [name, f"{height}: {channels_in} to {channels_out}, {taps}x{taps}"]
    for calls, work in ((forward, flops), (both, 2 * flops)):
        taken = fastest(calls)
        cells += [rate(work / 1e9, taken, key) for key in ("XLA's", "ours", "theirs")] + [ratio(taken)]
    return cells


def rate(work, taken, name):
    """Format `work` per second, or a dash."""
    if name not in taken:
        return "-"
    each = work / taken[name]
    return f"{each:.0f}" if each >= 100 else f"{each:.1f}"


def ratio(taken):
    """Format the speed as a multiple of PyTorch's, or a dash."""
    return f"{taken['theirs'] / taken['ours']:.2f}" if "theirs" in taken else "-"


def print_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"got {argv[1:]}, expected flags only")
    sys.path.insert(0, str(_REPOSITORY))
    import jax

    from lena_jax.backbones import BACKBONES, get_backbone

    if _NAMES.value is None:
        names = [name for name, record in BACKBONES.items() if record.translate is None or name in _TRANSFORMERS]
    else:
        names = [name for name in _NAMES.value if name]
    try:
        for name in names:
            get_backbone(name)
    except ValueError as error:
        raise app.UsageError(f"--backbones: {error}") from error
    torch = torch_module()
    print(
        f"{_BATCH_SIZE.value} pictures of {_SIZE.value} px, {_DTYPE.value}, {jax.default_backend()}, "
        f"jax {jax.__version__}, {'torch ' + torch.__version__ if torch else 'without PyTorch'}\n"
    )
    if names:
        print_row(
            [
                "backbone",
                "forward, pictures/s",
                "PyTorch",
                "ratio",
                "training, pictures/s",
                "PyTorch",
                "ratio",
                "compile, s",
            ]
        )
        print_row(["---"] + ["---:"] * 7)
        for name in names:
            print_row(backbone_row(torch, name))
    if _CONVOLUTION_TABLE.value:
        print()
        print_row(
            [
                "convolution",
                "shape",
                "forward, GFLOP/s: XLA",
                "ours",
                "PyTorch",
                "ratio",
                "gradients, GFLOP/s: XLA",
                "ours",
                "PyTorch",
                "ratio",
            ]
        )
        print_row(["---"] * 2 + ["---:"] * 8)
        for name, shape in _CONVOLUTIONS.items():
            print_row(convolution_row(torch, name, *shape))


if __name__ == "__main__":
    app.run(main)
