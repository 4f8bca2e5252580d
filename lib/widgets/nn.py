"""Hand a small network over to the browser: a list of layers and its weights in 16-bit floats, for ``static/nn.js``."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_POINTWISE = {nn.SiLU: "silu", nn.ReLU: "relu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}
_SILENT = (nn.Identity, nn.Dropout)
RESIDUAL = "residual"
"""A block that computes x + layers(x), and holds nothing but the Sequential ``layers``, has this ``browser_op``."""
_SUPPORTED = (
    "Linear, Conv2d (kernel 1 or 3), ConvTranspose2d (kernel 4, stride 2, padding 1), GroupNorm, "
    "Upsample (nearest, factor 2), Flatten, Unflatten, SiLU, ReLU, Tanh, Sigmoid, Identity, Dropout, and blocks that "
    'add their input to a Sequential\'s output and say so by browser_op = "residual"'
)


class _Writer:
    """Collects weights one after another and remembers where each begins."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.used = 0

    def put(self, name: str, tensor: Tensor | None) -> int | None:
        if tensor is None:
            return None
        values = tensor.detach().cpu().to(torch.float32)
        if not torch.isfinite(values).all() or values.abs().max() > 65504:
            raise ValueError(f"{name}: weights must be finite and at most 65504 in size to fit 16-bit floats")
        start = self.used
        self.used += values.numel()
        self.parts.append(values.numpy().astype("<f2").tobytes())
        return start


def _conv(name: str, layer: nn.Conv2d) -> dict:
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros" and padding != "same"
    if not plain or kernel not in ((1, 1), (3, 3)) or stride not in ((1, 1), (2, 2)) or padding[0] != padding[1]:
        raise ValueError(f"{name}: Conv2d needs kernel 1 or 3, stride 1 or 2, zero padding, one group; got {layer}")
    shape = {"in": layer.in_channels, "out": layer.out_channels}
    return {"op": "conv", **shape, "kernel": kernel[0], "stride": stride[0], "padding": int(padding[0])}


def _conv_transpose(name: str, layer: nn.ConvTranspose2d) -> dict:
    geometry = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, layer.groups)
    if geometry != ((4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 1):
        raise ValueError(f"{name}: ConvTranspose2d needs kernel 4, stride 2, padding 1, one group; got {layer}")
    return {"op": "conv_transpose", "in": layer.in_channels, "out": layer.out_channels}


def _upsample(name: str, layer: nn.Upsample) -> dict:
    if layer.mode != "nearest" or layer.size is not None or layer.scale_factor not in (2, 2.0, (2, 2), (2.0, 2.0)):
        raise ValueError(f"{name}: Upsample needs mode='nearest' and scale_factor=2; got {layer}")
    return {"op": "upsample"}


def _reshape(name: str, layer: nn.Flatten | nn.Unflatten) -> dict:
    if isinstance(layer, nn.Flatten):
        if (layer.start_dim, layer.end_dim) != (1, -1):
            raise ValueError(f"{name}: Flatten needs start_dim=1 and end_dim=-1; got {layer}")
        return {"op": "flatten"}
    if layer.dim != 1:
        raise ValueError(f"{name}: Unflatten needs dim=1; got {layer}")
    return {"op": "unflatten", "shape": [int(n) for n in layer.unflattened_size]}


def _describe(name: str, layer: nn.Module) -> dict:
    """The layer in words that ``static/nn.js`` understands, its weights not yet placed."""
    if type(layer) in _POINTWISE:
        return {"op": _POINTWISE[type(layer)]}
    if isinstance(layer, nn.Linear):
        return {"op": "linear", "in": layer.in_features, "out": layer.out_features}
    if isinstance(layer, nn.GroupNorm):
        return {"op": "group_norm", "channels": layer.num_channels, "groups": layer.num_groups, "tiny": layer.eps}
    for kind, describe in ((nn.Conv2d, _conv), (nn.ConvTranspose2d, _conv_transpose), (nn.Upsample, _upsample)):
        if isinstance(layer, kind):
            return describe(name, layer)
    if isinstance(layer, nn.Flatten | nn.Unflatten):
        return _reshape(name, layer)
    raise ValueError(f"{name}: {type(layer).__name__} has no counterpart in the browser. Supported: {_SUPPORTED}")


def _flat(layers: nn.Module, prefix: str):
    for name, layer in layers.named_children():
        if isinstance(layer, nn.Sequential):
            yield from _flat(layer, f"{prefix}.{name}")
        elif not isinstance(layer, _SILENT):
            yield f"{prefix}.{name}", layer


def _unwrap(network: nn.Module) -> nn.Sequential:
    """A module that only wraps one Sequential, or that Sequential itself."""
    children = list(network.children())
    if isinstance(network, nn.Sequential):
        return network
    if len(children) == 1 and isinstance(children[0], nn.Sequential) and not list(network.parameters(recurse=False)):
        return children[0]
    raise ValueError(
        f"network must be an nn.Sequential or a module around a single one, got {type(network).__name__} with "
        f"{len(children)} parts; pass the Sequential inside it"
    )


def export_layers(network: nn.Module) -> tuple[list[dict], bytes]:
    """Write a network down as a list of layers and one run of weights.

    Args:
        network: an ``nn.Sequential`` (nested ones are laid flat) or a module whose only part is one. Dropout is left
            out: the browser runs the network in evaluation mode.

    Returns:
        The program, one dict for each layer (``op``, sizes, and where ``weight`` and ``bias`` begin, counted in
        numbers), and the weights as little-endian 16-bit floats. 80,000 parameters make 160 kB, 213 kB in base64.

    Raises:
        ValueError: if a layer has no counterpart in ``static/nn.js``, or a weight does not fit a 16-bit float.
    """
    writer = _Writer()
    return _write(writer, _unwrap(network), "layers"), b"".join(writer.parts)


def _write(writer: _Writer, layers: nn.Module, prefix: str) -> list[dict]:
    """The program of some layers; their weights go to the writer."""
    program = []
    for name, layer in _flat(layers, prefix):
        if getattr(layer, "browser_op", None) == RESIDUAL:
            program.append({"op": RESIDUAL, "program": _write(writer, _unwrap(layer), name)})
            continue
        entry = _describe(name, layer)
        if any(True for _ in layer.parameters(recurse=False)):
            entry["weight"] = writer.put(f"{name}.weight", layer.weight)
            entry["bias"] = writer.put(f"{name}.bias", layer.bias)
        elif entry["op"] == "group_norm":
            raise ValueError(f"{name}: GroupNorm needs affine=True")
        program.append(entry)
    return program


def output_shape(network: nn.Module, num_inputs: int = 2) -> tuple[int, ...]:
    """Shape of what the network makes of one row of numbers, without the batch axis.

    Raises:
        ValueError: if the network does not take ``num_inputs`` numbers, or if a module around a Sequential does more
            than call it, so that the browser would compute something else.
    """
    inner = _unwrap(network)
    parameter = next(inner.parameters())
    probe: Float[Tensor, "B D"] = torch.linspace(-1, 1, 2 * num_inputs).reshape(2, num_inputs).to(parameter)
    was_training = network.training
    try:
        network.eval()
        with torch.no_grad():
            outer, bare = network(probe), nn.Sequential.forward(inner, probe)
    except RuntimeError as error:
        raise ValueError(f"the network must take {num_inputs} numbers for each picture: {error}") from error
    finally:
        network.train(was_training)
    if outer.shape != bare.shape or not torch.allclose(outer, bare):
        raise ValueError(
            f"{type(network).__name__}.forward does more than run its layers in a row; make all of it layers"
        )
    return tuple(outer.shape[1:])
