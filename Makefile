# `make demo` and `make test` do everything on a machine with Python 3 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Files in the order of tests/conftest.py: slow ones first, so that both processes end at once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast check benchmark clean

demo: $(VENV)/.demo-installed
	$(BIN)/dsconv demo --force

test: $(VENV)/.test-installed check
	$(PYTEST) -m "not alone"
	$(BIN)/python -m pytest -m alone

test-fast: $(VENV)/.test-installed
	$(PYTEST) -m "not (toolkit or slow or runtimes or alone)"

check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(VENV)/.test-installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) dsconv-demo

# A stamp is newer than what it was made from, so a second run installs nothing.
$(VENV)/.demo-installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[onnx,openvino,coreml,tflite]'
	touch $@

$(VENV)/.test-installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@ $(VENV)/.demo-installed
