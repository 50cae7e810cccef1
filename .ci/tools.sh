#!/bin/sh
# Browser and ffmpeg for the checks that use the real ones. Where they may not be installed those
# tests are reported as not run, with the reason.
set -u
missing=""
command -v ffmpeg >/dev/null 2>&1 || missing="$missing ffmpeg"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the browser and ffmpeg checks:$missing ..."
    # shellcheck disable=SC2086
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null 2>&1; then
        echo "They could not be installed; the tests that need$missing are reported as not run."
    fi
else
    echo "Not here and not ours to install:$missing; the tests that need them are reported as not run."
fi
