"""What Valkey does for claims, each script in one step of its own: nothing else comes between its reads and its writes.

A claim is `p` and a token while somebody works on its event, and `d`, a token and what is kept of the event once that had
its effect. Every write sets an expiry. The keys of one call are in one slot of a cluster.

Scripts are sent whole each time: Valkey knows them by their digest, and one that came back empty needs no second try.
"""

from __future__ import annotations

CLAIM = """
local said = {}
for n, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if held and string.sub(held, 1, 1) == 'd' then
    said[n] = held
  elseif held and held ~= 'p' .. ARGV[1] then
    local left = redis.call('PTTL', key)
    if left < 0 then
      redis.call('PEXPIRE', key, ARGV[2])
      left = tonumber(ARGV[2])
    end
    said[n] = math.max(left, 1)
  else
    redis.call('SET', key, 'p' .. ARGV[1], 'PX', ARGV[2])
    said[n] = 0
  end
end
return said
"""
"""KEYS: claims; ARGV: token, lease in ms. Of each: 0, it is ours now (again); more, it is another's for so many ms; or what is
kept of it since its effect."""

RENEW = """
local said = {}
for n, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if not held or held == 'p' .. ARGV[1] then
    redis.call('SET', key, 'p' .. ARGV[1], 'PX', ARGV[2])
    said[n] = 1
  else
    said[n] = 0
  end
end
return said
"""
"""KEYS: claims; ARGV: token, lease in ms. Of each: whether it is still ours. One that has expired and that nobody has taken is."""

COMPLETE = """
local said = {}
for n, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if not held or held == 'p' .. ARGV[1] then
    redis.call('SET', key, 'd' .. ARGV[1] .. ARGV[2 + n], 'PX', ARGV[2])
    said[n] = 1
  elseif string.sub(held, 1, 17) == 'd' .. ARGV[1] then
    said[n] = 1
  else
    said[n] = 0
  end
end
return said
"""
"""KEYS: claims; ARGV: token, how long to keep in ms, and what to keep of each. Of each: whether it was ours, also when the
answer to an earlier call was lost. One that has expired and that nobody has taken is."""

RELEASE = """
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == 'p' .. ARGV[1] then
    redis.call('DEL', key)
  end
end
return 1
"""
"""KEYS: claims; ARGV: token. What is ours is nobody's then."""

FENCE = """
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
local fence = math.max(last + 1, now[1] * 1000000 + now[2], tonumber(ARGV[1]) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', fence), 'PX', ARGV[2])
return fence
"""
"""KEYS: a fence; ARGV: a floor, how long to keep it in ms. A fence above all before: also above those of a server that has lost
them, for it is not below the clock's microseconds (Lua's numbers are exact up to the year 2255)."""

HOLD = """
if tonumber(redis.call('GET', KEYS[1]) or '0') > tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""KEYS: a fence; ARGV: ours, how long to keep it in ms. Whether nobody has a higher one; a server that has lost it has it again."""

LOOK = """
local said = {}
for n, key in ipairs(KEYS) do
  local held = redis.call('GET', key)
  if held and string.sub(held, 1, 1) == 'd' then
    said[n] = held
  elseif held and held ~= 'p' .. ARGV[1] then
    said[n] = math.max(redis.call('PTTL', key), 1)
  else
    said[n] = 0
  end
end
return said
"""
"""What `CLAIM` would say."""
