#!lua flags=allow-oom
-- A lease that one member holds at a time.
-- KEYS: the lease (string)   ARGV: take or give, member, length in ms where it is taken
-- Reply: 1 if the member has it, or gave it up; 0 if it is another's and nothing was changed
local holder = redis.call('GET', KEYS[1])
if ARGV[1] == 'give' then
  if holder ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[1])
  return 1
end
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
