#!lua flags=allow-oom
-- How many places the leader of admission says are free.
-- KEYS: leader string (a lease), places hash   ARGV: member, free places, then fields and values
-- Reply: 1 and how many fields were not there before | 0 and 0 where the member does not lead: nothing was changed
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return { 0, 0 } end
return { 1, redis.call('HSET', KEYS[2], 'free', ARGV[2], unpack(ARGV, 3)) }
