#!/usr/bin/env bash
# Install Debian's Chromium, to run the tests marked "browser". 113 MB and what it depends on; needs apt-get and root.
#
# Nothing is done where there is a Chromium or Chrome already that tests/support/browser.py finds. GRACE_CHROMIUM names another.
set -euo pipefail
cd "$(dirname "$0")/.."

package=chromium
browsers=(
    chromium chromium-browser google-chrome
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium
)
patience=180 # seconds, of each step

fail() {
    echo "install_chromium.sh: $*" >&2
    exit 1
}

# A browser that starts, not only a file: Ubuntu's package of this name is a stub which says that a snap is needed.
works() { "$1" --version </dev/null 2>/dev/null; }

if [[ -n ${GRACE_CHROMIUM:-} ]]; then
    works "$GRACE_CHROMIUM" || fail "GRACE_CHROMIUM is $GRACE_CHROMIUM, which does not start"
    exit 0
fi
for browser in "${browsers[@]}"; do
    if works "$browser"; then
        exit 0
    fi
done

command -v apt-get >/dev/null || fail "there is no apt-get; install Chromium or Chrome, or name one in GRACE_CHROMIUM"
[[ $(id -u) == 0 ]] || fail "installing needs root: sudo scripts/install_chromium.sh"

export DEBIAN_FRONTEND=noninteractive
apt=(
    timeout "$patience" apt-get --quiet --yes
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60
)
fetch() { "${apt[@]}" install --no-install-recommends --download-only "$package" >/dev/null; }

# The lists of packages are there and new enough, as a rule, or fetching fails and they are fetched first. Fetching and
# installing are two steps, so that a slow network is never cut off in the middle of an installation.
echo "installing $package ..."
if ! fetch 2>/dev/null; then
    "${apt[@]}" update >/dev/null || fail "the lists of packages could not be fetched"
    fetch || fail "$package could not be fetched"
fi
"${apt[@]}" install --no-install-recommends --no-download "$package" >/dev/null || fail "$package could not be installed"
works "$package" || fail "$package is installed but does not start"
