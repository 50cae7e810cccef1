#!/bin/sh
# Put hls.js beside the page. Without npm, or without a network, the page takes it from a CDN.
set -u
target=ops/gateway/page/hls.min.js
version=1.7.4
[ -s "$target" ] && exit 0
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is not here: the page will take hls.js from a CDN, or play by the browser alone."
    exit 0
fi
folder=$(mktemp -d)
if (cd "$folder" && npm pack --silent "hls.js@$version" >/dev/null 2>&1 && tar xzf hls.js-*.tgz); then
    cp "$folder/package/dist/hls.min.js" "$target"
    echo "hls.js $version is beside the page."
else
    echo "hls.js could not be fetched: the page will take it from a CDN, or play by the browser alone."
fi
rm -rf "$folder"
