#!lua flags=allow-oom
-- Fence a partition number off from older generations of a group.
-- KEYS: fence   ARGV: generation
-- Reply: OK | FENCED and the owner
local owner = redis.call('GET', KEYS[1])
if owner and tonumber(owner) > tonumber(ARGV[1]) then return { 'FENCED', owner } end
redis.call('SET', KEYS[1], ARGV[1])
return { 'OK' }
