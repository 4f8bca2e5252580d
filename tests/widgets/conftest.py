"""Pages with widgets, as a notebook's HTML outputs would stand on the site, and visits to them."""

import pytest
from browser import serve, settle, visit
from widget_pages import READY


@pytest.fixture(scope="module")
def site(tmp_path_factory, html):
    """Where the pages are served that the fixture ``html`` of a test file gives by name."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in html.items():
        (folder / f"{name}.html").write_text(text, "utf8")
    with serve(folder) as address:
        yield address


@pytest.fixture
def seen(browser, site, request):
    """A visit to the page named by the test's parameter, errors and outside requests checked at the end."""
    with visit(browser, f"{site}{request.param}.html") as opened:
        opened.page.wait_for_selector(".dw")
        opened.page.wait_for_function(READY)
        settle(opened.page)
        yield opened
        assert opened.clean()
