"""A chapter of six cells, small enough to run in two seconds."""

from pathlib import Path

TEXT = """---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

+++ {"tags": ["slide"]}

# A small chapter

Two times $x$.

```{code-cell} ipython3
:tags: [setup]

import sys

x = 21
print("noise", file=sys.stderr)
```

+++ {"tags": ["instructor", "remove-cell"]}

Ask: what is two times twenty-one?

```{code-cell} ipython3
:tags: [exercise]

def double(number):
    return ...

print("small.double: not answered yet." if double(x) is ... else "small.double: right.")
```

```{code-cell} ipython3
:tags: [solution, hide-cell]

def double(number):
    return 2 * number

print("small.double: not answered yet." if double(x) is ... else "small.double: right.")
```

```{code-cell} ipython3
---
tags: [hide-input, slide-more]
mystnb:
  image:
    alt: A small white square on a dark ground.
---
from IPython.display import Image

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
Image(__import__("base64").b64decode(PIXEL))
```
"""


def write_small(folder: Path, text: str = TEXT) -> Path:
    """Write the text of the small chapter; returns the path of its notebook, which does not exist yet."""
    (folder / "01_small.md").write_text(text, "utf8")
    return folder / "01_small.ipynb"
