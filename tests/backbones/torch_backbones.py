"""VGG16, AlexNet and ResNet as plain PyTorch modules with torchvision's names, to compare the backbones with.

Written from the papers and the names in torchvision's state dictionaries; neither torchvision nor timm is needed.
`torch` is imported where it is used, so that this file can be imported without it.
"""

from collections import OrderedDict


def build(name, endpoint, output_stride):
    """The network up to an endpoint as an `nn.Sequential`, NCHW to NCHW; arguments as of the Flax backbones."""
    if name == "alexnet":
        return _alexnet()
    if name.startswith("vgg16"):
        return _vgg16(name.endswith("_bn"), endpoint)
    return _resnet(
        {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}[name], name == "resnet50", endpoint, output_stride
    )


def features(name, state, x, endpoint, output_stride, train=False):
    """Features `[B, h, w, C]` of `x: [B, H, W, 3]`, and the state dictionary after that, as NumPy arrays.

    `state` may have more keys than the network up to the endpoint.
    """
    import torch

    with torch.device("meta"):  # Without the seconds that drawing weights takes.
        network = build(name, endpoint, output_stride)
    network = network.to_empty(device="cpu").train(train)
    wanted = network.state_dict().keys()
    # Writable copies: PyTorch warns about others.
    network.load_state_dict({key: torch.tensor(value) for key, value in state.items() if key in wanted})
    with torch.no_grad():
        y = network(torch.from_numpy(x).permute(0, 3, 1, 2))
    return y.permute(0, 2, 3, 1).numpy(), {key: value.numpy() for key, value in network.state_dict().items()}


def _vgg16(batch_norm, endpoint):
    from torch import nn

    layers, channels_in = [], 3
    last = {"conv4_3": 4, "conv5_3": 5}[endpoint]
    for repeats, channels in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))[:last]:
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(repeats):
            layers.append(nn.Conv2d(channels_in, channels, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU())
            channels_in = channels
    return nn.Sequential(OrderedDict(features=nn.Sequential(*layers)))


def _alexnet():
    from torch import nn

    return nn.Sequential(
        OrderedDict(
            features=nn.Sequential(
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.ReLU(),
            )
        )
    )


def _resnet(repeats, bottleneck, endpoint, output_stride):
    from torch import nn

    def conv(channels_in, channels, size, stride=1, dilation=1):
        return nn.Conv2d(channels_in, channels, size, stride, dilation * (size // 2), dilation, bias=False)

    class Block(nn.Module):
        def __init__(self, channels_in, channels, stride, dilations):
            super().__init__()
            if bottleneck:
                channels_out = 4 * channels
                self.conv1, self.bn1 = conv(channels_in, channels, 1), nn.BatchNorm2d(channels)
                self.conv2, self.bn2 = conv(channels, channels, 3, stride, dilations[0]), nn.BatchNorm2d(channels)
                self.conv3, self.bn3 = conv(channels, channels_out, 1), nn.BatchNorm2d(channels_out)
            else:
                channels_out = channels
                self.conv1, self.bn1 = conv(channels_in, channels, 3, stride, dilations[0]), nn.BatchNorm2d(channels)
                self.conv2, self.bn2 = conv(channels, channels, 3, 1, dilations[1]), nn.BatchNorm2d(channels)
            self.downsample = None
            if stride != 1 or channels_in != channels_out:
                self.downsample = nn.Sequential(
                    conv(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out)
                )

        def forward(self, x):
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            if bottleneck:
                y = self.bn3(self.conv3(y.relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    layers = OrderedDict(
        conv1=nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        bn1=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        maxpool=nn.MaxPool2d(3, 2, padding=1),
    )
    channels_in = 64
    for stage in range(1, int(endpoint[-1]) + 1):
        channels, stride, dilation, before = 64 * 2 ** (stage - 1), 1 if stage == 1 else 2, 1, 1
        if stage == 4 and output_stride == 16:
            stride, dilation = 1, 2
        blocks = []
        for _ in range(repeats[stage - 1]):
            blocks.append(Block(channels_in, channels, stride, (before, dilation)))
            channels_in, stride, before = channels * (4 if bottleneck else 1), 1, dilation
        layers[f"layer{stage}"] = nn.Sequential(*blocks)
    return nn.Sequential(layers)
