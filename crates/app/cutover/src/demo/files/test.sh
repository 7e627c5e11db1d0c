#!/bin/sh
# Starts the service on a free port, asks its addresses, and writes what came of it as JUnit XML.
set -u
mkdir -p reports
PORT=0 PORT_FILE=reports/port ./hello > reports/service.log 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null' EXIT

exec 3> reports/cases.xml
failed=0
check() { # NAME PATH PART-OF-THE-ANSWER
  answer=$("$CUTOVER_BIN" demo-service get reports/port "$2" 2>&1)
  case $answer in
    *"$3"*) echo "ok   $1"; echo "<testcase classname=\"hello\" name=\"$1\"/>" >&3 ;;
    *) echo "FAIL $1: $answer"; failed=$((failed + 1))
       echo "<testcase classname=\"hello\" name=\"$1\"><failure message=\"no $3\"/></testcase>" >&3 ;;
  esac
}
check "says hello" / '"message":"hello'
check "is healthy" /health '"status":"ok"'
check "knows its version" /version '"version":'
check "refuses the unknown" /nowhere '404'

kill -TERM "$service"
wait "$service" && echo "ok   ends when told to" || failed=$((failed + 1))
{ echo '<testsuite name="hello">'; cat reports/cases.xml; echo '</testsuite>'; } > reports/junit.xml
exit "$failed"
