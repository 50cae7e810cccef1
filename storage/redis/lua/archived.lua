#!lua flags=allow-oom
-- Note that batches of a scope are archived, and drop them from its index.
-- KEYS: scope, index   ARGV: what was noted last, what to note, then topic and offset pairs: batches
--   of the topic that lie below the offset are archived
-- Reply: 1 if noted, 0 if something else was noted last or the scope is unknown
local STEP = 500
local scope, index = KEYS[1], KEYS[2]
if redis.call('EXISTS', scope) == 0 or redis.call('HEXISTS', scope, 'forgotten') == 1 then return 0 end
if (redis.call('HGET', scope, 'archive') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', scope, 'archive', ARGV[2])

local function drop(topic, below)
  local from = '[' .. topic .. ':'
  while true do
    local members = redis.call('ZRANGEBYLEX', index, from, '(' .. topic .. ';', 'LIMIT', 0, STEP)
    for _, member in ipairs(members) do
      if tonumber(string.match(member, '(%d+)$')) < below then redis.call('ZREM', index, member) end
    end
    if #members < STEP then return end
    from = '(' .. members[#members]
  end
end

for at = 3, #ARGV, 2 do drop(ARGV[at], tonumber(ARGV[at + 1])) end
return 1
