"""Measure what the course promises, on this machine:   python -m lib.bench [--only notebooks|training|pages]

Writes data/trends/bench.json (seconds and peak memory of each notebook, training throughput, page weight, slider
latency) and renews the tables that quote it: the blocks ``<!-- bench:NAME -->`` in README.md and chapters/index.md.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

from lib.site.notebooks import ROOT, chapters
from lib.training import Trainer, hardware, to_json, track, versions, write_atomically

RESULT = ROOT / "data" / "trends" / "bench.json"
QUOTING = (ROOT / "README.md", ROOT / "chapters" / "index.md")
PEAK = r"""
import pathlib, re, resource
status = pathlib.Path("/proc/self/status")  # ru_maxrss would count what the parent held when it started the kernel
found = re.search(r"VmHWM:\s+(\d+)", status.read_text()) if status.exists() else None
print(found[1] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""  # kilobytes on Linux


def measure_notebook(path: Path) -> dict:
    """Run one notebook in a fresh kernel: seconds, peak memory of the kernel in GB, size on disk in MB."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK))
    where = {"metadata": {"path": str(path.parent)}}
    start = time.perf_counter()
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    seconds = time.perf_counter() - start
    peak = int(notebook.cells[-1].outputs[0]["text"])
    return {"seconds": round(seconds, 1), "peak_gb": round(peak / 1e6, 2), "mb": round(path.stat().st_size / 1e6, 2)}


def measure_training(num_warmup: int = 5, num_steps: int = 25) -> dict:
    """Rows a second of every recipe: the median over ``num_steps`` updates after a warm-up."""
    from lib.train import recipes
    from lib.training.batches import num_rows

    speed = {}
    for name, recipe in track(recipes().items(), total=len(recipes()), description="recipes"):
        trainer, seconds = Trainer(recipe), []
        rows = num_rows(trainer.batch_of(1))
        for _ in range(num_warmup + num_steps):
            start = time.perf_counter()
            trainer.advance()
            seconds.append(time.perf_counter() - start)
        median = sorted(seconds[num_warmup:])[num_steps // 2]
        minutes = recipe.num_steps * median / 60
        speed[name] = {"pictures_per_second": round(rows / median), "minutes": round(minutes, 1)}
    return speed


def measure_page(browser, address: str) -> dict:
    """Weight of one page with its pictures and widgets, and how fast the first slider of its first map answers."""
    from lib.site.browser import Latency, slider_latency, visit

    with visit(browser, address) as seen:
        seen.page.wait_for_selector(".dw-range")
        html = len(seen.page.content().encode())
        sizes = seen.page.evaluate(
            "performance.getEntriesByType('resource').map((r) => [r.initiatorType, r.decodedBodySize])"
        )
        times = slider_latency(seen.page, ".dw-range", num=200)
    pictures = sum(size for kind, size in sizes if kind == "img")
    return {
        "page_mb": round((html + pictures) / 1e6, 2),
        "handler_p95_ms": round(Latency.percentile(times.handler, 95), 2),
        "painted_p50_ms": round(Latency.percentile(times.painted, 50), 1),
        "painted_p95_ms": round(Latency.percentile(times.painted, 95), 1),
    }


def measure_pages() -> dict:
    """Build the book (seconds), then open every chapter's page in Chromium."""
    import tempfile

    from lib.site.browser import chromium, serve
    from lib.site.build import build

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        html = build(Path(folder))
        result = {"book_seconds": round(time.perf_counter() - start, 1)}
        with serve(html) as address, chromium() as browser:
            for path in chapters():
                result[path.stem] = measure_page(browser, f"{address}chapters/{path.stem}.html")
    return result


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def tables(result: dict) -> dict[str, str]:
    """The Markdown tables that README.md and the landing page quote, by name; parts never measured are left out."""
    made = {}
    if notebooks := result.get("notebooks"):
        rows = [
            [stem, f"{r['seconds'] / 60:.1f} minutes", f"{r['peak_gb']:.1f} GB", f"{r['mb']:.1f} MB"]
            for stem, r in notebooks.items()
        ]
        made["notebooks"] = markdown(["notebook", "runs in", "peak memory", "on disk"], rows)
    if training := result.get("training"):
        long = {name: r for name, r in training.items() if r["minutes"] >= 0.5}  # leaves out the smoke test
        rows = [[f"`{n}`", f"{r['pictures_per_second']:,}", f"{r['minutes']:.0f}"] for n, r in long.items()]
        made["training"] = markdown(["recipe", "pictures a second", "minutes"], rows)
    if pages := result.get("pages"):
        rows = [
            [stem, f"{r['page_mb']:.1f} MB", f"{r['painted_p50_ms']:.0f} / {r['painted_p95_ms']:.0f} ms"]
            for stem, r in pages.items()
            if isinstance(r, dict)
        ]
        made["pages"] = markdown(["page", "weight", "slider to picture, median / 95 %"], rows)
    return made | {f"minutes:{stem}": f"{r['seconds'] / 60:.1f}" for stem, r in result.get("notebooks", {}).items()}


def renew(text: str, blocks: dict[str, str]) -> str:
    """Replace what stands between ``<!-- bench:NAME -->`` and ``<!-- bench:end -->``, on lines or within one."""
    for name, block in blocks.items():
        pattern = rf"(<!-- bench:{re.escape(name)} -->(\n?)).*?(<!-- bench:end -->)"
        text = re.sub(pattern, lambda m, block=block: m[1] + block + m[2] + m[3], text, flags=re.DOTALL)
    return text


def main(argv: list[str] | None = None) -> None:
    """Run the command; parts that were not asked for keep their last measured values."""
    parser = argparse.ArgumentParser(prog="python -m lib.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["notebooks", "training", "pages"])
    only = parser.parse_args(argv).only
    result = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    if only in (None, "notebooks"):
        result["notebooks"] = {path.stem: measure_notebook(path) for path in track(chapters(), description="notebooks")}
    if only in (None, "training"):
        result["training"] = measure_training()
    if only in (None, "pages"):
        result["pages"] = measure_pages()
    result |= {"hardware": hardware(), "versions": versions()}
    write_atomically(RESULT, to_json(result))
    for path in QUOTING:
        write_atomically(path, renew(path.read_text("utf8"), tables(result)).encode())
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
