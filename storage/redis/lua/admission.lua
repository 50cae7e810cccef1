-- Who leads the admission of sessions, and how many places that leader says are free.
-- KEYS: leader string, places hash
-- ARGV: verb, member, then  lead: lease ms | publish: free places, then fields and values | resign: nothing
-- Reply: 1 if the member leads, 0 if it does not and nothing was changed
local LEADER, PLACES = KEYS[1], KEYS[2]
local verb, member = ARGV[1], ARGV[2]
local leader = redis.call('GET', LEADER)

if verb == 'lead' then
  if leader and leader ~= member then return 0 end
  redis.call('SET', LEADER, member, 'PX', ARGV[3])
  return 1
end
if leader ~= member then return 0 end
if verb == 'publish' then
  redis.call('HSET', PLACES, 'free', ARGV[3])
  for at = 4, #ARGV, 2 do redis.call('HSET', PLACES, ARGV[at], ARGV[at + 1]) end
  return 1
elseif verb == 'resign' then
  redis.call('DEL', LEADER)
  return 1
end
return redis.error_reply('unknown verb')
