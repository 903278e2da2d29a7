-- KEYS: order, marks, prefixes. ARGV: an epoch to begin, the channel.
-- Each new connection asks. Whoever has found another server than the last one (restarted, or one that took over) begins an
-- epoch: what the last one acknowledged may be lost here.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
if redis.call('HGET', ORDER, 'run') ~= run then
    begin_epoch(ARGV[1], run, ARGV[2])
end
local order = read_order(ARGV[1], ARGV[2])
return {order.epoch, order.sequence, now()}
