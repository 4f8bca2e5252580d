"""A JupyterLab of its own for a test: own settings and port, no token, root in a temporary folder."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
QUIET = '{"fetchNews": "false", "checkForUpdates": false}'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(private: Path) -> dict[str, str]:
    """Settings, trust and run-time files stay in ``private``: the learner's own JupyterLab is not touched."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTERLAB_WORKSPACES_DIR")
    made = {name: str(private / name.lower()) for name in names}
    settings = private / "settings"
    quiet = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True, exist_ok=True)
    quiet.write_text(QUIET, "utf8")
    python_path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
    return {**os.environ, **made, "JUPYTERLAB_SETTINGS_DIR": str(settings), "PYTHONPATH": python_path}


@contextmanager
def jupyterlab(folder: Path, private: Path):
    """Address of a JupyterLab that serves ``folder``; it ends with the block."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    with open(private / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=environment(private), cwd=folder, stdout=log, stderr=log)
        try:
            _wait(address + "api/status", server, private / "lab.log")
            yield address
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"JupyterLab ended at once:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not answer in 30 s:\n{log.read_text()[-3000:]}")


def write_notebook(path: Path, sources: list[str], outputs: dict[int, list] | None = None) -> None:
    """A notebook of code cells for the kernel python3, with stored outputs where given."""
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    for i, stored in (outputs or {}).items():
        cells[i].outputs, cells[i].execution_count = stored, 1
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def open_notebook(page, address: str, name: str) -> None:
    """Open a notebook alone in a fresh workspace and wait until its cells are there."""
    page.goto(f"{address}lab/tree/{name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell .cm-content", timeout=60_000)


def run_cell(page, number: int) -> None:
    """Wait for an idle kernel, click into a code cell and run it with Ctrl+Enter."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    page.locator(".jp-CodeCell .cm-content").nth(number).click()
    page.keyboard.press("Control+Enter")


def dialogs(page) -> list[str]:
    """Texts of the dialogs that JupyterLab shows."""
    return page.locator(".jp-Dialog").all_inner_texts()
