-- KEYS: order, marks, prefixes, entry.
-- ARGV: epoch and sequence of its fence, marks, when it was made (the server's milliseconds), how long it is kept, body, channel.
local order = read_order(ARGV[1], ARGV[7])
if over(order, ARGV[1], number(ARGV[2]), ARGV[3]) then
    return 0
end
local time, kept = now(), number(ARGV[5])
local at = math.min(number(ARGV[4]), time)
local left = at + kept - time
if left <= 0 then
    return 0
end
redis.call('DEL', KEYS[4])
redis.call('HSET', KEYS[4], 'epoch', ARGV[1], 'sequence', ARGV[2], 'marks', ARGV[3], 'at', string.format('%.0f', at), 'body', ARGV[6])
redis.call('PEXPIRE', KEYS[4], string.format('%.0f', left))
if kept > order.longest then
    -- What was invalidated must be remembered for as long as what it voids could live.
    redis.call('HSET', ORDER, 'longest', string.format('%.0f', kept))
    redis.call('PEXPIRE', MARKS, string.format('%.0f', kept), 'GT')
    redis.call('PEXPIRE', PREFIXES, string.format('%.0f', kept), 'GT')
end
return 1
