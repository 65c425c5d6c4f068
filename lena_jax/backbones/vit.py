"""Vision transformers: pictures as patches, self-attention between all of them, and a feature map of their tokens.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (arXiv 2010.11929). One module has all families, which
differ in what `Architecture` names: plain ViT, CLIP (arXiv 2103.00020), SigLIP 1 and 2 (2303.15343, 2502.14786), DINOv2
with and without registers (2304.07193, 2309.16588), DINOv3 (2508.10104) and TinyCLIP (2309.12314).
"""

import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from lena_jax.backbones.attention import attention
from lena_jax.backbones.checks import check_choice, check_pictures
from lena_jax.backbones.layers import Dense, gelu
from lena_jax.backbones.tokens import patch_conv, resize_positions, resize_to_multiple, rotary_factors, rotate

ENDPOINTS = ("norm", "multilevel", "norm_class", "multilevel_class")

_INIT = nn.initializers.truncated_normal(0.02)
# LayerNorm with PyTorch's two-pass variance, in float32 whatever the type of computation.
_NORM = dict(use_fast_variance=False, dtype=jnp.float32)

ACTIVATIONS = {
    "gelu": gelu,
    "gelu_tanh": nn.gelu,
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "swiglu": nn.silu,
}


class Architecture(NamedTuple):
    """What the vision transformers differ in.

    Attributes:
        width: numbers in a token, D.
        depth: blocks.
        heads: attention heads, which divide the width.
        patch: side of a patch in pixels.
        grid: cells on a side of the picture that the position embedding was trained for; 0 with "rotary".
        hidden: width of the hidden layer of a block, F.
        class_token: whether there is one.
        registers: how many tokens without meaning follow the class token.
        positions: "all": added to class token and patches; "patches": added before other tokens join; "rotary": DINOv3.
        pre_norm: whether a norm comes before the blocks, and the patches have no bias (CLIP).
        layer_scale: whether each channel of a block's two parts has a factor.
        qkv_bias: whether queries, keys and values have a bias.
        activation: a key of `ACTIVATIONS`; "swiglu" is `silu(gate) * value`.
        epsilon: that of every norm.
    """

    width: int
    depth: int
    heads: int
    patch: int
    grid: int
    hidden: int
    class_token: bool = True
    registers: int = 0
    positions: str = "all"
    pre_norm: bool = False
    layer_scale: bool = False
    qkv_bias: bool = True
    activation: str = "gelu"
    epsilon: float = 1e-6

    @property
    def others(self) -> int:
        """Tokens before those of the patches."""
        return self.class_token + self.registers

    @property
    def levels(self) -> tuple[int, ...]:
        """How many blocks are before each level of "multilevel": a quarter, half, three quarters and all."""
        return tuple(-(-self.depth * quarter // 4) for quarter in (1, 2, 3, 4))

    @property
    def parameters(self) -> int:
        """Numbers in all variables."""
        inner = self.width * self.hidden
        gated = self.activation == "swiglu"
        attention = 4 * self.width**2 + (4 if self.qkv_bias else 1) * self.width
        mlp = (3 if gated else 2) * inner + (2 if gated else 1) * self.hidden + self.width
        block = attention + mlp + (6 if self.layer_scale else 4) * self.width
        positions = 0 if self.positions == "rotary" else self.grid**2 + (self.positions == "all" and self.class_token)
        embed = (3 * self.patch**2 + self.others + positions + (2 if self.pre_norm else 1)) * self.width
        return embed + self.depth * block + 2 * self.width


class Embed(nn.Module):
    """Turn pictures into tokens: class token, registers, and one token for each patch with its position."""

    architecture: Architecture
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x):
        """Map `x: [B, H, W, 3]`, with sides that the patch divides, to `[B, T, D]` and the grid (H / P, W / P)."""
        a = self.architecture
        kernel = self.param("kernel", _INIT, (a.patch, a.patch, 3, a.width))
        x = patch_conv(x.astype(self.dtype), kernel.astype(self.dtype))
        grid = x.shape[1:3]
        x = x.reshape(x.shape[0], -1, a.width)
        if not a.pre_norm:
            x = x + self.param("bias", nn.initializers.zeros, (a.width,)).astype(self.dtype)[None, None]
        others = []
        if a.class_token:
            others.append(self.param("class", _INIT, (1, a.width)))
        if a.registers:
            others.append(self.param("registers", _INIT, (a.registers, a.width)))
        positions = None
        if a.positions != "rotary":
            count = a.grid**2 + (a.positions == "all" and a.class_token)
            positions = self.param("positions", _INIT, (count, a.width))
            positions = resize_positions(positions, (a.grid, a.grid), grid).astype(self.dtype)[None]
        if positions is not None and a.positions == "patches":
            x = x + positions
        if others:
            others = jnp.concatenate(others).astype(self.dtype)[None]
            x = jnp.concatenate([jnp.broadcast_to(others, (x.shape[0], *others.shape[1:])), x], 1)
        if positions is not None and a.positions == "all":
            x = x + positions
        if a.pre_norm:
            x = nn.LayerNorm(a.epsilon, name="norm", **_NORM)(x).astype(self.dtype)
        return x, grid


class Block(nn.Module):
    """`x += scale1 * attention(norm1(x)); x += scale2 * mlp(norm2(x))`."""

    architecture: Architecture
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x, factors=None):
        """Map tokens `x: [B, T, D]` to tokens; `factors` are those of `rotary_factors`, if positions rotate."""
        a = self.architecture
        dense = functools.partial(Dense, dtype=self.dtype, kernel_init=_INIT)
        y = nn.LayerNorm(a.epsilon, name="norm1", **_NORM)(x).astype(self.dtype)
        heads = dense(3 * a.width, use_bias=a.qkv_bias, name="qkv")(y)
        heads = heads.reshape(*x.shape[:2], 3, a.heads, a.width // a.heads)
        q, k, v = (heads[:, :, part] for part in range(3))
        if factors is not None:
            q, k = rotate(q, factors), rotate(k, factors)
        y = attention(q, k, v).reshape(x.shape)
        x = self._add(x, dense(a.width, name="proj")(y), "scale1")

        y = nn.LayerNorm(a.epsilon, name="norm2", **_NORM)(x).astype(self.dtype)
        activation = ACTIVATIONS[a.activation]
        if a.activation == "swiglu":
            y = activation(dense(a.hidden, name="gate")(y)) * dense(a.hidden, name="fc1")(y)
        else:
            y = activation(dense(a.hidden, name="fc1")(y))
        return self._add(x, dense(a.width, name="fc2")(y), "scale2")

    def _add(self, x, y, name):
        if self.architecture.layer_scale:
            scale = self.param(name, nn.initializers.constant(1e-5), (self.architecture.width,))
            y = y * scale.astype(self.dtype)[None, None]
        return x + y


class ViT(nn.Module):
    """A vision transformer up to its last norm.

    Attributes:
        architecture: which one.
        endpoint: what the feature map has in its cells.

            - "norm": the tokens of the patches behind the last norm, D channels.
            - "multilevel": the tokens after a quarter, half, three quarters and all of the blocks, each behind the last
              norm, side by side: 4 D channels. Early tokens know what pictures look like, late ones what they show.
            - "norm_class", "multilevel_class": the same, and the class token behind the last norm, D more channels,
              equal in all cells. Pooling a constant map gives the constant, so the class token is one more input of
              the head; maps spread its part of the score over the cells.
        output_stride: the patch's side, the only one.
        dtype: the type of computation and result; parameters and norms stay float32.
        axis_name: unused, since there is no BatchNorm; every backbone has it.
        remat: whether to forget what is inside a block and compute it again for the gradient (`jax.checkpoint`).
    """

    architecture: Architecture
    endpoint: str = "norm"
    output_stride: int = 0
    dtype: Any = jnp.float32
    axis_name: str | None = None
    remat: bool = False

    @nn.compact
    def __call__(self, x, train=False):
        """Compute the features of pictures.

        Args:
            x: `[B, H, W, 3]`, normalised as the weights expect; H and W at least 64. If the patch does not divide
                them, the pictures are resized to the next smaller multiples.
            train: changes nothing; there is neither BatchNorm nor dropout.

        Returns:
            `[B, floor(H / patch), floor(W / patch), channels]`.

        Raises:
            ValueError: if `x` is not a batch of RGB pictures of at least 64 px, or the backbone does not have the
                endpoint, the class token or the output stride.
        """
        del train
        a = self.architecture
        check_pictures(x)
        check_choice("endpoint", self.endpoint, endpoints_of(a))
        check_choice("output_stride", self.output_stride or a.patch, (a.patch,))
        x, grid = Embed(a, self.dtype, name="embed")(resize_to_multiple(x, a.patch))
        factors = rotary_factors(grid, a.width // a.heads, a.others) if a.positions == "rotary" else None
        block, norm = nn.remat(Block) if self.remat else Block, nn.LayerNorm(a.epsilon, name="norm", **_NORM)
        wanted = a.levels if self.endpoint.startswith("multilevel") else a.levels[-1:]
        levels = []
        for index in range(a.depth):
            x = block(a, self.dtype, name=f"block{index}")(x, factors)
            if index + 1 in wanted:
                levels.append(norm(x).astype(self.dtype))
        cells = [level[:, a.others :].reshape(x.shape[0], *grid, a.width) for level in levels]
        if self.endpoint.endswith("_class"):
            cells.append(jnp.broadcast_to(levels[-1][:, None, :1], cells[-1].shape))
        return jnp.concatenate(cells, -1) if len(cells) > 1 else cells[0]


def endpoints_of(architecture: Architecture) -> tuple[str, ...]:
    """Return the endpoints that a transformer has: those with the class token only if it has one."""
    return ENDPOINTS if architecture.class_token else ENDPOINTS[:2]


def stages_of(architecture: Architecture) -> tuple[str, ...]:
    """Return the stages: "embed", "block0" and so on, "norm"."""
    return ("embed", *(f"block{index}" for index in range(architecture.depth)), "norm")
