-- Fence a partition off from older generations.   KEYS: fence   ARGV: generation
local owner = redis.call('GET', KEYS[1])
if owner and tonumber(owner) > tonumber(ARGV[1]) then return {'FENCED', owner} end
redis.call('SET', KEYS[1], ARGV[1])
return {'OK'}
