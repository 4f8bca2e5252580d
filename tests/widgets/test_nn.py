"""The forward pass in the browser equals torch."""

import base64

import pytest
import torch
from node import node
from torch import nn

from lib.widgets import export_layers


class Residual(nn.Module):
    """x + layers(x)."""

    browser_op = "residual"

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


LAYERS = {
    "linear": (nn.Linear(6, 5), (6,)),
    "linear without bias": (nn.Linear(6, 5, bias=False), (6,)),
    "silu": (nn.SiLU(), (7,)),
    "relu": (nn.ReLU(), (7,)),
    "tanh": (nn.Tanh(), (7,)),
    "sigmoid": (nn.Sigmoid(), (7,)),
    "group norm": (nn.GroupNorm(2, 6), (6, 3, 5)),
    "group norm of a vector": (nn.GroupNorm(3, 6), (6,)),
    "conv 3x3": (nn.Conv2d(3, 5, 3, padding=1), (3, 7, 6)),
    "conv 3x3 without padding": (nn.Conv2d(2, 4, 3), (2, 5, 9)),
    "conv 3x3 stride 2": (nn.Conv2d(3, 4, 3, stride=2, padding=1), (3, 8, 7)),
    "conv 1x1": (nn.Conv2d(5, 3, 1, bias=False), (5, 4, 6)),
    "conv 1x1 stride 2": (nn.Conv2d(5, 3, 1, stride=2), (5, 4, 7)),
    "conv transpose": (nn.ConvTranspose2d(4, 3, 4, 2, 1), (4, 3, 5)),
    "upsample": (nn.Upsample(scale_factor=2, mode="nearest"), (3, 2, 4)),
    "unflatten": (nn.Unflatten(1, (2, 3, 4)), (24,)),
    "flatten": (nn.Flatten(), (2, 3, 4)),
    "residual": (Residual(nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 1)), (4, 5, 3)),
    "residual in a residual": (Residual(nn.Tanh(), Residual(nn.Linear(6, 6), nn.SiLU()), nn.ReLU()), (6,)),
}


def round_to_half(network: nn.Module) -> nn.Module:
    """Both sides compute with the weights that 16-bit floats can hold."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float() if parameter.dtype != torch.float64 else parameter.half().double())
    return network


def run_in_node(network: nn.Sequential, x: torch.Tensor, options: str) -> tuple[list[int], torch.Tensor]:
    program, weights = export_layers(network)
    data = {"program": program, "weights": list(weights), "x": x.flatten().tolist(), "shape": list(x.shape)}
    code = f"""const net = m.compile(data.program, bytes(data.weights), {{ inputShape: data.shape, {options} }});
      net.run(data.x.map((v) => 7 - v)); // a first run must leave nothing behind
      return [net.shape, numbers(net.run(data.x))];"""
    shape, values = node("nn.js", code, data)
    return shape, torch.tensor(values, dtype=torch.float64).reshape(shape)


def conv_transpose_decoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(
            nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 12 * 16), nn.Dropout(0.5), nn.Unflatten(1, (12, 4, 4))
        ),
        nn.Sequential(nn.GroupNorm(4, 12), nn.SiLU(), nn.ConvTranspose2d(12, 8, 4, 2, 1), nn.ReLU()),
        nn.Sequential(nn.ConvTranspose2d(8, 8, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()),
    ).eval()


def upsampling_decoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2, 128),
        nn.Unflatten(1, (8, 4, 4)),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(16, 8, 3, padding=1),
        nn.SiLU(),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(8, 1, 1),
        nn.Sigmoid(),
    ).eval()


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_equals_torch_in_float64(name):
    """With the same 16-bit weights nothing is left but rounding of 64-bit sums."""
    torch.manual_seed(0)
    layer, shape = LAYERS[name]
    network = round_to_half(nn.Sequential(layer).double())
    for parameter in network.parameters():
        parameter.data += torch.randn_like(parameter).half()
    round_to_half(network)
    x = torch.randn(shape, dtype=torch.float64)
    expected = network(x[None])[0].detach()
    got_shape, got = run_in_node(network, x, "Float: Float64Array")
    assert got_shape == list(expected.shape)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("simd", ["true", "false"], ids=["wasm", "plain"])
@pytest.mark.parametrize("decoder", [conv_transpose_decoder, upsampling_decoder])
def test_whole_decoders_equal_torch_in_float32(decoder, simd):
    """As in the browser: 32-bit floats, matrix products in WebAssembly or in plain loops."""
    torch.manual_seed(1)
    network = round_to_half(decoder())
    x = torch.tensor([0.7, -1.3])
    expected = network(x[None])[0].detach().double()
    _, got = run_in_node(network, x, f"simd: {simd}")
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", [conv_transpose_decoder, upsampling_decoder])
def test_whole_decoders_equal_torch_in_float64(decoder):
    """The same layers in a row, with rounding out of the way."""
    torch.manual_seed(2)
    network = round_to_half(decoder().double())
    x = torch.tensor([-2.0, 0.4], dtype=torch.float64)
    _, got = run_in_node(network, x, "Float: Float64Array")
    torch.testing.assert_close(got, network(x[None])[0].detach(), rtol=1e-10, atol=1e-12)


def test_webassembly_product_equals_the_plain_one():
    """Sizes with and without left-over rows and columns, against torch in 64 bits."""
    torch.manual_seed(3)
    cases = [(4, 5, 8), (7, 3, 13), (1, 9, 1), (8, 16, 24), (5, 1, 7)]
    for rows, inner, columns in cases:
        A, B, C = (torch.randn(s) for s in ((rows, inner), (inner, columns), (rows, columns)))
        data = {"A": A.flatten().tolist(), "B": B.flatten().tolist(), "C": C.flatten().tolist()}
        code = f"""const arena = m.wasmArena(4096);
          if (!arena) throw new Error("node has SIMD, so the module must load");
          const put = (list) => {{ const part = arena.alloc(list.length); part.set(list); return part; }};
          const C1 = put(data.C), C2 = Float32Array.from(data.C);
          arena.gemm(put(data.A), put(data.B), C1, {rows}, {inner}, {columns});
          m.plainGemm(data.A, data.B, C2, {rows}, {inner}, {columns});
          return [numbers(C1), numbers(C2)];"""
        expected = (C.double() + A.double() @ B.double()).flatten()
        for got in node("nn.js", code, data):
            torch.testing.assert_close(torch.tensor(got, dtype=torch.float64), expected, rtol=1e-5, atol=2e-6)


def test_halves_are_read_as_torch_reads_them():
    """All 65,536 bit patterns, with zeros, subnormal numbers and infinities."""
    bits = torch.arange(65536, dtype=torch.int32).to(torch.int16)
    expected = bits.view(torch.float16).double()
    got = node("nn.js", "return Array.from({ length: 65536 }, (_, i) => String(m.halfToNumber(i)))")
    values = torch.tensor([float(v.replace("Infinity", "inf")) for v in got], dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=0, atol=0, equal_nan=True)


def test_export_writes_sixteen_bit_weights_one_after_another():
    """Two bytes a parameter, and each layer points at its own."""
    network = round_to_half(nn.Sequential(nn.Linear(2, 3), nn.SiLU(), nn.Linear(3, 1)))
    program, weights = export_layers(network)
    assert len(weights) == 2 * sum(p.numel() for p in network.parameters())
    values = torch.frombuffer(bytearray(weights), dtype=torch.float16).float()
    last = program[-1]
    torch.testing.assert_close(values[last["weight"] : last["weight"] + 3], network[2].weight.flatten().detach())
    torch.testing.assert_close(values[last["bias"] :], network[2].bias.detach())
    assert base64.b64encode(weights)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Sequential(nn.Linear(2, 4), nn.GELU()), "GELU has no counterpart"),
        (nn.Sequential(nn.Conv2d(3, 3, 5)), "kernel 1 or 3"),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), "one group"),
        (nn.Sequential(nn.ConvTranspose2d(3, 3, 2, 2)), "kernel 4, stride 2, padding 1"),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear")), "nearest"),
        (nn.Sequential(nn.Unflatten(2, (2, 2))), "dim=1"),
        (nn.Sequential(nn.Flatten(0)), "start_dim=1"),
        (nn.Sequential(nn.GroupNorm(1, 4, affine=False)), "affine"),
        (nn.Linear(2, 2), "nn.Sequential"),
    ],
)
def test_a_layer_that_the_browser_cannot_run_is_refused_in_words(network, words):
    """Better a clear refusal in Python than a wrong picture on the page."""
    with pytest.raises(ValueError, match=words):
        export_layers(network)


def test_a_weight_beyond_sixteen_bits_is_refused():
    """70,000 would become infinity."""
    network = nn.Sequential(nn.Linear(1, 1))
    network[0].weight.data.fill_(7e4)
    with pytest.raises(ValueError, match="65504"):
        export_layers(network)
