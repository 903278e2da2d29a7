-- KEYS: order, marks, prefixes, entry. ARGV: an epoch to begin if there is none, the channel.
local order = read_order(ARGV[1], ARGV[2])
local entry = redis.call('HMGET', KEYS[4], 'epoch', 'sequence', 'marks', 'at', 'body')
local time = now()
if entry[1] then
    if not over(order, entry[1], number(entry[2]), entry[3]) then
        return {order.epoch, order.sequence, time, number(entry[2]), entry[3], math.max(0, time - number(entry[4])), entry[5]}
    end
    redis.call('UNLINK', KEYS[4])
end
return {order.epoch, order.sequence, time}
