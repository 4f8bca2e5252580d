"""What every chapter of the course keeps, whatever it is about."""

import ast
import contextlib
import io
from pathlib import Path

import matplotlib
import nbformat
import pytest

from lib.site.notebooks import chapters, check
from lib.site.student import student_copy

MAX_MEGABYTES = 3
CHAPTERS = [pytest.param(path, id=path.stem) for path in chapters()]
pytestmark = pytest.mark.parametrize("path", CHAPTERS)


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_cells(path: Path, *wanted: str) -> list:
    """The code cells that carry all the given tags."""
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" and set(wanted) <= tags(cell)]


def exercise_pairs(path: Path) -> list[tuple]:
    """Each stub with the solution that follows it.

    A stub without a solution, or a solution without a stub, fails here.
    """
    cells = [cell for cell in code_cells(path) if tags(cell) & {"exercise", "solution"}]
    kinds = ["exercise" if "exercise" in tags(cell) else "solution" for cell in cells]
    assert kinds == ["exercise", "solution"] * (len(cells) // 2), f"stubs and solutions do not alternate: {kinds}"
    return list(zip(cells[::2], cells[1::2], strict=True))


def stored(names: ast.AST) -> set[str]:
    """Names that code defines anywhere: variables, functions, classes, arguments, imports."""
    found = set()
    for node in ast.walk(names):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
    return found


def loaded(names: ast.AST) -> set[str]:
    """Names that code reads."""
    return {node.id for node in ast.walk(names) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def test_notebook_and_text_agree_and_are_tidy(path):
    """The committed pair is what ``python -m lib.site.notebooks run`` leaves behind."""
    assert check(path) == []


def test_notebook_is_light(path):
    """A page must load on a telephone."""
    assert path.stat().st_size < MAX_MEGABYTES * 1e6


def test_every_picture_has_alternative_text(path):
    """Whoever cannot see a figure is told what it shows, in a sentence of its own."""
    texts = []
    for cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            text = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(text) >= 20, f"cell {cell.id} draws a figure without mystnb.image.alt"
            texts.append(text)
    assert len(set(texts)) == len(texts), "two figures share one alternative text"


def test_no_output_needs_a_kernel(path):
    """Only text, pictures and self-contained HTML are stored: nothing else is seen on the site."""
    allowed = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/svg+xml"}
    for cell in code_cells(path):
        for output in cell.outputs:
            assert set(output.get("data", {})) <= allowed, cell.id


def test_markdown_reads_well_in_jupyterlab(path):
    """Roles, directives, labels and TeX macros of our own would be shown raw or in red."""
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown":
            for raw in (
                ":::",
                "```{",
                "{cite",
                "{ref}",
                "{eq}",
                "{doc}",
                "{math}",
                "\\newcommand",
                "\n)=",
                "<script",
                "http://",
            ):
                assert raw not in cell.source, f"{raw!r} in cell {cell.id}"
            assert "attachments" not in cell


def test_later_cells_do_not_need_a_solution(path):
    """A student copy has stubs only: no cell may read a name that only an exercise or a solution defines."""
    safe, only_in_answers = set(), set()
    for cell in code_cells(path):
        tree = ast.parse(cell.source)
        if tags(cell) & {"exercise", "solution"}:
            only_in_answers |= stored(tree)
        else:
            borrowed = (loaded(tree) & only_in_answers) - safe - stored(tree)
            assert not borrowed, f"cell {cell.id} reads {sorted(borrowed)}, which only an exercise defines"
            safe |= stored(tree)


def test_every_stub_is_unanswered_and_every_solution_right(path, monkeypatch):
    """With nothing but the setup cells before it, a blank is told so, and the solution is accepted."""
    matplotlib.use("Agg")
    monkeypatch.chdir(path.parent)
    base: dict = {"__name__": "__main__"}
    for cell in code_cells(path, "setup"):
        exec(compile(cell.source, cell.id, "exec"), base)

    def printed(cell) -> str:
        """What the cell prints, and what its last line shows, as a notebook would."""
        tree, names, output = ast.parse(cell.source), dict(base), io.StringIO()
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(output):
            exec(compile(tree, cell.id, "exec"), names)
            if last:
                print(eval(compile(ast.Expression(last.value), cell.id, "eval"), names))
        return output.getvalue()

    pairs = exercise_pairs(path)
    assert len(pairs) >= 5
    for stub, solution in pairs:
        assert "not answered yet" in printed(stub), stub.id
        answer = printed(solution)
        assert "right" in answer.lower() and "not answered" not in answer, f"{solution.id}: {answer}"


def test_student_copy_holds_no_answers(path):
    """Stubs stay, solutions and instructor notes go, and nothing of them is left anywhere in the file."""
    notebook = nbformat.read(path, 4)
    copy = student_copy(notebook, path.stem)
    kept = nbformat.writes(copy)
    for cell in notebook.cells:
        if tags(cell) & {"solution", "instructor"}:
            assert cell.source not in "\n".join(other.source for other in copy.cells)
            for line in cell.source.splitlines():
                told_before = any(
                    line in other.source for other in notebook.cells if not tags(other) & {"solution", "instructor"}
                )
                assert len(line) < 12 or told_before or line not in kept, line
    assert sum("exercise" in tags(cell) for cell in copy.cells) == len(exercise_pairs(path))
    assert all(not cell.outputs and cell.execution_count is None for cell in copy.cells if cell.cell_type == "code")
    nbformat.validate(copy)
