# Every target sets up .venv by itself; nothing else is needed but Python 3.11-3.13, make and the package registry.
PYTHON ?= python3
DATA ?= newswire
OUT ?= $(if $(filter newswire,$(DATA)),runs/demo,runs/demo-$(DATA))
BIN := .venv/bin
READY := .venv/ready
#: tests stand side by side, one a core and two more, each on one thread; `make test PARALLEL=` runs them one after the other
PARALLEL ?= --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "tinykd needs Python 3.11 to 3.13; name one: make PYTHON=python3.12"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --requirement requirements.txt --editable .
	@touch $(READY)

.PHONY: demo
demo: $(READY) ## the main job: teacher, student, twin, scoreboard (DATA=conll2003 for the real corpus)
	$(BIN)/tinykd distill --data $(DATA) $(if $(filter newswire,$(DATA)),--max-train 400 --texts transfer) --out $(OUT)

.PHONY: test
test: export OMP_NUM_THREADS := 1
#: empty, so that what is compiled is kept: sixty processes read the same modules
test: export PYTHONDONTWRITEBYTECODE :=
test: lint ## lint, unit tests, every notebook through nbval
	$(BIN)/python -m pytest $(PARALLEL) --nbval tests notebooks

.PHONY: lint
lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: notebooks
notebooks: $(READY) ## run every lesson without trained models; keep its outputs and its minutes
	$(BIN)/python tools/run_notebooks.py --fresh

.PHONY: book
book: $(READY) ## build the site from the committed outputs; the first time trains the microscope's models, ten minutes or more
	$(BIN)/python tools/build_book.py --microscope

.PHONY: pdf
pdf: $(READY) ## the built site in one PDF, by headless Chromium
	$(BIN)/python tools/build_pdf.py

.PHONY: labs
labs: $(READY) ## exercises for a class: students' archive, answers, timed plan
	$(BIN)/python tools/build_labs.py

.PHONY: lab
lab: $(READY) ## open the lessons in JupyterLab
	$(BIN)/jupyter lab notebooks

.PHONY: experiments
experiments: $(READY) ## repeat the recorded experiments (hours; goes on where it stopped)
	$(BIN)/python experiments/scoreboard.py newswire
	$(BIN)/python experiments/conll2003.py
	$(BIN)/python experiments/distillation.py
	$(BIN)/python experiments/repeat.py
	$(BIN)/python experiments/loss_zoo.py
	$(BIN)/python experiments/few_labels.py
	$(BIN)/python experiments/pruning.py
	$(BIN)/python experiments/small_changes.py
	for seed in 0 1 2; do $(BIN)/python experiments/ladder.py --seed $$seed || exit; done
	$(BIN)/python experiments/fusion.py
	$(BIN)/python experiments/banking77.py
	$(BIN)/python experiments/finance.py
	$(BIN)/python experiments/recommend.py
	$(BIN)/python experiments/phrasebank.py
	$(BIN)/python experiments/dynamic_cost.py
	$(BIN)/python experiments/base_teacher.py
	$(BIN)/python experiments/article.py
	$(BIN)/python experiments/sparsity.py
	$(BIN)/python experiments/tiny_student.py
	$(BIN)/python experiments/results_page.py

.PHONY: bench
bench: $(READY) ## every bench, and its page in the book (two hours, on a quiet machine); installs the peers
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	if [ -d "$$TINYKD_DATA/conll2003" ]; then $(BIN)/python benchmarks/distilling.py --data conll2003 --rows 3200; fi
	$(BIN)/python benchmarks/distilling.py
	$(BIN)/python benchmarks/distilling.py --target 0.5 --rounds 1
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/fusing.py
	$(BIN)/python benchmarks/growing.py
	$(BIN)/python benchmarks/starting.py
	$(BIN)/python benchmarks/floor.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/page.py

.PHONY: faults
faults: $(READY) ## kill, fill, damage and crowd the real thing (the long version; half an hour)
	TINYKD_SLOW=1 $(BIN)/python -m pytest tests/faults tests/scenarios/test_finance.py

.PHONY: fuzz
fuzz: $(READY) ## at least 100,000 random inputs to every parser together; prints how many
	TINYKD_FUZZ=6000 $(BIN)/python -m pytest tests/fuzz

.PHONY: mutation
mutation: $(READY) ## change one thing in losses, fusion or evaluation; do their tests notice?
	$(BIN)/python -m tests.mutation

.PHONY: lowest
lowest: ## the unit tests with the oldest versions that the requirements allow (Python 3.11)
	$(PYTHON) -m venv build/lowest
	$(PYTHON) tools/lowest.py > build/lowest.txt
	build/lowest/bin/python -m pip install --quiet --constraint build/lowest.txt --requirement requirements.txt --editable .
	build/lowest/bin/python -m pytest tests

.PHONY: newest
newest: ## the unit tests with the newest releases that the requirements allow
	$(PYTHON) -m venv --clear build/newest
	build/newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --requirement requirements.txt --editable .
	build/newest/bin/python -m pytest tests

.PHONY: locked
locked: ## the unit tests with the very versions that locked.txt names (Python 3.11)
	$(PYTHON) -m venv build/locked
	build/locked/bin/python -m pip install --quiet --constraint locked.txt --requirement requirements.txt --editable .
	build/locked/bin/python -m pytest tests

.PHONY: lock
lock: $(READY) ## write down the versions that are installed here, once the tests have passed with them: locked.txt
	$(BIN)/python tools/locked.py > locked.txt

.PHONY: audit
audit: $(READY) ## known weaknesses of the installed packages, as the package index lists them
	$(BIN)/python -m pip install --quiet "pip-audit>=2.7,<3"
	$(BIN)/pip-audit --skip-editable

.PHONY: clean
clean: ## remove runs, the built site and caches; .venv stays
	rm -rf runs _build build dist *.egg-info .pytest_cache .ruff_cache
