#!lua flags=allow-oom
-- How many places the leader of admission says are free: none where sessions wait. It leads on for the length of a lease.
-- KEYS: leader string (a lease), places hash, line zset   ARGV: member, lease in ms, free places, then fields and values
-- Reply: 1, how many fields were not there before, and how many sessions wait | 0, 0 and 0 where another leads
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 0, 0, 0 } end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local waiting = redis.call('ZCARD', KEYS[3])
local added = redis.call('HSET', KEYS[2], 'free', waiting > 0 and '0' or ARGV[3], unpack(ARGV, 4))
return { 1, added, waiting }
