#!/bin/sh
# The demo's service. The program is built into the binary; what it says is this repository's.
exec "$CUTOVER_BIN" demo-service
