#!lua flags=allow-oom
-- Store a group's next offsets of one partition number.
-- KEYS: offsets, fence   ARGV: generation or '', then topic and offset pairs
-- Reply: OK | FENCED and the owner
if ARGV[1] ~= '' then
  local owner = redis.call('GET', KEYS[2])
  if owner and tonumber(owner) > tonumber(ARGV[1]) then return { 'FENCED', owner } end
end
for at = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return { 'OK' }
