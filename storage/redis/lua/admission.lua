#!lua flags=allow-oom
-- How many places the leader of admission says are free.
-- KEYS: leader string (a lease), places hash   ARGV: member, free places, then fields and values
-- Reply: 1 if the member leads, 0 if it does not and nothing was changed
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'free', ARGV[2], unpack(ARGV, 3))
return 1
