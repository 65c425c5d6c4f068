"""Dense convolution: XLA's, except where its CPU code is slow, for 1x1 kernels and the gradient of the kernel."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

# How many output cells the products on CPU cover at a time. Their operands stay in the second-level cache for up to
# about 512 channels, and the products are long enough to run at full speed (1024 to 4096 measured within 10 %).
STRIP_CELLS = 2048
# With fewer input channels (a stem), products of one tap are too narrow and XLA's gradient is faster.
MIN_CHANNELS = 16


def conv(x, kernel, strides=(1, 1), padding="SAME", dilation=(1, 1)):
    """Convolve pictures with a dense kernel, fast on CPU in both directions.

    The platform that the program is compiled for decides the form, not the call of this function. On GPU and TPU it is
    `lax.conv_general_dilated` with its own gradients. On CPU a 1x1 convolution is a matrix product of every
    `strides`-th cell, and the gradient of the kernel is a matrix product for each tap, summed over strips of the batch,
    because XLA's own gradient reaches a tenth of the machine's speed on large maps. Both forms give the same numbers
    to float rounding; bfloat16 is summed in float32. Only reverse-mode differentiation works.

    Args:
        x: `[B, H, W, in]`, floating point.
        kernel: `[kh, kw, in, out]`.
        strides: steps in rows and in columns, each >= 1.
        padding: "SAME" adds zeros as TensorFlow does, for `ceil(H / strides[0])` rows;
            `((top, bottom), (left, right))` gives the numbers of zeros around the picture, each >= 0.
        dilation: distances between the kernel's taps in rows and in columns, each >= 1.

    Returns:
        `[B, h, w, out]` in the type of `x`, with `h = floor((H + top + bottom - dilation[0] * (kh - 1) - 1) /
        strides[0]) + 1`, and so `w`.

    Raises:
        ValueError: if the shapes do not match, `x` is not floating point, the kernel is larger than the padded picture,
            or strides, padding or dilation are not as above.
    """
    if x.ndim != 4 or kernel.ndim != 4 or kernel.shape[2] != x.shape[3]:
        raise ValueError(f"got x {x.shape} and kernel {kernel.shape}, expected [B, H, W, C] and [kh, kw, C, out]")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"got x of type {x.dtype}, expected floating point")
    strides, dilation = tuple(strides), tuple(dilation)
    if len(strides) != 2 or len(dilation) != 2 or min(strides + dilation) < 1:
        raise ValueError(f"got strides {strides} and dilation {dilation}, expected two numbers >= 1 each")
    reach = [(taps - 1) * step + 1 for taps, step in zip(kernel.shape[:2], dilation, strict=True)]
    padding = _explicit(padding, x.shape[1:3], reach, strides)
    if any(size + sum(pad) < cells for size, pad, cells in zip(x.shape[1:3], padding, reach, strict=True)):
        raise ValueError(f"got pictures of {x.shape[1:3]} with padding {padding}, expected at least {tuple(reach)}")
    return _conv(x, kernel.astype(x.dtype), strides, padding, dilation)


def plain_conv(x, kernel, strides, padding, dilation):
    """Compute `conv` as XLA does."""
    return lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _explicit(padding, sizes, reach, strides):
    if padding == "SAME":
        totals = [
            max((-(-size // step) - 1) * step + cells - size, 0)
            for size, cells, step in zip(sizes, reach, strides, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str) or [len(pad) for pad in padding] != [2, 2] or min(map(min, padding)) < 0:
        raise ValueError(f"got padding {padding!r}, expected 'SAME' or ((top, bottom), (left, right)), each >= 0")
    return tuple((int(before), int(after)) for before, after in padding)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _conv(x, kernel, strides, padding, dilation):
    form = dict(strides=strides, padding=padding, dilation=dilation)
    plain = functools.partial(plain_conv, **form)
    if not _is_product(kernel, padding):
        return _on_cpu(_apart(plain, x.dtype), plain, x, kernel)
    return lax.platform_dependent(x, kernel, cpu=functools.partial(_product, strides=strides), default=plain)


def _forward(x, kernel, strides, padding, dilation):
    return _conv(x, kernel, strides, padding, dilation), (x, kernel)


def _backward(strides, padding, dilation, residuals, g):
    x, kernel = residuals
    plain = functools.partial(plain_conv, strides=strides, padding=padding, dilation=dilation)

    def plain_gradient_x(x, kernel, g):
        return jax.vjp(lambda x: plain(x, kernel), x)[1](g)[0]

    def plain_gradient_kernel(x, kernel, g):
        return jax.vjp(lambda kernel: plain(x, kernel), kernel)[1](g)[0]

    # One choice for each gradient, so that an unused one (that of the pictures) is not computed.
    fast_x = _apart(plain_gradient_x, x.dtype)
    if _is_product(kernel, padding):
        fast_x = functools.partial(_product_gradient_x, strides=strides)
    fast_kernel = None
    if x.shape[3] >= MIN_CHANNELS and g.size:
        fast_kernel = functools.partial(_strips_gradient_kernel, strides=strides, padding=padding, dilation=dilation)
    return (_on_cpu(fast_x, plain_gradient_x, x, kernel, g), _on_cpu(fast_kernel, plain_gradient_kernel, x, kernel, g))


_conv.defvjp(_forward, _backward)


def _on_cpu(fast, plain, *args):
    return plain(*args) if fast is None else lax.platform_dependent(*args, cpu=fast, default=plain)


def _apart(convolution, dtype):
    """Keep XLA from fusing a convolution with those before it; None where it may.

    On CPU, XLA of jaxlib 0.12.0 gives NaN where it fuses several convolutions of bfloat16.
    """
    return (lambda *args: convolution(*lax.optimization_barrier(args))) if dtype == jnp.bfloat16 else None


def _is_product(kernel, padding):
    return kernel.shape[:2] == (1, 1) and padding == ((0, 0), (0, 0))


def _product(x, kernel, *, strides):
    """Compute a 1x1 convolution as a matrix product, which XLA on CPU runs at least twice as fast."""
    x = x[:, :: strides[0], :: strides[1]]
    return lax.dot_general(x, kernel[0, 0], (((3,), (0,)), ((), ())))


def _product_gradient_x(x, kernel, g, *, strides):
    met = lax.dot_general(g, kernel[0, 0], (((3,), (1,)), ((), ())))
    after = [
        size - (cells - 1) * step - 1 for size, cells, step in zip(x.shape[1:3], g.shape[1:3], strides, strict=True)
    ]
    edges = ((0, after[0], strides[0] - 1), (0, after[1], strides[1] - 1))
    return lax.pad(met, jnp.zeros((), met.dtype), ((0, 0, 0), *edges, (0, 0, 0)))


def _strips_gradient_kernel(x, kernel, g, *, strides, padding, dilation):
    """For each tap, multiply `g` transposed with the cells of `x` that the tap meets, one strip of the batch at a time.

    A strip is some rows of one picture or, where pictures are small, several whole pictures.
    """
    taps, (batch, height, width, out) = kernel.shape[:2], g.shape
    pictures = max(n for n in range(1, batch + 1) if batch % n == 0 and (n == 1 or n * height * width <= STRIP_CELLS))
    rows = -(-height // -(-height * width // STRIP_CELLS)) if pictures == 1 else height
    strips = -(-height // rows)  # of a picture; zeros in `g` fill up the last one
    reach = [(taps[axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    cells = [(count - 1) * strides[axis] + reach[axis] for axis, count in enumerate((strips * rows, width))]
    edges = [(padding[axis][0], cells[axis] - padding[axis][0] - x.shape[axis + 1], 0) for axis in (0, 1)]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    g = jnp.pad(g, ((0, 0), (0, strips * rows - height), (0, 0), (0, 0)))
    met_rows = (rows - 1) * strides[0] + reach[0]

    def add_strip(index, total):
        picture, row = index // strips * pictures, index % strips * rows
        part = lax.dynamic_slice(padded, (picture, row * strides[0], 0, 0), (pictures, met_rows, cells[1], x.shape[3]))
        gradient = lax.dynamic_slice(g, (picture, row, 0, 0), (pictures, rows, width, out))
        # XLA's fast product on CPU takes no transposed operand; transposed once, `g` serves all taps. The barrier
        # keeps XLA from folding the transposition back into the products.
        gradient = lax.optimization_barrier(gradient.reshape(-1, out).T)
        products = []
        for top in range(0, reach[0], dilation[0]):
            for left in range(0, reach[1], dilation[1]):
                end = (pictures, top + (rows - 1) * strides[0] + 1, left + (width - 1) * strides[1] + 1, x.shape[3])
                cells_met = lax.slice(part, (0, top, left, 0), end, (1, *strides, 1)).reshape(-1, x.shape[3])
                products.append(
                    lax.dot_general(gradient, cells_met, (((1,), (0,)), ((), ())), preferred_element_type=total.dtype)
                )
        return total + jnp.stack(products)

    wide = jnp.promote_types(x.dtype, jnp.float32)
    # Sums of nothing: zeros that vary over the axes of a mesh as the sum will.
    total = x[:0].sum((0, 1, 2))[None, None] + g[:0].sum((0, 1, 2))[None, :, None]
    total = jnp.broadcast_to(total.astype(wide), (taps[0] * taps[1], out, x.shape[3]))
    total = lax.fori_loop(0, batch // pictures * strips, add_strip, total)
    return total.transpose(0, 2, 1).reshape(kernel.shape).astype(kernel.dtype)
