# find.bash TOP COUNT: goes through all files of a file system, again and again. Prints the microseconds of each time but the
# first, which reads them from the disk.
# shellcheck source=integration/software/start.bash
source /software/start.bash

for ((i = 0; i <= $2; i++)); do
  begin=$EPOCHREALTIME
  find "$1" -xdev >/dev/null
  end=$EPOCHREALTIME
  if ((i > 0)); then echo "$((${end/./} - ${begin/./}))"; fi
done
