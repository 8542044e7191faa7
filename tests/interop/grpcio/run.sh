#!/usr/bin/env bash
# gRPC C-core, through Python's grpcio and the official client stubs of grpcio-health-checking.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lib/peer.sh
source "$here/../lib/peer.sh"

need grpcio python3 "install Python 3.10 or newer"
python=$(python_venv grpcio "$here/requirements.txt")
export PYTHONPATH="$here/../lib"
export PYTHONDONTWRITEBYTECODE=1
exec "$python" "$here/main.py"
