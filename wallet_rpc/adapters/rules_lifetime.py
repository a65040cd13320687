"""Lua scripts that write the rules of sessions and decide how long they are stored."""

from __future__ import annotations

LIFETIME = """
local function live_until(at)
  if at == '' then
    redis.call('PERSIST', KEYS[1])
    redis.call('HDEL', KEYS[1], 'until')
    return
  end
  local ends = redis.call('HGET', KEYS[1], 'until')
  if ends and tonumber(ends) >= tonumber(at) then return end
  redis.call('HSET', KEYS[1], 'until', at)
  redis.call('EXPIREAT', KEYS[1], at)
end
local function keep(entity_id)
  local at = redis.call('HGET', KEYS[1], 'keep')
  if not at then return end
  live_until(at)
  redis.call('HDEL', KEYS[1], 'keep')
  redis.call('SREM', KEYS[6], entity_id)
end
local function keep_for_outcome(ends)
  local at = redis.call('HGET', KEYS[1], 'keep')
  if not at then return end
  if at ~= '' then ends = math.min(ends, tonumber(at)) end
  live_until(string.format('%.0f', ends))
end
"""

KEEP = LIFETIME + "keep(ARGV[1])"
"""Lengthen the life of the rules of an unsigned session to that of the signed one; a repeat changes nothing.

Rules that are deleted already stay in the set of forgotten ones.
"""

WRITE = (
    LIFETIME
    + """
local name, set, version, replaces_all, forget_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local unsigned_until, entity_id = ARGV[6], ARGV[7]
if redis.call('HGET', KEYS[1], 'version') == version then return 0 end
local is_new = redis.call('EXISTS', KEYS[1]) == 0
if unsigned_until == '' then
  keep(entity_id)
  redis.call('SREM', KEYS[6], entity_id)
end
local is_permanent = redis.call('TTL', KEYS[1]) == -1
if replaces_all ~= '' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 2) == 's:' then redis.call('HDEL', KEYS[1], field) end
  end
end
if set == '' then redis.call('HDEL', KEYS[1], 's:' .. name) else redis.call('HSET', KEYS[1], 's:' .. name, set) end
local has_sets = false
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 2) == 's:' then has_sets = true end
end
if not has_sets then
  redis.call('SREM', KEYS[6], entity_id)
  return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
end
redis.call('HSET', KEYS[1], 'version', version)
if is_permanent then return 0 end
if unsigned_until == '' then
  live_until(forget_at)
elseif is_new then
  redis.call('HSET', KEYS[1], 'keep', forget_at)
  redis.call('SADD', KEYS[6], entity_id)
  live_until(unsigned_until)
end
return 0
"""
)
"""Replace one set of rules, or all sets; a repeat with the same version changes nothing.

Without any rule left, what counted against them is deleted too. The rules of an unsigned session are deleted earlier,
unless they are kept (`keep`: until when); the set of forgotten rules has its entity id until then. A life is never
shortened.
"""
