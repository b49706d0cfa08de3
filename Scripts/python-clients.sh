#!/bin/bash
# Makes .build-venv once, with the Python clients that the end-to-end tests speak through:
# .build-venv/run is its Python.
#
# etcd3's generated code is older than the protobuf that aetcd needs. protobuf's implementation
# in Python takes both, which `run` chooses. (One process can import only one of the two: they
# register files of the same names.)
set -euo pipefail
cd "$(dirname "$0")/.."

clients=(etcd3==0.12.0 aetcd==1.0.0 "protobuf>=6,<8")
venv=.build-venv
stamp=$venv/installed
[ "$(cat "$stamp" 2>/dev/null)" != "${clients[*]}" ] || exit 0

# Debian's Python has python3-venv beside it; another one that comes first in PATH may not.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
echo "Installing Python clients: ${clients[*]}"
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check wheel 2>&1
"$venv/bin/pip" install --quiet --disable-pip-version-check "${clients[@]}" 2>&1
cat >"$venv/run" <<'RUN'
#!/bin/sh
PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python
export PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION
exec "$(dirname "$0")/bin/python" "$@"
RUN
chmod +x "$venv/run"
for client in etcd3 aetcd; do "$venv/run" -c "import $client"; done
echo "${clients[*]}" >"$stamp"
