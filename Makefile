# Works on a fresh Debian or macOS machine with Python 3.11+ and nothing else: both commands make .venv themselves.
PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check -q
CLIPS := apps/clips/lj-jail.flac apps/clips/austen-dashwood.flac apps/clips/librispeech-533.flac

.PHONY: demo test lint format train-caption clean

demo: .venv/apps
	.venv/bin/unmask caption $(CLIPS)

test: lint
	.venv/bin/pytest

lint: .venv/dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# DATA: folder with train/, noise/, text/ (docs/training.md); WHISPER: a tiny.en folder, CTranslate2 or Hugging Face.
MINUTES ?= 120
CACHE ?= .cache/caption
SYNTHETIC := $(CACHE)/synthetic
RUN = --whisper $(WHISPER) --cache $(CACHE)
train-caption: .venv/dev
	mkdir -p $(CACHE)
	test -e $(SYNTHETIC).tar || .venv/bin/python -m unmask.training.synthesize --text $(DATA)/text/ljspeech.txt \
	  --without $(DATA)/train/ljspeech.jsonl --out $(SYNTHETIC) --lines 5200
	.venv/bin/python -m unmask.training.captions.prepare --data $(DATA) $(RUN) --synthetic $(SYNTHETIC)
	.venv/bin/python -m unmask.training.captions.train $(RUN) --out $(CACHE)/run --minutes $(MINUTES)
	.venv/bin/python -m unmask.training.captions.release $(RUN) --run $(CACHE)/run --out $(CACHE)/bundles

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/apps: .venv/bin/python pyproject.toml
	$(PIP) install -e '.[apps]'
	touch $@

# Strict mode lets mypy see the folders under their package names; install again when a file is added.
.venv/dev: .venv/bin/python pyproject.toml constraints.txt $(shell find runtime export quant apps benchmarks training models -name '*.py')
	$(PIP) install -c constraints.txt --config-settings editable_mode=strict -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
