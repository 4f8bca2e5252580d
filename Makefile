# Every target prepares what it needs; PYTHON=python3.11 make lab picks another interpreter.
PYTHON ?= python3
RUN = COURSE_QUIET=1 .venv/bin/python -m
ARGS ?=
.PHONY: lab test book train student slides bench notebooks lock

lab:        ; @$(PYTHON) lib/bootstrap.py && .venv/bin/jupyter lab $(ARGS) chapters/01_autoencoder.ipynb
test:       ; @$(PYTHON) lib/bootstrap.py test && .venv/bin/ruff check . && .venv/bin/lint-imports && OMP_NUM_THREADS=1 $(RUN) pytest chapters tests --nbval --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)
book:       ; @$(PYTHON) lib/bootstrap.py test && $(RUN) lib.site.build $(ARGS)
train:      ; @$(PYTHON) lib/bootstrap.py && .venv/bin/python -m lib.train $(ARGS)
student:    ; @$(PYTHON) lib/bootstrap.py && $(RUN) lib.site.student $(ARGS)
slides:     ; @$(PYTHON) lib/bootstrap.py test && $(RUN) lib.site.slides $(ARGS)
bench:      ; @$(PYTHON) lib/bootstrap.py test && $(RUN) lib.bench $(ARGS)
notebooks:  ; @$(PYTHON) lib/bootstrap.py && $(RUN) lib.site.notebooks run $(ARGS)
lock:       ; @$(PYTHON) lib/bootstrap.py lock
