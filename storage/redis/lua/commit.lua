#!lua flags=allow-oom
-- Store a group's next offsets of one partition number.
-- KEYS: offsets, fence
-- ARGV: generation or '', the run of the server that the offsets are of or '', then topic and offset pairs
-- Reply: OK | FENCED and the owner | RESTARTED: the offsets may be of entries that were lost
-- part: opening
if ARGV[1] ~= '' then
  local owner = redis.call('GET', KEYS[2])
  -- what was claimed and is not any more was on a server that somebody has emptied since
  if not owner or tonumber(owner) > tonumber(ARGV[1]) then return { 'FENCED', owner or '' } end
end
if ARGV[2] ~= '' and ARGV[2] ~= server_run() then return { 'RESTARTED' } end
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return { 'OK' }
