"""Make the course's environment in .venv from the lock, using nothing but the standard library.

    python3 lib/bootstrap.py         what a reader needs: JupyterLab, torch, the course itself
    python3 lib/bootstrap.py test    the same, and the tools of `make test`, `make book`, `make slides`, `make bench`
    python3 lib/bootstrap.py lock    resolve pyproject.toml afresh and write constraints.txt

Written so that any Python 3.6 or newer reaches the sentence that says it is too old.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
NEEDED_GB = {"lab": 4.0, "test": 5.0}  # measured: 2.0 GB installed, and as much again while pip unpacks
NO_NETWORK = re.compile(
    r"Could not find a version|No matching distribution|Connection|Temporary failure|Name or service|ProxyError"
    r"|timed out",
    re.I,
)
PINNED = ("torch==", "jupyter-book==")  # chosen by hand: torch for the whole course, version 1 of the book
NO_SPACE = re.compile(r"No space left|ENOSPC|Errno 28|Disk quota", re.I)


def stop(what, remedy):
    """End with two lines: what is wrong, and what to do."""
    sys.exit(f"\n{what}\n  What to do: {remedy}\n")


def interpreter():
    """This Python when it is new enough, else a newer one found on the PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for minor in (11, 12, 13, 14):
        found = shutil.which(f"python3.{minor}")
        if found and subprocess.call([found, "-c", "pass"]) == 0:
            return found
    stop(
        f"The course needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is Python {sys.version.split()[0]}.",
        "install a newer Python and run  make lab PYTHON=python3.11  (or conda: conda env create -f environment.yml).",
    )


def read(name):
    """Bytes of a file at the top of the course."""
    with open(os.path.join(ROOT, name), "rb") as file:
        return file.read()


def python_of(folder):
    """The interpreter of a virtual environment."""
    return os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")


def fingerprint(extra):
    """Changes whenever the environment would come out differently."""
    parts = [read("pyproject.toml"), read("constraints.txt"), extra.encode(), ROOT.encode(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def ready(extra):
    """True when .venv already holds what is asked for (the test environment serves the reader too)."""
    if not os.path.exists(python_of(VENV)):
        return False
    for name in {extra, "test"}:
        stamp = os.path.join(VENV, f"course-{name}.stamp")
        if os.path.exists(stamp):
            with open(stamp) as file:
                if file.read() == fingerprint(name):
                    return True
    return False


def check_space(extra):
    """Stop before anything is fetched if it cannot fit."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < NEEDED_GB[extra]:
        stop(
            f"The environment needs about {NEEDED_GB[extra]:.0f} GB of disk; {free:.1f} GB are free in {ROOT}.",
            "free some space, or clone the course to a larger disk.",
        )


def make_venv(folder):
    """Make an empty virtual environment; a half-made one is made anew."""
    try:
        import ensurepip  # noqa: F401 (Debian and Ubuntu ship it as a package of its own)
        import venv
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stop(
            "This Python cannot make virtual environments (the modules venv and ensurepip are missing).",
            f"on Debian or Ubuntu: sudo apt install python{version}-venv; elsewhere install Python from python.org.",
        )
    fresh = not os.path.exists(python_of(folder))
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt", clear=fresh).create(folder)


def pip_install(folder, *arguments):
    """Run pip; when it fails, say in plain words whether the network or the disk is the likely cause."""
    command = [python_of(folder), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *arguments]
    result = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if result.returncode == 0:
        return
    tail = "\n".join("    " + line for line in result.stderr.strip().splitlines()[-8:])
    if NO_SPACE.search(result.stderr):
        stop(f"The disk ran full while installing.\n{tail}", "free about 5 GB and run the same command again.")
    if NO_NETWORK.search(result.stderr):
        stop(
            f"The packages could not be fetched.\n{tail}",
            "check the network (or the proxy: HTTPS_PROXY), then run the same command again; what was done is kept.",
        )
    stop(f"pip failed.\n{tail}", "read the lines above; run the same command again once the cause is mended.")


def install(extra):
    """Make .venv hold what is asked for; nothing happens if it does already."""
    if ready(extra):
        return
    check_space(extra)
    print("Preparing the environment in .venv (once; a few minutes, about 2 GB) …", flush=True)
    make_venv(VENV)
    target = ".[test]" if extra == "test" else "."
    pip_install(VENV, "--constraint", "constraints.txt", "--editable", target)
    stamp = os.path.join(VENV, f"course-{extra}.stamp")
    with open(stamp + ".tmp", "w") as file:
        file.write(fingerprint(extra))
    os.replace(stamp + ".tmp", stamp)
    print("The environment is ready.", flush=True)


def lock():
    """Resolve all dependencies in an empty environment and write every version to constraints.txt."""
    folder = os.path.join(ROOT, "_build", "lock")
    shutil.rmtree(folder, ignore_errors=True)
    make_venv(folder)
    pinned = [line for line in read("constraints.txt").decode().split() if line.startswith(PINNED)]
    pip_install(folder, *pinned, "--editable", ".[test]")
    frozen = subprocess.check_output([python_of(folder), "-m", "pip", "freeze", "--exclude-editable"], text=True)
    frozen = re.sub(r"(?m)^(\S+==\d[^+\s]*)\+\S+$", r"\1", frozen)  # torch 2.13.0+cpu and 2.13.0 are one version
    frozen = "".join(line + "\n" for line in frozen.splitlines() if " @ " not in line)
    path = os.path.join(ROOT, "constraints.txt")
    with open(path + ".tmp", "w") as file:
        file.write("# Every version of the environment, made by `make lock`.\n" + frozen)
    os.replace(path + ".tmp", path)


def main(arguments):
    """Run the command."""
    wanted = arguments[0] if arguments else "lab"
    if len(arguments) > 1 or wanted not in ("lab", "test", "lock"):
        stop(f"Unknown request: {' '.join(arguments)}.", "use  python3 lib/bootstrap.py [lab|test|lock].")
    python = interpreter()
    if python != sys.executable:
        sys.exit(subprocess.call([python, os.path.abspath(__file__), *arguments]))
    lock() if wanted == "lock" else install(wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
