# Works on a fresh Debian or macOS machine with Python 3.11+ and nothing else: every command makes .venv itself.
PYTHON ?= python3
PIP := .venv/bin/python -m pip --disable-pip-version-check -q
# Modules are compiled when they are first imported and not all of them at installation, which takes 250 MB more.
unexport PYTHONDONTWRITEBYTECODE
CLIPS := apps/clips/lj-jail.flac apps/clips/austen-dashwood.flac apps/clips/librispeech-533.flac

# ONNX Runtime for browsers (docs/web.md): tests of the page run where npm is at hand.
ORT_WEB := .cache/onnxruntime-web-1.30.0.tgz

QUICK := not convert and not browser and not slow and not devices
PYTEST := .venv/bin/pytest -n auto --maxprocesses 8 --dist loadfile

.PHONY: demo test test-rest test-all lint format train-drafts train-omni train-ui clean

# Captions, then arrows of omni-tiny: a text becomes a picture, the picture a text, a question on it a spoken answer.
DEMO ?= .cache/demo
WISH ?= three small red cars in the top left and a big cat on the right on a sand background
ASK ?= how many cars are there?
demo: .venv/apps
	.venv/bin/unmask caption $(CLIPS)
	mkdir -p $(DEMO)
	.venv/bin/unmask generate --task t2i --text "$(WISH)" --output $(DEMO)/picture.png
	.venv/bin/unmask generate --task i2t --image $(DEMO)/picture.png
	.venv/bin/unmask generate --task vqa --image $(DEMO)/picture.png --text "$(ASK)" --output $(DEMO)/answer.wav

# What needs no converter, no browser and no waiting: minutes. `test-rest` runs what it leaves out, in the same .venv with more in it.
test: lint
	$(PYTEST) -m "$(QUICK)"

test-rest: .venv/dev-all $(if $(shell command -v npm),$(ORT_WEB))
	$(PYTEST) -m "not ($(QUICK))"

test-all: test test-rest

lint: .venv/dev .cache/tree
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: .venv/dev
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

# DATA: folder with train/ and noise/; MOONSHINE: a Moonshine checkpoint (docs/training.md). START: a drafter to go on from.
MINUTES ?= 360
DRAFTS ?= .cache/drafts
START ?= models/moonshine-tiny-drafter/draft.safetensors
train-drafts: .venv/training
	.venv/bin/python -m unmask.training.drafting.prepare --data $(DATA) --moonshine $(MOONSHINE) --cache $(DRAFTS)
	.venv/bin/python -m unmask.training.drafting.train --moonshine $(MOONSHINE) --cache $(DRAFTS) --out $(DRAFTS)/run --minutes $(MINUTES) $(if $(START),--start $(START))

# Fuses operators of models in training: a third to half of each update, after minutes. Was tried on CPUs alone.
COMPILE ?= $(if $(shell command -v c++),--compile)

# omni-tiny (docs/omni-tiny.md): its codecs in minutes, then the model. Needs no data. DEVICE: cpu or cuda. OMNI_START: weights to
# go on from. A GPU takes larger batches, which other processes make.
OMNI ?= .cache/omni-tiny
DEVICE ?= cpu
OMNI_START ?=
OMNI_OPTIONS ?= $(if $(filter cpu,$(DEVICE)),$(COMPILE),--workers 15 --draw 512 --tell 128 --answer 128 --speak 128 --peak 3e-3)
train-omni: .venv/training
	test -f $(OMNI)/codec/squares.safetensors || .venv/bin/python -m unmask.training.codecs.stickers --out $(OMNI)/codec
	test -f $(OMNI)/speech/log.jsonl || .venv/bin/python -m unmask.training.codecs.speech --out $(OMNI)/speech $(if $(OMNI_START),--like models/omni-tiny)
	test -f $(OMNI)/speech/context/weights.safetensors || .venv/bin/python -m unmask.training.codecs.context --codec $(OMNI)/speech --out $(OMNI)/speech/context --minutes 10
	.venv/bin/python -m unmask.training.omni.train --codec $(OMNI)/codec/squares.safetensors --speech $(OMNI)/speech --out $(OMNI)/run --minutes $(MINUTES) --device $(DEVICE) $(OMNI_OPTIONS) $(if $(OMNI_START),--start $(OMNI_START))

# ui-tiny: everything it reads is made while it trains. UI_START: weights to go on from.
UI ?= .cache/ui-tiny
UI_START ?=
train-ui: .venv/training
	.venv/bin/python -m unmask.training.ui.train --out $(UI)/run --minutes $(MINUTES) $(COMPILE) $(if $(UI_START),--start $(UI_START))
	.venv/bin/python -m unmask.training.ui.checkpoint --run $(UI)/run --out $(UI)/checkpoint
	.venv/bin/unmask export $(UI)/checkpoint --out $(UI)/fp32 --name ui-tiny --replace
	.venv/bin/unmask quantize $(UI)/fp32 --out $(UI)/ui-tiny --replace

# Optimum, which wants an older transformers than ours and so an environment of its own (docs/optimum.md). Without accelerate its
# exports hold tied weights twice.
.PHONY: optimum-env
optimum-env: .cache/optimum/bin/optimum-cli
.cache/optimum/bin/optimum-cli: constraints.txt
	$(PYTHON) -m venv .cache/optimum
	.cache/optimum/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt \
	  'optimum-onnx[onnxruntime]==0.1.0' 'transformers<4.58' accelerate torch
	touch $@

# FunASR, which has SenseVoice and its frontend, without the many packages that these do not need (docs/omni.md).
.PHONY: funasr-env
funasr-env: .cache/funasr/bin/python
.cache/funasr/bin/python: constraints.txt
	$(PYTHON) -m venv .cache/funasr
	.cache/funasr/bin/python -m pip --disable-pip-version-check -q install --no-deps funasr==1.4.16
	.cache/funasr/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt \
	  kaldi-native-fbank kaldiio librosa pyyaml rapidfuzz requests six torch tqdm
	touch $@

$(ORT_WEB):
	mkdir -p $(@D) && cd $(@D) && npm pack --silent onnxruntime-web@1.30.0

# OmniVoice's own package, without what only its training and its page need (docs/omnivoice.md). torchaudio's compiled library wants
# the torch of its own version; what is called here is Python alone.
.PHONY: omnivoice-env
omnivoice-env: .cache/omnivoice/bin/python
.cache/omnivoice/bin/python: constraints.txt
	$(PYTHON) -m venv .cache/omnivoice
	.cache/omnivoice/bin/python -m pip --disable-pip-version-check -q install --no-deps omnivoice==0.2.1 torchaudio
	rm -rf .cache/omnivoice/lib/python*/site-packages/torchaudio/lib
	.cache/omnivoice/bin/python -m pip --disable-pip-version-check -q install -c constraints.txt \
	  accelerate pydub soundfile torch 'transformers>=5.3'
	touch $@

# Rockchip's compiler and simulator, which want an old numpy and protobuf, and import torch: a build of it for CPUs is enough.
.PHONY: rknn-env
rknn-env: .cache/rknn/bin/python
.cache/rknn/bin/python:
	$(PYTHON) -m venv .cache/rknn
	.cache/rknn/bin/python -m pip --disable-pip-version-check -q install --no-deps rknn-toolkit2==2.5.0
	.cache/rknn/bin/python -m pip --disable-pip-version-check -q install fast-histogram numpy==1.26.4 onnx==1.18.0 onnxruntime \
	  opencv-python-headless protobuf==4.25.4 psutil ruamel.yaml scipy 'setuptools<81' torch tqdm
	touch $@

# Boards of arm64 in QEMU 10, on Debian (docs/devices.md): 250 MB.
.PHONY: arm64-env
arm64-env: .cache/arm64/qemu-aarch64
.cache/arm64/qemu-aarch64: tests/devices/make_arm64.sh .venv/bin/python
	sh tests/devices/make_arm64.sh $(CURDIR)/.cache/arm64 $(CURDIR)/.venv/bin/pip
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/apps: .venv/bin/python pyproject.toml
	$(PIP) install -e '.[apps]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --no-compile -c constraints.txt -e '.[dev]'
	touch $@

.venv/training: .venv/dev
	$(PIP) install -c constraints.txt -e '.[training]'
	touch $@

.venv/dev-all: .venv/dev
	$(PIP) install --no-compile -c constraints.txt -e '.[dev,dev-convert,dev-browser]'
	touch $@

# mypy does not see which folder installs under which name: links show it. They are cheap and always made anew.
.PHONY: .cache/tree
.cache/tree:
	rm -rf $@ && mkdir -p $@/unmask
	ln -s $(addprefix $(CURDIR)/,$(wildcard runtime/*) export quant apps benchmarks training models) $@/unmask

clean:
	rm -rf .venv .cache/arm64 .cache/funasr .cache/omnivoice .cache/optimum .cache/rknn .cache/tests .cache/tree build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
