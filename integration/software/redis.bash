# redis-benchmark's fifty clients against a redis-server.
# shellcheck source=integration/software/start.bash
source /software/start.bash

redis-server --bind 0.0.0.0 --protected-mode no --port 6379 --save '' --daemonize yes --logfile redis.log >/dev/null
wait_for_port 6379
redis-benchmark -h 127.0.0.1 -p 6379 -n 2000 -q --csv -t set,get,incr,lpush,mset 2>&1 | cut -d, -f1
redis-cli -h 127.0.0.1 set key value
redis-cli -h 127.0.0.1 get key
redis-cli -h 127.0.0.1 get counter:__rand_int__
redis-cli -h 127.0.0.1 eval 'return redis.call("dbsize")' 0
beyond 6379
redis-cli -h 127.0.0.1 shutdown nosave
