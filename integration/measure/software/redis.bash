# redis.bash COUNT: redis-benchmark's fifty clients against a redis-server. Prints what it measured, as CSV.
# shellcheck source=integration/software/start.bash
source /software/start.bash

redis-server --bind 127.0.0.1 --port 6379 --save '' --daemonize yes --logfile redis.log >/dev/null
wait_for_port 6379
redis-benchmark -h 127.0.0.1 -p 6379 -n "$1" -q --csv -t set,get
redis-cli -h 127.0.0.1 shutdown nosave
