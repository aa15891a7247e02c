# start_up.bash COUNT COMMAND...: starts a program again and again. Prints the microseconds of each.
# shellcheck source=integration/software/start.bash
source /software/start.bash

count=$1
shift
for ((i = 0; i < count; i++)); do
  begin=$EPOCHREALTIME
  "$@"
  end=$EPOCHREALTIME
  echo "$((${end/./} - ${begin/./}))"
done
