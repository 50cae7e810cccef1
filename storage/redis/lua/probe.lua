-- See whether the server can hold a log.
-- KEYS: a stream that is ours to make and remove
-- Reply: OK | OLD and why | EVICTS and the policy
local id = redis.pcall('XADD', KEYS[1], '0-*', 'p', '')
if type(id) == 'table' and id.err then
  if string.find(id.err, 'Invalid stream ID', 1, true) then return { 'OLD', id.err } end
  return id
end
redis.call('DEL', KEYS[1])
local memory = redis.pcall('INFO', 'memory') -- where the user may not ask, trust
if type(memory) ~= 'string' then return { 'OK' } end
local most = tonumber(string.match(memory, 'maxmemory:(%d+)') or '0')
local policy = string.match(memory, 'maxmemory_policy:([%w-]+)') or 'noeviction'
if most > 0 and string.sub(policy, 1, 7) == 'allkeys' then return { 'EVICTS', policy } end
return { 'OK' }
